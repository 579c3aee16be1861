/* SPDX-License-Identifier: MIT */
/*
 * Threads and their caches of a kind's free blocks: when caches come and go,
 * and that nothing is lost, shared or counted wrongly on the way.  How much a
 * cache holds is cache_size_test's affair, fork arena_fork_test's.
 */
#include "arena/classes.h"
#include "base/size.h"
#include "mailbox.h"
#include "suite.h"
#include "support/extents.h"
#include "support/system.h"
#include <errno.h>
#include <jemalloc/jemalloc.h>
#include <limits.h>

enum { THREADS = 4, BLOCKS = 300 };

static pthread_barrier_t barrier;

static void join_all(pthread_t *threads, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        void *problem;
        ck_assert_int_eq(pthread_join(threads[i], &problem), 0);
        ck_assert_msg(problem == NULL, "thread %u: %s", i, (const char *)problem);
    }
}

static void start_all(pthread_t *threads, unsigned count, void *(*fn)(void *), void *arg)
{
    for (unsigned i = 0; i < count; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, fn, arg), 0);
}

static size_t nth_size(unsigned i)
{
    return (size_t)16 << i % 18; /* to 2 MiB */
}

/* ---- caches come with use and go with the thread ---- */

static kgc_kind *kinds[3];
static _Atomic unsigned next_row;
static void *held[THREADS][BLOCKS];

/* Thread i uses the first i % 3 + 1 kinds. */
static void *allocate_and_wait(void *unused)
{
    (void)unused;
    unsigned row = atomic_fetch_add(&next_row, 1);
    for (unsigned i = 0; i < BLOCKS; i++)
        held[row][i] = kgc_kind_malloc(kinds[i % (row % 3 + 1)], nth_size(i % 100 / 3));
    pthread_barrier_wait(&barrier); /* all have allocated */
    pthread_barrier_wait(&barrier); /* main has looked */
    for (unsigned i = 0; i < BLOCKS; i++)
        if (held[row][i] == NULL)
            return "no memory";
    return NULL;
}

static size_t bytes_held(const kgc_kind *kind)
{
    size_t sum = 0;
    for (unsigned row = 0; row < THREADS; row++)
        for (unsigned i = 0; i < BLOCKS; i++)
            if (kinds[i % (row % 3 + 1)] == kind)
                sum += nth_size(i % 100 / 3);
    return sum;
}

START_TEST(come_and_go)
{
    pthread_t threads[THREADS];
    const unsigned users[3] = {4, 2, 1};
    for (unsigned k = 0; k < 3; k++)
        kinds[k] = open_kind("default");
    pthread_barrier_init(&barrier, NULL, THREADS + 1);
    start_all(threads, THREADS, allocate_and_wait, NULL);
    pthread_barrier_wait(&barrier);
    for (unsigned k = 0; k < 3; k++) {
        kgc_kind_info info = stats_of(kinds[k]);
        ck_assert_uint_eq(info.caches, users[k]);
        ck_assert_uint_eq(info.allocated, bytes_held(kinds[k]));
        ck_assert_uint_gt(info.cached, 0);
        ck_assert_uint_ge(info.active, info.allocated + info.cached);
        ck_assert_uint_ge(info.explicit_bytes, info.active);
    }
    pthread_barrier_wait(&barrier);
    join_all(threads, THREADS);
    for (unsigned k = 0; k < 3; k++) {
        kgc_kind_info info = stats_of(kinds[k]);
        ck_assert_uint_eq(info.caches, 0);
        ck_assert_uint_eq(info.cached, 0);
        ck_assert_uint_eq(info.allocated, bytes_held(kinds[k])); /* blocks outlive their thread */
        ck_assert_int_eq(kgc_kind_close(kinds[k]), EBUSY);
    }
    for (unsigned row = 0; row < THREADS; row++)
        for (unsigned i = 0; i < BLOCKS; i++)
            kgc_kind_free(i % 2 == 0 ? kinds[i % (row % 3 + 1)] : NULL, held[row][i]);
    for (unsigned k = 0; k < 3; k++) {
        kgc_kind_info info = stats_of(kinds[k]);
        ck_assert_uint_eq(info.caches, 1);
        ck_assert_uint_eq(info.allocated, 0);
        ck_assert_uint_gt(info.cached, 0);
        ck_assert_int_eq(kgc_kind_purge(kinds[k]), 0);
        info = stats_of(kinds[k]);
        ck_assert_uint_eq(info.cached, 0);
        ck_assert_uint_eq(info.active, 0); /* jemalloc agrees that all is free */
        close_kind(kinds[k]);
    }
}
END_TEST

