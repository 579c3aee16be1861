/* SPDX-License-Identifier: MIT */
/* Threads' magazines of collectable objects: nothing is lost, handed out twice
   or kept for ever. */
#include "chain.h"
#include "collect/magazine.h"
#include "suite.h"
#include "support/system.h"
#include <gc/gc.h>
#include <pthread.h>
#include <stdlib.h>

enum { THREADS = 4, LIVE = 512, STEPS = 100000 };

/* What a thread must find unchanged: the table is scanned, the shadow is not. */
struct table {
    unsigned char *object[LIVE];
};
struct shadow {
    size_t size;
    unsigned char value;
    bool atomic;
};

static unsigned next_random(unsigned *state)
{
    *state = *state * 1664525 + 1013904223;
    return *state >> 8;
}

/* A scanned object holds its value in its second word only, which is no
   address; an atomic one everywhere. */
static bool is_intact(const unsigned char *p, const struct shadow *s)
{
    if (s->atomic)
        return all_bytes(p, s->size, s->value);
    uintptr_t word;
    memcpy(&word, p + sizeof word, sizeof word);
    return word == s->value && all_bytes(p, sizeof word, 0) &&
           all_bytes(p + 2 * sizeof word, s->size - 2 * sizeof word, 0);
}

static bool replace(struct table *t, struct shadow *s, unsigned i, unsigned *state)
{
    if (t->object[i] != NULL && !is_intact(t->object[i], &s[i]))
        return false;
    s[i] = (struct shadow){.size = 16 + next_random(state) % 2200,
                           .value = (unsigned char)(next_random(state) | 1),
                           .atomic = next_random(state) % 2 == 0};
    unsigned char *p = s[i].atomic ? kgc_allocate_atomic(s[i].size) : kgc_allocate(s[i].size);
    if (p == NULL || kgc_size(p) < s[i].size || (!s[i].atomic && !all_bytes(p, s[i].size, 0)))
        return false;
    uintptr_t word = s[i].value;
    if (s[i].atomic)
        memset(p, s[i].value, s[i].size);
    else
        memcpy(p + sizeof word, &word, sizeof word);
    t->object[i] = p;
    return true;
}

static void *churn(void *arg)
{
    struct table *t = kgc_allocate(sizeof *t);
    struct shadow *s = calloc(LIVE, sizeof *s);
    unsigned state = (unsigned)(uintptr_t)arg * 77 + 5;
    bool right = t != NULL && s != NULL;
    for (int i = 0; right && i < STEPS; i++)
        right = replace(t, s, next_random(&state) % LIVE, &state);
    for (unsigned i = 0; right && i < LIVE; i++)
        right = t->object[i] == NULL || is_intact(t->object[i], &s[i]);
    free(s);
    return right ? arg : NULL;
}

static _Atomic bool stop;

static void *collect_always(void *unused)
{
    while (!atomic_load(&stop))
        kgc_collect();
    return unused;
}

static void churn_in_threads(bool collect)
{
    pthread_t threads[THREADS], collector;
    void *result;
    atomic_store(&stop, false);
    if (collect)
        pthread_create(&collector, NULL, collect_always, NULL);
    for (uintptr_t i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, churn, (void *)(i + 1));
    for (uintptr_t i = 0; i < THREADS; i++) {
        pthread_join(threads[i], &result);
        ck_assert_ptr_eq(result, (void *)(i + 1));
    }
    atomic_store(&stop, true);
    if (collect)
        pthread_join(collector, NULL);
}

START_TEST(nothing_is_handed_out_twice)
{
    churn_in_threads(false);
    churn_in_threads(true);
}
END_TEST

START_TEST(in_incremental_mode)
{
    GC_enable_incremental();
    ck_assert_ptr_nonnull(churn((void *)1));
}
END_TEST

