/* SPDX-License-Identifier: MIT */
/* What listeners are told: each sort of event with its order, value and kind. */
#include "base/size.h"
#include "misuse.h"
#include "section/event.h"
#include "suite.h"
#define GC_THREADS             1
#define GC_NO_THREAD_REDIRECTS 1
#include <errno.h>
#include <gc/gc.h>
#include <kindgc.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

/* The events so far, the last ones when there are too many.  libgc's lock
   guards it, except from events that come without. */
enum { SEEN = 4096 };
static kgc_event seen[SEEN];
static _Atomic unsigned seen_count;

static void record(const kgc_event *event, void *arg)
{
    (void)arg;
    unsigned i = atomic_fetch_add(&seen_count, 1);
    seen[i % SEEN] = *event;
}
static const kgc_listener recorder = {record};

static unsigned count(kgc_event_type type)
{
    unsigned n = 0;
    for (unsigned i = 0; i < seen_count; i++)
        n += seen[i].type == type;
    return n;
}

static const kgc_event *only(kgc_event_type type)
{
    const kgc_event *found = NULL;
    for (unsigned i = 0; i < seen_count; i++) {
        if (seen[i].type == type) {
            ck_assert_ptr_null(found);
            found = &seen[i];
        }
    }
    ck_assert_ptr_nonnull(found);
    return found;
}

static void start(void)
{
    ck_assert_int_eq(kgc_init(NULL), 0);
    ck_assert_int_eq(kgc_add_listener(&recorder, NULL), 0);
    atomic_store(&seen_count, 0);
}

START_TEST(of_a_collection)
{
    start();
    size_t number = GC_get_gc_no();
    struct timespec before, after;
    clock_gettime(CLOCK_MONOTONIC, &before);
    kgc_collect();
    clock_gettime(CLOCK_MONOTONIC, &after);
    static const kgc_event_type order[] = {KGC_EVENT_COLLECTION_START, KGC_EVENT_PAUSE_START,
                                           KGC_EVENT_PAUSE_END, KGC_EVENT_COLLECTION_END};
    unsigned at = 0;
    for (unsigned i = 0; i < seen_count; i++) {
        if (seen[i].type == KGC_EVENT_PURGE)
            continue; /* which depends on what lay free before */
        ck_assert_uint_lt(at, 4);
        ck_assert_int_eq(seen[i].type, order[at++]);
        ck_assert_ptr_null(seen[i].kind);
    }
    ck_assert_uint_eq(at, 4);
    ck_assert_uint_eq(only(KGC_EVENT_COLLECTION_START)->value, number);
    ck_assert_uint_eq(only(KGC_EVENT_COLLECTION_END)->value, number + 1);
    size_t most =
        (size_t)(after.tv_sec - before.tv_sec) * 1000000000u + (size_t)after.tv_nsec - (size_t)before.tv_nsec;
    ck_assert_uint_gt(only(KGC_EVENT_PAUSE_END)->value, 0);
    ck_assert_uint_le(only(KGC_EVENT_PAUSE_END)->value, most);
    ck_assert_uint_eq(only(KGC_EVENT_PAUSE_START)->value, 0);
}
END_TEST

/* Events come in pairs, and the inner one inside the outer one. */
static void check_nesting(void)
{
    bool collecting = false, paused = false;
    size_t last = 0;
    for (unsigned i = 0; i < seen_count; i++) {
        switch (seen[i].type) {
        case KGC_EVENT_COLLECTION_START:
            ck_assert(!collecting && !paused);
            ck_assert_uint_ge(seen[i].value, last);
            collecting = true;
            break;
        case KGC_EVENT_COLLECTION_END:
            ck_assert(collecting && !paused);
            ck_assert_uint_gt(seen[i].value, last);
            last = seen[i].value;
            collecting = false;
            break;
        case KGC_EVENT_PAUSE_START:
            ck_assert(collecting && !paused);
            paused = true;
            break;
        case KGC_EVENT_PAUSE_END:
            ck_assert(paused);
            paused = false;
            break;
        default:
            break;
        }
    }
    ck_assert(!paused);
}

struct node {
    struct node *left, *right;
};

static struct node *tree(unsigned depth)
{
    struct node *n = kgc_allocate(sizeof *n);
    if (depth > 0) {
        n->left = tree(depth - 1);
        n->right = tree(depth - 1);
    }
    return n;
}

START_TEST(of_incremental_collections)
{
    start();
    GC_enable_incremental();
    GC_set_time_limit(1);
    struct node *volatile alive = tree(18);
    kgc_collect(); /* none is under way */
    atomic_store(&seen_count, 0);
    size_t number = GC_get_gc_no();
    for (unsigned i = 0; i < 20000 && GC_get_gc_no() < number + 4 && seen_count < SEEN / 2; i++) {
        struct node *fresh = tree(9);
        alive->left->left->left = fresh;
        GC_end_stubborn_change(alive->left->left);
    }
    kgc_collect();
    ck_assert_uint_lt(seen_count, SEEN);
    ck_assert_uint_gt(GC_get_gc_no(), number + 1);
    check_nesting();
    ck_assert_uint_eq(count(KGC_EVENT_COLLECTION_END), GC_get_gc_no() - number);
    ck_assert_uint_eq(count(KGC_EVENT_COLLECTION_START), count(KGC_EVENT_COLLECTION_END));
    ck_assert_uint_gt(count(KGC_EVENT_PAUSE_END), count(KGC_EVENT_COLLECTION_END));
}
END_TEST

