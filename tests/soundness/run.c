/* SPDX-License-Identifier: MIT */
/* A run of the soundness checker: see run.h. */
#include "run.h"
#include "addresses.h"
#include "audit.h"
#include "failure.h"
#include "lifetime.h"
#include "objects.h"
#include "operations.h"
#include "roots.h"
#include "statistics.h"
#include <gc/gc.h>
#include <kindgc.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { OPERATIONS_IN_A_ROUND = 5000, OPERATIONS_OF_A_CHILD = 500, CHILD_SECONDS = 120, KINDS = 4 };

struct settings the_settings;
pthread_key_t the_key;

static pthread_barrier_t begin, end;
static _Atomic unsigned arrived;  /* threads that have done their round */
static _Atomic uint64_t progress; /* operations, roughly */
static _Atomic bool over;         /* no more rounds */
static bool leaving[PARTITIONS];  /* this partition's thread ends after the round */
static void **batons[PARTITIONS]; /* of threads that have ended: the only root of what they hold */
static pthread_t thread[PARTITIONS], meddler;
static kgc_kind *heap_kind[KINDS];
static unsigned heap_kinds;

/* Children. */

static _Noreturn void end_child(void)
{
    if (is_broken()) {
        ssize_t written = write(STDERR_FILENO, failure_text(), strlen(failure_text()));
        written += write(STDERR_FILENO, "\n", 1);
        (void)written;
    }
    _exit(is_broken() ? 1 : 0);
}

static void wait_for(pid_t child)
{
    int status;
    while (waitpid(child, &status, 0) != child)
        ;
    if (status != 0)
        broken("a forked child ended with status %#x%s", (unsigned)status,
               WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM ? ": it stood still" : "");
}

static void go_on(unsigned first, unsigned last)
{
    audit_child(first, last, "in a child");
    for (unsigned i = 0; i < OPERATIONS_OF_A_CHILD; i++)
        operate(&the_model->partition[first + i % (last - first + 1)]);
    kgc_collect();
    audit_child(first, last, "in a child that has collected");
}

/* One thread forks while the others run. */
static void fork_in_round(struct partition *p)
{
    pid_t child = fork();
    if (child == 0) {
        alarm(CHILD_SECONDS);
        lifetime_only(p);
        go_on(p->index, p->index);
        end_child();
    }
    wait_for(child);
    p->counts.forks++;
}

/* All threads stand still; the child has none of them. */
static void fork_between_rounds(void)
{
    unsigned last = the_settings.threads - 1;
    pid_t child = fork();
    if (child == 0) {
        alarm(CHILD_SECONDS);
        audit_child(0, last, "in a child of the main thread");
        for (unsigned i = 0; i <= last; i++)
            roots_forget_threads(&the_model->partition[i]);
        kgc_collect();
        audit_child(0, last, "in a child without the threads");
        end_child();
    }
    wait_for(child);
    the_model->partition[0].counts.forks++;
}

/* Threads. */

static void do_round(struct partition *p)
{
    if (p->crowded)
        cull(p);
    unsigned fork_at = once_in(p, 8) ? next_random(p) % OPERATIONS_IN_A_ROUND : OPERATIONS_IN_A_ROUND;
    for (unsigned i = 0; i < OPERATIONS_IN_A_ROUND && !is_broken(); i++) {
        if (i == fork_at)
            fork_in_round(p);
        operate(p);
        if (i % 64 == 0)
            atomic_fetch_add(&progress, 64);
    }
}

static __attribute__((noinline)) void *work(void *arg)
{
    struct partition *p = arg;
    void *volatile stack[ROOTS_ON_STACK];
    roots_enter(p, stack, batons[p->index]);
    batons[p->index] = NULL;
    bool leave;
    do {
        pthread_barrier_wait(&begin);
        if (atomic_load(&over))
            return NULL;
        leave = leaving[p->index];
        do_round(p);
        atomic_fetch_add(&arrived, 1);
        pthread_barrier_wait(&end);
    } while (!leave);
    return roots_leave(p);
}

static void start(unsigned i)
{
    struct partition *p = &the_model->partition[i];
    if (pthread_create(&thread[i], NULL, work, p) != 0)
        broken("no thread");
    p->counts.threads++;
}

