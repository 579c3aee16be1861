/* SPDX-License-Identifier: MIT */
/*
 * What keeps objects alive in which thread: every sort of thread against a
 * stack, a thread-local variable and a pthread key.  Each case first sees
 * that nothing ends while the reference is there, then that it does once the
 * reference is gone.
 */
#include "chain.h"
#include "misuse.h"
#include "suite.h"
#define GC_THREADS             1
#define GC_NO_THREAD_REDIRECTS 1
#include <dlfcn.h>
#include <errno.h>
#include <gc/gc.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

static __thread struct link *in_tls;
static pthread_key_t key;

enum holder { STACK, TLS, KEY };

/* The only reference lies where the holder says. */
static __attribute__((noinline)) void hold_in_tls(void)
{
    in_tls = make_chain();
}

static __attribute__((noinline)) void hold_in_key(void)
{
    ck_assert_int_eq(pthread_setspecific(key, make_chain()), 0);
}

static __attribute__((noinline)) void hold_on_stack(void)
{
    struct link *volatile here = make_chain();
    collect_all();
    ck_chain_kept();
    check_chain(here);
    here = NULL;
}

static void check_holder(enum holder holder)
{
    next_chain();
    switch (holder) {
    case STACK:
        hold_on_stack();
        break;
    case TLS:
        hold_in_tls();
        collect_all();
        ck_chain_kept();
        check_chain(in_tls);
        in_tls = NULL;
        break;
    case KEY:
        hold_in_key();
        collect_all();
        ck_chain_kept();
        check_chain(pthread_getspecific(key));
        pthread_setspecific(key, NULL);
        break;
    }
    collect_all();
    ck_chain_ended();
}

static void *check_all(void *unused)
{
    (void)unused;
    check_holder(STACK);
    check_holder(TLS);
    check_holder(KEY);
    return NULL;
}

static void setup(void)
{
    ck_assert_int_eq(kgc_init(NULL), 0);
    ck_assert_int_eq(pthread_key_create(&key, NULL), 0);
    ck_assert_uint_lt(key, 32);
}

START_TEST(main_thread)
{
    setup();
    check_all(NULL);
}
END_TEST

START_TEST(by_pthread_create)
{
    pthread_t thread;
    setup();
    ck_assert_int_eq(pthread_create(&thread, NULL, check_all, NULL), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    check_all(NULL);
}
END_TEST

START_TEST(by_gc_pthread_create)
{
    pthread_t thread;
    setup();
    ck_assert_int_eq(GC_pthread_create(&thread, NULL, check_all, NULL), 0);
    ck_assert_int_eq(GC_pthread_join(thread, NULL), 0);
    check_all(NULL);
}
END_TEST

static int check_all_c11(void *unused)
{
    check_all(unused);
    return 42;
}

START_TEST(by_thrd_create)
{
    thrd_t thread;
    int result;
    setup();
    ck_assert_int_eq(thrd_create(&thread, check_all_c11, NULL), thrd_success);
    ck_assert_int_eq(thrd_join(thread, &result), thrd_success);
    ck_assert_int_eq(result, 42);
}
END_TEST

static sem_t done;

static void on_timer(union sigval value)
{
    (void)value;
    check_all(NULL);
    sem_post(&done);
}

static void wait_for(sem_t *semaphore)
{
    while (sem_wait(semaphore) != 0)
        ck_assert_int_eq(errno, EINTR);
}

START_TEST(by_timer)
{
    setup();
    sem_init(&done, 0, 0);
    struct sigevent event = {.sigev_notify = SIGEV_THREAD, .sigev_notify_function = on_timer};
    struct itimerspec soon = {.it_value.tv_nsec = 1000000};
    timer_t timer;
    ck_assert_int_eq(timer_create(CLOCK_MONOTONIC, &event, &timer), 0);
    ck_assert_int_eq(timer_settime(timer, 0, &soon, NULL), 0);
    wait_for(&done);
    check_holder(STACK); /* of this thread, after that one */
    timer_delete(timer);
}
END_TEST

/* A thread that is registered by a base in the middle of its stack. */
static void *by_own_base(struct GC_stack_base *base, void *unused)
{
    (void)unused;
    ck_assert_int_eq(GC_register_my_thread(base), GC_SUCCESS);
    ck_assert_int_eq(kgc_thread_register(), 0);
    check_all(NULL);
    ck_assert_int_eq(kgc_thread_unregister(), EINVAL);
    ck_last_error("kgc_thread_unregister: the thread was registered by others than this library");
    return NULL;
}

static void *with_own_base(void *unused)
{
    ck_assert_int_eq(kgc_thread_unregister(), 0);
    GC_call_with_stack_base(by_own_base, unused);
    ck_assert_int_eq(GC_unregister_my_thread(), GC_SUCCESS);
    return NULL;
}

START_TEST(registered_by_others)
{
    pthread_t thread;
    setup();
    ck_assert_int_eq(pthread_create(&thread, NULL, with_own_base, NULL), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    collect_all();
}
END_TEST

/* First use in a thread that is not the initial one. */
static void *start_here(void *unused)
{
    (void)unused;
    setup();
    check_all(NULL);
    return NULL;
}

START_TEST(started_by_another_thread)
{
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, start_here, NULL), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    check_all(NULL);
}
END_TEST

/* The thread has ended, but nobody has joined it. */
static _Atomic pid_t task;

static void wait_for_end(void)
{
    while (atomic_load(&task) == 0 || syscall(SYS_tgkill, getpid(), atomic_load(&task), 0) == 0)
        usleep(100);
}

static void *return_chain(void *how)
{
    atomic_store(&task, gettid());
    if (how != NULL)
        pthread_exit(make_chain());
    return make_chain();
}

static void check_result(int (*create)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *),
                         int (*join)(pthread_t, void **), bool by_exit)
{
    pthread_t thread;
    void *result;
    atomic_store(&task, 0);
    next_chain();
    ck_assert_int_eq(create(&thread, NULL, return_chain, by_exit ? &task : NULL), 0);
    wait_for_end();
    collect_all();
    ck_chain_kept();
    ck_assert_int_eq(join(thread, &result), 0);
    check_chain(result);
    result = NULL;
    collect_all();
    ck_chain_ended();
}