static void *make_garbage(void *unused)
{
    (void)unused;
    for (unsigned i = 0; i < 30; i++)
        tree(12);
    return NULL;
}

START_TEST(from_several_threads)
{
    pthread_t threads[4];
    start();
    size_t number = GC_get_gc_no();
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, make_garbage, NULL), 0);
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
    kgc_collect();
    ck_assert_uint_lt(seen_count, SEEN);
    check_nesting();
    ck_assert_uint_eq(count(KGC_EVENT_COLLECTION_END), GC_get_gc_no() - number);
}
END_TEST

START_TEST(of_growth_and_purge)
{
    start();
    size_t heap = kgc_heap_size();
    void *volatile large = kgc_allocate_atomic(50 * KGC_MIB);
    ck_assert_ptr_nonnull(large);
    size_t grown = 0;
    for (unsigned i = 0; i < seen_count; i++) {
        if (seen[i].type == KGC_EVENT_HEAP_GROWTH) {
            grown += seen[i].value;
            ck_assert_ptr_eq(seen[i].kind, kgc_heap_kind());
        }
    }
    ck_assert_uint_ge(grown, kgc_heap_size() - heap);
    ck_assert_uint_le(grown, kgc_heap_size() - heap + KGC_MIB); /* with libgc's tables */
    atomic_store(&seen_count, 0);
    kgc_release((void *)large);
    large = NULL;
    for (int i = 0; i < 20; i++)
        kgc_collect();
    size_t purged = 0;
    for (unsigned i = 0; i < seen_count; i++) {
        if (seen[i].type == KGC_EVENT_PURGE) {
            purged += seen[i].value;
            ck_assert_ptr_eq(seen[i].kind, kgc_heap_kind());
        }
    }
    ck_assert_uint_ge(purged, 45 * KGC_MIB);
}
END_TEST

START_TEST(of_finalizers)
{
    start();
    ck_assert_int_eq(kgc_set_finalizer_thread(KGC_FINALIZERS_ON_DEMAND), 0);
    for (int i = 0; i < 100; i++)
        kgc_register_finalizer(kgc_allocate(32), (kgc_finalizer)(void (*)(void))make_garbage, NULL,
                               KGC_FINALIZE_NO_ORDER, NULL, NULL);
    kgc_collect();
    ck_assert_uint_eq(only(KGC_EVENT_FINALIZERS_READY)->value, 0);
    ck_assert_ptr_null(only(KGC_EVENT_FINALIZERS_READY)->kind);
    ck_assert_int_gt(kgc_finalizers_run(), 50);
}
END_TEST

START_TEST(of_no_memory)
{
    GC_set_warn_proc(GC_ignore_warn_proc);
    start();
    ck_assert_int_eq(kgc_heap_set_limit(8 * KGC_MIB), 0);
    atomic_store(&seen_count, 0);
    ck_assert_ptr_null(kgc_allocate(9 * KGC_MIB));
    ck_assert_uint_eq(only(KGC_EVENT_OUT_OF_MEMORY)->value, 9 * KGC_MIB);
    ck_assert_ptr_null(only(KGC_EVENT_OUT_OF_MEMORY)->kind);
}
END_TEST

static unsigned own_calls[16];

static void count_own(const kgc_event *event, void *arg)
{
    if (event->type == KGC_EVENT_COLLECTION_END)
        ++*(unsigned *)arg;
}

START_TEST(several_listeners)
{
    static kgc_listener listeners[17];
    static const kgc_listener without = {NULL};
    ck_assert_int_eq(kgc_init(NULL), 0);
    ck_assert_int_eq(kgc_add_listener(NULL, NULL), EINVAL);
    ck_assert_int_eq(kgc_add_listener(&without, NULL), EINVAL);
    ck_last_error("kgc_add_listener: a listener with an event function is needed");
    for (int i = 0; i < 17; i++)
        listeners[i].event = count_own;
    for (int i = 0; i < 16; i++)
        ck_assert_int_eq(kgc_add_listener(&listeners[i], &own_calls[i]), 0);
    ck_assert_int_eq(kgc_add_listener(&listeners[16], NULL), ENOMEM);
    ck_last_error("kgc_add_listener: there are 16 listeners, which is the most");
    kgc_collect();
    for (int i = 0; i < 16; i++)
        ck_assert_uint_eq(own_calls[i], 1);
    ck_assert_int_eq(kgc_remove_listener(&listeners[5], &own_calls[4]), EINVAL);
    ck_last_error("kgc_remove_listener: no such listener was added with this argument");
    ck_assert_int_eq(kgc_remove_listener(&listeners[16], NULL), EINVAL);
    ck_assert_int_eq(kgc_remove_listener(&listeners[5], &own_calls[5]), 0);
    ck_assert_int_eq(kgc_remove_listener(&listeners[5], &own_calls[5]), EINVAL);
    kgc_collect();
    for (int i = 0; i < 16; i++)
        ck_assert_uint_eq(own_calls[i], i == 5 ? 1 : 2);
    ck_assert_int_eq(kgc_add_listener(&listeners[16], &own_calls[5]), 0);
    kgc_collect();
    for (int i = 0; i < 16; i++)
        ck_assert_uint_eq(own_calls[i], i == 5 ? 2 : 3);
}
END_TEST