/* The thread ends; what it held is in its result, then in `batons`, then another thread's. */
static void change_threads(void)
{
    for (unsigned i = 0; i < the_settings.threads; i++) {
        if (!leaving[i])
            continue;
        void *result;
        kgc_collect();
        pthread_join(thread[i], &result);
        batons[i] = result;
        kgc_collect();
        start(i);
    }
}

/* What threads do to each other's objects, while these work. */
static void meddle(uint64_t *luck)
{
    switch (random_from(luck) % 4) {
    case 0:
        kgc_collect();
        break;
    case 1:
        if (heap_kinds > 0 && kgc_heap_set_kind(heap_kind[random_from(luck) % heap_kinds]) != 0)
            broken("kgc_heap_set_kind: %s", kgc_last_error());
        break;
    default:
        GC_collect_a_little();
    }
}

static void *meddle_always(void *unused)
{
    uint64_t luck = the_settings.seed, next = 0;
    for (;;) {
        pthread_barrier_wait(&begin);
        if (atomic_load(&over))
            return unused;
        while (atomic_load(&arrived) < the_settings.threads && !is_broken()) {
            if (atomic_load(&progress) < next) {
                usleep(100);
                continue;
            }
            meddle(&luck);
            next = atomic_load(&progress) + random_from(&luck) % 4000;
        }
        pthread_barrier_wait(&end);
    }
}

/* The main thread. */

static void start_library(void)
{
    static const char *const specs[KINDS] = {"default", "thp", "file:/var/tmp",
                                             "tier:default@4M+file:/var/tmp"};
    if (kgc_init(NULL) != 0)
        broken("kgc_init: %s", kgc_last_error());
    if (the_settings.incremental)
        GC_enable_incremental();
    if (the_settings.markers)
        GC_start_mark_threads();
    if (the_settings.finalizer_thread && kgc_set_finalizer_thread(KGC_FINALIZERS_THREAD) != 0)
        broken("kgc_set_finalizer_thread: %s", kgc_last_error());
    for (unsigned i = 0; the_settings.kinds && i < KINDS; i++)
        heap_kinds += kgc_kind_open(specs[i], &heap_kind[heap_kinds]) == 0;
}

static void create(void)
{
    pthread_key_create(&the_key, NULL);
    model_create(the_settings.seed);
    addresses_create();
    start_library();
    objects_create();
    for (unsigned i = 0; i < the_settings.threads; i++) {
        roots_create(&the_model->partition[i]);
        lifetime_create(&the_model->partition[i]);
    }
    pthread_barrier_init(&begin, NULL, the_settings.threads + 2);
    pthread_barrier_init(&end, NULL, the_settings.threads + 2);
}

static void one_round(uint64_t *luck)
{
    unsigned threads = the_settings.threads;
    for (unsigned i = 0; i < threads; i++)
        leaving[i] = random_from(luck) % 8 == 0;
    atomic_store(&arrived, 0);
    pthread_barrier_wait(&begin);
    pthread_barrier_wait(&end);
    change_threads();
    bool collect = random_from(luck) % 2 == 0;
    if (collect)
        kgc_collect();
    audit(threads, collect);
    if (random_from(luck) % 16 == 0 && !is_broken())
        fork_between_rounds();
    for (unsigned i = 0; i < threads * 16 && threads > 1 && !is_broken(); i++)
        link_across(&the_model->partition[random_from(luck) % threads],
                    &the_model->partition[random_from(luck) % threads]);
}

static void finish(void)
{
    void *unused;
    atomic_store(&over, true);
    pthread_barrier_wait(&begin);
    for (unsigned i = 0; i < the_settings.threads; i++)
        pthread_join(thread[i], &unused);
    pthread_join(meddler, &unused);
}

const char *soundness_run(const struct settings *settings)
{
    the_settings = *settings;
    uint64_t luck = settings->seed, round = (uint64_t)OPERATIONS_IN_A_ROUND * settings->threads;
    create();
    struct statistics_start since = statistics_begin();
    for (unsigned i = 0; i < settings->threads; i++)
        start(i);
    if (pthread_create(&meddler, NULL, meddle_always, NULL) != 0)
        broken("no thread");
    for (uint64_t done = 0; done < settings->operations && !is_broken(); done += round)
        one_round(&luck);
    finish();
    statistics_print(&since);
    statistics_check_retention();
    return failure_text();
}
