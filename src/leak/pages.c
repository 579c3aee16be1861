/* SPDX-License-Identifier: MIT */
/* Pages that hold something: see pages.h.  Linux 6.7 and later tell whole
   stretches; before, /proc/self/pagemap has a word for each page. */
#include "leak/pages.h"
#include "leak/raw.h"
#include "os/os.h"
#include <errno.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/types.h>

/* linux/fs.h of 6.7 */
struct region {
    uint64_t start, end, categories;
};
struct scan {
    uint64_t size, flags, start, end, walk_end, regions, room, most_pages, inverted, all, any, wanted;
};
#define SCAN    _IOWR('f', 16, struct scan)
#define OF_FILE (UINT64_C(1) << 2)
#define PRESENT (UINT64_C(1) << 3)
#define SWAPPED (UINT64_C(1) << 4)
#define ZERO    (UINT64_C(1) << 5)

enum { REGIONS = 64, BATCH = 512 };

bool kgc__pages_old_kernel;

static int scan(int fd, uintptr_t lo, uintptr_t hi, kgc__pages_fn *fn, void *arg)
{
    struct region region[REGIONS];
    struct scan s = {.size = sizeof s,
                     .start = lo,
                     .end = hi,
                     .regions = (uintptr_t)region,
                     .room = REGIONS,
                     .inverted = OF_FILE | ZERO,
                     .all = OF_FILE | ZERO,
                     .any = PRESENT | SWAPPED,
                     .wanted = PRESENT | SWAPPED};
    while (s.start < hi) {
        long n = kgc__raw(SYS_ioctl, fd, SCAN, &s, 0);
        if (n == -EINTR)
            continue;
        if (n < 0)
            return (int)-n;
        for (long i = 0; i < n; i++)
            fn(region[i].start, region[i].end, (region[i].categories & SWAPPED) != 0, arg);
        if (s.walk_end <= s.start)
            return EIO;
        s.start = s.walk_end;
    }
    return 0;
}

/* Bits of a word of pagemap. */
#define MAP_PRESENT (UINT64_C(1) << 63)
#define MAP_SWAPPED (UINT64_C(1) << 62)
#define MAP_OF_FILE (UINT64_C(1) << 61)

static int look(int fd, uintptr_t lo, uintptr_t hi, kgc__pages_fn *fn, void *arg)
{
    size_t page = kgc__page_size();
    uint64_t entry[BATCH];
    while (lo < hi) {
        size_t n = (hi - lo) / page < BATCH ? (hi - lo) / page : BATCH;
        ssize_t got = kgc__os.pread(fd, entry, n * sizeof entry[0], (off_t)(lo / page * sizeof entry[0]));
        if (got != (ssize_t)(n * sizeof entry[0]))
            return got < 0 ? errno : EIO;
        for (size_t i = 0, end; i < n; i = end) {
            const uint64_t bits = MAP_PRESENT | MAP_SWAPPED | MAP_OF_FILE;
            for (end = i + 1; end < n && ((entry[end] ^ entry[i]) & bits) == 0; end++)
                ;
            if ((entry[i] & (MAP_PRESENT | MAP_SWAPPED)) != 0 && (entry[i] & MAP_OF_FILE) == 0)
                fn(lo + i * page, lo + end * page, (entry[i] & MAP_SWAPPED) != 0, arg);
        }
        lo += n * page;
    }
    return 0;
}

int kgc__pages_visit(int fd, uintptr_t lo, uintptr_t hi, kgc__pages_fn *fn, void *arg)
{
    if (!__atomic_load_n(&kgc__pages_old_kernel, __ATOMIC_RELAXED)) {
        int error = scan(fd, lo, hi, fn, arg);
        if (error != ENOTTY && error != EINVAL)
            return error;
        __atomic_store_n(&kgc__pages_old_kernel, true, __ATOMIC_RELAXED);
    }
    return look(fd, lo, hi, fn, arg);
}
