/* SPDX-License-Identifier: MIT */
/*
 * Each of a kind's hooks refuses at each of its calls, once and for good,
 * while the kind's explicit memory is worked with.  Blocks keep their
 * contents, calloc() is zeroed, an allocation that fails says ENOMEM, and in
 * the end all addresses have come back.
 *
 * The hooks hold jemalloc and the library to the contract: what was given
 * back or decommitted is not accessible, what was lazily purged holds rubbish,
 * addresses are never handed out twice.
 *
 * jemalloc may ask for nothing but destroy where it could not split: such an
 * extent is lost to it until the arena goes, and some of it for good.
 *
 * KINDGC_TEST_LONG=1 in the environment: every call, not a sample of them.
 */
#include "base/size.h"
#include "suite.h"
#include "support/extents.h"
#include "support/system.h"
#include <errno.h>
#include <kindgc/arena.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum hook { ALLOC, DALLOC, DESTROY, COMMIT, DECOMMIT, LAZY, FORCED, SPLIT, MERGE, HOOKS };
static const char *const names[HOOKS] = {"alloc",      "dalloc",       "destroy", "commit", "decommit",
                                         "purge_lazy", "purge_forced", "split",   "merge"};

#define REGION ((size_t)8 << 30)

static struct {
    char *base;
    _Atomic size_t used;
    _Atomic size_t out; /* bytes handed out and not taken back */
    _Atomic unsigned calls[HOOKS], hits;
    enum hook chosen;
    unsigned n; /* the first call to refuse; 0: none */
    bool for_good;
    unsigned never; /* a bit for each hook that refuses all the time */
    bool gone;      /* the kind is closed: nobody may call */
} mine;

static bool refuses(enum hook hook)
{
    unsigned n = atomic_fetch_add(&mine.calls[hook], 1) + 1;
    if (mine.gone)
        abort();
    if ((mine.never >> hook & 1) != 0)
        return true;
    if (hook != mine.chosen || mine.n == 0 || (mine.for_good ? n < mine.n : n != mine.n))
        return false;
    atomic_fetch_add(&mine.hits, 1);
    return true;
}

static void *my_alloc(extent_hooks_t *h, void *wish, size_t size, size_t align, bool *zero, bool *commit,
                      unsigned arena)
{
    (void)h, (void)arena;
    if (refuses(ALLOC) || wish != NULL)
        return NULL;
    size_t old = atomic_load(&mine.used), at;
    do {
        at = kgc__round_up(old, align);
        if (at + size > REGION)
            return NULL;
    } while (!atomic_compare_exchange_weak(&mine.used, &old, at + size));
    if (mprotect(mine.base + at, size, PROT_READ | PROT_WRITE) != 0)
        return NULL;
    atomic_fetch_add(&mine.out, size);
    *zero = *commit = true;
    return mine.base + at;
}

static void take_back(void *p, size_t size)
{
    madvise(p, size, MADV_DONTNEED);
    mprotect(p, size, PROT_NONE);
    atomic_fetch_sub(&mine.out, size);
}

static bool my_dalloc(extent_hooks_t *h, void *p, size_t size, bool committed, unsigned arena)
{
    (void)h, (void)committed, (void)arena;
    if (refuses(DALLOC))
        return true;
    take_back(p, size);
    return false;
}

static void my_destroy(extent_hooks_t *h, void *p, size_t size, bool committed, unsigned arena)
{
    (void)h, (void)committed, (void)arena;
    refuses(DESTROY); /* it has no say, and does it */
    take_back(p, size);
}

static bool my_commit(extent_hooks_t *h, void *p, size_t size, size_t offset, size_t length, unsigned arena)
{
    (void)h, (void)size, (void)arena;
    return refuses(COMMIT) || mprotect((char *)p + offset, length, PROT_READ | PROT_WRITE) != 0;
}

static bool my_decommit(extent_hooks_t *h, void *p, size_t size, size_t offset, size_t length, unsigned arena)
{
    (void)h, (void)size, (void)arena;
    return refuses(DECOMMIT) || madvise((char *)p + offset, length, MADV_DONTNEED) != 0 ||
           mprotect((char *)p + offset, length, PROT_NONE) != 0;
}

static bool my_lazy(extent_hooks_t *h, void *p, size_t size, size_t offset, size_t length, unsigned arena)
{
    (void)h, (void)size, (void)arena;
    if (refuses(LAZY))
        return true;
    for (size_t at = 0; at < length; at += PAGE)
        memset((char *)p + offset + at, 0xdb, 64);
    return false;
}

static bool my_forced(extent_hooks_t *h, void *p, size_t size, size_t offset, size_t length, unsigned arena)
{
    (void)h, (void)size, (void)arena;
    return refuses(FORCED) || madvise((char *)p + offset, length, MADV_DONTNEED) != 0;
}

