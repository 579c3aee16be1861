/* SPDX-License-Identifier: MIT */
/* Finalizers: kindgc/finalize.h. */
#include "misuse.h"
#include "stale.h"
#include "suite.h"
#include <errno.h>
#include <gc/gc.h>
#include <kindgc.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { OBJECTS = 100 };

struct object {
    struct object *other;
    unsigned number;
};

/* What has been finalized: how often, and in which order. */
static _Atomic unsigned ended, ended_of[2];
static _Atomic pid_t ended_in;

static void on_end(void *object, void *data)
{
    const struct object *o = object;
    ck_assert_ptr_eq(data, &ended);
    atomic_fetch_add(&ended, 1);
    atomic_fetch_add(&ended_of[o->number % 2], 1);
    atomic_store(&ended_in, gettid());
}

static struct object *make(unsigned number, kgc_finalizer_mode mode)
{
    struct object *o = kgc_allocate(sizeof *o);
    o->number = number;
    ck_assert_int_eq(kgc_register_finalizer(o, on_end, &ended, mode, NULL, NULL), 0);
    return o;
}

/* Pairs: object 0 of each points at object 1. */
static __attribute__((noinline)) void make_pairs(kgc_finalizer_mode mode, bool cycle)
{
    for (unsigned i = 0; i < OBJECTS; i++) {
        struct object *first = make(0, mode);
        first->other = make(1, mode);
        if (cycle)
            first->other->other = first;
    }
}

static __attribute__((noinline)) void make_narcissists(kgc_finalizer_mode mode)
{
    for (unsigned i = 0; i < OBJECTS; i++) {
        struct object *o = make(0, mode);
        o->other = o;
    }
}

static void reset(void)
{
    atomic_store(&ended, 0);
    atomic_store(&ended_of[0], 0);
    atomic_store(&ended_of[1], 0);
}

/* A stale word on the stack may keep a few. */
#define MOST (OBJECTS * 9 / 10)

START_TEST(normal)
{
    GC_set_warn_proc(GC_ignore_warn_proc); /* libgc mentions every cycle */
    make_pairs(KGC_FINALIZE_NORMAL, false);
    collect();
    ck_assert_uint_ge(ended_of[0], MOST); /* nothing points at these */
    ck_assert_uint_eq(ended_of[1], 0);
    collect();
    ck_assert_uint_ge(ended_of[1], MOST);
    collect();
    collect();
    ck_assert_uint_le(ended, 2 * OBJECTS); /* once each */
    reset();
    make_pairs(KGC_FINALIZE_NORMAL, true);
    make_narcissists(KGC_FINALIZE_NORMAL);
    collect();
    collect();
    ck_assert_uint_eq(ended, 0);
}
END_TEST

START_TEST(ignore_self)
{
    GC_set_warn_proc(GC_ignore_warn_proc);
    make_narcissists(KGC_FINALIZE_IGNORE_SELF);
    collect();
    ck_assert_uint_ge(ended, MOST);
    reset();
    make_pairs(KGC_FINALIZE_IGNORE_SELF, true);
    collect();
    collect();
    ck_assert_uint_eq(ended, 0);
}
END_TEST

START_TEST(no_order)
{
    make_pairs(KGC_FINALIZE_NO_ORDER, true);
    collect();
    ck_assert_uint_ge(ended_of[0], MOST);
    ck_assert_uint_ge(ended_of[1], MOST);
}
END_TEST

/* The first of each pair is finalized in no order; the second one only when
   the first is really gone, though nothing else points at it. */
static __attribute__((noinline)) void make_guarded(void)
{
    for (unsigned i = 0; i < OBJECTS; i++)
        make(0, KGC_FINALIZE_NO_ORDER)->other = make(1, KGC_FINALIZE_UNREACHABLE);
}

START_TEST(unreachable)
{
    make_guarded();
    collect();
    ck_assert_uint_ge(ended_of[0], MOST);
    ck_assert_uint_eq(ended_of[1], 0);
    collect();
    ck_assert_uint_ge(ended_of[1], MOST);
}
END_TEST

static void other_end(void *object, void *data)
{
    (void)object, (void)data;
}

