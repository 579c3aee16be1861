/* SPDX-License-Identifier: MIT */
/*
 * The rooted heap against malloc: rooted.c is compiled three times, with
 * kgc_malloc() (no flag), with malloc() (BENCH_MALLOC), which is glibc's or that
 * of whatever library is preloaded, and with libgc's uncollectable objects
 * (BENCH_PEER).  All of them call a function of a shared library, so none can
 * be inlined.
 */
#ifndef KGC_TESTS_BENCH_ROOTED_H
#define KGC_TESTS_BENCH_ROOTED_H

#include "bench.h"
#include <string.h>

#if defined BENCH_PEER
#define rooted_malloc(n) GC_MALLOC_UNCOLLECTABLE(n)
#define rooted_free(p)   GC_FREE(p)
static inline void *rooted_realloc(void *p, size_t n)
{
    return p != NULL ? GC_REALLOC(p, n) : GC_MALLOC_UNCOLLECTABLE(n);
}
#elif defined BENCH_MALLOC
#define rooted_malloc(n)     malloc(n)
#define rooted_free(p)       free(p)
#define rooted_realloc(p, n) realloc(p, n)
#else
#define rooted_malloc(n)     kgc_malloc(n)
#define rooted_free(p)       kgc_free(p)
#define rooted_realloc(p, n) kgc_realloc(p, n)
#endif

/* A block whose first and last bytes have been written. */
static inline void *rooted_block(size_t size)
{
    volatile char *p = bench_check(rooted_malloc(size));
    p[0] = 1;
    p[size - 1] = 1;
    return (void *)p;
}

/* Prints "NAME VALUE ns": seconds are those of so many operations in each of the threads. */
static inline void rooted_print_ns(const char *name, double seconds, double operations)
{
    printf("%s %.3f ns\n", name, seconds * 1e9 / operations);
}

/* Each takes its arguments from the command line, prints its metrics and returns the exit status. */
int rooted_small(int argc, char **argv);
int rooted_sizes(int argc, char **argv);
int rooted_cross(int argc, char **argv);
int rooted_churn(int argc, char **argv);
int rooted_rss(int argc, char **argv);

#endif
