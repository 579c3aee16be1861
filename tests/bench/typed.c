/* SPDX-License-Identifier: MIT */
/*
 * Objects of eight words, of which one is a pointer.
 *
 *   typed mark WAY OBJECTS          typed-mark: seconds of a collection, all of them alive
 *   typed retention WAY OBJECTS     typed-retention: bytes in use after collections; one in
 *                                   four objects is alive, and the other words of the living
 *                                   look like pointers to all of them
 *   typed allocate WAY OPERATIONS THREADS
 *                                   typed-allocate: nanoseconds an allocation, as one thread
 *                                   sees it, of objects of 2 to 8 words that soon die
 *
 * WAY, for stock libgc: "conservative" (GC_MALLOC) or "explicit" (GC_malloc_explicitly_typed).
 */
#include "bench.h"
#include <string.h>

enum { WORDS = 8, LIVE = 1024 };
struct object {
    uint64_t before;
    struct object *next;
    uint64_t after[WORDS - 2];
};

#ifdef BENCH_PEER
#include <gc/gc_typed.h>
static bool conservative;
static GC_descr types[WORDS + 1];
static void make_type(size_t words)
{
    GC_word bits = 2;
    types[words] = GC_make_descriptor(&bits, words);
}
static void *allocate(size_t words)
{
    return conservative ? GC_MALLOC(words * sizeof(void *))
                        : GC_malloc_explicitly_typed(words * sizeof(void *), types[words]);
}
static size_t bytes_in_use(void)
{
    return GC_get_heap_size() - GC_get_free_bytes();
}
#else
static bool conservative;
static kgc_type *types[WORDS + 1];
static void make_type(size_t words)
{
    uint64_t bits = 2;
    if (kgc_type_create(words * sizeof(void *), &bits, &types[words]) != 0)
        exit(1);
}
static void *allocate(size_t words)
{
    return kgc_allocate_typed(types[words], 1);
}
static size_t bytes_in_use(void)
{
    return kgc_heap_size() - kgc_free_bytes();
}
#endif

/* In the order in which they were made, or at random. */
static struct object *chain(struct object **all, size_t n, bool at_random)
{
    uint64_t state = 42;
    for (size_t i = n - 1; at_random && i > 0; i--) {
        size_t j = bench_random(&state) % (i + 1);
        struct object *swapped = all[i];
        all[i] = all[j];
        all[j] = swapped;
    }
    for (size_t i = 0; i + 1 < n; i++)
        all[i]->next = all[i + 1];
    return all[0];
}

static struct object **make(size_t n)
{
    struct object **all = bench_check(malloc(n * sizeof *all)); /* keeps nothing alive */
    bench_disable();                                            /* nothing is garbage yet */
    for (size_t i = 0; i < n; i++) {
        all[i] = bench_check(allocate(WORDS));
        all[i]->before = i;
        for (int w = 0; w < WORDS - 2; w++)
            all[i]->after[w] = i + (uint64_t)w;
    }
    return all;
}

static struct object *root;

/* The fastest of some: other programs make them slower only. */
static double seconds_of_mark(void)
{
    double best = 0;
    for (int i = 0; i < 10; i++) {
        double start = bench_now();
        bench_collect();
        double seconds = bench_now() - start;
        best = best == 0 || seconds < best ? seconds : best;
    }
    return best;
}

static void mark(size_t n, bool at_random)
{
    struct object **all = make(n);
    root = chain(all, n, at_random);
    free(all);
    bench_enable();
    printf("typed-mark%s %.4f s\n", at_random ? "-at-random" : "", seconds_of_mark());
}

static __attribute__((noinline)) void make_lookalikes(size_t n)
{
    uint64_t state = 7;
    struct object **all = make(n);
    root = chain(all, n / 4, false);
    all[n / 4 - 1]->next = NULL;
    for (size_t i = 0; i < n / 4; i++)
        for (int w = 0; w < WORDS - 2; w++)
            all[i]->after[w] = (uintptr_t)all[bench_random(&state) % n];
    memset(all, 0, n * sizeof *all);
    free(all);
    bench_enable();
}

static void retention(size_t n)
{
    make_lookalikes(n);
    for (int i = 0; i < 3; i++)
        bench_collect();
    printf("typed-retention %zu bytes\n", bytes_in_use());
}

static long operations;

static void *churn(void *arg)
{
    uint64_t state = (uintptr_t)arg * UINT64_C(0x9e3779b97f4a7c15);
    void **live = bench_check(bench_allocate(LIVE * sizeof *live));
    for (long i = 0; i < operations; i++) {
        uint64_t r = bench_random(&state);
        char *p = bench_check(allocate(2 + (r & 3) * 2));
        *p = 1;
        live[r >> 32 & (LIVE - 1)] = p;
    }
    return NULL;
}

int main(int argc, char **argv)
{
    if (argc < 4)
        return 2;
    conservative = strcmp(argv[2], "conservative") == 0;
    operations = bench_argument(argc, argv, 3, 0);
    long threads = bench_argument(argc, argv, 4, 1);
    bench_start();
    for (size_t words = 2; words <= WORDS; words += 2)
        make_type(words);
    if (strncmp(argv[1], "mark", 4) == 0)
        mark((size_t)operations, strcmp(argv[1], "mark-at-random") == 0);
    else if (strcmp(argv[1], "retention") == 0)
        retention((size_t)operations);
    else
        printf("typed-allocate %.2f ns\n", bench_in_threads(threads, churn) * 1e9 / (double)operations);
    /* Used after the collections, so that it stays alive. */
    return root == NULL || root->next != root ? 0 : 1;
}
