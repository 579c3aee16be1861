/* SPDX-License-Identifier: MIT */
/* What finalizers may do, and when they run: kindgc/finalize.h. */
#include "misuse.h"
#include "stale.h"
#include "suite.h"
#include <errno.h>
#include <gc/gc.h>
#include <kindgc.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { OBJECTS = 1000 };

/* A stale word may keep a few. */
#define MOST (OBJECTS * 95 / 100)

/* data is the address of the object's count: so it can be counted exactly. */
static _Atomic unsigned counts[OBJECTS];

static unsigned finalized(void)
{
    unsigned n = 0;
    for (int i = 0; i < OBJECTS; i++)
        n += atomic_load(&counts[i]) != 0;
    return n;
}

static unsigned most_often(void)
{
    unsigned most = 0;
    for (int i = 0; i < OBJECTS; i++)
        most = atomic_load(&counts[i]) > most ? atomic_load(&counts[i]) : most;
    return most;
}

static void count(void *object, void *data)
{
    (void)object;
    atomic_fetch_add((_Atomic unsigned *)data, 1);
}

static __attribute__((noinline)) void make(kgc_finalizer fn, kgc_finalizer_mode mode)
{
    for (int i = 0; i < OBJECTS; i++)
        kgc_register_finalizer(kgc_allocate(32), fn, (void *)&counts[i], mode, NULL, NULL);
}

/* Allocates, collects, and keeps what it has allocated in the object. */
static _Atomic unsigned refused;

static void allocating(void *object, void *data)
{
    void **o = object;
    count(object, data);
    for (int i = 0; i < 20; i++) {
        void **p = kgc_allocate(100), *q = kgc_allocate_atomic(5000);
        if (p == NULL || q == NULL)
            atomic_fetch_add(&refused, 1);
        else
            p[0] = q;
        o[0] = p;
    }
    if ((_Atomic unsigned *)data - counts < 20)
        kgc_collect();
}

START_TEST(allocates)
{
    make(allocating, KGC_FINALIZE_NORMAL);
    collect();
    kgc_finalizers_run();
    ck_assert_uint_ge(finalized(), MOST);
    for (int i = 0; i < 3; i++)
        collect();
    ck_assert_uint_eq(most_often(), 1);
    ck_assert_uint_eq(refused, 0);
}
END_TEST

/* Registers itself again, up to three times, and another object each time. */
static _Atomic unsigned others;

static void count_other(void *object, void *data)
{
    (void)object, (void)data;
    atomic_fetch_add(&others, 1);
}

static void again(void *object, void *data)
{
    count(object, data);
    if (atomic_load((_Atomic unsigned *)data) < 3 &&
        kgc_register_finalizer(object, again, data, KGC_FINALIZE_NORMAL, NULL, NULL) != 0)
        atomic_fetch_add(&refused, 1);
    if (kgc_register_finalizer(kgc_allocate(50), count_other, NULL, KGC_FINALIZE_NO_ORDER, NULL, NULL) != 0)
        atomic_fetch_add(&refused, 1);
}

START_TEST(registers_again)
{
    make(again, KGC_FINALIZE_IGNORE_SELF);
    collect();
    ck_assert_uint_ge(finalized(), MOST);
    ck_assert_uint_eq(most_often(), 1);
    for (int i = 0; i < 3; i++)
        collect();
    ck_assert_uint_eq(most_often(), 3);
    unsigned total = 0;
    for (int i = 0; i < OBJECTS; i++)
        total += counts[i];
    ck_assert_uint_ge(total, 3 * MOST);
    collect();
    ck_assert_uint_eq(most_often(), 3);
    ck_assert_uint_eq(refused, 0);
    ck_assert_uint_ge(others, total - 3 * (OBJECTS - MOST));
    ck_assert_uint_le(others, total);
}
END_TEST

/* Runs the others from inside. */
static int deepest, depth;

static void running(void *object, void *data)
{
    depth++;
    deepest = depth > deepest ? depth : deepest;
    count(object, data);
    if ((_Atomic unsigned *)data - counts < 50)
        kgc_finalizers_run();
    depth--;
}

START_TEST(runs_others)
{
    ck_assert_int_eq(kgc_set_finalizer_thread(KGC_FINALIZERS_ON_DEMAND), 0);
    make(running, KGC_FINALIZE_NORMAL);
    collect();
    ck_assert_uint_eq(finalized(), 0);
    kgc_finalizers_run();
    ck_assert_uint_ge(finalized(), MOST);
    ck_assert_uint_eq(most_often(), 1);
    ck_assert_int_ge(deepest, 2);
    ck_assert_int_le(deepest, 51);
}
END_TEST