/* As with GC_malloc(): the address behind an object belongs to it. */
START_TEST(end_pointers_keep_objects)
{
    ck_assert_ptr_nonnull(kgc_allocate(1));
    for (size_t size = 1; size <= KGC__MAGAZINE_MAX; size++) {
        char *p = kgc_allocate(size);
        ck_assert_ptr_eq(kgc_base(p + size), p);
        ck_assert_uint_gt(kgc_size(p), size);
        ck_assert_uint_eq((uintptr_t)p % 16, 0);
        p = kgc_allocate_atomic(size);
        ck_assert_ptr_eq(kgc_base(p + size), p);
    }
}
END_TEST

static void *allocate_some(void *unused)
{
    for (size_t size = 1; size <= KGC__MAGAZINE_MAX; size += 16)
        if (kgc_allocate(size) == NULL || kgc_allocate_atomic(size) == NULL)
            return NULL;
    return unused;
}

/* What a thread had in its magazines is collected after its end. */
START_TEST(threads_leave_nothing)
{
    size_t before = 0;
    for (int round = 0; round < 400; round++) {
        pthread_t thread;
        void *result;
        ck_assert_int_eq(pthread_create(&thread, NULL, allocate_some, &before), 0);
        pthread_join(thread, &result);
        ck_assert_ptr_nonnull(result);
        if (round % 20 == 19)
            kgc_collect();
        if (round == 99)
            before = kgc_heap_size();
    }
    /* A thread fills its magazines with 250 KiB: 300 of them would show. */
    ck_assert_uint_le(kgc_heap_size(), before + (8u << 20));
}
END_TEST

static size_t in_use(void)
{
    return kgc_heap_size() - kgc_free_bytes();
}

static unsigned count_kept(const struct kgc__magazines *m)
{
    unsigned n = 0;
    for (int i = 0; i < KGC__KEPT_BLOCKS; i++)
        n += m->keeps[i] != NULL;
    return n;
}

/* Blocks are kept only by a thread that goes on allocating, and even then not all of them. */
START_TEST(kept_blocks_go)
{
    ck_assert_ptr_nonnull(kgc_allocate(1));
    for (int i = 0; i < 200000; i++)
        ck_assert(kgc_allocate(100) != NULL && kgc_allocate_atomic(50) != NULL);
    const struct kgc__magazines *m = kgc__magazines();
    ck_assert_uint_gt(m->kept, KGC__KEPT_BLOCKS);
    unsigned before = count_kept(m);
    kgc_collect();
    ck_assert_uint_lt(count_kept(m), before);
    ck_assert_uint_gt(count_kept(m), before - before / 32);
    ck_assert_uint_ge(in_use(), (size_t)KGC__KEPT_BLOCKS * 4096 * 9 / 10);
    kgc_collect();
    ck_assert_uint_eq(count_kept(m), 0);
    kgc_collect();
    ck_assert_uint_le(in_use(), (size_t)KGC__KEPT_BLOCKS * 4096 / 4);
}
END_TEST

START_TEST(unregistered_and_back)
{
    for (int i = 0; i < 100; i++) {
        ck_assert_ptr_nonnull(allocate_some(&stop));
        ck_assert_int_eq(kgc_thread_unregister(), 0);
        ck_assert_int_eq(kgc_thread_register(), 0);
    }
    ck_assert_ptr_nonnull(churn((void *)1));
}
END_TEST

static int live_on(void *arg)
{
    (void)arg;
    if (churn((void *)3) == NULL)
        return 1;
    for (int i = 0; i < 3; i++)
        kgc_collect();
    return churn((void *)4) == NULL ? 2 : 0;
}

START_TEST(forked_children)
{
    pthread_t threads[THREADS];
    atomic_store(&stop, false);
    ck_assert_ptr_nonnull(allocate_some(&stop));
    for (uintptr_t i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, churn, (void *)(i + 1));
    for (int i = 0; i < 5; i++)
        ck_assert(exited(in_child(live_on, NULL), 0));
    for (uintptr_t i = 0; i < THREADS; i++) {
        void *result;
        pthread_join(threads[i], &result);
        ck_assert_ptr_nonnull(result);
    }
}
END_TEST

SUITE("magazines", nothing_is_handed_out_twice, in_incremental_mode, end_pointers_keep_objects,
      threads_leave_nothing, kept_blocks_go, unregistered_and_back, forked_children)
