/* SPDX-License-Identifier: MIT */
/*
 * Threads that come and go: of pthread_create, thrd_create and SIGEV_THREAD
 * timers, joined and detached, with destructors that allocate, more keys than
 * glibc has room for in a thread's record, blocks that another thread frees, and
 * stacks that are unmapped.
 *
 * usage: threads N
 */
#include "check.h"
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

enum { KEYS = 40, SHARED = 256 };

static pthread_key_t keys[KEYS];
static _Atomic(void *) shared[SHARED];
static atomic_int bad, ended, fired;

/* Every round of destructors allocates and frees. */
static void destroy(void *p)
{
    size_t *round = p;
    size_t n = *round;
    free(p);
    free(malloc(100 * n));
    size_t *again = malloc(sizeof *again + 50 * n);
    if (again == NULL) {
        atomic_fetch_add(&bad, 1);
        return;
    }
    *again = n + 1;
    if (n < 6) /* one more than there are rounds: the last ones leak, as the program wants it */
        pthread_setspecific(keys[n % KEYS], again);
    else
        free(again);
}

static void work(unsigned seed)
{
    for (int i = 0; i < 60; i++) {
        seed = seed * 1664525 + 1013904223;
        size_t size = (seed >> 20) % (i % 20 == 0 ? 100000 : 500) + 1;
        unsigned char *p = i % 3 == 0 ? calloc(1, size) : malloc(size);
        if (p == NULL || (i % 3 == 0 && (p[0] != 0 || p[size - 1] != 0))) {
            atomic_fetch_add(&bad, 1);
            return;
        }
        memset(p, 0x77, size);
        free(atomic_exchange(&shared[seed >> 8 & (SHARED - 1)], p)); /* another thread's, mostly */
    }
}

static void live(unsigned seed)
{
    for (int i = 0; i < KEYS; i += 13) { /* above 32 glibc allocates */
        size_t *p = malloc(sizeof *p);
        *p = 1;
        pthread_setspecific(keys[i], p);
    }
    work(seed);
    atomic_fetch_add(&ended, 1);
}

static void *posix_thread(void *arg)
{
    live((unsigned)(size_t)arg);
    return NULL;
}

static int c_thread(void *arg)
{
    live((unsigned)(size_t)arg);
    return 7;
}

static void timer_thread(union sigval value)
{
    work((unsigned)value.sival_int);
    atomic_fetch_add(&fired, 1);
}

static void nap(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
}

static void test_timers(void)
{
    timer_t timer;
    struct sigevent event = {.sigev_notify = SIGEV_THREAD,
                             .sigev_notify_function = timer_thread,
                             .sigev_value.sival_int = 3};
    CHECK(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
    struct itimerspec often = {{0, 2000000}, {0, 2000000}};
    CHECK(timer_settime(timer, 0, &often, NULL) == 0);
    for (int i = 0; i < 5000 && atomic_load(&fired) < 20; i++)
        nap();
    CHECK(atomic_load(&fired) >= 20);
    timer_delete(timer);
}

/* ---- threads that end all together, detached: glibc unmaps stacks in whatever
   thread ends, and frees what belonged to them behind its last destructor ---- */

enum { TOGETHER = 16 };
static pthread_barrier_t together;

static void *end_together(void *allocates)
{
    for (size_t i = 0; allocates != NULL && i < 20; i++)
        free(hidden(malloc(3000 + i)));
    pthread_barrier_wait(&together);
    atomic_fetch_add(&ended, 1);
    return NULL;
}

static long resident_kib(void)
{
    long size, pages = 0;
    FILE *f = fopen("/proc/self/statm", "re");
    if (f != NULL && fscanf(f, "%ld %ld", &size, &pages) != 2)
        pages = 0;
    if (f != NULL)
        fclose(f);
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static void test_stacks_that_go(bool allocates, int rounds)
{
    pthread_attr_t attributes; /* more than the 40 MiB of stacks that glibc keeps */
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 8 * 1024 * 1024);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    long before = 0;
    for (int round = 0; round < rounds; round++) {
        pthread_barrier_init(&together, NULL, TOGETHER + 1);
        atomic_store(&ended, 0);
        for (size_t i = 0; i < TOGETHER; i++) {
            pthread_t t;
            CHECK(pthread_create(&t, &attributes, end_together, allocates ? &together : NULL) == 0);
        }
        pthread_barrier_wait(&together);
        for (int i = 0; i < 5000 && atomic_load(&ended) < TOGETHER; i++)
            nap();
        nap();
        pthread_barrier_destroy(&together);
        if (round == rounds / 4)
            before = resident_kib();
    }
    atomic_store(&ended, 0);
    CHECK(resident_kib() - before < 6 * 1024);
}

int main(int argc, char **argv)
{
    test_stacks_that_go(false, 20);
    test_stacks_that_go(true, 80);
    int n = argc > 1 ? atoi(argv[1]) : 500;
    for (int i = 0; i < KEYS; i++)
        CHECK(pthread_key_create(&keys[i], destroy) == 0);
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 128 * 1024);
    int begun = 0;
    while (begun < n) {
        enum { WAVE = 8 };
        pthread_t t[WAVE];
        thrd_t c;
        for (int i = 0; i < WAVE; i++, begun++)
            CHECK(pthread_create(&t[i], &attributes, posix_thread, (void *)(size_t)begun) == 0);
        CHECK(thrd_create(&c, c_thread, (void *)(size_t)begun++) == thrd_success);
        for (int i = 0; i < WAVE; i += 2)
            CHECK(pthread_detach(t[i]) == 0);
        for (int i = 1; i < WAVE; i += 2)
            CHECK(pthread_join(t[i], NULL) == 0);
        int result = 0;
        CHECK(thrd_join(c, &result) == thrd_success && result == 7);
    }
    for (int i = 0; i < 5000 && atomic_load(&ended) < begun; i++)
        nap();
    CHECK(atomic_load(&ended) == begun);
    test_timers();
    CHECK(atomic_load(&bad) == 0);
    printf("%d failures\n", failures);
    return failures != 0;
}
