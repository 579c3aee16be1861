/* SPDX-License-Identifier: MIT */
/*
 * Coroutines' stacks (kgc_stack_register() and others), with ucontext.  What
 * swapcontext(3) saves lies in malloc(3)'s memory, where the collector does not
 * look.  The stress test is in coroutine_test.c.
 */
#include "base/size.h"
#include "chain.h"
#include "collect/stack.h"
#include "coroutine.h"
#include "misuse.h"
#include "suite.h"
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/wait.h>
#include <unistd.h>

_Static_assert(STACK >= 2 * CLEARED, "coroutines call clear_stack()");

START_TEST(registering)
{
    char *memory = map_stack(4 * STACK);
    kgc_stack *a, *b, *c;
    ck_assert_int_eq(kgc_stack_register(NULL, memory, &a), EINVAL);
    ck_assert_int_eq(kgc_stack_register(memory, memory, &a), EINVAL);
    ck_assert_int_eq(kgc_stack_register(memory, memory + STACK, NULL), EINVAL);
    ck_last_error("kgc_stack_register: a range and a place for the stack are needed");
    ck_assert_int_eq(kgc_stack_register(memory, memory + 32767, &a), EINVAL);
    ck_last_error("kgc_stack_register: a stack needs at least 32768 bytes, for libgc");
    ck_assert_int_eq(kgc_stack_register(memory + STACK, memory + 2 * STACK, &a), 0);
    ck_assert_int_eq(kgc_stack_register(memory + STACK, memory + 2 * STACK, &b), EINVAL);
    ck_last_error("kgc_stack_register: [%p, %p) overlaps a registered stack", (void *)(memory + STACK),
                  (void *)(memory + 2 * STACK));
    ck_assert_int_eq(kgc_stack_register(memory, memory + STACK + 8, &b), EINVAL);
    ck_assert_int_eq(kgc_stack_register(memory, memory + 4 * STACK, &b), EINVAL);
    ck_assert_int_eq(kgc_stack_register(memory, memory + STACK, &b), 0);
    ck_assert_int_eq(kgc_stack_register(memory + 2 * STACK, memory + 3 * STACK, &c), 0);
    ck_assert_int_eq(kgc_stack_unregister(a), 0);
    ck_assert_int_eq(kgc_stack_register(memory + STACK, memory + 2 * STACK, &a), 0);
    ck_assert_int_eq(kgc_stack_unregister(a), 0);
    ck_assert_int_eq(kgc_stack_unregister(b), 0);
    ck_assert_int_eq(kgc_stack_unregister(c), 0);
    ck_assert_int_eq(kgc_stack_unregister(NULL), EINVAL);
    ck_assert_int_eq(kgc_stack_switch(NULL), 0); /* it is there already */
    unmap_stack(memory, 4 * STACK);
    kgc_collect();
}
END_TEST

/* A coroutine that holds a chain, and goes back whenever it is resumed. */
static void hold(struct coroutine *self)
{
    struct link *volatile chain = make_chain();
    while (!self->stop) {
        coroutine_leave(self);
        check_chain(chain);
    }
    chain = NULL;
}

/* Runs it until it has gone: nothing is left of it but its stack. */
static __attribute__((noinline)) void start_and_leave(struct coroutine *c)
{
    coroutine_resume(c);
}

START_TEST(suspended)
{
    next_chain();
    struct coroutine *c = coroutine_new(hold);
    start_and_leave(c);
    for (int i = 0; i < 10; i++) {
        collect_all();
        ck_chain_kept();
        coroutine_resume(c);
    }
    coroutine_end(c); /* unmaps the stack while the coroutine is suspended */
    collect_all();
    ck_chain_ended();
}
END_TEST

START_TEST(finished)
{
    next_chain();
    struct coroutine *c = coroutine_new(hold);
    start_and_leave(c);
    c->stop = true;
    coroutine_resume(c);
    ck_assert(c->finished);
    coroutine_end(c);
    collect_all();
    ck_chain_ended();
}
END_TEST

