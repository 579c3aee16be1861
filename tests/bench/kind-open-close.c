/* SPDX-License-Identifier: MIT */
/*
 * kind-open-close: microseconds to open a kind, take and free one block of it,
 * and close it.
 *
 *   kind-open-close KIND
 */
#include "explicit.h"

static const char *spec;

static double cycles(long times)
{
    double start = bench_now();
    for (long i = 0; i < times; i++) {
        bench_kind kind = bench_kind_open(spec, false);
        bench_kind_free(kind, bench_kind_block(kind, 64));
        bench_kind_close(kind);
    }
    return bench_now() - start;
}

int main(int argc, char **argv)
{
    if (argc < 2)
        return 2;
    spec = argv[1];
    printf("kind-open-close %.2f us\n", bench_repeat(cycles, 0.2) * 1e6);
    return 0;
}
