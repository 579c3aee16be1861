/* SPDX-License-Identifier: MIT */
/*
 * mallinfo(3) and the like: glibc's names for what the library counts.  With
 * malloc=off, glibc's own functions.
 */
#include "dropin/dropin.h"
#include "dropin/foreign.h"
#include "leak/start.h"
#include "rooted/usage.h"
#include <errno.h>
#include <limits.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>

#define PUBLIC __attribute__((visibility("default")))

/* Nothing in fork's handlers, where the locks are held. */
static void count(struct kgc__rooted_usage *u)
{
    memset(u, 0, sizeof *u);
    if (!kgc__forking())
        kgc__rooted_usage(u);
}

/* One arena, all of it "ordinary"; what threads keep for reuse stands for its "fast" blocks. */
PUBLIC struct mallinfo2 mallinfo2(void)
{
    if (kgc__server() == KGC__LIBC)
        return KGC__LIBC_FUNCTION(mallinfo2)();
    struct kgc__rooted_usage u;
    count(&u);
    return (struct mallinfo2){
        .arena = u.held,
        .ordblks = u.dirty != 0,
        .smblks = u.cached_blocks,
        .fsmblks = u.cached,
        .uordblks = u.allocated,
        .fordblks = u.held > u.allocated ? u.held - u.allocated : 0,
        .keepcost = u.dirty,
    };
}

/* int, as ever: numbers above 2 GiB wrap, as glibc's do. */
PUBLIC struct mallinfo mallinfo(void)
{
    struct mallinfo2 m = mallinfo2();
    return (struct mallinfo){
        .arena = (int)m.arena,
        .ordblks = (int)m.ordblks,
        .smblks = (int)m.smblks,
        .hblks = (int)m.hblks,
        .hblkhd = (int)m.hblkhd,
        .usmblks = (int)m.usmblks,
        .fsmblks = (int)m.fsmblks,
        .uordblks = (int)m.uordblks,
        .fordblks = (int)m.fordblks,
        .keepcost = (int)m.keepcost,
    };
}

PUBLIC int malloc_trim(size_t keep)
{
    if (kgc__server() == KGC__LIBC)
        return KGC__LIBC_FUNCTION(malloc_trim)(keep);
    if (kgc__forking())
        return 0;
    int saved = errno;
    kgc__leak_trim();
    bool gave = kgc__rooted_purge();
    errno = saved;
    return gave;
}

PUBLIC void malloc_stats(void)
{
    if (kgc__server() == KGC__LIBC) {
        KGC__LIBC_FUNCTION(malloc_stats)();
        return;
    }
    struct kgc__rooted_usage u;
    count(&u);
    fprintf(stderr,
            "Arena 0:\nsystem bytes     = %10zu\nin use bytes     = %10zu\n"
            "Total (incl. mmap):\nsystem bytes     = %10zu\nin use bytes     = %10zu\n"
            "max mmap regions = %10d\nmax mmap bytes   = %10d\n",
            u.held, u.allocated, u.held, u.allocated, 0, 0);
}

PUBLIC int malloc_info(int options, FILE *file)
{
    if (kgc__server() == KGC__LIBC)
        return KGC__LIBC_FUNCTION(malloc_info)(options, file);
    if (options != 0) { /* as glibc: the error, not -1 */
        errno = EINVAL;
        return EINVAL;
    }
    struct kgc__rooted_usage u;
    count(&u);
    fprintf(file,
            "<malloc version=\"1\">\n"
            "<heap nr=\"0\">\n"
            "<total type=\"fast\" count=\"%zu\" size=\"%zu\"/>\n"
            "<total type=\"rest\" count=\"%d\" size=\"%zu\"/>\n"
            "<system type=\"current\" size=\"%zu\"/>\n"
            "</heap>\n"
            "<total type=\"used\" size=\"%zu\"/>\n"
            "<total type=\"purged\" size=\"%zu\"/>\n"
            "<system type=\"current\" size=\"%zu\"/>\n"
            "</malloc>\n",
            u.cached_blocks, u.cached, u.dirty != 0, u.dirty, u.held, u.allocated, u.purged, u.held);
    return 0;
}

/* Hints on glibc's own ways are taken and mean nothing here.  1: that is fine; 0: not so. */
PUBLIC int mallopt(int parameter, int value)
{
    if (kgc__server() == KGC__LIBC)
        return KGC__LIBC_FUNCTION(mallopt)(parameter, value);
    switch (parameter) {
    case M_MXFAST:
        return value >= 0 && (size_t)value <= 80 * sizeof(size_t) / 4;
    case M_TRIM_THRESHOLD:
    case M_TOP_PAD:
    case M_MMAP_THRESHOLD:
    case M_MMAP_MAX:
    case M_CHECK_ACTION:
    case M_ARENA_TEST:
    case M_ARENA_MAX:
        return 1;
    case M_PERTURB:
        return value == 0;
    default:
        return 0;
    }
}
