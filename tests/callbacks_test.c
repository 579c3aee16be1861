/* SPDX-License-Identifier: MIT */
/*
 * libgc's callbacks, shared with programs that set their own as ECL and Guile
 * do: both sides' functions run, and a program is told of its own only.
 */
#include "base/size.h"
#include "chain.h"
#include "section/callbacks.h"
#include "section/section.h"
#include "suite.h"
#include <dlfcn.h>
#include <pthread.h>
#include <semaphore.h>
#include <unistd.h>

static _Atomic unsigned starts, ends, events, pushes, ooms, notices, libgc_events;

static void listen(const kgc_event *event, void *arg)
{
    (void)arg;
    atomic_fetch_add(&events, 1);
    atomic_fetch_add(&starts, event->type == KGC_EVENT_COLLECTION_START);
    atomic_fetch_add(&ends, event->type == KGC_EVENT_COLLECTION_END);
    atomic_fetch_add(&ooms, event->type == KGC_EVENT_OUT_OF_MEMORY);
    atomic_fetch_add(&notices, event->type == KGC_EVENT_FINALIZERS_READY);
}
static const kgc_listener listener = {listen};

static void GC_CALLBACK on_event(GC_EventType type)
{
    (void)type;
    atomic_fetch_add(&libgc_events, 1);
}

/* As an embedder: its own roots, then whatever was there before. */
static struct link **own_root;
static GC_push_other_roots_proc pushed_before;

static void GC_CALLBACK push_and_chain(void)
{
    atomic_fetch_add(&pushes, 1);
    GC_push_all_eager(own_root, own_root + 1);
    if (pushed_before != NULL)
        pushed_before();
}

static struct link **new_root(void)
{
    return calloc(1, sizeof(struct link *));
}

static __attribute__((noinline)) void fill(struct link **root)
{
    *root = make_chain();
}

static void check_kept_by(struct link **root)
{
    next_chain();
    fill(root);
    collect_all();
    ck_chain_kept();
    check_chain(*root);
    *root = NULL;
    collect_all();
    kgc_finalizers_run(); /* under some policies nobody else does */
    ck_chain_ended();
}

/* All of ours still works. */
static void check_ours(void)
{
    static struct link **root;
    if (root == NULL) {
        root = new_root();
        ck_assert_int_eq(kgc_root_add(root, root + 1), 0);
    }
    uint64_t pauses = kgc__world_pauses().count;
    atomic_store(&starts, 0);
    atomic_store(&ends, 0);
    kgc_collect();
    ck_assert_uint_eq(kgc__world_pauses().count, pauses + 1);
    ck_assert_uint_eq(starts, 1);
    ck_assert_uint_eq(ends, 1);
    check_kept_by(root);
}

START_TEST(events_and_roots)
{
    ck_assert_int_eq(kgc_init(NULL), 0);
    ck_assert_int_eq(kgc_add_listener(&listener, NULL), 0);
    ck_assert_ptr_null((void *)GC_get_on_collection_event());
    GC_set_on_collection_event(on_event);
    ck_assert(GC_get_on_collection_event() == on_event);
    check_ours();
    ck_assert_uint_ge(libgc_events, events / 2);

    own_root = new_root();
    pushed_before = GC_get_push_other_roots();
    ck_assert(pushed_before != NULL);
    GC_set_push_other_roots(push_and_chain);
    ck_assert(GC_get_push_other_roots() == push_and_chain);
    check_kept_by(own_root);
    check_ours();
    ck_assert_uint_ge(pushes, 6);

    GC_set_on_collection_event(NULL);
    ck_assert_ptr_null((void *)GC_get_on_collection_event());
    unsigned before = libgc_events;
    GC_set_push_other_roots(pushed_before);
    check_ours();
    ck_assert_uint_eq(libgc_events, before);
}
END_TEST

/* Set before the library starts: nothing is lost either. */
START_TEST(set_before)
{
    own_root = new_root();
    pushed_before = GC_get_push_other_roots();
    GC_set_push_other_roots(push_and_chain);
    GC_set_on_collection_event(on_event);
    GC_INIT();
    GC_gcollect();
    ck_assert_uint_gt(libgc_events, 0);
    ck_assert_uint_ge(pushes, 1);
    ck_assert_int_eq(kgc_init(NULL), 0);
    ck_assert_int_eq(kgc_add_listener(&listener, NULL), 0);
    ck_assert(GC_get_push_other_roots() == push_and_chain);
    check_kept_by(own_root);
    check_ours();
}
END_TEST

