/* SPDX-License-Identifier: MIT */
/*
 * When free explicit memory goes back: kgc_kind_set_decay(), kgc_kind_purge(),
 * kgc_kind_reset(), and the slack of the default policy.
 */
#include "base/size.h"
#include "misuse.h"
#include "suite.h"
#include "support/extents.h"
#include "support/system.h"
#include <errno.h>
#include <jemalloc/jemalloc.h>
#include <kindgc/arena.h>
#include <limits.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

/* Larger than any block that a thread's cache keeps. */
#define BLOCK (3 * KGC_MIB)
enum { BLOCKS = 8, HOUR = 3600 * 1000 };
#define ALL (BLOCKS * BLOCK)

static kgc_kind *open_decaying(const char *spec, kgc_decay decay, long ms)
{
    kgc_kind *kind;
    kgc_kind_options options = {.arenas = 1, .decay = decay, .decay_ms = ms};
    ck_assert_msg(kgc_kind_open_with(spec, &options, &kind) == 0, "%s", kgc_last_error());
    return kind;
}

static void use_and_free(kgc_kind *kind)
{
    void *blocks[BLOCKS];
    for (int i = 0; i < BLOCKS; i++) {
        blocks[i] = kgc_kind_malloc(kind, BLOCK);
        ck_assert_ptr_nonnull(blocks[i]);
        memset(blocks[i], i + 1, BLOCK);
    }
    for (int i = 0; i < BLOCKS; i++)
        kgc_kind_free(kind, blocks[i]);
}

static ssize_t decay_time(unsigned arena, const char *which)
{
    char name[64];
    ssize_t ms;
    size_t size = sizeof ms;
    snprintf(name, sizeof name, "arena.%u.%s_decay_ms", arena, which);
    ck_assert_int_eq(mallctl(name, &ms, &size, NULL, 0), 0);
    return ms;
}

static unsigned only_arena(kgc_kind *kind)
{
    unsigned arena;
    ck_assert_uint_eq(kgc_kind_arenas(kind, &arena, 1), 1);
    return arena;
}

static const char *const specs[] = {"default", "file:/var/tmp,limit=1G"};
enum { SPECS = 2 };

/* All is kept, and what is kept is used again. */
static void check_kept(kgc_kind *kind)
{
    use_and_free(kind);
    kgc_kind_info info = stats_of(kind);
    ck_assert_uint_eq(info.allocated, 0);
    ck_assert_uint_ge(info.dirty, ALL);
    ck_assert_uint_ge(info.resident, ALL);
    ck_assert_uint_eq(info.purged, 0);
    use_and_free(kind);
    ck_assert_uint_eq(stats_of(kind).explicit_bytes, info.explicit_bytes);
}

static void check_given_back(kgc_kind *kind)
{
    kgc_kind_info info = stats_of(kind);
    ck_assert_uint_eq(info.allocated, 0);
    ck_assert_uint_eq(info.dirty, 0);
    ck_assert_uint_ge(info.retained, ALL);
    ck_assert_uint_ge(info.purged, ALL);
    ck_assert_uint_lt(info.resident, KGC_MIB);
}

START_TEST(conservative)
{
    for (int i = 0; i < SPECS; i++) {
        kgc_kind *kind = open_decaying(specs[i], KGC_DECAY_CONSERVATIVE, 0);
        use_and_free(kind);
        check_given_back(kind);
        ck_assert_int_eq(decay_time(only_arena(kind), "dirty"), 0);
        close_kind(kind);
    }
}
END_TEST

START_TEST(after_no_time)
{
    kgc_kind *kind = open_decaying("default", KGC_DECAY_AFTER, 0);
    use_and_free(kind);
    check_given_back(kind);
    close_kind(kind);
}
END_TEST

START_TEST(after_a_long_time)
{
    for (int i = 0; i < SPECS; i++) {
        kgc_kind *kind = open_decaying(specs[i], KGC_DECAY_AFTER, HOUR);
        check_kept(kind);
        ck_assert_int_eq(decay_time(only_arena(kind), "dirty"), HOUR);
        ck_assert_int_eq(kgc_kind_purge(kind), 0);
        check_given_back(kind);
        close_kind(kind);
    }
}
END_TEST

/* jemalloc looks at its clock when an arena is used. */
START_TEST(after_a_short_time)
{
    kgc_kind *kind = open_decaying("default", KGC_DECAY_AFTER, 20);
    use_and_free(kind);
    while (stats_of(kind).purged < ALL / 2) { /* the test's own time limit ends it */
        nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
        for (int i = 0; i < 1000; i++)
            kgc_kind_free(kind, kgc_kind_malloc(kind, BLOCK));
    }
    close_kind(kind);
}
END_TEST

