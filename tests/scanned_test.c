/* SPDX-License-Identifier: MIT */
/* Scanned kinds: explicit memory that keeps collectable objects alive. */
#include "base/size.h"
#include "chain.h"
#include "misuse.h"
#include "suite.h"
#include "support/extents.h"
#include "support/system.h"
#include <errno.h>
#include <gc/gc.h>
#include <pthread.h>
#include <stdlib.h>

/* Of every way in which a block is served: bins, tcache, large, larger than any bin. */
static const size_t sizes[] = {16, 64, 1000, 5000, 20 * KGC_KIB, 300 * KGC_KIB, KGC_MIB, 5 * KGC_MIB};
enum { SIZES = sizeof sizes / sizeof sizes[0] };

/* A block whose last word holds a chain; nothing else does. */
static __attribute__((noinline)) void *hold_chain(kgc_kind *kind, size_t size)
{
    struct link **p = kgc_kind_malloc(kind, size);
    ck_assert_ptr_nonnull(p);
    memset(p, 0, size);
    p[size / sizeof *p - 1] = make_chain();
    return p;
}

static __attribute__((noinline)) struct link **holder(void *p, size_t size)
{
    return (struct link **)p + size / sizeof(struct link *) - 1;
}

static __attribute__((noinline)) void check_held(void *p, size_t size)
{
    check_chain(*holder(p, size));
}

/* The blocks' addresses, where the collector does not look. */
static void **hide(void)
{
    void **blocks = malloc(SIZES * sizeof *blocks);
    ck_assert_ptr_nonnull(blocks);
    return blocks;
}

/* Some of a chain may stay for a stale word on a stack; not much of many. */
static void check_ended(unsigned before)
{
    collect_all();
    unsigned ended = atomic_load(&links_ended) - before;
    ck_assert_msg(ended >= (SIZES - 1) * CHAIN, "only %u of %u objects were collected", ended, SIZES * CHAIN);
}

static void check_kind(const char *spec)
{
    kgc_kind *kind = open_kind(spec);
    void **blocks = hide();
    next_chain();
    for (int i = 0; i < SIZES; i++)
        blocks[i] = hold_chain(kind, sizes[i]);
    collect_all();
    ck_assert_uint_eq(atomic_load(&links_ended), 0);
    for (int i = 0; i < SIZES; i++)
        check_held(blocks[i], sizes[i]);
    for (int i = 0; i < SIZES; i++)
        kgc_kind_free(kind, blocks[i]);
    check_ended(0);
    ck_assert_int_eq(kgc_kind_purge(kind), 0);
    collect_all();
    close_kind(kind);
    collect_all();
    free(blocks);
}

START_TEST(every_kind)
{
    static const char *const specs[] = {"default,scanned",
                                        "thp,scanned",
                                        "file:/var/tmp,scanned",
                                        "locked,scanned",
                                        "tier:default@1M+file:/var/tmp,scanned",
                                        "ratio:default@1+default@2,scanned",
                                        "numa:local,arenas=1,scanned"};
    if (kgc_kind_check(specs[_i]) == ENOTSUP)
        SKIP("%s", kgc_last_error());
    check_kind(specs[_i]);
}
END_TEST

START_TEST(by_option)
{
    kgc_kind *kind;
    kgc_kind_options options = {.scanned = true};
    ck_assert_int_eq(kgc_kind_open_with("default", &options, &kind), 0);
    next_chain();
    void *p = hold_chain(kind, 64);
    collect_all();
    check_held(p, 64);
    ck_assert_uint_eq(atomic_load(&links_ended), 0);
    kgc_kind_free(kind, p);
    close_kind(kind);
}
END_TEST

/* Without the setting nothing is kept: the other tests do see the difference. */
START_TEST(other_kinds_keep_nothing)
{
    kgc_kind *kind = open_kind("default");
    void **blocks = hide();
    next_chain();
    for (int i = 0; i < SIZES; i++)
        blocks[i] = hold_chain(kind, sizes[i]);
    check_ended(0);
    for (int i = 0; i < SIZES; i++)
        kgc_kind_free(kind, blocks[i]);
    free(blocks);
    close_kind(kind);
}
END_TEST

