/* SPDX-License-Identifier: MIT */
/*
 * rooted-small: what a malloc and its free of 16 to 128 bytes cost together,
 * in nanoseconds as one thread sees it.
 *
 *   rooted small PATTERN THREADS ROUNDS
 *
 * PATTERN is "pair" (each block is freed before the next is taken) or
 * "replace" (1,024 live blocks, of which one at random makes room for a new
 * one).  Sizes and places are drawn before the clock starts.
 */
#include "rooted.h"

enum { DRAWN = 4096, LIVE = 1024 };
static uint16_t size[DRAWN], place[DRAWN];
static long rounds;

static void *pairs(void *arg)
{
    (void)arg;
    for (long round = 0; round < rounds; round++)
        for (size_t i = 0; i < DRAWN; i++)
            rooted_free(rooted_block(size[i]));
    return NULL;
}

static void *replace(void *arg)
{
    void **live = bench_check(calloc(LIVE, sizeof *live)); /* of whatever allocator: once a thread */
    (void)arg;
    for (size_t i = 0; i < LIVE; i++)
        live[i] = rooted_block(size[i]);
    for (long round = 0; round < rounds; round++)
        for (size_t i = 0; i < DRAWN; i++) {
            rooted_free(live[place[i]]);
            live[place[i]] = rooted_block(size[i]);
        }
    for (size_t i = 0; i < LIVE; i++)
        rooted_free(live[i]);
    free(live);
    return NULL;
}

int rooted_small(int argc, char **argv)
{
    if (argc < 2)
        return 2;
    uint64_t state = 88172645463325252;
    for (size_t i = 0; i < DRAWN; i++) {
        uint64_t r = bench_random(&state);
        size[i] = (uint16_t)(16 + (r & 7) * 16);
        place[i] = r >> 32 & (LIVE - 1);
    }
    void *(*work)(void *) = strcmp(argv[1], "pair") == 0 ? pairs : replace;
    long threads = bench_argument(argc, argv, 2, 1), wanted = bench_argument(argc, argv, 3, 2000);
    rounds = wanted / 20 + 1;
    bench_in_threads(threads, work);
    rounds = wanted;
    rooted_print_ns("rooted-small", bench_in_threads(threads, work), (double)rounds * DRAWN);
    return 0;
}