/* Listeners come and go while events are emitted.  Each of them may only be
   called with its own argument, between its being added and being removed. */
struct guest {
    kgc_listener listener;
    _Atomic bool here;
    const struct guest *self;
};
static _Atomic bool stop, wrong;
static _Atomic unsigned long visits;

static void visit(const kgc_event *event, void *arg)
{
    (void)event;
    const struct guest *g = arg;
    if (g->self != g || !atomic_load(&g->here))
        atomic_store(&wrong, true);
    atomic_fetch_add(&visits, 1);
}

static void *come_and_go(void *unused)
{
    (void)unused;
    struct guest guest = {.listener = {visit}, .self = &guest};
    while (!atomic_load(&stop)) {
        atomic_store(&guest.here, true);
        if (kgc_add_listener(&guest.listener, &guest) != 0)
            atomic_store(&wrong, true);
        sched_yield();
        if (kgc_remove_listener(&guest.listener, &guest) != 0)
            atomic_store(&wrong, true);
        atomic_store(&guest.here, false);
    }
    return NULL;
}

static void *emit(void *unused)
{
    (void)unused;
    while (atomic_load(&visits) < 100000)
        kgc__emit(KGC_EVENT_PURGE, 0, NULL);
    return NULL;
}

START_TEST(coming_and_going)
{
    pthread_t guests[3], emitters[2];
    ck_assert_int_eq(kgc_init(NULL), 0);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(pthread_create(&guests[i], NULL, come_and_go, NULL), 0);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(pthread_create(&emitters[i], NULL, emit, NULL), 0);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(pthread_join(emitters[i], NULL), 0);
    atomic_store(&stop, true);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(pthread_join(guests[i], NULL), 0);
    ck_assert(!wrong);
}
END_TEST

/* A thread that emits at the moment of the fork is not waited for in the child. */
enum { LINGER = 12345 };
static _Atomic bool inside, leave, has_left;

static void linger(const kgc_event *event, void *arg)
{
    (void)arg;
    if (event->value != LINGER)
        return;
    atomic_store(&inside, true);
    while (!atomic_load(&leave))
        usleep(100);
    atomic_store(&has_left, true);
}
static const kgc_listener lingering = {linger};

static void *emit_once(void *unused)
{
    (void)unused;
    kgc__emit(KGC_EVENT_PURGE, LINGER, NULL);
    return NULL;
}

static void *remove_it(void *unused)
{
    (void)unused;
    bool removed = kgc_remove_listener(&lingering, NULL) == 0;
    return (void *)(uintptr_t)(removed && atomic_load(&has_left));
}

START_TEST(removing_waits)
{
    pthread_t emitter, remover;
    void *waited;
    ck_assert_int_eq(kgc_init(NULL), 0);
    ck_assert_int_eq(kgc_add_listener(&lingering, NULL), 0);
    ck_assert_int_eq(pthread_create(&emitter, NULL, emit_once, NULL), 0);
    while (!atomic_load(&inside))
        usleep(100);
    ck_assert_int_eq(pthread_create(&remover, NULL, remove_it, NULL), 0);
    usleep(50000); /* it could return too early */
    atomic_store(&leave, true);
    ck_assert_int_eq(pthread_join(remover, &waited), 0);
    ck_assert_int_eq(pthread_join(emitter, NULL), 0);
    ck_assert_ptr_nonnull(waited);
}
END_TEST

START_TEST(forked_child)
{
    pthread_t thread;
    int status;
    ck_assert_int_eq(kgc_init(NULL), 0);
    ck_assert_int_eq(kgc_add_listener(&lingering, NULL), 0);
    ck_assert_int_eq(pthread_create(&thread, NULL, emit_once, NULL), 0);
    while (!atomic_load(&inside))
        usleep(100);
    pid_t child = fork();
    if (child == 0) {
        alarm(10);
        _exit(kgc_remove_listener(&lingering, NULL) == 0 ? 0 : 1);
    }
    atomic_store(&leave, true);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
}
END_TEST

SUITE("event", of_a_collection, of_incremental_collections, from_several_threads, of_growth_and_purge,
      of_finalizers, of_no_memory, several_listeners, coming_and_going, removing_waits, forked_child)
