/* SPDX-License-Identifier: MIT */
/*
 * /proc/self/pagemap tells for each page whether it is in memory or in swap;
 * an anonymous page that is neither has no contents.  mincore(2) would not do:
 * to it a page in swap is like one that never was.
 */
#include "os/zero.h"
#include "base/size.h"
#include "os/os.h"
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#define IN_MEMORY (UINT64_C(1) << 63)
#define IN_SWAP   (UINT64_C(1) << 62)
enum { BATCH = 256 }; /* pages looked up at once: 2 KiB of stack */

static void zero_used(int fd, char *p, char *end)
{
    size_t page = kgc__page_size();
    uint64_t entries[BATCH];
    while (p < end) {
        size_t pages = (size_t)(end - p) / page;
        if (pages > BATCH)
            pages = BATCH;
        off_t offset = (off_t)((uintptr_t)p / page * sizeof entries[0]);
        ssize_t got = kgc__os.pread(fd, entries, pages * sizeof entries[0], offset);
        if (got != (ssize_t)(pages * sizeof entries[0])) {
            memset(p, 0, (size_t)(end - p));
            return;
        }
        for (size_t i = 0; i < pages; i++)
            if ((entries[i] & (IN_MEMORY | IN_SWAP)) != 0)
                memset(p + i * page, 0, page);
        p += pages * page;
    }
}

void kgc__os_zero_anonymous(void *start, size_t size)
{
    char *p = start, *end = p + size;
    char *first = (char *)kgc__round_up((uintptr_t)p, kgc__page_size());
    char *last = (char *)kgc__round_down((uintptr_t)end, kgc__page_size());
    int fd = first < last ? kgc__os.open("/proc/thread-self/pagemap", O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0) {
        memset(p, 0, size);
        return;
    }
    memset(p, 0, (size_t)(first - p));
    zero_used(fd, first, last);
    memset(last, 0, (size_t)(end - last));
    close(fd);
}