static jmp_buf out;
static unsigned jumps;

static void jumping(void *object, void *data)
{
    count(object, data);
    if (jumps < 50)
        longjmp(out, 1);
}

static __attribute__((noinline)) void collect_and_catch(void)
{
    if (setjmp(out) != 0)
        jumps++;
    if (jumps == 0)
        collect();
    for (int i = 0; i < 200; i++)
        kgc_finalizers_run();
}

START_TEST(leaves_by_longjmp)
{
    make(jumping, KGC_FINALIZE_NORMAL);
    collect_and_catch();
    ck_assert_uint_eq(jumps, 50);
    ck_assert_uint_ge(finalized(), MOST);
    ck_assert_uint_eq(most_often(), 1);
    collect(); /* no lock is left behind */
    make(count, KGC_FINALIZE_NORMAL);
    collect();
    kgc_finalizers_run();
    ck_assert_uint_eq(most_often(), 2);
}
END_TEST

static void leaving(void *object, void *data)
{
    count(object, data);
    if ((_Atomic unsigned *)data - counts < 5)
        pthread_exit(NULL);
}

static void *collect_in_thread(void *unused)
{
    make(leaving, KGC_FINALIZE_NORMAL);
    collect();
    return unused;
}

START_TEST(leaves_by_pthread_exit)
{
    for (int i = 0; i < 10; i++) {
        pthread_t thread;
        pthread_create(&thread, NULL, collect_in_thread, NULL);
        pthread_join(thread, NULL);
    }
    for (int i = 0; i < 20; i++) {
        pthread_t thread;
        pthread_create(&thread, NULL, (void *(*)(void *))(void (*)(void))kgc_finalizers_run, NULL);
        pthread_join(thread, NULL);
    }
    make(count, KGC_FINALIZE_NORMAL);
    collect();
    ck_assert_uint_le(most_often(), 11);
    ck_assert_uint_ge(finalized(), MOST);
}
END_TEST

static bool wait_for(unsigned n)
{
    for (int i = 0; i < 10000 && finalized() < n; i++) {
        struct timespec t = {.tv_nsec = 1000000};
        nanosleep(&t, NULL);
    }
    return finalized() >= n;
}

START_TEST(ends_the_librarys_thread)
{
    ck_assert_int_eq(kgc_set_finalizer_thread(KGC_FINALIZERS_THREAD), 0);
    make(leaving, KGC_FINALIZE_NORMAL);
    collect();
    ck_assert(wait_for(MOST));
    memset((void *)counts, 0, sizeof counts);
    make(leaving, KGC_FINALIZE_NORMAL);
    collect();
    ck_assert(wait_for(MOST));
    ck_assert_uint_eq(most_often(), 1);
}
END_TEST

/* Order: an object goes before what it points to, a chain takes as many
   collections as it has objects; without order all go at once. */
enum { LENGTH = 5, CHAINS = OBJECTS / LENGTH };

static unsigned wrong_order;

static void in_order(void *object, void *data)
{
    size_t i = (size_t)((_Atomic unsigned *)data - counts);
    void *const *o = object;
    count(object, data);
    if (o[0] != NULL && atomic_load(&counts[i + 1]) != 0)
        wrong_order++;
}

static __attribute__((noinline)) void make_chains(kgc_finalizer_mode mode)
{
    for (int c = 0; c < CHAINS; c++) {
        void **next = NULL;
        for (int i = LENGTH - 1; i >= 0; i--) {
            void **p = kgc_allocate(32);
            p[0] = next;
            kgc_register_finalizer(p, in_order, (void *)&counts[c * LENGTH + i], mode, NULL, NULL);
            next = p;
        }
    }
}

START_TEST(order)
{
    make_chains(KGC_FINALIZE_NORMAL);
    for (unsigned i = 1; i <= LENGTH; i++) {
        collect();
        ck_assert_uint_le(finalized(), i * CHAINS);
    }
    ck_assert_uint_ge(finalized(), MOST);
    ck_assert_uint_eq(wrong_order, 0);
    memset((void *)counts, 0, sizeof counts);
    make_chains(KGC_FINALIZE_NO_ORDER);
    collect();
    ck_assert_uint_ge(finalized(), MOST);
}
END_TEST

/* Brought back: the object, and what it reaches, is as it was; its second end comes. */
static void *brought_back[OBJECTS];