static bool my_split(extent_hooks_t *h, void *p, size_t size, size_t a, size_t b, bool committed,
                     unsigned arena)
{
    (void)h, (void)p, (void)size, (void)a, (void)b, (void)committed, (void)arena;
    return refuses(SPLIT);
}

static bool my_merge(extent_hooks_t *h, void *a, size_t size_a, void *b, size_t size_b, bool committed,
                     unsigned arena)
{
    (void)h, (void)a, (void)size_a, (void)b, (void)size_b, (void)committed, (void)arena;
    return refuses(MERGE);
}

static extent_hooks_t table = {my_alloc, my_dalloc, my_destroy, my_commit, my_decommit,
                               my_lazy,  my_forced, my_split,   my_merge};

/* ---- the work ---- */

enum { SLOTS = 24, STEPS = 200 };

struct block {
    unsigned char *p;
    size_t size;
    unsigned char value;
};

struct worker {
    kgc_kind *kind;
    unsigned random;
    unsigned failed;     /* allocations */
    const char *problem; /* NULL: none */
    struct block block[SLOTS];
};

/* The bytes that are written and looked at: all of a small block, some of
   each page of a larger one, and both ends. */
static size_t next_byte(size_t at, size_t size)
{
    size_t step = size <= 2048 ? 1 : size <= 256 * KGC_KIB ? PAGE / 2 : 8 * PAGE;
    return at + step < size || at == size - 1 ? at + step : size - 1;
}

static void fill(struct block *b)
{
    for (size_t at = 0; at < b->size; at = next_byte(at, b->size))
        b->p[at] = b->value;
}

static bool holds(const struct block *b, size_t size, unsigned char value)
{
    for (size_t at = 0; at < size; at = next_byte(at, size))
        if (b->p[at] != value)
            return false;
    return true;
}

static unsigned pick(struct worker *w, unsigned below)
{
    w->random = w->random * 1664525 + 1013904223;
    return (w->random >> 8) % below;
}

static size_t pick_size(struct worker *w)
{
    static const size_t most[] = {500, 500, 500, 6000, 6000, 40000, 40000, 300000};
    unsigned i = pick(w, 40);
    return 16 + (i == 0 ? pick(w, 4 * KGC_MIB) : pick(w, (unsigned)most[i % 8]));
}

static void allocate(struct worker *w, struct block *b)
{
    void *out = NULL;
    int error = 0;
    size_t size = pick_size(w);
    unsigned how = pick(w, 4);
    errno = 0;
    if (how == 0)
        error = kgc_kind_posix_memalign(w->kind, &out, (size_t)16 << pick(w, 10), size);
    else
        out = how == 1 ? kgc_kind_calloc(w->kind, 1, size) : kgc_kind_malloc(w->kind, size);
    if (out == NULL) {
        w->failed++;
        if ((how == 0 ? error : errno) != ENOMEM)
            w->problem = "an allocation failed without ENOMEM";
        return;
    }
    *b = (struct block){out, size, (unsigned char)(1 + pick(w, 255))};
    if (kgc_kind_of(out) != w->kind || kgc_kind_usable_size(NULL, out) < size)
        w->problem = "a block is not the kind's";
    else if (how == 1 && !holds(b, size, 0))
        w->problem = "calloc gave what is not zero";
    else
        fill(b);
}

static void resize(struct worker *w, struct block *b)
{
    size_t size = pick_size(w), kept = size < b->size ? size : b->size;
    errno = 0;
    unsigned char *p = kgc_kind_realloc(w->kind, b->p, size);
    if (p == NULL) {
        w->failed++;
        if (errno != ENOMEM)
            w->problem = "realloc failed without ENOMEM";
        return;
    }
    b->p = p;
    /* Of what was written, that which is left: from the front, in the old steps. */
    for (size_t at = 0; at < kept && at < b->size - 1; at = next_byte(at, b->size))
        if (p[at] != b->value)
            w->problem = "realloc lost contents";
    b->size = size;
    fill(b);
}

static void step(struct worker *w)
{
    struct block *b = &w->block[pick(w, SLOTS)];
    if (b->p == NULL) {
        allocate(w, b);
    } else if (!holds(b, b->size, b->value)) {
        w->problem = "a block changed";
    } else if (pick(w, 4) == 0) {
        resize(w, b);
    } else {
        errno = EDOM;
        kgc_kind_free(pick(w, 2) == 0 ? w->kind : NULL, b->p);
        b->p = NULL;
        if (errno != EDOM)
            w->problem = "free changed errno";
    }
}

