/* SPDX-License-Identifier: MIT */
/* A handler that only counts runs thousands of times while threads allocate: nothing is disturbed. */
#include "check.h"
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

enum { THREADS = 3, WANTED = 1500 };
static atomic_int signals;

static void count(int signal)
{
    (void)signal;
    atomic_fetch_add(&signals, 1);
}

static void *work(void *arg)
{
    enum { BLOCKS = 128 };
    static __thread unsigned char *p[BLOCKS];
    static __thread size_t size[BLOCKS];
    unsigned seed = (unsigned)(size_t)arg;
    bool ok = true;
    while (atomic_load(&signals) < WANTED) {
        for (int i = 0; i < 1000; i++) {
            seed = seed * 1664525 + 1013904223;
            unsigned k = seed >> 24 & (BLOCKS - 1);
            if (p[k] != NULL)
                ok = ok && p[k][0] == (unsigned char)k && p[k][size[k]] == (unsigned char)k;
            size[k] = (seed >> 8) % (i % 100 == 0 ? 200000 : 300);
            p[k] = realloc(p[k], size[k] + 1);
            if (p[k] == NULL)
                return NULL;
            memset(p[k], (int)k, size[k] + 1);
        }
    }
    return ok ? arg : NULL;
}

int main(void)
{
    struct sigaction action = {.sa_handler = count, .sa_flags = SA_RESTART};
    CHECK(sigaction(SIGALRM, &action, NULL) == 0);
    struct itimerval often = {{0, 200}, {0, 200}};
    CHECK(setitimer(ITIMER_REAL, &often, NULL) == 0);
    pthread_t t[THREADS];
    for (size_t i = 0; i < THREADS; i++)
        CHECK(pthread_create(&t[i], NULL, work, (void *)(i + 2)) == 0);
    CHECK(work((void *)1) != NULL);
    for (int i = 0; i < THREADS; i++) {
        void *result = NULL;
        CHECK(pthread_join(t[i], &result) == 0 && result != NULL);
    }
    setitimer(ITIMER_REAL, &(struct itimerval){0}, NULL);
    printf("%d failures\n", failures);
    return failures != 0;
}