/* What is free is clear, whoever gets it next. */
START_TEST(free_blocks_hold_nothing)
{
    kgc_kind *kind = open_kind("default,scanned");
    for (int i = 0; i < SIZES; i++) {
        for (int round = 0; round < 50; round++) {
            unsigned char *p = kgc_kind_malloc(kind, sizes[i]);
            ck_assert(all_bytes(p, sizes[i], 0));
            memset(p, 0xab, kgc_kind_usable_size(kind, p));
            kgc_kind_free(kind, p);
        }
    }
    close_kind(kind);
}
END_TEST

START_TEST(resized_blocks)
{
    kgc_kind *kind = open_kind("default,scanned");
    next_chain();
    size_t size = 16;
    struct link **p = kgc_kind_malloc(kind, size);
    p[0] = make_chain();
    p[1] = NULL;
    for (; size < 64 * KGC_MIB; size *= 2) {
        p = kgc_kind_realloc(kind, p, size * 2);
        ck_assert_ptr_nonnull(p);
        ck_assert(all_bytes((char *)p + size, size, 0)); /* so here realloc() zeroes what it adds */
        p[size * 2 / sizeof *p - 1] = p[0];              /* the far end */
        p[0] = NULL;
        collect_all();
        p[0] = p[size * 2 / sizeof *p - 1];
        p[size * 2 / sizeof *p - 1] = NULL;
        check_chain(p[0]);
    }
    for (; size > 16; size /= 2) {
        p = kgc_kind_realloc(kind, p, size / 2);
        collect_all();
        check_chain(p[0]);
    }
    ck_assert_uint_eq(atomic_load(&links_ended), 0);
    ck_assert_ptr_null(kgc_kind_realloc(kind, p, 0));
    p = NULL;
    collect_all();
    ck_assert_uint_ge(atomic_load(&links_ended), CHAIN - 2);
    close_kind(kind);
}
END_TEST

START_TEST(reset_lets_go)
{
    kgc_kind *kind = open_kind("default,scanned");
    void **blocks = hide();
    next_chain();
    for (int i = 0; i < SIZES; i++)
        blocks[i] = hold_chain(kind, sizes[i]);
    ck_assert_int_eq(kgc_kind_reset(kind), 0);
    check_ended(0);
    for (int i = 0; i < SIZES; i++) {
        unsigned char *p = kgc_kind_malloc(kind, sizes[i]);
        ck_assert_msg(all_bytes(p, sizes[i], 0), "size %zu", sizes[i]);
    }
    ck_assert_int_eq(kgc_kind_reset(kind), 0);
    free(blocks);
    close_kind(kind);
}
END_TEST

/* Threads that move lists between blocks of many sizes, with collections and
   purges all the time. */
enum { THREADS = 3, BLOCKS = 64, STEPS = 2000 };
static _Atomic bool stop;

struct node {
    struct node *next;
    uintptr_t check;
};

static struct node *push_node(struct node *list, uintptr_t seed)
{
    struct node *n = kgc_allocate(sizeof *n);
    n->next = list;
    n->check = seed ^ (uintptr_t)list;
    return n;
}

static bool is_intact(const struct node *n, uintptr_t seed)
{
    for (; n != NULL; n = n->next)
        if (n->check != (seed ^ (uintptr_t)n->next))
            return false;
    return true;
}

