/* SPDX-License-Identifier: MIT */
/*
 * place: 1,024 live objects of one size, random ones replaced by new ones, on
 * a kind of the caller's choice.  Nanoseconds an allocation.
 *
 *   place KIND|heap SIZE OPERATIONS
 */
#include "bench.h"
#include <string.h>

enum { LIVE = 1024 };

int main(int argc, char **argv)
{
    kgc_kind *kind = NULL;
    if (argc < 4)
        return 2;
    bench_start();
    if (strcmp(argv[1], "heap") != 0 && kgc_kind_open(argv[1], &kind) != 0) {
        fprintf(stderr, "%s\n", kgc_last_error());
        return 1;
    }
    size_t size = (size_t)bench_argument(argc, argv, 2, 64);
    long operations = bench_argument(argc, argv, 3, 1000000);
    uint64_t state = 42;
    char **live = bench_check(kgc_allocate(LIVE * sizeof *live));
    double start = 0;
    for (long i = -operations / 4; i < operations; i++) { /* a quarter to warm up */
        if (i == 0)
            start = bench_now();
        char *p = bench_check(kind != NULL ? kgc_allocate_in(kind, size, 0) : kgc_allocate(size));
        *p = p[size - 1] = 1;
        live[bench_random(&state) & (LIVE - 1)] = p;
    }
    double seconds = bench_now() - start;
    printf("place %.2f ns\n", seconds * 1e9 / (double)operations);
    return 0;
}
