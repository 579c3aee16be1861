/* SPDX-License-Identifier: MIT */
/*
 * spill: a live heap larger than memory.  Small trees with text in their
 * leaves are kept in a table until it holds `live` MiB; then random ones are
 * replaced and read, as often as there are trees, and all are checked.
 */
#include "bench.h"
#include <string.h>

enum { DEPTH = 8, TEXT = 96, TREE_BYTES = 255 * 32 + 256 * (TEXT + 16) };

struct tree {
    struct tree *left, *right; /* of a leaf: left is its text */
    long number;
};

static struct tree *build(int depth, long number)
{
    struct tree *t = bench_check(bench_allocate(sizeof *t));
    t->number = number;
    if (depth > 0) {
        t->left = build(depth - 1, number);
        t->right = build(depth - 1, number);
    } else {
        t->left = bench_check(bench_allocate_atomic(TEXT));
        memset(t->left, (int)(number & 127), TEXT);
    }
    return t;
}

static bool holds(const struct tree *t, int depth, long number)
{
    if (t->number != number)
        return false;
    if (depth == 0)
        return ((const char *)t->left)[TEXT - 1] == (char)(number & 127);
    return holds(t->left, depth - 1, number) && holds(t->right, depth - 1, number);
}

static void expect(const struct tree *t)
{
    if (!holds(t, DEPTH, t->number)) {
        fprintf(stderr, "tree %ld is damaged\n", t->number);
        exit(1);
    }
}

int main(int argc, char **argv)
{
    long live = bench_argument(argc, argv, 1, 256);
    long trees = (live << 20) / TREE_BYTES;
    uint64_t state = 7;
    bench_start();
    double start = bench_now();
    struct tree **table = bench_check(bench_allocate((size_t)trees * sizeof *table));
    for (long i = 0; i < trees; i++)
        table[i] = build(DEPTH, i);
    for (long i = 0; i < trees; i++) {
        table[bench_random(&state) % (uint64_t)trees] = build(DEPTH, trees + i);
        expect(table[bench_random(&state) % (uint64_t)trees]);
    }
    for (long i = 0; i < trees; i++)
        expect(table[i]);
    printf("spill %.3f s\n", bench_now() - start);
    return 0;
}
