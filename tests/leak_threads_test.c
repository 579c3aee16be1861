/* SPDX-License-Identifier: MIT */
/* Searching for unreachable blocks in programs with threads, child processes
   and debuggers: it ends, tells nothing that is in use, and leaves no trace. */
#include "leaks.h"
#include "suite.h"
#include "support/fault.h"
#include "support/system.h"
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { CHAIN = 100 };

static struct batch kept, control;

static __attribute__((noinline)) void *chain(struct batch *b)
{
    void **first = NULL;
    for (unsigned i = 0; i < CHAIN; i++) {
        void **node = kgc_calloc(1, 48);
        batch_add(b, node);
        *node = (void *)first;
        first = node;
    }
    return (void *)first;
}

static __attribute__((noinline)) void setup(void)
{
    kgc__caches_alone = true;
    for (unsigned i = 0; i < 1000; i++)
        batch_add(&control, kgc_malloc(48));
    clear_stack();
}

/* A search that may fail: what it says of both batches. */
struct result {
    int error;
    unsigned wrong, right;
    struct kgc__found out;
};

static void tally_both(const struct kgc__leaked *l, void *arg)
{
    struct result *r = arg;
    struct tally k = {.batch = &kept}, c = {.batch = &control};
    tally_one(l, &k);
    tally_one(l, &c);
    r->wrong += k.found;
    r->right += c.found;
}

static __attribute__((noinline)) struct result attempt(void)
{
    struct result r = {.wrong = 0};
    r.error = kgc__leaks_find(true, tally_both, &r, &r.out);
    return r;
}

#define ck_complete(r)                                                                \
    do {                                                                              \
        ck_assert_msg((r).error == 0, "%s: %s", strerror((r).error), (r).out.reason); \
        ck_assert_uint_eq((r).wrong, 0);                                              \
        ck_assert_uint_ge((r).right, control.count * 95 / 100);                       \
    } while (0)

static void *volatile root;
static __attribute__((noinline)) void put(void *volatile *p)
{
    *p = chain(&kept);
    clear_stack();
}

/* ---- threads that wait ---- */

static pthread_mutex_t batch_lock = PTHREAD_MUTEX_INITIALIZER;
static sem_t ready, done;

static void *waiting(void *arg)
{
    void *volatile local;
    if (arg != NULL) {
        sigset_t all;
        sigfillset(&all);
        pthread_sigmask(SIG_BLOCK, &all, NULL);
    }
    pthread_mutex_lock(&batch_lock);
    if (kept.count + CHAIN <= BATCH)
        put(&local);
    pthread_mutex_unlock(&batch_lock);
    sem_post(&ready);
    while (sem_wait(&done) != 0)
        ;
    return local;
}

static void start(pthread_t *t, unsigned n, void *(*fn)(void *), void *arg)
{
    sem_init(&ready, 0, 0);
    sem_init(&done, 0, 0);
    for (unsigned i = 0; i < n; i++)
        ck_assert_int_eq(pthread_create(&t[i], NULL, fn, arg), 0);
    for (unsigned i = 0; i < n; i++)
        while (sem_wait(&ready) != 0)
            ;
}

static void finish(const pthread_t *t, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        sem_post(&done);
    for (unsigned i = 0; i < n; i++)
        pthread_join(t[i], NULL);
}

START_TEST(sixteen_threads)
{
    pthread_t t[16];
    setup();
    start(t, 16, waiting, NULL);
    struct result r = attempt();
    ck_complete(r);
    ck_assert_uint_eq(r.out.threads, 16);
    finish(t, 16);
}
END_TEST

START_TEST(threads_that_block_all_signals)
{
    pthread_t t[4];
    setup();
    start(t, 4, waiting, &ready);
    ck_complete(attempt());
    finish(t, 4);
}
END_TEST

/* The pause, for the record. */
START_TEST(many_threads)
{
    static pthread_t t[100];
    setup();
    for (unsigned n = 1; n <= 100; n = n == 1 ? 16 : n == 16 ? 100 : 101) {
        start(t, n, waiting, NULL);
        double best = 1e9;
        for (unsigned i = 0; i < 5; i++) {
            struct result r = attempt();
            ck_complete(r);
            ck_assert_uint_eq(r.out.threads, n);
            best = r.out.pause < best ? r.out.pause : best;
        }
        printf("pause with %u threads: %.2f ms\n", n, best * 1e3);
        finish(t, n);
        kept.count = 0;
    }
}
END_TEST

