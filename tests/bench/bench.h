/* SPDX-License-Identifier: MIT */
/*
 * What the benchmarks share.  Each source is compiled twice: against this
 * library, and against its peer, so that both sides run the same work.  The
 * peer is stock libgc alone (BENCH_PEER), memkind (BENCH_MEMKIND) or malloc
 * (BENCH_MALLOC).  A program prints "METRIC VALUE UNIT" lines; run.sh
 * alternates the sides and compares medians.
 */
#ifndef KGC_TESTS_BENCH_H
#define KGC_TESTS_BENCH_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#if defined BENCH_MEMKIND
#include <memkind.h>
#elif defined BENCH_MALLOC
/* only what <stdlib.h> has */
#elif defined BENCH_PEER
#define GC_THREADS /* pthread_create() becomes GC_pthread_create() */
#include <gc.h>
#define bench_start()            GC_INIT()
#define bench_allocate(n)        GC_MALLOC(n)
#define bench_allocate_atomic(n) GC_MALLOC_ATOMIC(n)
#define bench_collect()          GC_gcollect()
#define bench_disable()          GC_disable()
#define bench_enable()           GC_enable()
#define bench_heap_size()        GC_get_heap_size()
#else
#include <kindgc.h>
#define bench_start()            ((void)kgc_init(NULL))
#define bench_allocate(n)        kgc_allocate(n)
#define bench_allocate_atomic(n) kgc_allocate_atomic(n)
#define bench_collect()          kgc_collect()
#define bench_disable()          kgc_disable()
#define bench_enable()           kgc_enable()
#define bench_heap_size()        kgc_heap_size()
#endif

static inline double bench_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* xorshift64*: fast, and the same numbers on both sides. */
static inline uint64_t bench_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * UINT64_C(2685821657736338717);
}

static inline void *bench_check(void *p)
{
    if (p == NULL) {
        fputs("out of memory\n", stderr);
        exit(1);
    }
    return p;
}

/* A number from the command line. */
static inline long bench_argument(int argc, char **argv, int i, long otherwise)
{
    return argc > i ? strtol(argv[i], NULL, 10) : otherwise;
}

#ifdef bench_heap_size
/* The most that this process has had in memory. */
static inline void bench_print_peak(const char *name)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    printf("%s-rss %.1f MiB\n", name, (double)usage.ru_maxrss / 1024);
}

/* How large the heap has grown, for run.sh to give the other side as much. */
static inline void bench_print_heap(const char *name)
{
    printf("%s-heap %.3f MiB\n", name, (double)bench_heap_size() / (1 << 20));
}
#endif

/* Runs fn in this many threads at once; seconds from start to the last end. */
static inline double bench_in_threads(long threads, void *(*fn)(void *))
{
    pthread_t id[64];
    if (threads < 1 || threads > 64)
        exit(2);
    double start = bench_now();
    for (long i = 0; i < threads; i++)
        if (pthread_create(&id[i], NULL, fn, (void *)(uintptr_t)(i + 1)) != 0)
            exit(1);
    for (long i = 0; i < threads; i++)
        pthread_join(id[i], NULL);
    return bench_now() - start;
}

#endif
