/* SPDX-License-Identifier: MIT */
/*
 * Explicit memory of a kind, for the benchmarks whose peer is memkind: with
 * BENCH_MEMKIND these are memkind's functions and the kinds of memkind that
 * hold their memory in the same way.
 *
 * bench_kind_open() takes the specifications of kindgc/kind.h that both sides
 * have, and "fixed": a range of 64 MiB that lasts as long as the process.
 * "conservative": free memory goes back to the system at once.
 */
#ifndef KGC_TESTS_BENCH_EXPLICIT_H
#define KGC_TESTS_BENCH_EXPLICIT_H

#include "bench.h"
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { FIXED_BYTES = 64 << 20 };

/* Never returns: the side cannot do what is to be measured. */
__attribute__((noreturn)) static inline void bench_fail(const char *what, const char *why)
{
    fprintf(stderr, "%s: %s\n", what, why);
    exit(1);
}

static inline void *bench_fixed_range(void)
{
    static void *range;
    if (range == NULL)
        range = mmap(NULL, FIXED_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (range == MAP_FAILED)
        bench_fail("fixed", "mmap");
    return range;
}

#ifdef BENCH_MEMKIND
typedef memkind_t bench_kind;
#define bench_kind_malloc(kind, n) memkind_malloc(kind, n)
#define bench_kind_free(kind, p)   memkind_free(kind, p)
#define bench_kind_of(p)           memkind_detect_kind(p)

static inline bool bench_starts(const char *spec, const char *with)
{
    return strncmp(spec, with, strlen(with)) == 0;
}

static inline int bench_open_file(const char *directory, bool conservative, bench_kind *kind)
{
    struct memkind_config *config = bench_check(memkind_config_new());
    memkind_config_set_path(config, directory);
    memkind_config_set_size(config, 0);
    memkind_config_set_memory_usage_policy(config, conservative ? MEMKIND_MEM_USAGE_POLICY_CONSERVATIVE
                                                                : MEMKIND_MEM_USAGE_POLICY_DEFAULT);
    int error = memkind_create_pmem_with_config(config, kind);
    memkind_config_delete(config);
    return error;
}

static inline bench_kind bench_kind_open(const char *spec, bool conservative)
{
    memkind_t kind;
    int error;
    bool file = bench_starts(spec, "file:");
    if (conservative && !file)
        bench_fail(spec, "memkind has no conservative policy for such a kind");
    if (strcmp(spec, "default") == 0)
        return MEMKIND_DEFAULT;
    if (bench_starts(spec, "numa:bind="))
        return MEMKIND_REGULAR;
    if (bench_starts(spec, "numa:interleave="))
        return MEMKIND_INTERLEAVE;
    if (strcmp(spec, "fixed") == 0)
        error = memkind_create_fixed(bench_fixed_range(), FIXED_BYTES, &kind);
    else if (file)
        error = bench_open_file(spec + strlen("file:"), conservative, &kind);
    else
        bench_fail(spec, "memkind has no such kind");
    if (error != MEMKIND_SUCCESS) {
        char text[MEMKIND_ERROR_MESSAGE_SIZE];
        memkind_error_message(error, text, sizeof text);
        bench_fail(spec, text);
    }
    return kind;
}

static inline void bench_kind_close(bench_kind kind)
{
    if (memkind_destroy_kind(kind) != MEMKIND_SUCCESS)
        bench_fail("memkind_destroy_kind", "failed");
}

#else
typedef kgc_kind *bench_kind;
#define bench_kind_malloc(kind, n) kgc_kind_malloc(kind, n)
#define bench_kind_free(kind, p)   kgc_kind_free(kind, p)
#define bench_kind_of(p)           kgc_kind_of(p)

static inline bench_kind bench_kind_open(const char *spec, bool conservative)
{
    kgc_kind *kind;
    kgc_kind_options options = {.decay = conservative ? KGC_DECAY_CONSERVATIVE : KGC_DECAY_DEFAULT};
    int error = strcmp(spec, "fixed") == 0
                    ? kgc_kind_create_fixed("fixed", bench_fixed_range(), FIXED_BYTES, &kind)
                    : kgc_kind_open_with(spec, &options, &kind);
    if (error != 0)
        bench_fail(spec, kgc_last_error());
    return kind;
}

static inline void bench_kind_close(bench_kind kind)
{
    if (kgc_kind_close(kind) != 0)
        bench_fail("kgc_kind_close", kgc_last_error());
}
#endif

/* A block whose first byte has been written. */
static inline void *bench_kind_block(bench_kind kind, size_t size)
{
    volatile char *p = bench_check(bench_kind_malloc(kind, size));
    *p = 1;
    return (void *)p;
}

/* Calls fn(times), which returns seconds, with more and more times until it
   takes a while; seconds each of the last call.  The earlier ones warm up. */
static inline double bench_repeat(double (*fn)(long), double at_least)
{
    long times = 1;
    double seconds = fn(times);
    while (seconds < at_least) {
        times *= seconds < at_least / 16 ? 8 : 2;
        seconds = fn(times);
    }
    return seconds / (double)times;
}

#endif
