/* SPDX-License-Identifier: MIT */
/*
 * kind-malloc: what a malloc and its free cost in a kind, in nanoseconds as
 * one thread sees it.
 *
 *   kind-malloc KIND SIZE PATTERN THREADS
 *
 * PATTERN is "pair" (each block is freed before the next is taken) or "batch"
 * (1,000 blocks, or 64 MiB of them if that is less, are taken and then freed
 * in the order in which they came).  The first byte of each block is written.
 */
#include "explicit.h"

enum { BATCH = 1000, BATCH_BYTES = 64 << 20 };

static bench_kind kind;
static size_t size;
static long threads, batch, rounds;

static void *work(void *arg)
{
    void *block[BATCH];
    (void)arg;
    for (long round = 0; round < rounds; round++) {
        for (long i = 0; i < batch; i++)
            block[i] = bench_kind_block(kind, size);
        for (long i = 0; i < batch; i++)
            bench_kind_free(kind, block[i]);
    }
    return NULL;
}

static double rounds_in_threads(long times)
{
    rounds = times;
    return bench_in_threads(threads, work);
}

int main(int argc, char **argv)
{
    if (argc < 4)
        return 2;
    kind = bench_kind_open(argv[1], false);
    size = (size_t)bench_argument(argc, argv, 2, 64);
    threads = bench_argument(argc, argv, 4, 1);
    batch = strcmp(argv[3], "pair") == 0 ? 1 : BATCH;
    if ((size_t)batch > BATCH_BYTES / size)
        batch = (long)(BATCH_BYTES / size);
    double seconds = bench_repeat(rounds_in_threads, 0.1) / (double)batch;
    printf("kind-malloc %.2f ns\n", seconds * 1e9);
    return 0;
}
