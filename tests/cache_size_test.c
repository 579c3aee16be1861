/* SPDX-License-Identifier: MIT */
/*
 * How many free blocks a thread's cache keeps: enough for programs that
 * allocate in waves, little in small kinds, and less again when a size is not
 * used any more.
 */
#include "arena/explicit.h"
#include "suite.h"
#include "support/extents.h"
#include <kindgc/arena.h>
#include <kindgc/malloc.h>
#include <pthread.h>

enum { WAVE = 1000 };

static void *blocks[WAVE];

static void wave(kgc_kind *kind, size_t size, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        blocks[i] = kgc_kind_malloc(kind, size);
        ck_assert_ptr_nonnull(blocks[i]);
        *(unsigned *)blocks[i] = i;
    }
    for (unsigned i = 0; i < count; i++) {
        ck_assert_uint_eq(*(unsigned *)blocks[i], i);
        kgc_kind_free(NULL, blocks[i]);
    }
}

static const struct kgc__bin *bin_of(kgc_kind *kind, size_t size)
{
    return &kgc__cache_of(kind)->bins[kgc__class_of(size)];
}

static unsigned transfers(kgc_kind *kind)
{
    return kgc__cache_of(kind)->transfers;
}

/* As often as bins age, and once more. */
static void pass_time(kgc_kind *kind)
{
    for (int i = 0; i < 20; i++)
        wave(kind, 40 * KGC_KIB, 250); /* 9.8 MiB: more than a thread may keep of large ones */
}

START_TEST(waves_come_from_the_cache)
{
    static const size_t sizes[] = {16, 64, 200, 1000};
    kgc_kind *kind = open_kind("default");
    for (int i = 0; i < 4; i++) {
        for (int warm = 0; warm < 10; warm++)
            wave(kind, sizes[i], WAVE);
        unsigned before = transfers(kind);
        kgc_kind_info info = stats_of(kind);
        for (int round = 0; round < 50; round++)
            wave(kind, sizes[i], WAVE);
        ck_assert_uint_eq(transfers(kind), before); /* jemalloc was not asked once */
        ck_assert_uint_ge(bin_of(kind, sizes[i])->count, WAVE);
        ck_assert_uint_ge(info.cached, WAVE * kgc__class_size(kgc__class_of(sizes[i])));
        ck_assert_uint_eq(stats_of(kind).active, info.active);
    }
    ck_assert_int_eq(kgc_kind_purge(kind), 0);
    ck_assert_uint_eq(stats_of(kind).cached, 0);
    ck_assert_uint_eq(stats_of(kind).active, 0);
    wave(kind, 64, WAVE); /* and it goes on */
    close_kind(kind);
}
END_TEST

/* Large blocks that come and go in turn stay too. */
START_TEST(large_blocks_are_kept)
{
    kgc_kind *kind = open_kind("default");
    static const size_t sizes[] = {40 * KGC_KIB, 300 * KGC_KIB, KGC_MIB, 2 * KGC_MIB};
    for (int i = 0; i < 4; i++) {
        void *p = kgc_kind_malloc(kind, sizes[i]);
        kgc_kind_free(kind, p);
        ck_assert_ptr_eq(kgc_kind_malloc(kind, sizes[i]), p);
        ck_assert_uint_eq(bin_of(kind, sizes[i])->count, 0);
        kgc_kind_free(kind, p);
        ck_assert_int_eq(kgc_kind_purge(kind), 0);
        ck_assert_uint_eq(stats_of(kind).active, 0);
    }
    close_kind(kind);
}
END_TEST

static size_t kept_of(size_t size)
{
    return kgc__direct_cache->bins[kgc__class_of(size)].count * size;
}

static pthread_barrier_t all;

