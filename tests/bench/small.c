/* SPDX-License-Identifier: MIT */
/* collect-small: 1,024 live objects a thread, random ones replaced by new ones
   of 16 to 128 bytes.  Nanoseconds an allocation, as one thread sees it. */
#include "bench.h"

enum { LIVE = 1024 };
static long operations;

static void *churn(void *arg)
{
    uint64_t state = (uintptr_t)arg * UINT64_C(0x9e3779b97f4a7c15);
    void **live = bench_check(bench_allocate(LIVE * sizeof *live));
    for (long i = 0; i < operations; i++) {
        uint64_t r = bench_random(&state);
        char *p = bench_check(bench_allocate(16 + (r & 7) * 16));
        *p = 1;
        live[r >> 32 & (LIVE - 1)] = p;
    }
    return NULL;
}

int main(int argc, char **argv)
{
    long threads = bench_argument(argc, argv, 1, 1);
    operations = bench_argument(argc, argv, 2, 20000000);
    bench_start();
    double seconds = bench_in_threads(threads, churn);
    printf("collect-small %.2f ns\n", seconds * 1e9 / (double)operations);
    bench_print_heap("collect-small");
    return 0;
}
