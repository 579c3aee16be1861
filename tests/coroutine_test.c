/* SPDX-License-Identifier: MIT */
/*
 * Coroutines that wander: a thousand of them on four threads, each with a list
 * that only its stack refers to, handed from thread to thread and to each other
 * directly, unmapped the moment they are unregistered, while another thread
 * collects without a pause.
 */
#include "base/size.h"
#include "coroutine.h"
#include "suite.h"
#include <gc/gc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

enum { WORKERS = 4, ALIVE = 1000, NODES = 8, MAGIC = 0x5ca1ab1e };

struct node {
    struct node *next;
    uint64_t owner, magic;
};

/* What is alive and not running; where swapcontext() has finished with it. */
static struct coroutine *queue[ALIVE + WORKERS];
static unsigned queued;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static _Atomic unsigned to_make;
static _Atomic bool done, broken;
static _Atomic unsigned long switches, transfers, lives, migrations;

struct worker {
    ucontext_t own;
    struct coroutine *left;     /* to be put into the queue on arrival */
    struct coroutine *finished; /* to be unmapped on arrival */
};
static __thread struct worker *worker_here;

/* A coroutine may go on in another thread: nothing may remember the address. */
static __attribute__((noinline)) struct worker *worker(void)
{
    __asm__ volatile("" : : : "memory");
    return worker_here;
}

static struct coroutine *take(void)
{
    pthread_mutex_lock(&lock);
    struct coroutine *c = NULL;
    if (queued > 0) {
        unsigned i = (unsigned)(switches * 2654435761u) % queued;
        c = queue[i];
        queue[i] = queue[--queued];
    }
    pthread_mutex_unlock(&lock);
    return c;
}

static void put(struct coroutine *c)
{
    pthread_mutex_lock(&lock);
    queue[queued++] = c;
    pthread_mutex_unlock(&lock);
}

/* In whatever is reached by a switch, first of all. */
static __attribute__((noinline)) void arrived(void)
{
    struct worker *w = worker();
    struct coroutine *left = w->left, *finished = w->finished;
    w->left = w->finished = NULL;
    if (left != NULL)
        put(left);
    if (finished != NULL)
        coroutine_end(finished);
}

static __attribute__((noinline)) void go(ucontext_t *from, struct coroutine *to)
{
    atomic_fetch_add(&switches, 1);
    coroutine_swap(from, to != NULL ? to->context : &worker()->own, to != NULL ? to->stack : NULL);
    arrived();
}

static struct node *grow(struct node *list, uint64_t owner)
{
    struct node *n = kgc_allocate(sizeof *n);
    n->next = list;
    n->owner = owner;
    n->magic = MAGIC;
    return n;
}

static bool is_whole(const struct node *list, uint64_t owner, unsigned length)
{
    for (; list != NULL && length > 0; list = list->next, length--)
        if (list->owner != owner || list->magic != MAGIC)
            return false;
    return list == NULL && length == 0;
}

static void wander(struct coroutine *self)
{
    arrived();
    uint64_t owner = (uintptr_t)self * 3;
    unsigned length = 0, steps = 20 + (unsigned)(atomic_fetch_add(&lives, 1) % 60);
    struct node *list = NULL;
    for (unsigned step = 0; step < steps; step++) {
        if (length < NODES) {
            list = grow(list, owner);
            length++;
        }
        void *volatile garbage = kgc_allocate(16 + step * 16);
        (void)garbage;
        const struct worker *before = worker();
        struct coroutine *next = step % 2 == 0 ? take() : NULL;
        worker()->left = self;
        if (next != NULL)
            atomic_fetch_add(&transfers, 1);
        go(self->context, next);
        if (worker() != before)
            atomic_fetch_add(&migrations, 1);
        if (!is_whole(list, owner, length)) {
            atomic_store(&broken, true);
            break;
        }
    }
    worker()->finished = self;
    go(self->context, NULL);
}

/* A new one, whose first switch comes from the worker's own stack or another coroutine. */
static bool make_one(void)
{
    unsigned left = atomic_load(&to_make);
    do
        if (left == 0)
            return false;
    while (!atomic_compare_exchange_weak(&to_make, &left, left - 1));
    put(coroutine_new(wander));
    return true;
}

static bool work(void)
{
    pthread_mutex_lock(&lock);
    bool few = queued < ALIVE;
    pthread_mutex_unlock(&lock);
    bool made = few && make_one();
    struct coroutine *c = take();
    if (c == NULL)
        return made;
    struct node *list = NULL;
    for (unsigned i = 0; i < NODES; i++)
        list = grow(list, 7);
    go(&worker()->own, c);
    if (!is_whole(list, 7, NODES))
        atomic_store(&broken, true);
    return true;
}

static void *run_worker(void *unused)
{
    (void)unused;
    struct worker *w = calloc(1, sizeof *w);
    worker_here = w;
    for (int idle = 0; idle < 100 && !atomic_load(&broken);) {
        if (work()) {
            idle = 0;
        } else {
            idle++;
            usleep(1000);
        }
    }
    free(w);
    return NULL;
}

static void *collect(void *unused)
{
    (void)unused;
    while (!atomic_load(&done))
        kgc_collect();
    return NULL;
}

static void wander_about(unsigned number)
{
    pthread_t workers[WORKERS], collector;
    ck_assert_int_eq(kgc_init(NULL), 0);
    atomic_store(&to_make, number);
    ck_assert_int_eq(pthread_create(&collector, NULL, collect, NULL), 0);
    for (int i = 0; i < WORKERS; i++)
        ck_assert_int_eq(pthread_create(&workers[i], NULL, run_worker, NULL), 0);
    for (int i = 0; i < WORKERS; i++)
        ck_assert_int_eq(pthread_join(workers[i], NULL), 0);
    atomic_store(&done, true);
    ck_assert_int_eq(pthread_join(collector, NULL), 0);
    ck_assert(!broken);
    ck_assert_uint_eq(lives, number);
    ck_assert_uint_eq(queued, 0);
    ck_assert_uint_gt(switches, 20 * number);
    ck_assert_uint_gt(transfers, number);
    ck_assert_uint_gt(migrations, 0);
    ck_assert_uint_gt(GC_get_gc_no(), 20);
    if (getenv("KINDGC_TEST_VERBOSE") != NULL)
        printf("%lu switches, %lu transfers, %lu migrations, %lu collections\n", switches, transfers,
               migrations, (unsigned long)GC_get_gc_no());
}

static unsigned number(void)
{
    return getenv("KINDGC_TEST_LONG") != NULL ? 200000 : 1500;
}

START_TEST(wandering)
{
    wander_about(number());
}
END_TEST

START_TEST(wandering_incrementally)
{
    ck_assert_int_eq(kgc_init(NULL), 0);
    GC_enable_incremental();
    wander_about(number());
}
END_TEST

SUITE("coroutine", wandering, wandering_incrementally)