/* ---- blocks that other threads free ---- */

static void *exchange(void *arg)
{
    struct mailbox *m = arg;
    unsigned state = (unsigned)(uintptr_t)&state;
    for (int i = 0; i < 5000; i++)
        mailbox_step(m, &state);
    return NULL;
}

START_TEST(freed_by_others)
{
    static const char *const specs[] = {"default", "file:/var/tmp", "tier:default@32M+thp",
                                        "default,arenas=1"};
    for (size_t i = 0; i < sizeof specs / sizeof specs[0]; i++) {
        static struct mailbox m;
        pthread_t threads[THREADS];
        if (kgc_kind_check(specs[i]) != 0)
            continue; /* thp: not on every machine */
        m.kind = open_kind(specs[i]);
        start_all(threads, THREADS, exchange, &m);
        exchange(&m);
        join_all(threads, THREADS);
        mailbox_empty(&m);
        ck_assert_uint_eq(atomic_load(&m.wrong), 0);
        ck_assert_uint_eq(stats_of(m.kind).allocated, 0);
        ck_assert_uint_eq(stats_of(m.kind).caches, 1);
        ck_assert_int_eq(kgc_kind_purge(m.kind), 0);
        ck_assert_uint_eq(stats_of(m.kind).active, 0);
        close_kind(m.kind);
    }
}
END_TEST

static void *exchange_briefly(void *arg)
{
    unsigned state = (unsigned)atomic_fetch_add(&next_row, 1);
    for (int i = 0; i < 100; i++)
        mailbox_step(arg, &state);
    return NULL;
}

START_TEST(threads_that_end)
{
    static struct mailbox m;
    pthread_t threads[THREADS];
    unsigned state = 1;
    m.kind = open_kind("default");
    start_all(threads, THREADS, exchange_briefly, &m);
    for (unsigned i = 0; i < 400; i++) {
        for (int step = 0; step < 20; step++)
            mailbox_step(&m, &state);
        ck_assert_int_eq(pthread_join(threads[i % THREADS], NULL), 0);
        ck_assert_int_eq(pthread_create(&threads[i % THREADS], NULL, exchange_briefly, &m), 0);
    }
    join_all(threads, THREADS);
    ck_assert_uint_eq(stats_of(m.kind).caches, 1);
    mailbox_empty(&m);
    ck_assert_uint_eq(atomic_load(&m.wrong), 0);
    ck_assert_uint_eq(stats_of(m.kind).allocated, 0);
    close_kind(m.kind);
}
END_TEST

/* ---- destructors of threads ---- */

static pthread_key_t early, late; /* made before the library's key and after it */
static struct mailbox in_destructors;
static _Atomic unsigned destructor_calls;

/* The functions that the mailbox does not use.  jemalloc serves a thread that
   is ending from an arena of its own choice, so what kind is it? */
static bool others_work(kgc_kind *kind, size_t size)
{
    char *p = kgc_kind_calloc(kind, 1, size);
    void *aligned = NULL;
    bool fine = p != NULL && kgc_kind_of(p) == kind && all_bytes(p, size, 0);
    fine = fine && kgc_kind_posix_memalign(kind, &aligned, 8192, size) == 0 && kgc_kind_of(aligned) == kind &&
           (uintptr_t)aligned % 8192 == 0;
    if (p != NULL)
        memset(p, 0x33, size);
    char *q = kgc_kind_realloc(kind, p, 3 * size);
    fine = fine && q != NULL && kgc_kind_of(q) == kind && all_bytes(q, size, 0x33);
    kgc_kind_free(kind, q != NULL ? q : p);
    kgc_kind_free(kind, aligned);
    unsigned arena;
    int error = kgc_kind_arena_of_thread(kind, &arena); /* refused in the very last round */
    if (error != 0)
        fine = fine && error == ENOMEM && strstr(kgc_last_error(), "no cache for this thread") != NULL;
    return fine;
}

/* In every round that there is. */
static void use_in_destructor(void *round)
{
    uintptr_t n = (uintptr_t)round & 15;
    unsigned state = (unsigned)n;
    for (unsigned i = 0; i < 17; i++)
        if (!others_work(in_destructors.kind, nth_size(i)))
            atomic_fetch_add(&in_destructors.wrong, 1);
    for (int i = 0; i < 50; i++)
        mailbox_step(&in_destructors, &state);
    atomic_fetch_add(&destructor_calls, 1);
    pthread_key_t key = ((uintptr_t)round & 16) != 0 ? late : early;
    if (n < PTHREAD_DESTRUCTOR_ITERATIONS)
        pthread_setspecific(key, (void *)((uintptr_t)round + 1));
}

