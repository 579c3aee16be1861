/* SPDX-License-Identifier: MIT */
/*
 * rooted-sizes: what a malloc and its free cost, or a realloc, for one size of
 * block, in nanoseconds.  The first and the last byte of a block are written.
 *
 *   rooted sizes SIZE PATTERN
 *
 * PATTERN is "pair" (each block is freed before the next is taken), "batch"
 * (1,000 blocks, or 64 MiB of them if that is less, are taken and then freed in
 * the order in which they came) or "grow" (a block of 16 bytes is doubled until
 * it has SIZE bytes and what is new is written each time, then it is freed: the
 * cost of all of that).
 */
#include "rooted.h"

enum { BATCH = 1000, BATCH_BYTES = 64 << 20 };
static size_t size;
static long batch;

static double batches(long times)
{
    static void *block[BATCH];
    double start = bench_now();
    for (long round = 0; round < times; round++) {
        for (long i = 0; i < batch; i++)
            block[i] = rooted_block(size);
        for (long i = 0; i < batch; i++)
            rooted_free(block[i]);
    }
    return (bench_now() - start) / (double)batch;
}

static double growths(long times)
{
    double start = bench_now();
    for (long round = 0; round < times; round++) {
        size_t had = 16;
        char *p = memset(bench_check(rooted_realloc(NULL, had)), 1, had);
        for (; had < size; had *= 2) {
            p = bench_check(rooted_realloc(p, 2 * had));
            memset(p + had, 1, had);
        }
        rooted_free(p);
    }
    return bench_now() - start;
}

int rooted_sizes(int argc, char **argv)
{
    if (argc < 3)
        return 2;
    size = (size_t)bench_argument(argc, argv, 1, 64);
    batch = strcmp(argv[2], "batch") != 0 ? 1
            : size > BATCH_BYTES / BATCH  ? (long)(BATCH_BYTES / size)
                                          : BATCH;
    double (*work)(long) = strcmp(argv[2], "grow") == 0 ? growths : batches;
    long times = 1;
    double seconds = work(times); /* warms up */
    while (seconds * (double)batch < 0.05) {
        times *= 2;
        seconds = work(times);
    }
    rooted_print_ns("rooted-sizes", seconds, (double)times);
    return 0;
}
