/* SPDX-License-Identifier: MIT */
/*
 * jemalloc's table of extent hooks under the explicit memory of a kind: a test
 * for each field of extent_hooks_s, named after it, then one for each rule
 * that its documentation states of all of them.  Refusals at every single
 * call are hook_refusal_test's affair.
 */
#include "base/size.h"
#include "suite.h"
#include "support/extents.h"
#include "support/system.h"
#include <errno.h>
#include <jemalloc/jemalloc.h>
#include <kindgc/arena.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum hook { ALLOC, DALLOC, DESTROY, COMMIT, DECOMMIT, LAZY, FORCED, SPLIT, MERGE, HOOKS };

#define BLOCK  (3 * KGC_MIB) /* larger than what threads keep */
#define REGION ((size_t)1 << 30)

/* Hooks over one region that note what they are asked.  They give back in the
   way that the test chooses, and refuse the others. */
static struct {
    extent_hooks_t table; /* first: hooks find it */
    char *base;
    size_t used, out;
    unsigned calls[HOOKS];
    bool refuse[HOOKS];
    enum hook order[4096];
    unsigned count;
    unsigned arena; /* of the last call */
} mine;

static bool note(extent_hooks_t *h, enum hook hook, unsigned arena)
{
    if (h != &mine.table || mine.count == sizeof mine.order / sizeof mine.order[0])
        abort();
    mine.calls[hook]++;
    mine.order[mine.count++] = hook;
    mine.arena = arena;
    return mine.refuse[hook];
}

static void *my_alloc(extent_hooks_t *h, void *wish, size_t size, size_t align, bool *zero, bool *commit,
                      unsigned arena)
{
    size_t at = kgc__round_up(mine.used, align);
    if (note(h, ALLOC, arena) || wish != NULL || at + size > REGION)
        return NULL;
    mine.used = at + size;
    mine.out += size;
    *zero = *commit = true;
    return mine.base + at;
}

static void take_back(void *p, size_t size)
{
    madvise(p, size, MADV_DONTNEED);
    mprotect(p, size, PROT_NONE);
    mine.out -= size;
}

static bool my_dalloc(extent_hooks_t *h, void *p, size_t size, bool committed, unsigned arena)
{
    (void)committed;
    if (note(h, DALLOC, arena))
        return true;
    take_back(p, size);
    return false;
}

static void my_destroy(extent_hooks_t *h, void *p, size_t size, bool committed, unsigned arena)
{
    (void)committed;
    note(h, DESTROY, arena);
    take_back(p, size);
}

static bool my_commit(extent_hooks_t *h, void *p, size_t size, size_t offset, size_t length, unsigned arena)
{
    (void)size;
    return note(h, COMMIT, arena) || mprotect((char *)p + offset, length, PROT_READ | PROT_WRITE) != 0;
}

static bool my_decommit(extent_hooks_t *h, void *p, size_t size, size_t offset, size_t length, unsigned arena)
{
    (void)size;
    return note(h, DECOMMIT, arena) || madvise((char *)p + offset, length, MADV_DONTNEED) != 0 ||
           mprotect((char *)p + offset, length, PROT_NONE) != 0;
}

static bool my_lazy(extent_hooks_t *h, void *p, size_t size, size_t offset, size_t length, unsigned arena)
{
    (void)size;
    if (note(h, LAZY, arena))
        return true;
    memset((char *)p + offset, 0xdb, length); /* contents are not kept, nor zeroed */
    return false;
}

static bool my_forced(extent_hooks_t *h, void *p, size_t size, size_t offset, size_t length, unsigned arena)
{
    (void)size;
    return note(h, FORCED, arena) || madvise((char *)p + offset, length, MADV_DONTNEED) != 0;
}

static bool my_split(extent_hooks_t *h, void *p, size_t size, size_t a, size_t b, bool committed,
                     unsigned arena)
{
    (void)p, (void)committed;
    if (a + b != size)
        abort();
    return note(h, SPLIT, arena);
}

