/* SPDX-License-Identifier: MIT */
/* Readers of /proc and /sys: see proc.h. */
#include "os/proc.h"
#include "base/size.h"
#include "os/os.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool kgc__proc_read(const char *path, char *text, size_t size)
{
    text[0] = '\0';
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    size_t n = 0;
    while (n < size - 1) {
        ssize_t k = read(fd, text + n, size - 1 - n);
        if (k < 0 && errno == EINTR)
            continue;
        if (k <= 0)
            break;
        n += (size_t)k;
    }
    text[n] = '\0';
    close(fd);
    return true;
}

size_t kgc__proc_number(const char *path, size_t fallback)
{
    char text[32];
    return kgc__proc_read(path, text, sizeof text) ? strtoul(text, NULL, 10) : fallback;
}

size_t kgc__proc_address_space(void)
{
    return kgc__proc_number("/proc/thread-self/statm", 0) * kgc__page_size();
}

/* Lines of a file, one at a time, from a fixed buffer. */
struct lines {
    int fd;
    size_t start, end;
    char buffer[4096];
};

static char *next_line(struct lines *l)
{
    for (;;) {
        char *newline = memchr(l->buffer + l->start, '\n', l->end - l->start);
        if (newline != NULL) {
            char *line = l->buffer + l->start;
            *newline = '\0';
            l->start = (size_t)(newline + 1 - l->buffer);
            return line;
        }
        if (l->start == 0 && l->end == sizeof l->buffer)
            l->end = 0; /* a line longer than the buffer: only a path can be; its end is skipped */
        memmove(l->buffer, l->buffer + l->start, l->end - l->start);
        l->end -= l->start;
        l->start = 0;
        ssize_t k = read(l->fd, l->buffer + l->end, sizeof l->buffer - l->end);
        if (k < 0 && errno == EINTR)
            continue;
        if (k <= 0)
            return NULL;
        l->end += (size_t)k;
    }
}

void kgc__proc_visit_lines(const char *path, bool (*fn)(char *, void *), void *arg)
{
    struct lines l = {.fd = open(path, O_RDONLY | O_CLOEXEC)};
    if (l.fd < 0)
        return;
    for (char *line; (line = next_line(&l)) != NULL && fn(line, arg);)
        ;
    close(l.fd);
}

static bool read_kilobytes(const char *line, const char *key, size_t *sum)
{
    size_t length = strlen(key);
    if (strncmp(line, key, length) != 0 || line[length] != ':')
        return false;
    *sum += strtoul(line + length + 1, NULL, 10) * 1024;
    return true;
}

size_t kgc__proc_visit_mappings(bool (*fn)(const struct kgc__mapping *, void *), void *arg)
{
    struct lines l = {.fd = open("/proc/thread-self/smaps", O_RDONLY | O_CLOEXEC)};
    if (l.fd < 0)
        return 0;
    size_t count = 0;
    bool wanted = true;
    struct kgc__mapping m = {0};
    for (char *line; (line = next_line(&l)) != NULL;) {
        char *dash, *blank;
        uintptr_t start = strtoul(line, &dash, 16);
        if (dash != line && *dash == '-') {
            if (count++ != 0 && wanted)
                wanted = fn(&m, arg);
            m = (struct kgc__mapping){.start = start, .end = strtoul(dash + 1, &blank, 16)};
        } else if (read_kilobytes(line, "Rss", &m.resident)) {
            continue;
        } else if (read_kilobytes(line, "AnonHugePages", &m.huge) ||
                   read_kilobytes(line, "ShmemPmdMapped", &m.huge) ||
                   read_kilobytes(line, "FilePmdMapped", &m.huge)) {
            continue;
        } else {
            /* Explicit huge pages are not in Rss. */
            size_t explicit_huge = 0;
            if (read_kilobytes(line, "Private_Hugetlb", &explicit_huge) ||
                read_kilobytes(line, "Shared_Hugetlb", &explicit_huge)) {
                m.huge += explicit_huge;
                m.resident += explicit_huge;
            }
        }
    }
    close(l.fd);
    if (count != 0 && wanted)
        fn(&m, arg);
    return count;
}