/* An old program assigns to libgc's variable, and has found ours there. */
START_TEST(assigned)
{
    ck_assert_int_eq(kgc_init(NULL), 0);
    ck_assert_int_eq(kgc_add_listener(&listener, NULL), 0);
    GC_push_other_roots_proc *variable = dlsym(RTLD_DEFAULT, "GC_push_other_roots");
    ck_assert_ptr_nonnull(variable);
    own_root = new_root();
    for (int i = 0; i < 20; i++) { /* the first procedure, which pushes the stacks, is not forgotten */
        pushed_before = *variable;
        *variable = push_and_chain;
        check_kept_by(own_root);
        check_ours();
    }
    ck_assert(*variable != push_and_chain);
    ck_assert(GC_get_push_other_roots() == push_and_chain);
    ck_assert_uint_ge(pushes, 20);
}
END_TEST

/* What programs do that call libgc past this library. */
static void (*libgc_function(const char *name))(void)
{
    void *libgc = dlopen("libgc.so.1", RTLD_LAZY | RTLD_NOLOAD);
    return (void (*)(void))dlsym(libgc, name);
}

static void *allocate_once(void *unused)
{
    (void)unused;
    return kgc_allocate(100);
}

static void check_behind(void)
{
    void (*set_event)(GC_on_collection_event_proc) =
        (void (*)(GC_on_collection_event_proc))libgc_function("GC_set_on_collection_event");
    void (*set_push)(GC_push_other_roots_proc) =
        (void (*)(GC_push_other_roots_proc))libgc_function("GC_set_push_other_roots");
    ck_assert(set_event != GC_set_on_collection_event);
    set_event(on_event);
    kgc_collect(); /* not announced; which is noticed */
    set_push(push_and_chain);
    check_ours();
    ck_assert(GC_get_on_collection_event() == on_event);
    ck_assert(GC_get_push_other_roots() == push_and_chain);
    check_kept_by(own_root);
}

START_TEST(behind_our_back)
{
    ck_assert_int_eq(kgc_init(NULL), 0);
    ck_assert_int_eq(kgc_add_listener(&listener, NULL), 0);
    own_root = new_root();
    pushed_before = GC_get_push_other_roots();
    check_behind();
    GC_set_push_other_roots(pushed_before);
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, allocate_once, NULL), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    check_behind();
}
END_TEST

static _Atomic unsigned own_ooms;

static void *GC_CALLBACK no_memory(size_t size)
{
    (void)size;
    atomic_fetch_add(&own_ooms, 1);
    return NULL;
}

static void *refuse(size_t size)
{
    (void)size;
    return NULL;
}

START_TEST(out_of_memory)
{
    GC_set_warn_proc(GC_ignore_warn_proc);
    ck_assert_int_eq(kgc_init(NULL), 0);
    ck_assert_int_eq(kgc_add_listener(&listener, NULL), 0);
    ck_assert_int_eq(kgc_heap_set_limit(8 * KGC_MIB), 0);
    GC_oom_func standard = GC_get_oom_fn();
    GC_set_oom_fn(no_memory);
    ck_assert(GC_get_oom_fn() == no_memory);
    ck_assert_ptr_null(kgc_allocate(9 * KGC_MIB));
    ck_assert_ptr_null(GC_malloc(9 * KGC_MIB));
    ck_assert_uint_eq(own_ooms, 2);
    ck_assert_uint_eq(ooms, 2);
    kgc_oom_fn before = kgc_set_oom_fn(refuse); /* comes first, and instead */
    ck_assert_ptr_null(kgc_allocate(9 * KGC_MIB));
    ck_assert_uint_eq(own_ooms, 2);
    ck_assert_uint_eq(ooms, 3);
    ck_assert(kgc_set_oom_fn(NULL) == refuse);
    ck_assert_ptr_null(before(1));
    ck_assert_uint_eq(own_ooms, 3);
    GC_set_oom_fn(standard);
    ck_assert_ptr_null(kgc_allocate(9 * KGC_MIB));
    ck_assert_uint_eq(own_ooms, 3);
    ck_assert_uint_eq(ooms, 4);
}
END_TEST

/* As Guile: a notifier that hands the work to a thread of the program's. */
static sem_t told;
static _Atomic unsigned told_times;
static _Atomic pid_t ended_in;

static void GC_CALLBACK tell(void)
{
    atomic_fetch_add(&told_times, 1);
    sem_post(&told);
}

static void note_thread(void *object, void *data)
{
    (void)object, (void)data;
    atomic_store(&ended_in, gettid());
    count_end(object, data);
}