START_TEST(result_until_joined)
{
    setup();
    check_result(pthread_create, pthread_join, false);
    check_result(pthread_create, pthread_join, true);
    check_result(GC_pthread_create, GC_pthread_join, false);
    check_result(GC_pthread_create, GC_pthread_join, true);
}
END_TEST

START_TEST(no_result_when_detached)
{
    pthread_t thread;
    setup();
    atomic_store(&task, 0);
    ck_assert_int_eq(pthread_create(&thread, NULL, return_chain, NULL), 0);
    wait_for_end();
    ck_assert_int_eq(pthread_detach(thread), 0);
    collect_all();
    ck_chain_ended();
}
END_TEST

static sem_t go;

static void *wait_then_end(void *result)
{
    wait_for(&go);
    return result;
}

START_TEST(other_joins)
{
    pthread_t thread;
    void *result;
    struct timespec until = {0};
    setup();
    sem_init(&go, 0, 0);
    ck_assert_int_eq(pthread_create(&thread, NULL, wait_then_end, &go), 0);
    ck_assert_int_eq(pthread_tryjoin_np(thread, &result), EBUSY);
    ck_assert_int_eq(pthread_timedjoin_np(thread, &result, &until), ETIMEDOUT);
    ck_assert_int_eq(pthread_clockjoin_np(thread, &result, CLOCK_MONOTONIC, &until), ETIMEDOUT);
    sem_post(&go);
    int error;
    while ((error = pthread_tryjoin_np(thread, &result)) == EBUSY)
        usleep(100);
    ck_assert_int_eq(error, 0);
    ck_assert_ptr_eq(result, &go);

    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    sem_init(&done, 0, 0);
    ck_assert_int_eq(pthread_create(&thread, &attributes, wait_then_end, &go), 0);
    sem_post(&go);
    ck_assert_int_eq(pthread_create(&thread, NULL, wait_then_end, &go), 0);
    ck_assert_int_eq(pthread_detach(thread), 0);
    sem_post(&go);
    kgc_collect();
}
END_TEST

/* Only the argument of a thread that starts refers to the object. */
static void *check_argument(void *p)
{
    check_chain(p);
    return NULL;
}

static _Atomic bool stop;

static void *collect_until_stop(void *unused)
{
    while (!atomic_load(&stop))
        kgc_collect();
    return unused;
}

static __attribute__((noinline)) pthread_t start_with_chain(void)
{
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, check_argument, make_chain()), 0);
    return thread;
}

START_TEST(argument_of_new_thread)
{
    pthread_t collector;
    setup();
    ck_assert_int_eq(pthread_create(&collector, NULL, collect_until_stop, NULL), 0);
    for (int i = 0; i < 50; i++) {
        pthread_t thread = start_with_chain();
        clear_stack();
        ck_assert_int_eq(pthread_join(thread, NULL), 0);
    }
    atomic_store(&stop, true);
    ck_assert_int_eq(pthread_join(collector, NULL), 0);
}
END_TEST