size_t kgc__proc_kilobytes(const char *path, const char *key)
{
    struct lines l = {.fd = open(path, O_RDONLY | O_CLOEXEC)};
    size_t bytes = SIZE_MAX, length = strlen(key);
    if (l.fd < 0)
        return SIZE_MAX;
    for (char *line; bytes == SIZE_MAX && (line = next_line(&l)) != NULL;) {
        char *colon = strchr(line, ':'); /* "MemFree: 1 kB", or "Node 0 MemFree: 1 kB" */
        if (colon == NULL || (size_t)(colon - line) < length || memcmp(colon - length, key, length) != 0)
            continue;
        if (colon - length == line || colon[-(ptrdiff_t)length - 1] == ' ')
            bytes = strtoul(colon + 1, NULL, 10) * 1024;
    }
    close(l.fd);
    return bytes;
}

int kgc__proc_check_writable(const void *p, size_t size)
{
    struct lines l = {.fd = open("/proc/thread-self/maps", O_RDONLY | O_CLOEXEC)};
    uintptr_t at = (uintptr_t)p, end = at + size;
    if (l.fd < 0)
        return errno;
    for (char *line; at < end && (line = next_line(&l)) != NULL;) {
        char *dash, *blank;
        uintptr_t start = strtoul(line, &dash, 16);
        if (dash == line || *dash != '-')
            continue; /* the rest of a long line */
        uintptr_t stop = strtoul(dash + 1, &blank, 16);
        if (stop <= at)
            continue;
        if (start > at || blank[1] != 'r' || blank[2] != 'w')
            break;
        at = stop;
    }
    close(l.fd);
    return at >= end ? 0 : EFAULT;
}

size_t kgc__proc_count_mappings(void)
{
    char text[16384];
    size_t count = 0;
    int fd = open("/proc/thread-self/maps", O_RDONLY | O_CLOEXEC);
    for (ssize_t n; fd >= 0 && ((n = read(fd, text, sizeof text)) > 0 || (n < 0 && errno == EINTR));)
        for (ssize_t i = 0; i < n; i++)
            count += text[i] == '\n';
    if (fd >= 0)
        close(fd);
    return count;
}

struct query {
    uintptr_t start, end;
    struct kgc__residency sum;
};

static bool add_share(const struct kgc__mapping *m, void *arg)
{
    struct query *q = arg;
    uintptr_t start = m->start > q->start ? m->start : q->start;
    uintptr_t end = m->end < q->end ? m->end : q->end;
    if (start < end) {
        double share = (double)(end - start) / (double)(m->end - m->start);
        q->sum.resident += (size_t)((double)m->resident * share);
        q->sum.huge += (size_t)((double)m->huge * share);
    }
    return m->end < q->end;
}

struct kgc__residency kgc__proc_residency(const void *p, size_t size)
{
    struct query q = {.start = (uintptr_t)p, .end = (uintptr_t)p + size};
    kgc__proc_visit_mappings(add_share, &q);
    return q.sum;
}

size_t kgc__proc_resident(const void *p, size_t size)
{
    unsigned char present[2048];
    size_t page = kgc__page_size(), pages = 0;
    char *at = (char *)p, *end = at + size;
    while (at < end) {
        size_t length = (size_t)(end - at) < sizeof present * page ? (size_t)(end - at) : sizeof present * page;
        if (kgc__os.mincore(at, length, present) != 0)
            return SIZE_MAX;
        for (size_t i = 0; i < (length + page - 1) / page; i++)
            pages += present[i] & 1;
        at += length;
    }
    return pages * page;
}

static size_t pool_number(unsigned shift, const char *what)
{
    char path[128];
    snprintf(path, sizeof path, "/sys/kernel/mm/hugepages/hugepages-%zukB/%s", ((size_t)1 << shift) / 1024, what);
    return kgc__proc_number(path, SIZE_MAX);
}

bool kgc__proc_hugetlb(unsigned shift, struct kgc__hugetlb_pool *out)
{
    *out = (struct kgc__hugetlb_pool){
        .total = pool_number(shift, "nr_hugepages"),
        .free = pool_number(shift, "free_hugepages"),
        .reserved = pool_number(shift, "resv_hugepages"),
        .overcommit = pool_number(shift, "nr_overcommit_hugepages"),
        .surplus = pool_number(shift, "surplus_hugepages"),
    };
    return out->total != SIZE_MAX;
}

size_t kgc__proc_thp_size(void)
{
    char text[64];
    if (!kgc__proc_read("/sys/kernel/mm/transparent_hugepage/enabled", text, sizeof text) ||
        strstr(text, "[never]") != NULL)
        return 0;
    return kgc__proc_number("/sys/kernel/mm/transparent_hugepage/hpage_pmd_size", 2 * KGC_MIB);
}