START_TEST(never)
{
    for (int i = 0; i < SPECS; i++) {
        kgc_kind *kind = open_decaying(specs[i], KGC_DECAY_NEVER, 0);
        check_kept(kind);
        ck_assert_int_eq(decay_time(only_arena(kind), "dirty"), -1);
        ck_assert_int_eq(decay_time(only_arena(kind), "muzzy"), -1);
        ck_assert_int_eq(kgc_kind_purge(kind), 0);
        check_given_back(kind);
        close_kind(kind);
    }
}
END_TEST

/* jemalloc's own time, and no more than the slack waits: a quarter of the
   kind, 64 MiB at most. */
START_TEST(by_default)
{
    ssize_t ms;
    size_t size = sizeof ms;
    kgc_kind *kind = open_decaying("default", KGC_DECAY_DEFAULT, 0);
    check_kept(kind);
    ck_assert_int_eq(mallctl("opt.dirty_decay_ms", &ms, &size, NULL, 0), 0);
    ck_assert_int_eq(decay_time(only_arena(kind), "dirty"), ms);
    close_kind(kind);

    kind = open_decaying("default,limit=64M", KGC_DECAY_DEFAULT, 0);
    use_and_free(kind); /* 24 of 64 MiB */
    kgc_kind_info info = stats_of(kind);
    ck_assert_uint_le(info.dirty, 16 * KGC_MIB);
    ck_assert_uint_gt(info.purged, 0);
    close_kind(kind);

    void *blocks[40];
    kind = open_decaying("default", KGC_DECAY_DEFAULT, 0);
    for (int i = 0; i < 40; i++)
        memset(blocks[i] = kgc_kind_malloc(kind, BLOCK), 1, BLOCK);
    for (int i = 0; i < 40; i++)
        kgc_kind_free(kind, blocks[i]);
    ck_assert_uint_le(stats_of(kind).dirty, 64 * KGC_MIB);
    ck_assert_uint_gt(stats_of(kind).purged, 0);
    close_kind(kind);
}
END_TEST

static void *arena_of_another_thread(void *kind)
{
    static unsigned arena;
    return kgc_kind_arena_of_thread(kind, &arena) == 0 ? &arena : NULL;
}

/* For the arenas that there are and those to come. */
START_TEST(changed)
{
    kgc_kind *kind;
    kgc_kind_options options = {.arenas = 2};
    unsigned first, *second;
    pthread_t thread;
    ck_assert_int_eq(kgc_kind_open_with("default", &options, &kind), 0);
    ck_assert_int_eq(kgc_kind_arena_of_thread(kind, &first), 0);
    ck_assert_int_eq(kgc_kind_set_decay(kind, KGC_DECAY_AFTER, HOUR), 0);
    ck_assert_int_eq(decay_time(first, "dirty"), HOUR);
    pthread_create(&thread, NULL, arena_of_another_thread, kind);
    pthread_join(thread, (void **)&second);
    ck_assert_ptr_nonnull(second);
    ck_assert_uint_ne(*second, first);
    ck_assert_int_eq(decay_time(*second, "dirty"), HOUR);
    use_and_free(kind);
    ck_assert_uint_ge(stats_of(kind).dirty, ALL);
    ck_assert_int_eq(kgc_kind_set_decay(kind, KGC_DECAY_CONSERVATIVE, 0), 0); /* also what waits already */
    ck_assert_uint_eq(stats_of(kind).dirty, 0);
    ck_assert_int_eq(kgc_kind_set_decay(kind, KGC_DECAY_NEVER, 0), 0);
    ck_assert_int_eq(decay_time(first, "dirty"), -1);
    ck_assert_int_eq(decay_time(*second, "dirty"), -1);
    ck_assert_int_eq(kgc_kind_set_decay(kind, KGC_DECAY_DEFAULT, 0), 0);
    ck_assert_int_ge(decay_time(first, "dirty"), 0);
    close_kind(kind);
}
END_TEST

START_TEST(before_first_use)
{
    kgc_kind *kind = open_kind("default");
    ck_assert_int_eq(kgc_kind_purge(kind), 0);
    ck_assert_int_eq(kgc_kind_reset(kind), 0);
    ck_assert_int_eq(kgc_kind_set_decay(kind, KGC_DECAY_NEVER, 0), 0);
    use_and_free(kind);
    ck_assert_uint_ge(stats_of(kind).dirty, ALL);
    close_kind(kind);
}
END_TEST