/* The destructor of a key has the only reference, in every round. */
static pthread_key_t rounds_key;
static _Atomic unsigned rounds;

static void in_round(void *chain)
{
    atomic_fetch_add(&rounds, 1);
    collect_all();
    ck_chain_kept();
    check_chain(chain);
    ck_assert_ptr_nonnull(kgc_allocate(16));
    pthread_setspecific(rounds_key, chain);
}

static void *end_with_key(void *unused)
{
    (void)unused;
    ck_assert_int_eq(pthread_setspecific(rounds_key, make_chain()), 0);
    return NULL;
}

static void check_rounds(int (*create)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *),
                         int (*join)(pthread_t, void **))
{
    pthread_t thread;
    atomic_store(&rounds, 0);
    next_chain();
    ck_assert_int_eq(create(&thread, NULL, end_with_key, NULL), 0);
    ck_assert_int_eq(join(thread, NULL), 0);
    ck_assert_uint_eq(atomic_load(&rounds), PTHREAD_DESTRUCTOR_ITERATIONS);
    collect_all();
    ck_chain_ended();
}

START_TEST(destructors)
{
    ck_assert_int_eq(pthread_key_create(&rounds_key, in_round), 0); /* before the library's own */
    setup();
    check_rounds(pthread_create, pthread_join);
    check_rounds(GC_pthread_create, GC_pthread_join);
}
END_TEST

/* The last round is over for a thread whose key comes after the library's. */
static _Atomic unsigned refused;

static void after_ours(void *value)
{
    pthread_setspecific(rounds_key, value);
    if (atomic_fetch_add(&rounds, 1) != PTHREAD_DESTRUCTOR_ITERATIONS - 1) {
        ck_assert_ptr_nonnull(kgc_allocate(16));
        return;
    }
    errno = 0;
    ck_assert_ptr_null(kgc_allocate(16));
    ck_assert_int_eq(errno, ENOTSUP);
    ck_last_error("the thread is in its last round of destructors and cannot use the GC heap any more");
    atomic_fetch_add(&refused, 1);
}

static void *set_late_key(void *unused)
{
    (void)unused;
    ck_assert_int_eq(pthread_setspecific(rounds_key, &rounds), 0);
    return NULL;
}

START_TEST(last_round_is_over)
{
    pthread_t thread;
    setup();
    ck_assert_int_eq(pthread_key_create(&rounds_key, after_ours), 0);
    ck_assert_int_eq(pthread_create(&thread, NULL, set_late_key, NULL), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_uint_eq(atomic_load(&refused), 1);
    kgc_collect();
}
END_TEST

START_TEST(cancelled)
{
    pthread_t thread;
    void *result;
    setup();
    sem_init(&go, 0, 0);
    ck_assert_int_eq(pthread_create(&thread, NULL, wait_then_end, NULL), 0);
    ck_assert_int_eq(pthread_cancel(thread), 0);
    ck_assert_int_eq(pthread_join(thread, &result), 0);
    ck_assert_ptr_eq(result, PTHREAD_CANCELED);
    ck_assert_int_eq(GC_pthread_create(&thread, NULL, wait_then_end, NULL), 0);
    ck_assert_int_eq(GC_pthread_cancel(thread), 0);
    ck_assert_int_eq(GC_pthread_join(thread, &result), 0);
    ck_assert_ptr_eq(result, PTHREAD_CANCELED);
    collect_all();
}
END_TEST

/* A thread that inherits a mask with the collector's signals in it. */
START_TEST(signals_blocked)
{
    pthread_t thread;
    sigset_t all;
    setup();
    sem_init(&go, 0, 0);
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    ck_assert_int_eq(pthread_create(&thread, NULL, wait_then_end, NULL), 0);
    kgc_collect();
    sem_post(&go);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
}
END_TEST

static _Atomic unsigned held_ended;

static void *wait_with_tls(void *unused)
{
    in_tls = make_chain_counted_by(&held_ended);
    sem_post(&done);
    wait_for(&go);
    return unused;
}

/* Forks in a thread beside others, one of which holds a chain. */
static void *fork_here(void *unused)
{
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        alarm(20);
        collect_all();
        if (atomic_load(&held_ended) < CHAIN / 2) /* that thread is not in the child */
            _exit(1);
        check_all(NULL);
        pthread_t thread;
        if (pthread_create(&thread, NULL, check_all, NULL) != 0 || pthread_join(thread, NULL) != 0)
            _exit(2);
        _exit(0);
    }
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    return unused;
}