static void *volatile large;

START_TEST(much_live_memory)
{
    setup();
    for (size_t i = 0; i < 100 * 1024 * 1024 / 112; i++) {
        void **p = kgc_malloc(100);
        *p = large;
        large = (void *)p;
    }
    struct result r = attempt();
    ck_complete(r);
    printf("pause with %zu MiB live in %zu blocks: %.1f ms\n", r.out.live_bytes >> 20, r.out.live_blocks,
           r.out.pause * 1e3);
    ck_assert_uint_gt(r.out.live_bytes, 90 << 20);
}
END_TEST

/* ---- threads that come and go ---- */

static _Atomic bool over;
static _Atomic unsigned ended;

static void *short_lived(void *arg)
{
    void *p = kgc_malloc(100);
    kgc_free(p);
    atomic_fetch_add(&ended, 1);
    return arg;
}

static void *breeding(void *arg)
{
    while (!over) {
        pthread_t t;
        if (pthread_create(&t, NULL, short_lived, NULL) == 0)
            pthread_join(t, NULL);
    }
    return arg;
}

START_TEST(threads_that_come_and_go)
{
    pthread_t t[3];
    setup();
    put(&root);
    for (unsigned i = 0; i < 3; i++)
        ck_assert_int_eq(pthread_create(&t[i], NULL, breeding, NULL), 0);
    unsigned complete = 0;
    for (unsigned i = 0; i < 100; i++) {
        struct result r = attempt();
        ck_assert_uint_eq(r.wrong, 0);
        ck_assert_msg(r.error == 0 || (r.error == EAGAIN && r.out.reason[0] != '\0'), "%d", r.error);
        complete += r.error == 0;
    }
    over = true;
    for (unsigned i = 0; i < 3; i++)
        pthread_join(t[i], NULL);
    printf("%u of 100 searches were complete while %u threads came and went\n", complete, ended);
    ck_assert_uint_ge(complete, 90);
    ck_assert_uint_gt(ended, 10);
}
END_TEST

static void on_time(union sigval value)
{
    void *volatile p = kgc_malloc(100);
    (void)value;
    kgc_free(p);
    atomic_fetch_add(&ended, 1);
}

/* glibc makes them with clone(2): nobody is told. */
START_TEST(threads_of_timers)
{
    timer_t timer;
    struct sigevent event = {.sigev_notify = SIGEV_THREAD, .sigev_notify_function = on_time};
    const struct itimerspec often = {{0, 1000000}, {0, 1000000}};
    setup();
    put(&root);
    ck_assert_int_eq(timer_create(CLOCK_MONOTONIC, &event, &timer), 0);
    timer_settime(timer, 0, &often, NULL);
    for (unsigned i = 0; i < 50 || ended < 20; i++)
        ck_complete(attempt());
    timer_delete(timer);
}
END_TEST

static _Atomic unsigned signals;

static void on_signal(int number)
{
    (void)number;
    atomic_fetch_add(&signals, 1);
}

START_TEST(signals_meanwhile)
{
    const struct itimerval often = {{0, 500}, {0, 500}}, never = {{0, 0}, {0, 0}};
    pthread_t t[4];
    setup();
    put(&root);
    start(t, 4, waiting, NULL);
    signal(SIGALRM, on_signal);
    setitimer(ITIMER_REAL, &often, NULL);
    for (unsigned i = 0; i < 100; i++)
        ck_complete(attempt());
    setitimer(ITIMER_REAL, &never, NULL);
    ck_assert_uint_gt(signals, 10);
    finish(t, 4);
}
END_TEST

/* ---- no trace ---- */

static _Atomic unsigned seen_children, wrong_errors;

static void *waiting_for_children(void *arg)
{
    while (!over) {
        if (waitpid(-1, NULL, 0) >= 0)
            seen_children++;
        else if (errno != ECHILD && errno != EINTR)
            wrong_errors++;
    }
    return arg;
}

