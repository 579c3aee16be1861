/* SPDX-License-Identifier: MIT */
/*
 * What kgc_kind_stats() says of explicit memory agrees with jemalloc, with
 * itself, and with the kernel's /proc/self/smaps.
 *
 * Margins.  Memory that is written is in memory, so Rss is at least what the
 * blocks hold, and at most what the hooks have handed out.  `resident` counts
 * pages by mincore(2), and Rss those that this process has mapped:
 *   - private memory: the same pages, so both agree to the byte while nobody
 *     allocates;
 *   - files: mincore() also counts pages in the page cache that this process
 *     has not touched, and the kernel maps up to 64 KiB around a page that is
 *     touched (fault_around_bytes), so they differ by as much for each extent
 *     that was not written as a whole.
 */
#include "base/size.h"
#include "suite.h"
#include "support/extents.h"
#include "support/system.h"
#include <kindgc/arena.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

/* Rss of all mappings inside a kind's range, as the kernel writes it. */
static size_t rss_of_range(const kgc_kind *kind)
{
    uintptr_t base = (uintptr_t)kind->space.range.base, size = kind->space.range.size;
    FILE *smaps = fopen("/proc/self/smaps", "r");
    char line[512];
    size_t sum = 0, kib;
    bool inside = false, across = false;
    ck_assert_ptr_nonnull(smaps);
    while (fgets(line, sizeof line, smaps) != NULL) {
        unsigned long start, end;
        if (sscanf(line, "%lx-%lx ", &start, &end) == 2) {
            inside = start >= base && end <= base + size;
            across = !inside && end > base && start < base + size;
        } else if ((inside || across) && sscanf(line, "Rss: %zu kB", &kib) == 1) {
            ck_assert(inside || kib == 0); /* reserved, joined with a neighbour */
            sum += kib * 1024;
        }
    }
    fclose(smaps);
    return sum;
}

/* Nothing else is to lie right behind the range: the kernel would make one
   mapping of both, with one Rss. */
static void keep_apart(const kgc_kind *kind)
{
    mmap(kind->space.range.base + kind->space.range.size, PAGE, PROT_NONE,
         MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0); /* fails where there is a neighbour */
}

enum { BLOCKS = 600 };
static void *blocks[BLOCKS];

static size_t nth_size(int i)
{
    return i % 60 == 0 ? 3 * KGC_MIB + 5 : i % 10 == 0 ? 200 * KGC_KIB : (size_t)(i % 97) * 31 + 1;
}

/* Returns the bytes that may be used of what was allocated and written. */
static size_t allocate_all(kgc_kind *kind)
{
    size_t sum = 0;
    for (int i = 0; i < BLOCKS; i++) {
        blocks[i] = kgc_kind_malloc(kind, nth_size(i));
        ck_assert_ptr_nonnull(blocks[i]);
        size_t usable = kgc_kind_usable_size(kind, blocks[i]);
        memset(blocks[i], 1, usable);
        sum += usable;
    }
    return sum;
}

static void free_all(kgc_kind *kind)
{
    for (int i = 0; i < BLOCKS; i++)
        kgc_kind_free(kind, blocks[i]);
}

static void check(kgc_kind *kind, size_t margin)
{
    size_t sum = allocate_all(kind), rss = rss_of_range(kind);
    kgc_kind_info info = stats_of(kind);
    ck_assert_uint_eq(info.allocated, sum); /* exact */
    ck_assert_uint_ge(info.active, info.allocated + info.cached);
    ck_assert_uint_eq(info.explicit_bytes, info.active + info.dirty + info.retained);
    ck_assert_uint_eq(info.committed, info.explicit_bytes);
    ck_assert_uint_ge(info.resident, sum);
    ck_assert_uint_le(info.resident, info.explicit_bytes + margin);
    ck_assert_uint_le(rss, info.resident + margin);
    ck_assert_uint_le(info.resident, rss + margin);

    free_all(kind);
    info = stats_of(kind);
    ck_assert_uint_eq(info.allocated, 0);
    ck_assert_uint_gt(info.cached, 0);
    ck_assert_int_eq(kgc_kind_purge(kind), 0);
    info = stats_of(kind);
    rss = rss_of_range(kind);
    ck_assert_uint_eq(info.cached, 0);
    ck_assert_uint_eq(info.active, 0);
    ck_assert_uint_eq(info.dirty, 0);
    ck_assert_uint_eq(info.retained, info.explicit_bytes);
    ck_assert_uint_le(rss, info.resident + margin);
    ck_assert_uint_le(info.resident, margin);
    ck_assert_uint_ge(info.purged, sum); /* pages of which a part was used went as well */
}