START_TEST(replaced_and_removed)
{
    kgc_finalizer old = other_end;
    void *old_data = &old, *volatile p = kgc_allocate(10);
    ck_assert_int_eq(kgc_register_finalizer(p, other_end, &old, KGC_FINALIZE_NORMAL, &old, &old_data), 0);
    ck_assert(old == NULL);
    ck_assert_ptr_null(old_data);
    ck_assert_int_eq(kgc_register_finalizer(p, on_end, &ended, KGC_FINALIZE_NO_ORDER, &old, &old_data), 0);
    ck_assert(old == other_end);
    ck_assert_ptr_eq(old_data, &old);
    ck_assert_int_eq(kgc_register_finalizer(p, NULL, NULL, KGC_FINALIZE_NORMAL, &old, &old_data), 0);
    ck_assert(old == on_end);
    ck_assert_ptr_eq(old_data, &ended);
    ck_assert_int_eq(kgc_register_finalizer(p, NULL, NULL, KGC_FINALIZE_NORMAL, &old, &old_data), 0);
    ck_assert(old == NULL);
    p = NULL;
    collect();
    ck_assert_uint_eq(ended, 0);
}
END_TEST

/* data is alive as long as the registration. */
static _Atomic unsigned data_seen;

static void check_data(void *object, void *data)
{
    (void)object;
    ck_assert_str_eq(data, "kept by the registration");
    atomic_fetch_add(&data_seen, 1);
}

static __attribute__((noinline)) void make_with_data(void)
{
    for (int i = 0; i < OBJECTS; i++) {
        void *o = kgc_allocate(32);
        char *data = kgc_strdup("kept by the registration");
        ck_assert_int_eq(kgc_register_finalizer(o, check_data, data, KGC_FINALIZE_NORMAL, NULL, NULL), 0);
    }
}

START_TEST(data_is_kept)
{
    kgc_disable();
    make_with_data();
    kgc_enable();
    collect();
    collect();
    ck_assert_uint_ge(data_seen, MOST);
}
END_TEST

static struct object *revived[OBJECTS];
static unsigned revivals;

static void revive(void *object, void *data)
{
    (void)data;
    revived[revivals++ % OBJECTS] = object;
}

static __attribute__((noinline)) void make_revivable(void)
{
    for (unsigned i = 0; i < OBJECTS; i++) {
        struct object *o = kgc_allocate(sizeof *o);
        o->number = 4711;
        ck_assert_int_eq(kgc_register_finalizer(o, revive, NULL, KGC_FINALIZE_NORMAL, NULL, NULL), 0);
    }
}

START_TEST(revived_objects)
{
    make_revivable();
    collect();
    unsigned n = revivals;
    ck_assert_uint_ge(n, MOST);
    collect();
    for (unsigned i = 0; i < n; i++) {
        ck_assert_uint_eq(revived[i]->number, 4711);
        ck_assert_int_eq(kgc_register_finalizer(revived[i], on_end, &ended, KGC_FINALIZE_NORMAL, NULL, NULL),
                         0);
    }
    collect();
    ck_assert_uint_eq(ended, 0);
    memset(revived, 0, sizeof revived);
    collect();
    ck_assert_uint_ge(ended, MOST - 10);
}
END_TEST

START_TEST(misused)
{
    static int local;
    char *p = kgc_allocate(100);
    void *rooted = kgc_malloc(10);
    ck_assert_int_eq(kgc_register_finalizer(p, on_end, NULL, (kgc_finalizer_mode)4, NULL, NULL), EINVAL);
    ck_last_error("kgc_register_finalizer: there is no mode 4");
    ck_assert_int_eq(kgc_register_finalizer(p, on_end, NULL, (kgc_finalizer_mode)-1, NULL, NULL), EINVAL);
    ck_last_error("kgc_register_finalizer: there is no mode -1");
    void *const bad[] = {p + 1, &local, rooted};
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(kgc_register_finalizer(bad[i], on_end, NULL, KGC_FINALIZE_NORMAL, NULL, NULL),
                         EINVAL);
        ck_last_error("kgc_register_finalizer: %p is not the start of a collectable object", bad[i]);
    }
    ck_assert_int_eq(kgc_register_finalizer(NULL, on_end, NULL, KGC_FINALIZE_NORMAL, NULL, NULL), EINVAL);
    ck_assert_int_eq(kgc_set_finalizer_thread((kgc_finalizer_policy)3), EINVAL);
    ck_last_error("kgc_set_finalizer_thread: there is no policy 3");
    kgc_free(rooted);
}
END_TEST

START_TEST(no_memory)
{
    GC_set_warn_proc(GC_ignore_warn_proc);
    enum { SPARE = 4000 };
    static void *objects[SPARE];
    for (int i = 0; i < SPARE; i++)
        objects[i] = kgc_allocate(16);
    kgc_heap_set_limit(kgc_heap_size());
    /* Fills the sizes that a registration may come from. */
    void **volatile list = NULL;
    for (void **p; (p = kgc_allocate(48)) != NULL; list = p)
        p[0] = list;
    int error = 0, i = 0;
    for (; i < SPARE && error == 0; i++)
        error = kgc_register_finalizer(objects[i], on_end, &ended, KGC_FINALIZE_NORMAL, NULL, NULL);
    ck_assert_int_eq(error, ENOMEM);
    ck_last_error("kgc_register_finalizer: no memory for the registration");
    ck_assert_ptr_nonnull(list);
}
END_TEST

