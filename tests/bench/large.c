/* SPDX-License-Identifier: MIT */
/*
 * collect-large: objects of 1 MiB of which little is used.  First a heap of
 * them grows into fresh memory, then random ones are replaced by new ones.
 * Microseconds an object.
 */
#include "bench.h"

enum { MIB = 1 << 20, LIVE = 64, STEP = 64 * 1024 };

static void *allocate(void)
{
    char *p = bench_check(bench_allocate(MIB));
    for (long i = 0; i < MIB; i += STEP)
        p[i] = 1;
    return p;
}

int main(int argc, char **argv)
{
    long operations = bench_argument(argc, argv, 1, 2000);
    uint64_t state = 1;
    bench_start();
    void **live = bench_check(bench_allocate(LIVE * sizeof *live));
    double start = bench_now();
    for (int i = 0; i < LIVE; i++)
        live[i] = allocate();
    double grown = bench_now();
    for (long i = 0; i < operations; i++)
        live[bench_random(&state) % LIVE] = allocate();
    double end = bench_now();
    printf("collect-large-fresh %.2f us\n", (grown - start) * 1e6 / LIVE);
    printf("collect-large %.2f us\n", (end - grown) * 1e6 / (double)operations);
    bench_print_heap("collect-large");
    return 0;
}
