/* SPDX-License-Identifier: MIT */
/*
 * A random graph, reached from one node, in which nothing is near anything
 * else.
 *
 *   graph mark NODES        graph-mark: seconds of a collection
 *   graph walk NODES STEPS  graph-walk: nanoseconds a step of a random walk,
 *                           where each step must wait for the one before
 *
 * Says "ready" when the graph is built, then measures once for each line of
 * standard input: so that both sides can take turns within a second, for what
 * other programs do to memory changes from one second to the next.
 *
 * A walk misses the caches at every step; what is measured is what the TLB
 * misses add to that.  They add little while the page tables themselves stay in
 * the cache: take a heap above 1 GiB, whose tables for pages of 4 KiB are above 2 MiB.
 */
#include "bench.h"
#include <string.h>

enum { DEGREE = 2 };

/* With the byte that libgc adds, a node is 64 bytes of heap: one cache line. */
struct node {
    uint64_t value;
    struct node *next[DEGREE];
    uint32_t attributes[8];
};

static struct node *build(size_t n)
{
    uint64_t state = 42;
    bench_disable(); /* nothing is garbage yet */
    struct node **all = bench_check(bench_allocate(n * sizeof *all));
    for (size_t i = 0; i < n; i++) {
        all[i] = bench_check(bench_allocate(sizeof **all));
        all[i]->value = i;
    }
    for (size_t i = 0; i < n; i++)
        for (int e = 0; e < DEGREE; e++)
            all[i]->next[e] = all[bench_random(&state) % n];
    bench_enable();
    return all[0];
}

/* The way depends on all 64 bits of the state, and these on every node so far:
   a smaller state would soon walk in a circle that fits into the cache. */
static uint64_t walk(const struct node *at, uint64_t state, long steps)
{
    for (long i = 0; i < steps; i++) {
        state = (state ^ at->value) * UINT64_C(0x9e3779b97f4a7c15);
        at = at->next[(state >> 32) % DEGREE];
    }
    return state;
}

static double seconds_of_mark(void)
{
    double start = bench_now();
    bench_collect();
    return bench_now() - start;
}

static double nanoseconds_of_step(const struct node *root, long steps)
{
    static uint64_t state = 1;
    double start = bench_now();
    state = walk(root, state, steps);
    return (bench_now() - start) * 1e9 / (double)steps;
}

int main(int argc, char **argv)
{
    size_t n = (size_t)bench_argument(argc, argv, 2, 1000000);
    long steps = bench_argument(argc, argv, 3, 1000000);
    bool mark = argc > 1 && strcmp(argv[1], "mark") == 0;
    char line[8];
    bench_start();
    struct node *root = build(n);
    setvbuf(stdout, NULL, _IOLBF, 0);
    puts("ready");
    while (fgets(line, sizeof line, stdin) != NULL) {
        if (mark)
            printf("graph-mark %.4f s\n", seconds_of_mark());
        else
            printf("graph-walk %.2f ns\n", nanoseconds_of_step(root, steps));
    }
    /* Used after the collections, so that it stays alive. */
    return root->value == 0 ? 0 : 1;
}
