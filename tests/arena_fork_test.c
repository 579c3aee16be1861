/* SPDX-License-Identifier: MIT */
/*
 * Explicit memory across fork(2): the child has the calling thread only, in
 * whatever moment of the others' work the fork came.
 */
#include "mailbox.h"
#include "suite.h"
#include "support/extents.h"
#include "support/system.h"
#include <errno.h>
#include <unistd.h>

enum { THREADS = 3, BLOCKS = 500, STEPS = 300 };

/* Results of a child; 0 is well. */
enum { WRONG_CACHES = 10, WRONG_BYTES, WRONG_BLOCKS, NOT_OPENED, NOT_CLOSED, NOT_RESET, NO_CHILD };

static struct mailbox shared;

static void *exchange_until_stop(void *arg)
{
    struct mailbox *m = arg;
    unsigned state = (unsigned)(uintptr_t)&state;
    while (!atomic_load(&m->stop))
        mailbox_step(m, &state);
    return NULL;
}

/* Blocks that live at once are not the same, and are given back. */
static bool use(kgc_kind *kind)
{
    static struct mailbox own;
    unsigned state = 11;
    own.kind = kind;
    for (int i = 0; i < STEPS; i++)
        mailbox_step(&own, &state);
    mailbox_empty(&own);
    return atomic_load(&own.wrong) == 0;
}

static int use_new_kind(const char *spec)
{
    kgc_kind *kind;
    kgc_kind_info info;
    if (kgc_kind_open(spec, &kind) != 0)
        return NOT_OPENED;
    if (!use(kind))
        return WRONG_BLOCKS;
    if (kgc_kind_stats(kind, &info) != 0 || info.allocated != 0 || info.caches != 1)
        return WRONG_BYTES;
    return kgc_kind_close(kind) == 0 ? 0 : NOT_CLOSED;
}

/* What other threads were about to do with the kind is lost, nothing else. */
static int live_on(void *spec)
{
    kgc_kind_info info;
    if (kgc_kind_stats(shared.kind, &info) != 0 || info.caches > 1)
        return WRONG_CACHES;
    size_t before = info.allocated;
    if (!use(shared.kind))
        return WRONG_BLOCKS;
    if (kgc_kind_stats(shared.kind, &info) != 0 || info.allocated != before)
        return WRONG_BYTES;
    int problem = use_new_kind(spec);
    if (problem != 0)
        return problem;
    /* Blocks of the other threads still live here. */
    if (before != 0 && kgc_kind_close(shared.kind) != EBUSY)
        return NOT_CLOSED;
    if (kgc_kind_reset(shared.kind) != 0 || !use(shared.kind))
        return NOT_RESET;
    if (kgc_kind_close(shared.kind) != 0)
        return NOT_CLOSED;
    return use_new_kind(spec);
}

static void fork_often(const char *spec, int times)
{
    pthread_t threads[THREADS];
    memset(&shared, 0, sizeof shared);
    shared.kind = open_kind(spec);
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, exchange_until_stop, &shared), 0);
    unsigned state = 2;
    for (int i = 0; i < times; i++) {
        for (int step = 0; step < 10; step++)
            mailbox_step(&shared, &state);
        int status = in_child(live_on, (void *)spec);
        ck_assert_msg(exited(status, 0), "fork %d: status %#x", i, (unsigned)status);
    }
    atomic_store(&shared.stop, true);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    mailbox_empty(&shared);
    ck_assert_uint_eq(atomic_load(&shared.wrong), 0);
    ck_assert_uint_eq(stats_of(shared.kind).allocated, 0);
    close_kind(shared.kind);
}

START_TEST(threads_allocate_meanwhile)
{
    fork_often("default", 60);
}
END_TEST

START_TEST(threads_allocate_from_a_file)
{
    fork_often(access("/dev/shm", W_OK) == 0 ? "file:/dev/shm,limit=256M" : "file:/var/tmp,limit=256M", 10);
}
END_TEST

