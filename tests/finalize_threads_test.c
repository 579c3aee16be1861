/* SPDX-License-Identifier: MIT */
/*
 * Sixteen threads make objects with finalizers in all modes, with pointers
 * between them; in the end each finalizer has run exactly once, by every
 * policy: of a million objects by the default one, and by the others with
 * KINDGC_TEST_LONG, without it of a tenth.
 */
#include "base/options.h"
#include "collect/start.h"
#include "suite.h"
#include <errno.h>
#include <gc/gc.h>
#include <kindgc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

enum { THREADS = 16, SHORT = 100000, LONG = 1000000 };

static unsigned objects; /* of all threads */
static _Atomic unsigned char counts[LONG];
static _Atomic unsigned refused, wrong;

struct object {
    struct object *other;
    uintptr_t number;
};

static void end(void *p, void *data)
{
    const struct object *o = p;
    if ((uintptr_t)data != ~o->number)
        atomic_fetch_add(&wrong, 1);
    if (o->other != NULL && o->other->number >= objects)
        atomic_fetch_add(&wrong, 1);
    atomic_fetch_add(&counts[o->number], 1);
}

/* Now and then a cycle, in modes that allow it. */
static void *work(void *p)
{
    unsigned thread = (unsigned)(uintptr_t)p, seed = thread;
    struct object *recent = NULL;
    for (unsigned i = thread; i < objects; i += THREADS) {
        seed = seed * 1664525 + 1013904223;
        struct object *o = kgc_allocate(sizeof *o);
        o->number = i;
        kgc_finalizer_mode mode = seed >> 28 & 3;
        if ((seed >> 20 & 3) == 0)
            o->other = recent;
        if (mode == KGC_FINALIZE_NO_ORDER && o->other == NULL)
            o->other = o;
        recent = o;
        if (kgc_register_finalizer(o, end, (void *)~(uintptr_t)i, mode, NULL, NULL) != 0)
            atomic_fetch_add(&refused, 1);
        if ((seed >> 10 & 1023) == 0)
            kgc_finalizers_run();
    }
    return NULL;
}

static unsigned counted(unsigned how_often)
{
    unsigned n = 0;
    for (unsigned i = 0; i < objects; i++)
        n += atomic_load(&counts[i]) == how_often;
    return n;
}

static void check(kgc_finalizer_policy policy, unsigned number)
{
    objects = getenv("KINDGC_TEST_LONG") != NULL ? LONG : number;
    GC_set_warn_proc(GC_ignore_warn_proc);
    ck_assert_int_eq(kgc_set_finalizer_thread(policy), 0);
    pthread_t threads[THREADS];
    for (uintptr_t i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, work, (void *)i), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < 20; i++) {
        kgc_collect();
        kgc_finalizers_run();
    }
    ck_assert_uint_ge(counted(1), objects / 100 * 95);
    /* Those that stale words keep alive have theirs when the process ends, and no other has it again. */
    strcpy(kgc__settings.finalizers, "exit");
    kgc__finalizers_at_exit();
    for (int i = 0; i < 10000 && counted(1) < objects; i++)
        usleep(1000); /* the last one, in the library's thread */
    ck_assert_uint_eq(counted(1), objects);
    ck_assert_uint_eq(refused, 0);
    ck_assert_uint_eq(wrong, 0);
}

START_TEST(once_in_allocating_threads)
{
    check(KGC_FINALIZERS_ALLOCATING, LONG);
}
END_TEST

START_TEST(once_on_demand)
{
    check(KGC_FINALIZERS_ON_DEMAND, SHORT);
}
END_TEST

START_TEST(once_in_the_librarys_thread)
{
    check(KGC_FINALIZERS_THREAD, SHORT);
}
END_TEST

START_TEST(once_incrementally)
{
    GC_enable_incremental();
    check(KGC_FINALIZERS_ALLOCATING, SHORT);
}
END_TEST

SUITE("finalize_threads", once_in_allocating_threads, once_on_demand, once_in_the_librarys_thread,
      once_incrementally)