static bool my_merge(extent_hooks_t *h, void *a, size_t size_a, void *b, size_t size_b, bool committed,
                     unsigned arena)
{
    (void)size_b, (void)committed;
    if ((char *)a + size_a != (char *)b)
        abort();
    return note(h, MERGE, arena);
}

static const extent_hooks_t all = {my_alloc, my_dalloc, my_destroy, my_commit, my_decommit,
                                   my_lazy,  my_forced, my_split,   my_merge};

static kgc_kind *create(void)
{
    kgc_kind *kind;
    kgc_kind_options options = {.arenas = 1};
    mine.base =
        mmap(NULL, REGION, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    ck_assert(mine.base != MAP_FAILED);
    ck_assert_msg(kgc_kind_create("mine", &mine.table, &options, &kind) == 0, "%s", kgc_last_error());
    return kind;
}

static void use_and_free(kgc_kind *kind)
{
    char *p[6];
    for (int i = 0; i < 6; i++) {
        p[i] = kgc_kind_calloc(kind, 1, BLOCK);
        ck_assert(p[i] != NULL && all_bytes(p[i], BLOCK, 0));
        memset(p[i], i + 1, BLOCK);
    }
    for (int i = 0; i < 6; i++) {
        ck_assert(all_bytes(p[i], BLOCK, (unsigned char)(i + 1)));
        kgc_kind_free(NULL, p[i]);
    }
}

static void close_and_check(kgc_kind *kind)
{
    close_kind(kind);
    ck_assert_uint_eq(mine.out, 0);
}

/* The only one that must be there. */
START_TEST(alloc)
{
    mine.table = all;
    kgc_kind *kind = create();
    unsigned arena;
    char *p = kgc_kind_malloc(kind, BLOCK);
    ck_assert(p >= mine.base && p + BLOCK <= mine.base + mine.used);
    ck_assert_uint_ge(mine.calls[ALLOC], 1);
    ck_assert_int_eq(kgc_kind_arena_of_thread(kind, &arena), 0);
    ck_assert_uint_eq(mine.arena, arena); /* who asks: see kgc_kind_of_arena() */
    ck_assert_ptr_eq(kgc_kind_of_arena(arena), kind);
    kgc_kind_free(kind, p);
    mine.refuse[ALLOC] = true;
    ck_assert_int_eq(kgc_kind_purge(kind), 0);
    errno = 0;
    ck_assert_ptr_null(kgc_kind_malloc(kind, 100 * KGC_MIB));
    ck_assert_int_eq(errno, ENOMEM);
    close_and_check(kind);
    mine.table.alloc = NULL;
    ck_assert_int_eq(kgc_kind_create("mine", &mine.table, NULL, &kind), EINVAL);
}
END_TEST

START_TEST(dalloc)
{
    mine.table = all;
    kgc_kind *kind = create();
    use_and_free(kind);
    size_t before = mine.out;
    ck_assert_int_eq(kgc_kind_purge(kind), 0);
    ck_assert_uint_ge(mine.calls[DALLOC], 1);
    ck_assert_uint_eq(mine.calls[DECOMMIT] + mine.calls[FORCED] + mine.calls[LAZY], 0); /* it was enough */
    ck_assert_uint_le(mine.out, before - 6 * BLOCK); /* what is left was never used */
    ck_assert_uint_eq(stats_of(kind).explicit_bytes, mine.out);
    use_and_free(kind); /* from new addresses */
    close_and_check(kind);
}
END_TEST

/* At the end: of what dalloc has refused to take. */
START_TEST(destroy)
{
    mine.table = all;
    mine.refuse[DALLOC] = true;
    kgc_kind *kind = create();
    use_and_free(kind);
    ck_assert_int_eq(kgc_kind_purge(kind), 0);
    ck_assert_uint_eq(mine.calls[DESTROY], 0);
    ck_assert_uint_ge(mine.out, 6 * BLOCK);
    close_and_check(kind);
    ck_assert_uint_ge(mine.calls[DESTROY], 1);
}
END_TEST

/* What was decommitted is committed before it is used again. */
START_TEST(decommit)
{
    mine.table = all;
    mine.refuse[DALLOC] = true;
    kgc_kind *kind = create();
    use_and_free(kind);
    ck_assert_int_eq(kgc_kind_purge(kind), 0);
    ck_assert_uint_ge(mine.calls[DECOMMIT], 1);
    ck_assert_uint_eq(mine.calls[COMMIT], 0);
    size_t out = mine.out;
    use_and_free(kind); /* else this were a SIGSEGV */
    ck_assert_uint_ge(mine.calls[COMMIT], 1);
    ck_assert_uint_eq(mine.out, out); /* the same addresses */
    close_and_check(kind);
}
END_TEST

/* When it refuses, memory comes from elsewhere. */
START_TEST(commit)
{
    mine.table = all;
    mine.refuse[DALLOC] = mine.refuse[COMMIT] = true;
    kgc_kind *kind = create();
    use_and_free(kind);
    ck_assert_int_eq(kgc_kind_purge(kind), 0);
    size_t out = mine.out;
    use_and_free(kind);
    ck_assert_uint_ge(mine.calls[COMMIT], 1);
    ck_assert_uint_gt(mine.out, out);
    close_and_check(kind);
}
END_TEST

START_TEST(purge_forced)
{
    mine.table = all;
    mine.refuse[DALLOC] = mine.refuse[DECOMMIT] = true;
    kgc_kind *kind = create();
    use_and_free(kind);
    ck_assert_int_eq(kgc_kind_purge(kind), 0);
    ck_assert_uint_ge(mine.calls[FORCED], 1);
    ck_assert_uint_eq(mine.calls[LAZY], 0);
    ck_assert_uint_ge(stats_of(kind).purged, 6 * BLOCK);
    size_t out = mine.out;
    use_and_free(kind); /* calloc() relies on zeroes */
    ck_assert_uint_eq(mine.out, out);
    ck_assert_uint_eq(mine.calls[COMMIT], 0);
    close_and_check(kind);
}
END_TEST

START_TEST(purge_lazy)
{
    mine.table = all;
    mine.refuse[DALLOC] = mine.refuse[DECOMMIT] = mine.refuse[FORCED] = true;
    kgc_kind *kind = create();
    use_and_free(kind);
    ck_assert_int_eq(kgc_kind_purge(kind), 0);
    ck_assert_uint_ge(mine.calls[LAZY], 1);
    use_and_free(kind); /* calloc() does not rely on anything */
    close_and_check(kind);
}
END_TEST

START_TEST(split)
{
    mine.table = all;
    kgc_kind *kind = create();
    use_and_free(kind);
    ck_assert_uint_ge(mine.calls[SPLIT], 1); /* blocks are cut from what alloc gave */
    close_and_check(kind);
    mine.refuse[SPLIT] = true;
    kind = create();
    use_and_free(kind); /* works, and leaks addresses until the region goes */
    close_kind(kind);
}
END_TEST

START_TEST(merge)
{
    mine.table = all;
    mine.refuse[DALLOC] = true;
    kgc_kind *kind = create();
    use_and_free(kind);
    ck_assert_int_eq(kgc_kind_purge(kind), 0);
    ck_assert_uint_ge(mine.calls[MERGE], 1);
    unsigned merged = mine.calls[DECOMMIT];
    close_and_check(kind);
    mine.refuse[MERGE] = true;
    memset(mine.calls, 0, sizeof mine.calls);
    kind = create();
    use_and_free(kind);
    ck_assert_int_eq(kgc_kind_purge(kind), 0);
    ck_assert_uint_gt(mine.calls[DECOMMIT], merged); /* more and smaller pieces */
    close_and_check(kind);
}
END_TEST

/* "from dalloc to decommit to forced purging to lazy purging" */
START_TEST(cascade)
{
    static const enum hook steps[] = {DALLOC, DECOMMIT, FORCED, LAZY};
    mine.table = all;
    mine.refuse[DALLOC] = mine.refuse[DECOMMIT] = mine.refuse[FORCED] = mine.refuse[LAZY] = true;
    kgc_kind *kind = create();
    use_and_free(kind);
    mine.count = 0;
    ck_assert_int_eq(kgc_kind_purge(kind), 0);
    unsigned next = 0, rounds = 0;
    for (unsigned i = 0; i < mine.count; i++) {
        if (mine.order[i] == MERGE)
            continue;
        ck_assert_int_eq(mine.order[i], steps[next]);
        next = (next + 1) % 4;
        rounds += next == 0;
    }
    ck_assert_uint_eq(next, 0);
    ck_assert_uint_ge(rounds, 1);
    use_and_free(kind);
    close_and_check(kind);
}
END_TEST

/* "opted out of by setting the hook pointers to NULL" */
START_TEST(opt_out_by_null)
{
    static const size_t offsets[] = {
        offsetof(extent_hooks_t, dalloc),       offsetof(extent_hooks_t, commit),
        offsetof(extent_hooks_t, decommit),     offsetof(extent_hooks_t, purge_lazy),
        offsetof(extent_hooks_t, purge_forced), offsetof(extent_hooks_t, split),
        offsetof(extent_hooks_t, merge),        offsetof(extent_hooks_t, destroy)};
    static const enum hook hooks[] = {DALLOC, COMMIT, DECOMMIT, LAZY, FORCED, SPLIT, MERGE, DESTROY};
    for (unsigned out = 1; out < 256; out++) { /* any of them */
        memset(&mine, 0, sizeof mine);
        mine.table = all;
        for (unsigned i = 0; i < 8; i++)
            if ((out >> i & 1) != 0)
                memset((char *)&mine.table + offsets[i], 0, sizeof(void *));
        kgc_kind *kind = create();
        for (int round = 0; round < 2; round++) {
            char *p = kgc_kind_calloc(kind, 1, BLOCK), *q = kgc_kind_calloc(kind, 1, 100000);
            ck_assert(p != NULL && q != NULL && p[0] == 0 && p[BLOCK - 1] == 0 && all_bytes(q, 100000, 0));
            memset(q, 1, 100000);
            p[0] = p[BLOCK / 2] = p[BLOCK - 1] = 1;
            kgc_kind_free(kind, p);
            kgc_kind_free(kind, q);
            ck_assert_int_eq(kgc_kind_purge(kind), 0);
        }
        for (unsigned i = 0; i < 8; i++)
            if ((out >> i & 1) != 0)
                ck_assert_uint_eq(mine.calls[hooks[i]], 0);
        close_kind(kind);
        munmap(mine.base, REGION);
    }
}
END_TEST

/* "the structure is accessed directly by the associated arenas": the kind's
   own table serves arenas that the caller makes, and mallctl() shows it. */
START_TEST(the_table_itself)
{
    kgc_kind *kind = open_kind("default");
    extent_hooks_t *hooks = hooks_of(kind), *found = NULL;
    unsigned arena;
    size_t size = sizeof arena;
    char name[64];
    ck_assert_int_eq(mallctl("arenas.create", &arena, &size, &hooks, sizeof hooks), 0);
    void *p = mallocx(BLOCK, (int)(MALLOCX_ARENA(arena) | MALLOCX_TCACHE_NONE));
    ck_assert_ptr_eq(kgc_kind_of(p), kind);
    memset(p, 1, BLOCK);
    dallocx(p, MALLOCX_TCACHE_NONE);
    snprintf(name, sizeof name, "arena.%u.destroy", arena);
    ck_assert_int_eq(mallctl(name, NULL, NULL, NULL, 0), 0);
    ck_assert_int_eq(kgc_kind_arena_of_thread(kind, &arena), 0);
    snprintf(name, sizeof name, "arena.%u.extent_hooks", arena);
    size = sizeof found;
    ck_assert_int_eq(mallctl(name, (void *)&found, &size, NULL, 0), 0);
    ck_assert_ptr_eq(found, hooks);
    close_kind(kind);
}
END_TEST

SUITE("extent_hooks_s", alloc, dalloc, destroy, commit, decommit, purge_lazy, purge_forced, split, merge,
      cascade, opt_out_by_null, the_table_itself)