static _Atomic unsigned ready_events;

static void watch_ready(const kgc_event *event, void *arg)
{
    (void)arg;
    if (event->type == KGC_EVENT_FINALIZERS_READY)
        atomic_fetch_add(&ready_events, 1);
}
static const kgc_listener ready_listener = {watch_ready};

START_TEST(on_demand)
{
    ck_assert_int_eq(kgc_add_listener(&ready_listener, NULL), 0);
    ck_assert_int_eq(kgc_set_finalizer_thread(KGC_FINALIZERS_ON_DEMAND), 0);
    make_pairs(KGC_FINALIZE_NO_ORDER, false);
    collect();
    collect();
    for (int i = 0; i < 1000; i++)
        ck_assert_ptr_nonnull(kgc_allocate(100));
    ck_assert_uint_eq(ended, 0);
    ck_assert_uint_ge(ready_events, 1);
    int ran = kgc_finalizers_run();
    ck_assert_int_ge(ran, 2 * MOST);
    ck_assert_uint_eq(ended, (unsigned)ran);
    ck_assert_int_eq(kgc_finalizers_run(), 0);
    reset();
    make_pairs(KGC_FINALIZE_NO_ORDER, false);
    collect();
    ck_assert_uint_eq(ended, 0);
    ck_assert_int_eq(kgc_set_finalizer_thread(KGC_FINALIZERS_ALLOCATING), 0);
    collect();
    ck_assert_uint_ge(ended, 2 * MOST);
}
END_TEST

static bool wait_for_ended(unsigned n)
{
    for (int i = 0; i < 5000 && atomic_load(&ended) < n; i++) {
        struct timespec t = {.tv_nsec = 1000000};
        nanosleep(&t, NULL);
    }
    return atomic_load(&ended) >= n;
}

START_TEST(own_thread)
{
    ck_assert_int_eq(kgc_set_finalizer_thread(KGC_FINALIZERS_ON_DEMAND), 0);
    make_pairs(KGC_FINALIZE_NO_ORDER, false);
    collect();
    ck_assert_uint_eq(ended, 0);
    ck_assert_int_eq(kgc_set_finalizer_thread(KGC_FINALIZERS_THREAD), 0); /* runs what is ready */
    ck_assert(wait_for_ended(2 * MOST));
    ck_assert_int_ne(ended_in, gettid());
    reset();
    make_pairs(KGC_FINALIZE_NO_ORDER, false);
    collect();
    ck_assert(wait_for_ended(2 * MOST));
    ck_assert_int_ne(ended_in, gettid());
    ck_assert_int_eq(kgc_set_finalizer_thread(KGC_FINALIZERS_THREAD), 0);
    ck_assert_int_eq(kgc_set_finalizer_thread(KGC_FINALIZERS_ALLOCATING), 0);
    reset();
    make_pairs(KGC_FINALIZE_NO_ORDER, false);
    collect();
    ck_assert_uint_ge(ended, 2 * MOST);
    ck_assert_int_eq(ended_in, gettid());
}
END_TEST

START_TEST(own_thread_in_forked_child)
{
    ck_assert_int_eq(kgc_set_finalizer_thread(KGC_FINALIZERS_THREAD), 0);
    pid_t child = fork();
    if (child == 0) {
        alarm(20);
        make_pairs(KGC_FINALIZE_NO_ORDER, false);
        collect();
        _exit(wait_for_ended(2 * MOST) && ended_in != gettid() ? 0 : 1);
    }
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
}
END_TEST

/* The program's signals stay away from the library's thread. */
static _Atomic pid_t signalled;

static void on_signal(int number)
{
    (void)number;
    atomic_store(&signalled, gettid());
}

START_TEST(own_thread_takes_no_signals)
{
    ck_assert_int_eq(kgc_set_finalizer_thread(KGC_FINALIZERS_THREAD), 0);
    sigset_t set;
    signal(SIGUSR1, on_signal);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    kill(getpid(), SIGUSR1);
    usleep(20000);
    ck_assert_int_eq(signalled, 0);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    ck_assert_int_eq(signalled, gettid());
}
END_TEST

SUITE("finalize", normal, ignore_self, no_order, unreachable, replaced_and_removed, data_is_kept,
      revived_objects, misused, no_memory, on_demand, own_thread, own_thread_in_forked_child,
      own_thread_takes_no_signals)
