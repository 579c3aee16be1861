/* SPDX-License-Identifier: MIT */
/*
 * rooted-churn: what a thread costs, in microseconds, that starts, allocates
 * BLOCKS blocks of 16 bytes to 1 KiB, frees every other of them and what the
 * thread before it has left, and ends.
 *
 *   rooted churn STARTERS BLOCKS THREADS
 *
 * STARTERS threads start such threads, one after the other, THREADS each.
 */
#include "rooted.h"

enum { MOST_BLOCKS = 4096 };
static long threads, blocks;

struct legacy {
    void *block[MOST_BLOCKS / 2 + 1];
    long count;
};

static void *short_life(void *arg)
{
    struct legacy *left = arg;
    uint64_t state = 88172645463325252;
    for (long i = 0; i < left->count; i++)
        rooted_free(left->block[i]);
    left->count = 0;
    for (long i = 0; i < blocks; i++) {
        void *p = rooted_block(16 + (bench_random(&state) >> 32) % 1009);
        if (i % 2 == 0)
            left->block[left->count++] = p;
        else
            rooted_free(p);
    }
    return NULL;
}

static void *start_them(void *arg)
{
    struct legacy *left = bench_check(calloc(1, sizeof *left));
    (void)arg;
    for (long i = 0; i < threads; i++) {
        pthread_t id;
        if (pthread_create(&id, NULL, short_life, left) != 0)
            exit(1);
        pthread_join(id, NULL);
    }
    free(left); /* and what the last thread has left, with the process */
    return NULL;
}

int rooted_churn(int argc, char **argv)
{
    long starters = bench_argument(argc, argv, 1, 1);
    blocks = bench_argument(argc, argv, 2, 1000);
    long wanted = bench_argument(argc, argv, 3, 2000);
    if (blocks < 0 || blocks > MOST_BLOCKS)
        return 2;
    threads = wanted / 20 + 1;
    bench_in_threads(starters, start_them);
    threads = wanted;
    printf("rooted-churn %.3f us\n", bench_in_threads(starters, start_them) * 1e6 / (double)threads);
    return 0;
}
