/* SPDX-License-Identifier: MIT */
/*
 * rooted-cross: what a block costs, in nanoseconds, that one thread allocates
 * and another frees.
 *
 *   rooted cross PAIRS LARGEST BLOCKS
 *
 * Each of PAIRS producers fills arrays of 128 blocks, of 16 bytes to LARGEST,
 * and its consumer frees them; at most eight arrays lie between them.
 */
#include "rooted.h"
#include <sched.h>
#include <stdatomic.h>

enum { CHUNK = 128, CHUNKS = 8, MOST = 32, SIZES = 4096 };
static uint32_t size[SIZES];
static long chunks; /* each pair's */

/* One producer, one consumer: each has a counter of its own. */
static struct pipe {
    _Alignas(128) _Atomic long made;
    _Alignas(128) _Atomic long taken;
    _Alignas(128) void *block[CHUNKS][CHUNK];
} pipes[MOST];

/* Until *counter is at least that. */
static void await(_Atomic long *counter, long at_least)
{
    for (unsigned spins = 0; atomic_load_explicit(counter, memory_order_acquire) < at_least; spins++)
        if (spins % 64 == 63)
            sched_yield();
}

static void produce(struct pipe *pipe)
{
    size_t next = 0;
    for (long made = 0; made < chunks; made++) {
        await(&pipe->taken, made - CHUNKS + 1);
        for (size_t i = 0; i < CHUNK; i++)
            pipe->block[made % CHUNKS][i] = rooted_block(size[next++ % SIZES]);
        atomic_store_explicit(&pipe->made, made + 1, memory_order_release);
    }
}

static void consume(struct pipe *pipe)
{
    for (long taken = 0; taken < chunks; taken++) {
        await(&pipe->made, taken + 1);
        for (size_t i = 0; i < CHUNK; i++)
            rooted_free(pipe->block[taken % CHUNKS][i]);
        atomic_store_explicit(&pipe->taken, taken + 1, memory_order_release);
    }
}

static void *one_end(void *arg)
{
    uintptr_t number = (uintptr_t)arg - 1;
    (number % 2 == 0 ? produce : consume)(&pipes[number / 2]);
    return NULL;
}

int rooted_cross(int argc, char **argv)
{
    long pairs = bench_argument(argc, argv, 1, 1);
    uint64_t largest = (uint64_t)bench_argument(argc, argv, 2, 128);
    chunks = bench_argument(argc, argv, 3, 4000000) / CHUNK;
    if (pairs < 1 || pairs > MOST || largest < 16)
        return 2;
    uint64_t state = 88172645463325252;
    for (size_t i = 0; i < SIZES; i++)
        size[i] = (uint32_t)(16 + (bench_random(&state) >> 32) % (largest - 15));
    rooted_print_ns("rooted-cross", bench_in_threads(2 * pairs, one_end), (double)(chunks * CHUNK));
    return 0;
}