static void *end_with_destructors(void *which)
{
    uintptr_t bits = (uintptr_t)which;
    unsigned state = 7;
    if ((bits & 1) != 0)
        for (int i = 0; i < 50; i++)
            mailbox_step(&in_destructors, &state);
    if ((bits & 2) != 0)
        pthread_setspecific(early, (void *)1);
    if ((bits & 4) != 0)
        pthread_setspecific(late, (void *)17);
    return NULL;
}

START_TEST(destructors_of_all_rounds)
{
    pthread_key_create(&early, use_in_destructor);
    in_destructors.kind = open_kind("default");
    kgc_kind_free(NULL, kgc_kind_malloc(in_destructors.kind, 1));
    pthread_key_create(&late, use_in_destructor);
    for (int round = 0; round < 20; round++) {
        pthread_t threads[7];
        for (uintptr_t bits = 1; bits < 8; bits++)
            ck_assert_int_eq(pthread_create(&threads[bits - 1], NULL, end_with_destructors, (void *)bits), 0);
        join_all(threads, 7);
    }
    ck_assert_uint_eq(destructor_calls, 20 * 8 * PTHREAD_DESTRUCTOR_ITERATIONS);
    ck_assert_uint_eq(stats_of(in_destructors.kind).caches, 1);
    mailbox_empty(&in_destructors);
    ck_assert_uint_eq(atomic_load(&in_destructors.wrong), 0);
    ck_assert_uint_eq(stats_of(in_destructors.kind).allocated, 0);
    close_kind(in_destructors.kind);
}
END_TEST

/* A thread whose first use of all is in the last round, when nothing cleans up
   after it any more. */
static void use_at_last(void *round)
{
    uintptr_t n = (uintptr_t)round;
    if (n < PTHREAD_DESTRUCTOR_ITERATIONS) {
        pthread_setspecific(late, (void *)(n + 1));
        return;
    }
    unsigned state = 3;
    for (int i = 0; i < 100; i++)
        mailbox_step(&in_destructors, &state);
    atomic_fetch_add(&destructor_calls, 1);
}

static void *set_late(void *unused)
{
    (void)unused;
    pthread_setspecific(late, (void *)1);
    return NULL;
}

START_TEST(first_use_in_the_last_round)
{
    pthread_t threads[THREADS];
    in_destructors.kind = open_kind("default");
    kgc_kind_free(NULL, kgc_kind_malloc(in_destructors.kind, 1));
    pthread_key_create(&late, use_at_last);
    start_all(threads, THREADS, set_late, NULL);
    join_all(threads, THREADS);
    ck_assert_uint_eq(destructor_calls, THREADS);
    mailbox_empty(&in_destructors);
    ck_assert_uint_eq(atomic_load(&in_destructors.wrong), 0);
    ck_assert_uint_eq(stats_of(in_destructors.kind).allocated, 0);
    close_kind(in_destructors.kind);
}
END_TEST

/* ---- jemalloc's tcaches are used up ---- */

START_TEST(without_tcaches)
{
    static struct mailbox m;
    pthread_t threads[THREADS];
    unsigned tcache, state = 5, count = 0;
    size_t size = sizeof tcache;
    m.kind = open_kind("default");
    while (mallctl("tcache.create", &tcache, &size, NULL, 0) == 0)
        count++;
    ck_assert_uint_gt(count, 4000);
    for (int i = 0; i < 2000; i++)
        mailbox_step(&m, &state);
    start_all(threads, THREADS, exchange_briefly, &m);
    join_all(threads, THREADS);
    ck_assert_uint_eq(stats_of(m.kind).caches, 1); /* ours are still there */
    ck_assert_uint_gt(stats_of(m.kind).cached, 0);
    mailbox_empty(&m);
    ck_assert_uint_eq(atomic_load(&m.wrong), 0);
    ck_assert_uint_eq(stats_of(m.kind).allocated, 0);
    close_kind(m.kind);
    /* One is free again: the next cache gets it, and gives it back. */
    ck_assert_int_eq(mallctl("tcache.destroy", NULL, NULL, &tcache, sizeof tcache), 0);
    for (int round = 0; round < 3; round++) {
        m.kind = open_kind("default");
        mailbox_step(&m, &state);
        ck_assert_int_ne(mallctl("tcache.create", &tcache, &size, NULL, 0), 0);
        mailbox_empty(&m);
        close_kind(m.kind);
    }
}
END_TEST

/* ---- kinds that go while threads that used them live on ---- */