static void bring_back(void *object, void *data)
{
    count(object, data);
    brought_back[(_Atomic unsigned *)data - counts] = object;
}

static __attribute__((noinline)) void make_with_rest(void)
{
    for (int i = 0; i < OBJECTS; i++) {
        void **p = kgc_allocate(32), **q = kgc_allocate(32);
        p[0] = q;
        q[0] = kgc_strdup("what the object reaches");
        kgc_register_finalizer(p, bring_back, (void *)&counts[i], KGC_FINALIZE_NORMAL, NULL, NULL);
    }
}

static unsigned broken(void)
{
    unsigned n = 0;
    for (int i = 0; i < OBJECTS; i++) {
        void ***p = brought_back[i];
        n += p != NULL && strcmp(p[0][0], "what the object reaches") != 0;
    }
    return n;
}

START_TEST(brought_back_to_life)
{
    make_with_rest();
    collect();
    ck_assert_uint_ge(finalized(), MOST);
    for (int i = 0; i < 100000; i++)
        memset(kgc_allocate(32), 0xff, 32);
    collect();
    ck_assert_uint_eq(broken(), 0);
    for (int i = 0; i < OBJECTS; i++)
        if (brought_back[i] != NULL)
            kgc_register_finalizer(brought_back[i], count, (void *)&counts[i], KGC_FINALIZE_NORMAL, NULL,
                                   NULL);
    collect();
    ck_assert_uint_eq(most_often(), 1);
    memset(brought_back, 0, sizeof brought_back);
    collect();
    ck_assert_uint_eq(most_often(), 2);
    unsigned twice = 0;
    for (int i = 0; i < OBJECTS; i++)
        twice += counts[i] == 2;
    ck_assert_uint_ge(twice, MOST - (OBJECTS - MOST));
}
END_TEST

/* All sorts of objects have finalizers. */
static __attribute__((noinline)) bool make_sorts(kgc_type *type)
{
    for (int i = 0; i < OBJECTS; i++) {
        void *p = i % 4 == 0   ? kgc_allocate_atomic(24)
                  : i % 4 == 1 ? kgc_allocate(9000)
                  : i % 4 == 2 ? kgc_allocate_typed(type, 3)
                               : GC_MALLOC(100);
        if (kgc_register_finalizer(p, count, (void *)&counts[i], i / 4 % 4, NULL, NULL) != 0)
            return false;
    }
    return true;
}

START_TEST(sorts_of_objects)
{
    kgc_type *type;
    uint64_t pointers = 2;
    ck_assert_int_eq(kgc_type_create(32, &pointers, &type), 0);
    ck_assert(make_sorts(type));
    collect();
    collect();
    ck_assert_uint_ge(finalized(), MOST);
    ck_assert_uint_eq(most_often(), 1);
}
END_TEST

static __attribute__((noinline)) int make_placed(kgc_kind *kind)
{
    for (int i = 0; i < OBJECTS; i++) {
        void *p = kgc_allocate_in(kind, i % 10 == 0 ? 20000 : 48, i % 2 == 0 ? KGC_ATOMIC : 0);
        if (p == NULL)
            return errno;
        kgc_register_finalizer(p, count, (void *)&counts[i], KGC_FINALIZE_NORMAL, NULL, NULL);
    }
    return 0;
}

START_TEST(placed_objects)
{
    kgc_kind *kind;
    ck_assert_int_eq(kgc_kind_open("file:/tmp", &kind), 0);
    ck_assert_int_eq(make_placed(kind), 0);
    collect();
    ck_assert_uint_ge(finalized(), MOST);
    ck_assert_uint_eq(most_often(), 1);
}
END_TEST

/* Thread that registers and ends. */
static void *make_in_thread(void *unused)
{
    make(count, KGC_FINALIZE_NORMAL);
    return unused;
}

START_TEST(registered_by_a_thread_that_ends)
{
    for (int i = 0; i < 10; i++) {
        pthread_t thread;
        pthread_create(&thread, NULL, make_in_thread, NULL);
        pthread_join(thread, NULL);
    }
    collect();
    ck_assert_uint_le(most_often(), 10);
    ck_assert_uint_ge(finalized(), MOST);
    unsigned total = 0;
    for (int i = 0; i < OBJECTS; i++)
        total += counts[i];
    ck_assert_uint_ge(total, 10 * MOST);
}
END_TEST