START_TEST(wrong_input)
{
#define POLICIES                                                                       \
    "kgc_kind_set_decay: policies are KGC_DECAY_DEFAULT, _CONSERVATIVE, _AFTER (with " \
    "milliseconds from 0) and _NEVER"
    kgc_kind *kind = open_kind("default");
    ck_assert_int_eq(kgc_kind_set_decay(NULL, KGC_DECAY_NEVER, 0), EINVAL);
    ck_last_error("kgc_kind_set_decay: the kind is NULL");
    ck_assert_int_eq(kgc_kind_purge(NULL), EINVAL);
    ck_last_error("kgc_kind_purge: the kind is NULL");
    ck_assert_int_eq(kgc_kind_reset(NULL), EINVAL);
    ck_last_error("kgc_kind_reset: the kind is NULL");
    ck_assert_int_eq(kgc_kind_set_decay(kind, (kgc_decay)4, 0), EINVAL);
    ck_last_error("%s", POLICIES);
    ck_assert_int_eq(kgc_kind_set_decay(kind, (kgc_decay)-1, 0), EINVAL);
    ck_last_error("%s", POLICIES);
    ck_assert_int_eq(kgc_kind_set_decay(kind, KGC_DECAY_AFTER, -1), EINVAL);
    ck_last_error("%s", POLICIES);
    ck_assert_int_eq(kgc_kind_set_decay(kind, KGC_DECAY_NEVER, -1), 0); /* not looked at */
    /* However long, it is kept to. */
    unsigned arena;
    ck_assert_int_eq(kgc_kind_arena_of_thread(kind, &arena), 0);
    ck_assert_int_eq(kgc_kind_set_decay(kind, KGC_DECAY_DEFAULT, 0), 0);
    ck_assert_int_eq(kgc_kind_set_decay(kind, KGC_DECAY_AFTER, LONG_MAX), 0);
    ck_assert_int_gt(decay_time(arena, "dirty"), (ssize_t)HOUR * 1000);
    close_kind(kind);
}
END_TEST

static pthread_barrier_t barrier;

static void *keep_a_cache(void *kind)
{
    void *blocks[100];
    for (int i = 0; i < 100; i++)
        blocks[i] = kgc_kind_malloc(kind, 1000);
    for (int i = 0; i < 100; i++)
        kgc_kind_free(kind, blocks[i]);
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    kgc_kind_purge(kind);
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    return NULL;
}

/* The calling thread's cache goes, other threads' stay. */
START_TEST(purge_and_caches)
{
    pthread_t thread;
    kgc_kind *kind = open_kind("default");
    pthread_barrier_init(&barrier, NULL, 2);
    pthread_create(&thread, NULL, keep_a_cache, kind);
    pthread_barrier_wait(&barrier);
    size_t theirs = stats_of(kind).cached;
    ck_assert_uint_gt(theirs, 0);
    kgc_kind_free(kind, kgc_kind_malloc(kind, 5000));
    ck_assert_uint_gt(stats_of(kind).cached, theirs);
    ck_assert_int_eq(kgc_kind_purge(kind), 0);
    ck_assert_uint_eq(stats_of(kind).cached, theirs);
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    ck_assert_uint_eq(stats_of(kind).cached, 0);
    ck_assert_uint_eq(stats_of(kind).active, 0);
    pthread_barrier_wait(&barrier);
    pthread_join(thread, NULL);
    close_kind(kind);
}
END_TEST

START_TEST(reset)
{
    for (int i = 0; i < SPECS; i++) {
        kgc_kind *kind = open_kind(specs[i]);
        for (int round = 0; round < 3; round++) {
            for (size_t size = 1; size <= 16 * KGC_MIB; size *= 2)
                for (int n = 0; n < 3; n++) {
                    char *p = kgc_kind_calloc(kind, 1, size);
                    ck_assert_ptr_nonnull(p);
                    ck_assert(all_bytes(p, size, 0)); /* also what was another block before */
                    memset(p, 0x77, size);
                }
            ck_assert_int_eq(kgc_kind_close(kind), EBUSY);
            ck_assert_int_eq(kgc_kind_reset(kind), 0);
            kgc_kind_info info = stats_of(kind);
            ck_assert_uint_eq(info.allocated, 0);
            ck_assert_uint_eq(info.cached, 0);
            ck_assert_uint_eq(info.active, 0);
        }
        ck_assert_int_eq(kgc_kind_purge(kind), 0);
        ck_assert_uint_lt(stats_of(kind).resident, KGC_MIB);
        close_kind(kind);
    }
}
END_TEST

/* What the default policy gives up when its time has come goes back to the
   system then, and does not wait for the system to be short of memory. */
START_TEST(given_back_in_one_step)
{
    static const char *const on[] = {"default", "file:/var/tmp", "tier:default@512M+file:/var/tmp"};
    for (int i = 0; i < 3; i++) {
        kgc_kind *kind = open_decaying(on[i], KGC_DECAY_DEFAULT, 0);
        use_and_free(kind);
        ck_assert_uint_gt(stats_of(kind).resident, ALL / 2);
        char name[64];
        ssize_t now = 0; /* the time is over */
        snprintf(name, sizeof name, "arena.%u.dirty_decay_ms", only_arena(kind));
        ck_assert_int_eq(mallctl(name, NULL, NULL, &now, sizeof now), 0);
        kgc_kind_info info = stats_of(kind);
        ck_assert_uint_eq(info.dirty, 0);
        ck_assert_uint_lt(info.resident, BLOCK);
        close_kind(kind);
    }
}
END_TEST

SUITE("arena policies", conservative, after_no_time, after_a_long_time, after_a_short_time, never, by_default,
      changed, before_first_use, wrong_input, purge_and_caches, reset, given_back_in_one_step)