START_TEST(forked_child)
{
    pthread_t holder, forker;
    setup();
    sem_init(&go, 0, 0);
    sem_init(&done, 0, 0);
    ck_assert_int_eq(pthread_create(&holder, NULL, wait_with_tls, NULL), 0);
    wait_for(&done);
    fork_here(NULL);
    ck_assert_int_eq(pthread_create(&forker, NULL, fork_here, NULL), 0);
    ck_assert_int_eq(pthread_join(forker, NULL), 0);
    collect_all();
    ck_assert_uint_eq(atomic_load(&held_ended), 0);
    sem_post(&go);
    ck_assert_int_eq(pthread_join(holder, NULL), 0);
}
END_TEST

START_TEST(registering)
{
    setup();
    ck_assert_int_eq(kgc_thread_register(), 0);
    ck_assert_int_eq(kgc_thread_register(), 0);
    ck_assert_int_eq(kgc_thread_unregister(), 0);
    ck_assert_int_eq(kgc_thread_unregister(), EINVAL);
    ck_last_error("kgc_thread_unregister: the thread is not registered");
    ck_assert_int_eq(kgc_thread_register(), 0);
    check_all(NULL);
}
END_TEST

/* Threads of a library that does not know of this one: made by glibc's own
   function, and those that are older than our start.  They are registered when
   they first allocate, as often as they are unregistered, and leave nothing. */
static sem_t go_on;

static void *use_late(void *unused)
{
    (void)unused;
    wait_for(&go_on);
    if (GC_thread_is_registered())
        return "it was registered before it allocated";
    check_all(NULL);
    if (kgc_thread_unregister() != 0 || GC_thread_is_registered())
        return "it cannot be unregistered";
    check_all(NULL);
    hold_in_tls(); /* ends with the thread */
    return NULL;
}

START_TEST(of_foreign_libraries)
{
    int (*create)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *) =
        (int (*)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *))dlsym(
            dlopen("libc.so.6", RTLD_LAZY | RTLD_NOLOAD), "pthread_create");
    ck_assert(create != pthread_create);
    pthread_t older, foreign;
    void *wrong;
    sem_init(&go_on, 0, 0);
    ck_assert_int_eq(create(&older, NULL, use_late, NULL), 0);
    setup();
    sem_post(&go_on);
    ck_assert_int_eq(pthread_join(older, &wrong), 0);
    ck_assert_msg(wrong == NULL, "%s", (char *)wrong);
    collect_all();
    ck_chain_ended();
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(create(&foreign, NULL, use_late, NULL), 0);
        sem_post(&go_on);
        ck_assert_int_eq(pthread_join(foreign, &wrong), 0);
        ck_assert_msg(wrong == NULL, "%s", (char *)wrong);
        collect_all();
        ck_chain_ended();
    }
}
END_TEST

/* Roots that come and go while others collect. */
static _Atomic bool enough;

static void *collect_on(void *unused)
{
    (void)unused;
    while (!atomic_load(&enough))
        kgc_collect();
    return NULL;
}

static void *change_roots(void *lost)
{
    for (int i = 0; i < 300; i++) {
        void ***words = malloc(sizeof *words);
        kgc_root_add(words, words + 1);
        *words = kgc_allocate(64);
        (*words)[1] = (void *)(uintptr_t)0x123450;
        void **hidden = (void **)~(uintptr_t)*words;
        sched_yield();
        if (*words != (void **)~(uintptr_t)hidden || (*words)[1] != (void *)(uintptr_t)0x123450)
            atomic_store((_Atomic bool *)lost, true);
        kgc_root_remove(words, words + 1);
        free(words);
    }
    return NULL;
}

START_TEST(roots_from_several_threads)
{
    enum { THREADS = 3 };
    pthread_t collector, threads[THREADS];
    _Atomic bool lost = false;
    setup();
    ck_assert_int_eq(pthread_create(&collector, NULL, collect_on, NULL), 0);
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, change_roots, (void *)&lost), 0);
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
    atomic_store(&enough, true);
    ck_assert_int_eq(pthread_join(collector, NULL), 0);
    ck_assert(!lost);
}
END_TEST

SUITE("thread", main_thread, by_pthread_create, by_gc_pthread_create, by_thrd_create, by_timer,
      registered_by_others, started_by_another_thread, result_until_joined, no_result_when_detached,
      other_joins, argument_of_new_thread, destructors, last_round_is_over, cancelled, signals_blocked,
      forked_child, registering, of_foreign_libraries, roots_from_several_threads)