START_TEST(the_program_sees_no_child)
{
    pthread_t t, u[2];
    setup();
    put(&root);
    start(u, 2, waiting, NULL);
    ck_assert_int_eq(pthread_create(&t, NULL, waiting_for_children, NULL), 0);
    struct holdings before = count_holdings();
    for (unsigned i = 0; i < 50; i++)
        ck_complete(attempt());
    struct holdings after = count_holdings();
    over = true;
    pthread_join(t, NULL);
    finish(u, 2);
    ck_assert_uint_eq(seen_children, 0);
    ck_assert_uint_eq(wrong_errors, 0);
    ck_assert_uint_eq(before.descriptors, after.descriptors);
    ck_assert_uint_eq(before.mappings, after.mappings);
}
END_TEST

START_TEST(every_call_may_fail)
{
    pthread_t t[2];
    setup();
    put(&root);
    start(t, 2, waiting, NULL);
    fault_arm(FAULT_OPEN, 0, false, 0); /* it maps something, once */
    attempt();
    struct holdings before = count_holdings();
    static const enum fault_call calls[] = {FAULT_MMAP, FAULT_OPEN, FAULT_PREAD, FAULT_MINCORE};
    unsigned failed = 0;
    for (unsigned c = 0; c < sizeof calls / sizeof calls[0]; c++)
        for (unsigned n = 1, hits = 1; hits != 0; n++) {
            fault_arm(calls[c], n, false, fault_errno(calls[c]));
            struct result r = attempt();
            hits = fault_hits();
            fault_disarm();
            ck_assert_uint_eq(r.wrong, 0);
            ck_assert_msg(r.error == 0 || r.error == EAGAIN || r.error == ENOMEM, "%s %u: %d",
                          fault_name(calls[c]), n, r.error);
            ck_assert_msg(r.error == 0 || (r.out.reason[0] != '\0' && r.right == 0), "%s %u: no reason",
                          fault_name(calls[c]), n);
            failed += r.error != 0;
        }
    struct holdings after = count_holdings();
    ck_assert_uint_eq(before.descriptors, after.descriptors);
    ck_assert_uint_eq(before.mappings, after.mappings);
    ck_assert_uint_ge(failed, 5);
    finish(t, 2);
}
END_TEST

/* ---- processes ---- */

static int search_in_child(void *arg)
{
    (void)arg;
    struct result r = attempt();
    return r.error != 0 ? 10 : r.wrong != 0 ? 11 : r.right < control.count * 95 / 100 ? 12 : 0;
}

START_TEST(forked_children)
{
    pthread_t t[2];
    setup();
    put(&root);
    start(t, 2, waiting, NULL);
    kept.count = CHAIN; /* the threads' stacks are not in use in a child, nor their chains */
    ck_assert(exited(in_child(search_in_child, NULL), 0));
    finish(t, 2);
    ck_assert(exited(in_child(search_in_child, NULL), 0));
}
END_TEST

START_TEST(vforked_children)
{
    static struct result r;
    setup();
    pid_t pid = vfork();
    if (pid == 0) {
        r = attempt();
        _exit(0);
    }
    ck_assert_int_gt(pid, 0);
    waitpid(pid, NULL, 0);
    ck_assert_int_eq(r.error, EAGAIN);
    ck_assert_str_eq(r.out.reason, "a child process shares memory with its parent");
    ck_complete(attempt());
}
END_TEST

static void *in_vfork(void *arg)
{
    sem_post(&ready);
    pid_t pid = vfork();
    if (pid == 0) {
        const struct timespec two = {.tv_sec = 2};
        nanosleep(&two, NULL);
        _exit(0);
    }
    waitpid(pid, NULL, 0);
    return arg;
}

/* It cannot be stopped before its child has ended. */
START_TEST(a_thread_in_vfork)
{
    pthread_t t;
    const struct timespec moment = {.tv_nsec = 100000000};
    setup();
    start(&t, 1, in_vfork, NULL);
    nanosleep(&moment, NULL);
    struct result r = attempt();
    ck_assert_int_eq(r.error, EAGAIN);
    ck_assert_uint_eq(r.right, 0);
    ck_assert_msg(strstr(r.out.reason, "vfork") != NULL, "%s", r.out.reason);
    ck_assert(r.out.pause < 1.5);
    pthread_join(t, NULL);
    ck_complete(attempt());
}
END_TEST