/* Parent and child run what was registered before each once. */
static int in_child(void (*fn)(void))
{
    pid_t child = fork();
    if (child == 0) {
        alarm(30);
        fn();
        _exit(9);
    }
    int status = -1;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void run_in_child(void)
{
    collect();
    kgc_finalizers_run();
    _exit(finalized() >= MOST && most_often() == 1 ? 0 : 1);
}

START_TEST(forked)
{
    for (int policy = KGC_FINALIZERS_ALLOCATING; policy <= KGC_FINALIZERS_ON_DEMAND; policy++) {
        ck_assert_int_eq(kgc_set_finalizer_thread((kgc_finalizer_policy)policy), 0);
        memset((void *)counts, 0, sizeof counts);
        make(count, KGC_FINALIZE_NORMAL);
        if (policy == KGC_FINALIZERS_ON_DEMAND)
            collect(); /* ready, and not run yet */
        ck_assert_int_eq(in_child(run_in_child), 0);
        ck_assert_uint_eq(finalized(), 0);
        collect();
        kgc_finalizers_run();
        ck_assert_uint_ge(finalized(), MOST);
        ck_assert_uint_eq(most_often(), 1);
    }
}
END_TEST

/* The end of the process.  Counts are in memory that parent and child share. */
static _Atomic unsigned *shared;

enum { FINALIZED, AT_EXIT, REFUSED, SHARED };

static void end(void *object, void *data)
{
    (void)data;
    atomic_fetch_add(&shared[FINALIZED], 1);
    if (kgc_register_finalizer(object, end, NULL, KGC_FINALIZE_NORMAL, NULL, NULL) == ENOTSUP)
        atomic_fetch_add(&shared[REFUSED], 1);
}

static void at_exit(void)
{
    atomic_store(&shared[AT_EXIT], atomic_load(&shared[FINALIZED]));
}

static void *objects[OBJECTS];

static void exit_with(const char *finalizers)
{
    atexit(at_exit);
    kgc_options options = {.finalizers = finalizers};
    if (kgc_init(&options) != 0)
        _exit(2);
    for (int i = 0; i < OBJECTS; i++) {
        objects[i] = kgc_allocate(32);
        if (kgc_register_finalizer(objects[i], end, NULL, (kgc_finalizer_mode)(i % 4), NULL, NULL) != 0)
            _exit(3);
    }
    if (finalizers != NULL && strcmp(finalizers, "exit") == 0)
        kgc_set_finalizer_thread(KGC_FINALIZERS_ON_DEMAND);
    exit(0);
}

static void exit_with_exit(void)
{
    exit_with("exit");
}

static void exit_with_collected(void)
{
    exit_with("collected");
}

static void exit_with_nothing(void)
{
    exit_with(NULL);
}

static void exit_with_ready_ones(void)
{
    kgc_options options = {.finalizers = "exit"};
    if (kgc_init(&options) != 0)
        _exit(2);
    kgc_set_finalizer_thread(KGC_FINALIZERS_ON_DEMAND);
    make(end, KGC_FINALIZE_NORMAL);
    collect();
    exit(0);
}

START_TEST(at_the_end_of_the_process)
{
    shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert(shared != MAP_FAILED);
    ck_assert_int_eq(in_child(exit_with_nothing), 0);
    ck_assert_int_eq(in_child(exit_with_collected), 0);
    ck_assert_uint_eq(shared[FINALIZED], 0);
    ck_assert_int_eq(in_child(exit_with_exit), 0);
    ck_assert_uint_eq(shared[FINALIZED], OBJECTS);
    ck_assert_uint_eq(shared[AT_EXIT], OBJECTS); /* it was given to atexit(3) before */
    ck_assert_uint_eq(shared[REFUSED], OBJECTS);
    shared[FINALIZED] = 0;
    ck_assert_int_eq(in_child(exit_with_ready_ones), 0);
    ck_assert_uint_eq(shared[FINALIZED], OBJECTS);
}
END_TEST

START_TEST(wrong_setting)
{
    kgc_options options = {.finalizers = "never"};
    ck_assert_int_eq(kgc_init(&options), EINVAL);
    ck_last_error("finalizers=never: allowed are collected|exit");
}
END_TEST

SUITE("finalize_rules", allocates, registers_again, runs_others, leaves_by_longjmp, leaves_by_pthread_exit,
      ends_the_librarys_thread, order, brought_back_to_life, sorts_of_objects, placed_objects,
      registered_by_a_thread_that_ends, forked, at_the_end_of_the_process, wrong_setting)
