/* SPDX-License-Identifier: MIT */
/*
 * gcbench: binary trees of many sizes are built and dropped while a large one
 * and an array of numbers stay alive.  Each thread does all of it; seconds
 * until the last is done.
 */
#include "bench.h"

enum { LONG_LIVED_DEPTH = 18, SMALLEST = 4, LARGEST = 16, NUMBERS = 500000 };

struct tree {
    struct tree *left, *right;
    long depth;
};

static struct tree *new_tree(long depth)
{
    struct tree *t = bench_check(bench_allocate(sizeof *t));
    t->depth = depth;
    return t;
}

/* Leaves first: every object points at older ones. */
static struct tree *build_up(long depth)
{
    if (depth == 0)
        return new_tree(0);
    struct tree *left = build_up(depth - 1), *right = build_up(depth - 1);
    struct tree *t = new_tree(depth);
    t->left = left;
    t->right = right;
    return t;
}

/* The root first: every object is stored into an older one. */
static void build_down(struct tree *t)
{
    if (t->depth == 0)
        return;
    t->left = new_tree(t->depth - 1);
    t->right = new_tree(t->depth - 1);
    build_down(t->left);
    build_down(t->right);
}

static long count(const struct tree *t)
{
    return t == NULL ? 0 : 1 + count(t->left) + count(t->right);
}

static long nodes(long depth)
{
    return (2L << depth) - 1;
}

/* Asked with a depth that must be right, so that no tree is optimised away. */
static void expect(const struct tree *t, long depth)
{
    if (count(t) != nodes(depth)) {
        fprintf(stderr, "a tree of depth %ld has lost nodes\n", depth);
        exit(1);
    }
}

static void build_many(long depth, long budget)
{
    long rounds = budget / (2 * nodes(depth));
    for (long i = 0; i < rounds; i++) {
        struct tree *t = new_tree(depth);
        build_down(t);
        struct tree *u = build_up(depth);
        if (i == 0) {
            expect(t, depth);
            expect(u, depth);
        }
    }
}

static long budget;

static void *work(void *arg)
{
    struct tree *kept = build_up(LONG_LIVED_DEPTH);
    double *numbers = bench_check(bench_allocate_atomic(NUMBERS * sizeof *numbers));
    for (long i = 0; i < NUMBERS; i++)
        numbers[i] = 1.0 / (double)(i + 1);
    for (long depth = SMALLEST; depth <= LARGEST; depth += 2)
        build_many(depth, budget);
    expect(kept, LONG_LIVED_DEPTH);
    if (numbers[999] != 1.0 / 1000)
        exit(1);
    return arg;
}

int main(int argc, char **argv)
{
    long threads = bench_argument(argc, argv, 1, 1);
    budget = bench_argument(argc, argv, 2, 3000000);
    bench_start();
    printf("gcbench %.4f s\n", bench_in_threads(threads, work));
    bench_print_peak("gcbench");
    bench_print_heap("gcbench");
    return 0;
}