enum { ROUNDS = 1000 };
static kgc_kind *of_round;

static void *use_kind_of_round(void *unused)
{
    (void)unused;
    for (int round = 0; round < ROUNDS; round++) {
        pthread_barrier_wait(&barrier); /* it is open */
        unsigned char *blocks[40];
        kgc_kind *kind = of_round;
        for (unsigned i = 0; i < 40; i++) {
            blocks[i] = kgc_kind_malloc(kind, 16u << i % 10);
            if (blocks[i] == NULL || kgc_kind_of(blocks[i]) != kind)
                return "a block of another kind";
            memset(blocks[i], (int)i, 16);
        }
        for (unsigned i = 0; i < 40; i++) {
            if (!all_bytes(blocks[i], 16, (unsigned char)i))
                return "a block was handed out twice";
            kgc_kind_free(i % 2 == 0 ? kind : NULL, blocks[i]);
        }
        pthread_barrier_wait(&barrier); /* all have given their blocks back */
        pthread_barrier_wait(&barrier); /* it is closed */
    }
    return NULL;
}

START_TEST(same_slot_again_and_again)
{
    pthread_t threads[2];
    unsigned slot = 0;
    pthread_barrier_init(&barrier, NULL, 3);
    start_all(threads, 2, use_kind_of_round, NULL);
    for (int round = 0; round < ROUNDS; round++) {
        of_round = open_kind("default,limit=64M");
        if (round == 0)
            slot = of_round->slot;
        ck_assert_uint_eq(of_round->slot, slot);
        pthread_barrier_wait(&barrier);
        pthread_barrier_wait(&barrier);
        kgc_kind_info info = stats_of(of_round);
        ck_assert_uint_eq(info.caches, 2);
        ck_assert_uint_eq(info.allocated, 0);
        close_kind(of_round);
        pthread_barrier_wait(&barrier);
    }
    join_all(threads, 2);
}
END_TEST

static unsigned char *given[BLOCKS];

static void *use_before_and_after_reset(void *arg)
{
    kgc_kind *kind = arg;
    unsigned char *blocks[BLOCKS];
    for (int round = 0; round < 20; round++) {
        for (unsigned i = 0; i < BLOCKS; i++)
            blocks[i] = kgc_kind_malloc(kind, nth_size(i) / 4 + 16);
        for (unsigned i = 0; i < BLOCKS; i += 2)
            kgc_kind_free(kind, blocks[i]);
        pthread_barrier_wait(&barrier);
        pthread_barrier_wait(&barrier); /* main has reset the kind */
        for (unsigned i = 0; i < BLOCKS; i++) {
            blocks[i] = kgc_kind_malloc(kind, nth_size(i) / 4 + 16);
            memset(blocks[i], 0x55, 16);
        }
        pthread_barrier_wait(&barrier); /* main has as many */
        for (unsigned i = 0; i < BLOCKS; i++)
            if (!all_bytes(blocks[i], 16, 0x55))
                return "a block was handed out twice";
        pthread_barrier_wait(&barrier); /* before anybody starts over */
    }
    return NULL;
}

START_TEST(reset_with_others_caches)
{
    pthread_t thread;
    kgc_kind *kind = open_kind("default");
    pthread_barrier_init(&barrier, NULL, 2);
    start_all(&thread, 1, use_before_and_after_reset, kind);
    for (int round = 0; round < 20; round++) {
        pthread_barrier_wait(&barrier);
        ck_assert_int_eq(kgc_kind_reset(kind), 0);
        kgc_kind_info info = stats_of(kind);
        ck_assert_uint_eq(info.caches, 0);
        ck_assert_uint_eq(info.cached, 0);
        ck_assert_uint_eq(info.allocated, 0);
        ck_assert_uint_eq(info.active, 0);
        pthread_barrier_wait(&barrier);
        for (unsigned i = 0; i < BLOCKS; i++) {
            given[i] = kgc_kind_malloc(kind, nth_size(i) / 4 + 16);
            memset(given[i], 0xaa, 16);
        }
        pthread_barrier_wait(&barrier);
        for (unsigned i = 0; i < BLOCKS; i++)
            ck_assert(all_bytes(given[i], 16, 0xaa));
        pthread_barrier_wait(&barrier);
    }
    join_all(&thread, 1);
    ck_assert_int_eq(kgc_kind_reset(kind), 0);
    close_kind(kind);
}
END_TEST

SUITE("thread caches", come_and_go, freed_by_others, threads_that_end, destructors_of_all_rounds,
      first_use_in_the_last_round, without_tcaches, same_slot_again_and_again, reset_with_others_caches)