static __attribute__((noinline)) void drop_objects(void)
{
    for (unsigned i = 0; i < CHAIN; i++)
        kgc_register_finalizer(kgc_allocate(32), note_thread, &links_ended, KGC_FINALIZE_NO_ORDER, NULL,
                               NULL);
}

static void *run_when_told(void *unused)
{
    (void)unused;
    while (sem_wait(&told) != 0)
        ;
    GC_invoke_finalizers();
    return (void *)(uintptr_t)gettid();
}

/* They run in the program's thread, whatever the policy. */
static void check_taken_over(void)
{
    pthread_t thread;
    void *id;
    next_chain();
    atomic_store(&told_times, 0);
    atomic_store(&notices, 0);
    drop_objects();
    clear_stack();
    kgc_collect();
    usleep(20000); /* the library's thread could run them */
    ck_chain_kept();
    ck_assert_uint_ge(told_times, 1);
    ck_assert_int_eq(pthread_create(&thread, NULL, run_when_told, NULL), 0);
    ck_assert_int_eq(pthread_join(thread, &id), 0);
    ck_chain_ended();
    ck_assert_int_eq(ended_in, (pid_t)(uintptr_t)id);
    while (sem_trywait(&told) == 0)
        ;
}

START_TEST(finalizers_taken_over)
{
    sem_init(&told, 0, 0);
    ck_assert_int_eq(kgc_init(NULL), 0);
    ck_assert_int_eq(kgc_add_listener(&listener, NULL), 0);
    GC_set_finalizer_notifier(tell);
    GC_set_finalize_on_demand(1);
    check_taken_over();
    GC_set_finalizer_notifier(NULL);
    GC_set_finalize_on_demand(0);

    static const kgc_finalizer_policy policies[] = {KGC_FINALIZERS_ON_DEMAND, KGC_FINALIZERS_THREAD};
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(kgc_set_finalizer_thread(policies[i]), 0);
        GC_set_finalizer_notifier(tell);
        GC_set_finalize_on_demand(1);
        ck_assert(GC_get_finalizer_notifier() == tell);
        check_taken_over();
        ck_assert_uint_ge(notices, 1);
        GC_set_finalizer_notifier(NULL);
    }
}
END_TEST

static bool wait_for_end(void)
{
    for (int i = 0; i < 5000 && atomic_load(&links_ended) < CHAIN / 2; i++)
        usleep(1000);
    return atomic_load(&links_ended) >= CHAIN / 2;
}

/* Who chooses last decides; a notifier from before is still told. */
START_TEST(finalizers_taken_back)
{
    sem_init(&told, 0, 0);
    ck_assert_int_eq(kgc_init(NULL), 0);
    GC_set_finalizer_notifier(tell);
    GC_set_finalize_on_demand(1);
    ck_assert_int_eq(kgc_set_finalizer_thread(KGC_FINALIZERS_THREAD), 0);
    ck_assert(GC_get_finalizer_notifier() == tell);
    next_chain();
    drop_objects();
    clear_stack();
    kgc_collect();
    ck_assert(wait_for_end());
    ck_assert_int_ne(ended_in, gettid());
    ck_assert_uint_ge(told_times, 1);
}
END_TEST

/* Callbacks change while collections run. */
static _Atomic bool stop;

static void *change(void *unused)
{
    (void)unused;
    for (unsigned i = 0; !atomic_load(&stop); i++) {
        GC_set_on_collection_event(i % 2 == 0 ? on_event : NULL);
        GC_set_oom_fn(no_memory);
        GC_set_push_other_roots(i % 2 == 0 ? push_and_chain : pushed_before);
        GC_set_finalizer_notifier(i % 2 == 0 ? tell : NULL);
    }
    return NULL;
}

START_TEST(changed_while_in_use)
{
    pthread_t thread;
    sem_init(&told, 0, 0);
    own_root = new_root();
    pushed_before = GC_get_push_other_roots();
    ck_assert_int_eq(pthread_create(&thread, NULL, change, NULL), 0);
    ck_assert_int_eq(kgc_init(NULL), 0); /* installs ours meanwhile */
    ck_assert_int_eq(kgc_add_listener(&listener, NULL), 0);
    ck_assert_int_eq(kgc_set_finalizer_thread(KGC_FINALIZERS_ON_DEMAND), 0);
    for (int i = 0; i < 20; i++)
        check_ours();
    atomic_store(&stop, true);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    check_ours();
}
END_TEST

SUITE("callbacks", events_and_roots, set_before, assigned, behind_our_back, out_of_memory,
      finalizers_taken_over, finalizers_taken_back, changed_while_in_use)