static void *move_lists(void *arg)
{
    kgc_kind *kind = arg;
    struct node ***blocks = kgc_kind_calloc(kind, BLOCKS, sizeof *blocks); /* scanned too */
    uintptr_t seed = (uintptr_t)&blocks;
    unsigned random = (unsigned)(uintptr_t)pthread_self() | 1;
    bool intact = blocks != NULL;
    for (int step = 0; intact && step < STEPS; step++) {
        random = random * 1664525 + 1013904223;
        struct node ***at = &blocks[random >> 16 & (BLOCKS - 1)];
        size_t size = sizes[random >> 24 & 7] / (random >> 28 == 0 ? 1 : 16) + 16;
        if (*at == NULL) {
            *at = kgc_kind_calloc(kind, 1, size);
        } else if ((random >> 8 & 3) == 0) {
            kgc_kind_free(NULL, *at);
            *at = NULL;
        } else if ((random >> 8 & 3) == 1) {
            *at = kgc_kind_realloc(kind, *at, size);
        }
        if (*at != NULL) {
            **at = push_node(**at, seed);
            intact = is_intact(**at, seed);
        }
    }
    for (int i = 0; blocks != NULL && i < BLOCKS; i++)
        kgc_kind_free(kind, blocks[i]);
    kgc_kind_free(kind, blocks);
    return intact ? kind : NULL;
}

static void *collect_and_purge(void *arg)
{
    while (!atomic_load(&stop)) {
        kgc_collect();
        kgc_kind_purge(arg);
    }
    return NULL;
}

static void race(const char *spec)
{
    kgc_kind *kind = open_kind(spec);
    pthread_t movers[THREADS], collector;
    void *result[THREADS];
    atomic_store(&stop, false);
    pthread_create(&collector, NULL, collect_and_purge, kind);
    for (int i = 0; i < THREADS; i++)
        pthread_create(&movers[i], NULL, move_lists, kind);
    for (int i = 0; i < THREADS; i++)
        pthread_join(movers[i], &result[i]);
    atomic_store(&stop, true);
    pthread_join(collector, NULL);
    for (int i = 0; i < THREADS; i++)
        ck_assert_ptr_eq(result[i], kind);
    close_kind(kind);
}

START_TEST(threads)
{
    static const char *const specs[] = {"default,scanned", "file:/var/tmp,scanned,limit=1G",
                                        "tier:default@16M+thp,scanned"};
    if (kgc_kind_check(specs[_i]) == ENOTSUP)
        SKIP("%s", kgc_last_error());
    race(specs[_i]);
}
END_TEST

START_TEST(opened_and_closed_during_collections)
{
    pthread_t collector;
    kgc_kind *other = open_kind("default,scanned");
    atomic_store(&stop, false);
    pthread_create(&collector, NULL, collect_and_purge, other);
    for (int i = 0; i < 300; i++) {
        kgc_kind *kind = open_kind("default,scanned,limit=64M");
        void *p = kgc_kind_malloc(kind, 100 * KGC_KIB);
        memset(p, 0x7f, 100 * KGC_KIB);
        kgc_kind_free(kind, p);
        close_kind(kind);
    }
    atomic_store(&stop, true);
    pthread_join(collector, NULL);
    close_kind(other);
}
END_TEST

START_TEST(incremental)
{
    GC_enable_incremental();
    kgc_kind *kind = open_kind("default,scanned");
    next_chain();
    void *p = hold_chain(kind, 5000);
    for (int i = 0; i < 200000; i++)
        GC_MALLOC(64);
    collect_all();
    check_held(p, 5000);
    ck_assert_uint_eq(atomic_load(&links_ended), 0);
    kgc_kind_free(kind, p);
    close_kind(kind);
}
END_TEST

START_TEST(not_of_the_callers_hooks)
{
    static extent_hooks_t hooks;
    kgc_kind *kind = open_kind("default"), *mine;
    hooks = *kgc_kind_hooks(kind);
    kgc_kind_options options = {.scanned = true};
    ck_assert_int_ne(kgc_kind_create("mine", &hooks, &options, &mine), 0);
    ck_assert_ptr_null(mine);
    close_kind(kind);
}
END_TEST

SUITE_OF_LOOPS("scanned kinds", 60, {every_kind, 7}, {threads, 3}, {by_option, 1},
               {other_kinds_keep_nothing, 1}, {free_blocks_hold_nothing, 1}, {resized_blocks, 1},
               {reset_lets_go, 1}, {opened_and_closed_during_collections, 1}, {incremental, 1},
               {not_of_the_callers_hooks, 1})