static void *work(void *arg)
{
    struct worker *w = arg;
    for (int i = 0; i < STEPS && w->problem == NULL; i++) {
        step(w);
        if (i % 25 == 24)
            kgc_kind_purge(w->kind); /* so that each wave meets what the last gave back */
    }
    for (int i = 0; i < SLOTS; i++)
        if (w->block[i].p != NULL) {
            if (w->problem == NULL && !holds(&w->block[i], w->block[i].size, w->block[i].value))
                w->problem = "a block changed";
            kgc_kind_free(w->kind, w->block[i].p);
        }
    kgc_kind_purge(w->kind);
    return NULL;
}

/* ---- one run ---- */

static void start_over(enum hook chosen, unsigned n, bool for_good)
{
    if (mine.base == NULL)
        mine.base = mmap(NULL, REGION, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    else
        mmap(mine.base, REGION, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
    ck_assert(mine.base != MAP_FAILED);
    for (int i = 0; i < HOOKS; i++)
        mine.calls[i] = 0;
    mine.used = mine.out = 0;
    mine.hits = 0;
    mine.chosen = chosen;
    mine.n = n;
    mine.for_good = for_good;
    mine.gone = false;
}

#define expect(condition)                                                            \
    ck_assert_msg(condition, "%s refuses call %u%s: %s", names[mine.chosen], mine.n, \
                  mine.for_good ? " and later" : "", #condition)

static void run(unsigned threads, enum hook chosen, unsigned n, bool for_good)
{
    static struct worker workers[2];
    pthread_t other;
    kgc_kind *kind;
    kgc_kind_options options = {.arenas = threads};
    start_over(chosen, n, for_good);
    ck_assert_int_eq(kgc_kind_create("mine", &table, &options, &kind), 0);
    for (unsigned i = 0; i < threads; i++)
        workers[i] = (struct worker){.kind = kind, .random = 17 + i};
    if (threads == 2)
        ck_assert_int_eq(pthread_create(&other, NULL, work, &workers[1]), 0);
    work(&workers[0]);
    if (threads == 2)
        pthread_join(other, NULL);
    bool may_fail = chosen == ALLOC || chosen == COMMIT || chosen == SPLIT;
    for (unsigned i = 0; i < threads; i++) {
        ck_assert_msg(workers[i].problem == NULL, "%s refuses call %u%s: %s", names[chosen], n,
                      for_good ? " and later" : "", workers[i].problem);
        expect(workers[i].failed == 0 || (may_fail && mine.hits != 0));
        expect(workers[i].failed == 0 || for_good); /* asking again helps */
    }
    expect(stats_of(kind).allocated == 0);
    /* What cannot be committed or split is asked for anew, until the addresses are used up. */
    expect(stats_of(kind).refusals == 0 || (may_fail && mine.hits != 0));
    int error = kgc_kind_close(kind);
    mine.gone = true;
    expect(error == 0);
    if (chosen != SPLIT)
        expect(mine.out == 0);
    for (char *p = mine.base; p < mine.base + mine.used; p += 64 * PAGE)
        expect(kgc_kind_of(p) == NULL);
}

/* ---- all runs ---- */

/* What the hooks refuse all the time, so that each step of the cascade is the
   one that does it. */
static const unsigned modes[] = {0, 1u << DALLOC, 1u << DALLOC | 1u << DECOMMIT,
                                 1u << DALLOC | 1u << DECOMMIT | 1u << FORCED};
enum { MODES = 4 };

static unsigned after(unsigned n)
{
    return getenv("KINDGC_TEST_LONG") != NULL ? n + 1 : n + 1 + n / 2;
}

static void sweep(unsigned threads, enum hook hook)
{
    for (unsigned m = 0; m < MODES; m += threads) { /* two threads: half of the modes */
        if ((modes[m] >> hook & 1) != 0)
            continue;
        mine.never = modes[m];
        run(threads, hook, 0, false);
        unsigned calls = mine.calls[hook];
        for (unsigned n = 1; n <= calls; n = after(n))
            for (int for_good = 0; for_good < 2; for_good++) {
                run(threads, hook, n, for_good != 0);
                ck_assert(mine.hits != 0 || threads != 1 || hook == DESTROY);
            }
    }
}

START_TEST(one_thread)
{
    sweep(1, (enum hook)_i);
}
END_TEST

START_TEST(two_threads)
{
    sweep(2, (enum hook)_i);
}
END_TEST

/* The sweeps do reach every hook. */
START_TEST(every_hook_is_called)
{
    unsigned calls[HOOKS] = {0};
    for (int m = 0; m < MODES; m++) {
        mine.never = modes[m];
        run(1, ALLOC, 0, false);
        for (int i = 0; i < HOOKS; i++)
            calls[i] += mine.calls[i];
    }
    for (int i = 0; i < HOOKS; i++)
        ck_assert_msg(calls[i] >= 3, "%s: %u calls", names[i], calls[i]);
}
END_TEST

SUITE_OF_LOOPS("refusing hooks", 120, {every_hook_is_called, 1}, {one_thread, HOOKS}, {two_threads, HOOKS})