/* Threads that do nothing while the fork happens: then all is exact. */

static pthread_barrier_t barrier;
static void *blocks[THREADS][BLOCKS];
static _Atomic unsigned next_row;

static void *allocate_and_wait(void *unused)
{
    (void)unused;
    unsigned row = atomic_fetch_add(&next_row, 1);
    for (unsigned i = 0; i < BLOCKS; i++)
        blocks[row][i] = kgc_kind_calloc(shared.kind, 1, (size_t)8 << i % 16);
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    return NULL;
}

/* depth 0, or another fork before anything else */
static int free_all(void *depth)
{
    kgc_kind_info info;
    if (*(int *)depth != 0) {
        int less = *(int *)depth - 1;
        int status = in_child(free_all, &less);
        if (!exited(status, 0))
            return NO_CHILD;
    }
    if (kgc_kind_stats(shared.kind, &info) != 0 || info.caches != 1)
        return WRONG_CACHES;
    size_t sum = 0;
    for (unsigned row = 0; row < THREADS; row++)
        for (unsigned i = 0; i < BLOCKS; i++)
            sum += kgc_kind_usable_size(NULL, blocks[row][i]);
    if (info.allocated != sum)
        return WRONG_BYTES;
    if (!use(shared.kind))
        return WRONG_BLOCKS;
    for (unsigned row = 0; row < THREADS; row++)
        for (unsigned i = 0; i < BLOCKS; i++) {
            if (blocks[row][i] == NULL || !all_bytes(blocks[row][i], (size_t)8 << i % 16, 0))
                return WRONG_BLOCKS;
            kgc_kind_free(NULL, blocks[row][i]);
        }
    if (kgc_kind_stats(shared.kind, &info) != 0 || info.allocated != 0)
        return WRONG_BYTES;
    if (kgc_kind_close(shared.kind) != 0)
        return NOT_CLOSED;
    return use_new_kind("default");
}

START_TEST(blocks_of_threads_that_are_gone)
{
    pthread_t threads[THREADS];
    shared.kind = open_kind("default");
    kgc_kind_free(NULL, kgc_kind_malloc(shared.kind, 1));
    pthread_barrier_init(&barrier, NULL, THREADS + 1);
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, allocate_and_wait, NULL), 0);
    pthread_barrier_wait(&barrier);
    ck_assert_uint_eq(stats_of(shared.kind).caches, THREADS + 1);
    for (int depth = 0; depth < 3; depth++)
        ck_assert_int_eq(in_child(free_all, &depth), 0);
    ck_assert_uint_eq(stats_of(shared.kind).caches, THREADS + 1); /* the parent's are its own */
    pthread_barrier_wait(&barrier);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    ck_assert_uint_eq(stats_of(shared.kind).caches, 1);
}
END_TEST

/* The thread that forks is the one with the cache. */
static void *fork_in_thread(void *result)
{
    int depth = 1;
    kgc_kind_free(NULL, kgc_kind_malloc(shared.kind, 1));
    *(int *)result = in_child(free_all, &depth);
    return NULL;
}

START_TEST(forked_by_another_thread)
{
    pthread_t thread;
    int status = -1;
    shared.kind = open_kind("default");
    for (unsigned i = 0; i < THREADS * BLOCKS; i++)
        blocks[i / BLOCKS][i % BLOCKS] = kgc_kind_calloc(shared.kind, 1, (size_t)8 << i % BLOCKS % 16);
    ck_assert_int_eq(pthread_create(&thread, NULL, fork_in_thread, &status), 0);
    pthread_join(thread, NULL);
    ck_assert_msg(exited(status, 0), "status %#x", (unsigned)status);
}
END_TEST

SUITE("explicit memory and fork", threads_allocate_meanwhile, threads_allocate_from_a_file,
      blocks_of_threads_that_are_gone, forked_by_another_thread)