static void *keep_some(void *arg)
{
    enum { BLOCKS = 8, SIZE = 16 << 20 };
    void *block[BLOCKS];
    size_t *kept = arg;
    for (int i = 0; i < BLOCKS; i++)
        block[i] = kgc_malloc(SIZE);
    for (int i = 0; i < BLOCKS; i++)
        kgc_free(block[i]);
    *kept = kept_of(SIZE);
    pthread_barrier_wait(&all);
    return NULL;
}

/* Of the rooted heap larger ones too, of which all threads share an amount;
   they go when nobody wants them.  None is touched. */
START_TEST(very_large_blocks_are_kept)
{
    enum { THREADS = 4 };
    size_t sum = 0, kept[THREADS];
    pthread_t thread[THREADS];
    for (size_t size = 4 * KGC_MIB; size <= 32 * KGC_MIB; size *= 2) {
        char *p = kgc_malloc(size);
        p[0] = p[size - 1] = 1;
        kgc_free(p);
        ck_assert_uint_eq(kept_of(size), size);
        char *q = kgc_calloc(size / 16, 16);
        ck_assert_ptr_eq(q, p);
        ck_assert_int_eq(q[0] + q[size - 1], 0);
        kgc_free(q);
    }
    for (int i = 0; i < 1000; i++)
        blocks[i] = kgc_malloc(30000 + 10 * i); /* more than 256 transfers of other classes */
    for (int i = 0; i < 1000; i++)
        kgc_free(blocks[i]);
    for (size_t size = 4 * KGC_MIB; size <= 32 * KGC_MIB; size *= 2)
        ck_assert_uint_eq(kept_of(size), 0);
    pthread_barrier_init(&all, NULL, THREADS);
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&thread[i], NULL, keep_some, &kept[i]), 0);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(thread[i], NULL);
        ck_assert_uint_le(kept[i], 64 * KGC_MIB);
        sum += kept[i];
    }
    ck_assert_uint_ge(sum, 64 * KGC_MIB);
    ck_assert_uint_le(sum, 128 * KGC_MIB);
    pthread_barrier_destroy(&all);
}
END_TEST

START_TEST(quiet_classes_shrink)
{
    kgc_kind *kind = open_kind("default");
    wave(kind, 64, 1);
    const struct kgc__bin *bin = bin_of(kind, 64);
    unsigned first = bin->limit;
    for (int i = 0; i < 20; i++)
        wave(kind, 64, WAVE);
    ck_assert_uint_ge(bin->limit, WAVE);
    ck_assert_uint_gt(bin->limit, first);
    pass_time(kind);
    ck_assert_uint_eq(bin->limit, first);
    ck_assert_uint_le(bin->count, bin->limit);
    ck_assert_uint_eq(bin->fast_limit, bin->limit);
    for (int i = 0; i < 20; i++)
        wave(kind, 64, WAVE); /* grows again: what it gave back counts no more */
    ck_assert_uint_ge(bin->limit, WAVE);
    pass_time(kind);
    ck_assert_uint_eq(kgc__cache_of(kind)->grown, 0); /* what was busy is weighed otherwise */
    ck_assert_uint_eq(stats_of(kind).allocated, 0);
    close_kind(kind);
}
END_TEST

/* All classes to 512 KiB, one after the other and more than any bin holds.  (In
   the smallest kind larger blocks may not find 2 MiB in one piece any more.) */
static void use_everything(kgc_kind *kind)
{
    for (unsigned class = 1; kgc__class_size(class) <= 512 * KGC_KIB; class++) {
        size_t size = kgc__class_size(class), count = 2 * KGC_MIB / size;
        for (int i = 0; i < 3; i++)
            wave(kind, size, (unsigned)(count < WAVE ? count : WAVE));
    }
}