static void *search_without_main(void *arg)
{
    const struct timespec moment = {.tv_nsec = 50000000};
    (void)arg;
    nanosleep(&moment, NULL);
    struct result r = attempt();
    if (r.error != 0)
        fprintf(stderr, "%s: %s\n", strerror(r.error), r.out.reason);
    _exit(r.error != 0 ? 10 : r.wrong != 0 ? 11 : r.right < control.count * 95 / 100 ? 12 : 0);
}

static int end_main(void *arg)
{
    pthread_t t;
    if (pthread_create(&t, NULL, search_without_main, NULL) != 0)
        return 20;
    (void)arg;
    pthread_exit(NULL);
}

START_TEST(the_main_thread_has_ended)
{
    setup();
    put(&root);
    int status = in_child(end_main, NULL);
    ck_assert_msg(exited(status, 0), "%x", status);
}
END_TEST

static int go[2];

static int search_traced(void *arg)
{
    pthread_t t;
    char c;
    if (arg != NULL)
        start(&t, 1, waiting, NULL);
    prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY);
    if (read(go[0], &c, 1) != 1)
        return 20;
    struct result r = attempt();
    if (arg == NULL)
        return r.error != 0 ? 21 : 0;
    return r.error != EAGAIN                                 ? 22
           : strstr(r.out.reason, "traces this one") == NULL ? 23
           : r.right != 0                                    ? 24
                                                             : 0;
}

static int trace_child(void *arg)
{
    if (pipe(go) != 0)
        return 30;
    pid_t pid = fork();
    if (pid == 0)
        _exit(search_traced(arg));
    const struct timespec moment = {.tv_nsec = 200000000};
    nanosleep(&moment, NULL);
    if (ptrace(PTRACE_SEIZE, pid, 0, 0) != 0)
        return 31;
    for (pid_t tid = pid + 1; arg != NULL && tid < pid + 20; tid++)
        ptrace(PTRACE_SEIZE, tid, 0, 0);
    if (write(go[1], "", 1) != 1)
        return 32;
    int status = 0, last = 33;
    for (pid_t tid; (tid = waitpid(-1, &status, __WALL)) > 0;)
        if (WIFSTOPPED(status))
            ptrace(PTRACE_CONT, tid, 0, WSTOPSIG(status) == SIGTRAP ? 0 : WSTOPSIG(status));
        else if (tid == pid)
            last = WIFEXITED(status) ? WEXITSTATUS(status) : 33;
    return last;
}

/* As strace and debuggers do.  A process with one thread needs no ptrace(2). */
START_TEST(traced_processes)
{
    setup();
    put(&root);
    int status = in_child(trace_child, &control);
    ck_assert_msg(exited(status, 0), "%x", status);
    status = in_child(trace_child, NULL);
    ck_assert_msg(exited(status, 0), "%x", status);
}
END_TEST

static int search_undumpable(void *arg)
{
    pthread_t t;
    (void)arg;
    start(&t, 1, waiting, NULL);
    prctl(PR_SET_DUMPABLE, 0);
    struct result r = attempt();
    /* root may trace it all the same */
    return r.error == 0 ? 0 : r.error == EAGAIN && r.out.reason[0] != '\0' && r.right == 0 ? 0 : 40;
}

START_TEST(undumpable_processes)
{
    setup();
    put(&root);
    int status = in_child(search_undumpable, NULL);
    ck_assert_msg(exited(status, 0), "%x", status);
}
END_TEST

SUITE("leak_threads", sixteen_threads, threads_that_block_all_signals, many_threads, much_live_memory,
      threads_that_come_and_go, threads_of_timers, signals_meanwhile, the_program_sees_no_child,
      every_call_may_fail, forked_children, vforked_children, a_thread_in_vfork, the_main_thread_has_ended,
      traced_processes, undumpable_processes)