START_TEST(ordinary)
{
    kgc_kind *kind = open_kind("default");
    keep_apart(kind);
    check(kind, 0);
    check(kind, 0); /* with addresses that were used before */
    close_kind(kind);
}
END_TEST

START_TEST(file)
{
    kgc_kind *kind = open_kind("file:/var/tmp,limit=1G");
    keep_apart(kind);
    check(kind, KGC_MIB);
    check(kind, KGC_MIB);
    close_kind(kind);
}
END_TEST

/* A tier's numbers are its members' sums. */
START_TEST(tier)
{
    kgc_kind *kind = open_kind("tier:default@16M+default");
    size_t sum = allocate_all(kind);
    kgc_kind_info info = stats_of(kind), first = stats_of(kind->member[0]),
                  second = stats_of(kind->member[1]);
    ck_assert_uint_eq(info.allocated, sum);
    ck_assert_uint_gt(first.explicit_bytes, 0);
    ck_assert_uint_gt(second.explicit_bytes, 0);
    ck_assert_uint_eq(info.explicit_bytes, first.explicit_bytes + second.explicit_bytes);
    ck_assert_uint_eq(info.resident, first.resident + second.resident);
    ck_assert_uint_ge(info.resident, sum);
    ck_assert_uint_eq(info.explicit_bytes, info.active + info.dirty + info.retained);
    free_all(kind);
    ck_assert_int_eq(kgc_kind_purge(kind), 0);
    info = stats_of(kind);
    ck_assert_uint_eq(info.allocated, 0);
    ck_assert_uint_eq(info.resident, 0);
    close_kind(kind);
}
END_TEST

/* Each function that makes, moves or ends a block keeps the sum exact. */
START_TEST(exact_after_every_step)
{
    kgc_kind *kind = open_kind("default"), *other = open_kind("default");
    unsigned random = 4;
    size_t sum = 0;
    memset(blocks, 0, sizeof blocks);
    for (int step = 0; step < 3000; step++) {
        random = random * 1664525 + 1013904223;
        void **at = &blocks[random >> 8 & 63];
        size_t size = (size_t)1 << (random >> 16 & 31) % 23;
        size += random >> 24;
        sum -= kgc_kind_usable_size(NULL, *at);
        if (*at == NULL && step % 3 == 0)
            ck_assert_int_eq(kgc_kind_posix_memalign(kind, at, (size_t)16 << step % 12, size), 0);
        else if (*at == NULL)
            *at = step % 2 == 0 ? kgc_kind_calloc(kind, 1, size) : kgc_kind_malloc(kind, size);
        else if (step % 5 == 0)
            *at = kgc_kind_realloc(kind, kgc_kind_realloc(other, *at, size), size / 2 + 1);
        else if (step % 5 < 3)
            *at = kgc_kind_realloc(kind, *at, size);
        else
            kgc_kind_free(NULL, *at), *at = NULL;
        sum += kgc_kind_usable_size(NULL, *at);
        if (step % 16 == 0) {
            ck_assert_uint_eq(stats_of(kind).allocated, sum);
            ck_assert_uint_eq(stats_of(other).allocated, 0);
        }
    }
    for (int i = 0; i < BLOCKS; i++)
        kgc_kind_free(NULL, blocks[i]);
    ck_assert_uint_eq(stats_of(kind).allocated, 0);
    ck_assert_int_eq(kgc_kind_purge(kind), 0);
    ck_assert_int_eq(kgc_kind_purge(other), 0);
    ck_assert_uint_eq(stats_of(kind).active, 0);
    ck_assert_uint_eq(stats_of(other).active, 0);
    close_kind(kind);
    close_kind(other);
}
END_TEST

static _Atomic bool stop;

static void *look_all_the_time(void *kind)
{
    kgc_kind_info info;
    while (!atomic_load(&stop))
        if (kgc_kind_stats(kind, &info) != 0 || info.arenas > 1 || info.caches > 1 ||
            info.allocated > KGC_GIB)
            return kind;
    return NULL;
}

/* Statistics may be asked for at any time, also at the kind's first use. */
START_TEST(during_first_use)
{
    for (int round = 0; round < 100; round++) {
        kgc_kind *kind = open_kind("default,arenas=1");
        pthread_t thread;
        void *wrong;
        atomic_store(&stop, false);
        ck_assert_int_eq(pthread_create(&thread, NULL, look_all_the_time, kind), 0);
        for (int i = 0; i < 100; i++)
            kgc_kind_free(NULL, kgc_kind_malloc(kind, nth_size(i)));
        atomic_store(&stop, true);
        pthread_join(thread, &wrong);
        ck_assert_ptr_null(wrong);
        close_kind(kind);
    }
}
END_TEST

SUITE("statistics of explicit memory", ordinary, file, tier, exact_after_every_step, during_first_use)