START_TEST(bounded)
{
    static const struct {
        const char *spec;
        size_t most; /* by which bins may grow, and half of what large blocks may be */
    } cases[] = {
        {"default", 4 * KGC_MIB}, {"default,limit=64M", 2 * KGC_MIB}, {"default,limit=16M", 512 * KGC_KIB}};
    size_t at_first = 0; /* what bins hold that did not grow */
    for (unsigned class = 1; class <= KGC__FAST_CLASSES; class++) {
        size_t size = kgc__class_size(class);
        at_first += size * (size <= 512 ? 32 : size <= 4096 ? 16 : 8);
    }
    for (int i = 0; i < 3; i++) {
        kgc_kind *kind = open_kind(cases[i].spec);
        for (int round = 0; round < 3; round++) {
            use_everything(kind);
            kgc_kind_info info = stats_of(kind);
            ck_assert_uint_le(info.cached, at_first + 3 * cases[i].most);
            ck_assert_uint_eq(info.allocated, 0);
        }
        close_kind(kind);
    }
}
END_TEST

/* The policy changes under a cache that has grown. */
START_TEST(less_growth_than_there_is)
{
    static const size_t unused[] = {500, 3000, 20000, 100000};
    kgc_kind *kind = open_kind("default,limit=64M"); /* a mistake here must not eat the machine */
    for (int i = 0; i < 20; i++)
        wave(kind, 64, WAVE);
    ck_assert_uint_gt(kgc__cache_of(kind)->grown, 0);
    ck_assert_int_eq(kgc_kind_set_decay(kind, KGC_DECAY_CONSERVATIVE, 0), 0);
    for (int i = 0; i < 4; i++) {
        void *p = kgc_kind_malloc(kind, unused[i]), *q = kgc_kind_malloc(kind, unused[i]);
        ck_assert_ptr_nonnull(p);
        ck_assert_ptr_nonnull(q);
        kgc_kind_free(kind, p);
        kgc_kind_free(kind, q);
    }
    ck_assert_uint_eq(stats_of(kind).allocated, 0);
    ck_assert_int_eq(kgc_kind_purge(kind), 0);
    ck_assert_uint_eq(stats_of(kind).active, 0); /* jemalloc too has all of them back */
    close_kind(kind);
}
END_TEST

/* Under the conservative policy nothing large stays with threads. */
START_TEST(conservative)
{
    kgc_kind *kind;
    kgc_kind_options options = {.decay = KGC_DECAY_CONSERVATIVE};
    ck_assert_int_eq(kgc_kind_open_with("default", &options, &kind), 0);
    for (unsigned class = KGC__FAST_CLASSES + 1; class <= KGC__CLASSES; class++) {
        kgc_kind_free(kind, kgc_kind_malloc(kind, kgc__class_size(class)));
        ck_assert_uint_eq(stats_of(kind).cached, 0);
        ck_assert_uint_eq(stats_of(kind).active, 0);
        ck_assert_uint_eq(stats_of(kind).dirty, 0);
    }
    for (int i = 0; i < 20; i++)
        wave(kind, 64, WAVE);
    ck_assert_uint_le(stats_of(kind).cached, 32 * 64);
    close_kind(kind);
}
END_TEST

/* A block that one thread only frees and another only allocates: the one's
   bins overflow, the other's run empty, nobody's grows without end. */
START_TEST(one_way)
{
    kgc_kind *kind = open_kind("default");
    for (int round = 0; round < 50; round++)
        for (unsigned i = 0; i < WAVE; i++) {
            void *p = kgc_kind_malloc(kind, 100);
            if (round != 0)
                kgc_kind_free(kind, blocks[i]);
            blocks[i] = p;
        }
    kgc_kind_info info = stats_of(kind);
    ck_assert_uint_eq(info.allocated, WAVE * 112);
    ck_assert_uint_le(info.cached, 64 * 112);
    for (unsigned i = 0; i < WAVE; i++)
        kgc_kind_free(kind, blocks[i]);
    close_kind(kind);
}
END_TEST

SUITE("cache size", waves_come_from_the_cache, large_blocks_are_kept, very_large_blocks_are_kept, quiet_classes_shrink, bounded,
      less_growth_than_there_is, conservative, one_way)