/* While a coroutine runs, the stack that resumed it and the thread's variables
   are roots. */
static __thread struct link *in_tls;

static __attribute__((noinline)) void fill_tls(void)
{
    in_tls = make_chain();
}

static void collect_inside(struct coroutine *self)
{
    for (;;) {
        for (int i = 0; i < 3; i++)
            kgc_collect();
        coroutine_leave(self);
    }
}

static __attribute__((noinline)) void hold_here(struct coroutine *c)
{
    struct link *volatile chain = make_chain();
    coroutine_resume(c);
    ck_chain_kept();
    check_chain(chain);
    chain = NULL;
}

static void *resumed(void *unused)
{
    (void)unused;
    struct coroutine *c = coroutine_new(collect_inside);
    next_chain();
    hold_here(c);
    collect_all();
    coroutine_resume(c); /* which forgets what was left behind before */
    collect_all();
    ck_chain_ended();
    next_chain();
    fill_tls();
    coroutine_resume(c);
    ck_chain_kept();
    check_chain(in_tls);
    in_tls = NULL;
    collect_all();
    ck_chain_ended();
    coroutine_end(c);
    return NULL;
}

START_TEST(what_was_left_by_the_initial_thread)
{
    resumed(NULL);
}
END_TEST

START_TEST(what_was_left_by_a_thread)
{
    pthread_t thread;
    ck_assert_int_eq(kgc_init(NULL), 0);
    ck_assert_int_eq(pthread_create(&thread, NULL, resumed, NULL), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
}
END_TEST

#if defined __x86_64__ || defined __aarch64__
/* The only pointer is in a register that calls preserve, at kgc_stack_switch()
   and when the coroutine goes on. */
static __attribute__((noinline)) void *through_register(uintptr_t disguised)
{
    void *p = (void *)~disguised;
#if defined __x86_64__
    /* The compiler knows of no call here: the stack is aligned for it, below the red zone. */
    __asm__ volatile("movq %0, %%r12\n\txorl %%eax, %%eax\n\tmovq %%rax, %0\n\tmovq %%rax, %%rdi\n\t"
                     "movq %%rsp, %%r13\n\tsubq $128, %%rsp\n\tandq $-16, %%rsp\n\t"
                     "call to_own\n\tmovq %%r13, %%rsp\n\tmovq %%r12, %0\n\txorl %%r12d, %%r12d"
                     : "+&r"(p)
                     :
                     : "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "memory",
                       "cc");
#else
    __asm__ volatile("mov x20, %0\n\tmov %0, xzr\n\tbl to_own\n\tmov %0, x20\n\tmov x20, xzr"
                     : "+r"(p)
                     :
                     : "x0", "x1", "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13",
                       "x14", "x15", "x16", "x17", "x18", "x20", "x30", "memory", "cc");
#endif
    return p;
}

static struct coroutine *in_register;
void to_own(void);

__attribute__((noinline)) void to_own(void)
{
    coroutine_leave(in_register);
}

static __attribute__((noinline)) uintptr_t make_disguised(void)
{
    return ~(uintptr_t)make_chain();
}

static void hold_in_register(struct coroutine *self)
{
    (void)self;
    uintptr_t disguised = make_disguised();
    clear_stack();
    struct link *chain = through_register(disguised);
    check_chain(chain);
}

START_TEST(in_a_register)
{
    next_chain();
    in_register = coroutine_new(hold_in_register);
    start_and_leave(in_register);
    collect_all();
    ck_chain_kept();
    coroutine_resume(in_register);
    ck_assert(in_register->finished);
    coroutine_end(in_register);
}
END_TEST
#endif

/* A collection between kgc_stack_switch() and the switch itself, and again on
   arrival: on all four ways. */
static void collect_between(void)
{
    kgc_collect();
}

static struct coroutine *pair[2];

static void ping_pong(struct coroutine *self)
{
    struct link *volatile chain = make_chain();
    struct coroutine *other = pair[self == pair[0]];
    for (int i = 0; i < 5; i++) {
        kgc_collect();
        check_chain(chain);
        coroutine_transfer(self, other);
        kgc_collect();
        check_chain(chain);
        coroutine_leave(self);
    }
    chain = NULL;
}

START_TEST(between)
{
    struct link *volatile chain;
    next_chain();
    coroutine_between = collect_between;
    chain = make_chain();
    pair[0] = coroutine_new(ping_pong);
    pair[1] = coroutine_new(ping_pong);
    for (int i = 0; i < 10 && !pair[0]->finished; i++) {
        coroutine_resume(pair[i % 2]);
        kgc_collect();
        check_chain(chain);
    }
    ck_chain_kept();
    coroutine_between = NULL;
    coroutine_end(pair[0]);
    coroutine_end(pair[1]);
    chain = NULL;
    collect_all();
    ck_chain_ended();
}
END_TEST

/* After a way from coroutine to coroutine and back, the thread's own stack is
   scanned from the stack pointer again. */
static __attribute__((noinline)) void hold_deep_down(void)
{
    char space[4096];
    __asm__ volatile("" : : "r"(space) : "memory");
    struct link *volatile chain = make_chain();
    collect_all();
    ck_chain_kept();
    check_chain(chain);
    chain = NULL;
}

START_TEST(back_home)
{
    pair[0] = coroutine_new(ping_pong);
    pair[1] = coroutine_new(ping_pong);
    coroutine_resume(pair[0]);
    next_chain();
    hold_deep_down();
    coroutine_end(pair[0]);
    coroutine_end(pair[1]);
    next_chain();
    hold_deep_down();
    collect_all();
    ck_chain_ended();
}
END_TEST

static kgc_stack *occupied;
static sem_t is_occupied, may_leave;

static void stay(struct coroutine *self)
{
    occupied = self->stack;
    if (kgc_thread_unregister() != EBUSY)
        occupied = NULL;
    sem_post(&is_occupied);
    while (sem_wait(&may_leave) != 0)
        ;
}

static void *occupy(void *p)
{
    coroutine_resume(p);
    return NULL;
}

START_TEST(busy)
{
    pthread_t thread;
    ck_assert_int_eq(kgc_init(NULL), 0);
    sem_init(&is_occupied, 0, 0);
    sem_init(&may_leave, 0, 0);
    struct coroutine *c = coroutine_new(stay);
    ck_assert_int_eq(pthread_create(&thread, NULL, occupy, c), 0);
    while (sem_wait(&is_occupied) != 0)
        ;
    ck_assert_ptr_eq(occupied, c->stack);
    ck_assert_int_eq(kgc_stack_switch(c->stack), EBUSY);
    ck_last_error("kgc_stack_switch: a thread runs on the stack already");
    ck_assert_int_eq(kgc_stack_unregister(c->stack), EBUSY);
    ck_last_error("kgc_stack_unregister: a thread runs on the stack");
    kgc_collect();
    sem_post(&may_leave);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    coroutine_end(c);
}
END_TEST

/* Switches that the library was not told of. */
static void forget_to_tell(struct coroutine *self)
{
    swapcontext(self->context, self->caller); /* still counted as running here */
}

START_TEST(untold)
{
    static struct coroutine *volatile c; /* LeakSanitizer does not look at the other stack */
    c = coroutine_new(forget_to_tell);
    coroutine_resume(c);
    ck_fatal(kgc_stack_switch(NULL),
             "kgc_stack_switch: the thread is not on the stack that it was to switch to; each switch needs a "
             "call immediately before it");
}
END_TEST

static void end_thread_here(struct coroutine *self)
{
    (void)self;
    pthread_exit(make_chain());
}

START_TEST(thread_ends_on_coroutine)
{
    pthread_t thread;
    next_chain();
    ck_assert_int_eq(kgc_init(NULL), 0);
    for (int i = 0; i < 3; i++) {
        struct coroutine *c = coroutine_new(end_thread_here);
        void *chain;
        ck_assert_int_eq(pthread_create(&thread, NULL, occupy, c), 0);
        ck_assert_int_eq(pthread_join(thread, &chain), 0);
        check_chain(chain);
        coroutine_end(c);
        kgc_collect();
    }
}
END_TEST

static int fork_status;

static void fork_here(struct coroutine *self)
{
    struct link *volatile chain = make_chain();
    pid_t child = fork();
    if (child == 0) {
        alarm(20);
        for (int i = 0; i < 3; i++)
            kgc_collect();
        const struct link *l = chain;
        unsigned n = 0;
        while (l != NULL && l->number == CHAIN - 1 - n) {
            n++;
            l = l->next;
        }
        if (n != CHAIN)
            _exit(1);
        coroutine_leave(self);
        _exit(2);
    }
    waitpid(child, &fork_status, 0);
    chain = NULL;
}

/* A second thread is on a coroutine meanwhile; in the child it is not. */
START_TEST(forked_child)
{
    pthread_t thread;
    ck_assert_int_eq(kgc_init(NULL), 0);
    sem_init(&is_occupied, 0, 0);
    sem_init(&may_leave, 0, 0);
    static struct coroutine *volatile others, *volatile c;
    others = coroutine_new(stay);
    c = coroutine_new(fork_here);
    ck_assert_int_eq(pthread_create(&thread, NULL, occupy, others), 0);
    while (sem_wait(&is_occupied) != 0)
        ;
    pid_t parent = getpid();
    coroutine_resume(c);
    if (getpid() != parent) { /* the child, back on the thread's own stack */
        kgc_collect();
        bool freed = kgc_stack_unregister(others->stack) == 0;
        kgc_collect();
        _exit(freed ? 0 : 3);
    }
    ck_assert_int_eq(fork_status, 0);
    sem_post(&may_leave);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
}
END_TEST

/* Automatic collection is not put off by the distance between stacks. */
static void allocate_much(struct coroutine *self)
{
    (void)self;
    for (int i = 0; i < 20000; i++)
        if (kgc_allocate(10000) == NULL)
            abort();
}

START_TEST(heap_stays_small)
{
    struct coroutine *c = coroutine_new(allocate_much);
    coroutine_resume(c);
    ck_assert(c->finished);
    ck_assert_uint_lt(kgc_heap_size(), 50 * KGC_MIB);
    coroutine_end(c);
}
END_TEST

/* The tree against an array of flags. */
START_TEST(intervals)
{
    enum { SLOTS = 500, STEPS = 100000 };
    static struct kgc__interval records[SLOTS];
    static bool used[SLOTS];
    static char space[SLOTS][16];
    struct kgc__interval *root = NULL;
    unsigned seed = 1;
    for (int i = 0; i < STEPS; i++) {
        unsigned at = (unsigned)rand_r(&seed) % SLOTS, probe = (unsigned)rand_r(&seed) % SLOTS;
        if (used[at]) {
            struct kgc__interval again = {.lo = space[at] + 8, .hi = space[at] + 9};
            ck_assert(!kgc__interval_insert(&root, &again));
            kgc__interval_remove(&root, &records[at]);
        } else {
            records[at] = (struct kgc__interval){.lo = space[at], .hi = space[at] + 16};
            ck_assert(kgc__interval_insert(&root, &records[at]));
        }
        used[at] = !used[at];
        ck_assert_ptr_eq(kgc__interval_find(root, space[probe]), used[probe] ? &records[probe] : NULL);
        ck_assert_ptr_eq(kgc__interval_find(root, space[probe] + 15), used[probe] ? &records[probe] : NULL);
    }
}
END_TEST

SUITE("stack", registering, suspended, finished, what_was_left_by_the_initial_thread,
      what_was_left_by_a_thread, in_a_register, between, back_home, busy, untold, thread_ends_on_coroutine,
      forked_child, heap_stays_small, intervals)
