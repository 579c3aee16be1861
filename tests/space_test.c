/* SPDX-License-Identifier: MIT */
/*
 * The nine standard hooks by jemalloc's contract: on ordinary pages, and on a
 * backing of this test's own that works in larger pages, counts what it is
 * asked for and refuses on demand.
 */
#include "base/size.h"
#include "extent/map.h"
#include "extent/space.h"
#include "os/os.h"
#include "suite.h"
#include "support/fault.h"
#include "support/system.h"
#include <errno.h>
#include <kindgc/kind.h>
#include <pthread.h>
#include <string.h>

enum { PAGE = 4096, ARENA = 7 };
#define HUGE (2 * KGC_MIB)

static struct kgc__space space;
static extent_hooks_t *h; /* its hooks */

static void open_space(const struct kgc__backing *backing, size_t limit, size_t granule)
{
    ck_assert_int_eq(kgc__space_open(&space, backing, limit, granule, &space), 0);
    h = &space.hooks;
    ck_assert_ptr_eq(kgc__space_of_hooks(h), &space);
}

static char *take(size_t size, size_t align, unsigned arena)
{
    bool zero = true, commit = true;
    char *p = h->alloc(h, NULL, size, align, &zero, &commit, arena);
    ck_assert(zero && commit);
    return p;
}

/* The backing of this test: ordinary pages underneath. */
static struct {
    int provided, discarded, discarded_lazily, taken_back;
    char *start;
    size_t size;
    int error; /* what the next calls return */
} seen;

static int note(int *count, void *p, size_t size)
{
    seen.start = p;
    seen.size = size;
    if (seen.error == 0)
        ++*count;
    ck_assert_uint_eq((uintptr_t)p % space.range.granule, 0);
    ck_assert_uint_eq(size % space.range.granule, 0);
    return seen.error;
}

static int provide(struct kgc__space *s, void *p, size_t size)
{
    ck_assert_ptr_eq(s, &space);
    int error = note(&seen.provided, p, size);
    return error != 0 ? error : kgc__os_make_usable(p, size);
}

static int discard(struct kgc__space *s, void *p, size_t size)
{
    ck_assert_ptr_eq(s, &space);
    int error = note(&seen.discarded, p, size);
    return error != 0 ? error : kgc__os_discard(p, size);
}

static int discard_lazily(struct kgc__space *s, void *p, size_t size)
{
    ck_assert_ptr_eq(s, &space);
    return note(&seen.discarded_lazily, p, size);
}

static int take_back(struct kgc__space *s, void *p, size_t size)
{
    ck_assert_ptr_eq(s, &space);
    int error = note(&seen.taken_back, p, size);
    return error != 0 ? error : kgc__os_discard(p, size);
}

static const struct kgc__backing whole = {
    .provide = provide, .discard = discard, .discard_lazily = discard_lazily, .take_back = take_back};
static const struct kgc__backing least = {.provide = provide};

START_TEST(opening_and_closing)
{
    struct holdings before = count_holdings();
    open_space(&kgc__anonymous_backing, SIZE_MAX, PAGE);
    ck_assert_ptr_eq(kgc__map_owner(space.range.base), &space);
    ck_assert_ptr_eq(kgc__map_owner(space.range.base + space.range.size - 1), &space);
    ck_assert_ptr_null(kgc__map_owner(space.range.base - 1));
    ck_assert_ptr_null(kgc__map_owner(space.range.base + space.range.size));
    char *p = take(PAGE, PAGE, ARENA);
    kgc__space_close(&space);
    ck_assert_ptr_null(kgc__map_owner(p));
    kgc__space_close(&space); /* twice: nothing */
    ck_assert_uint_eq(count_holdings().address_space, before.address_space);
    memset(&space, 0, sizeof space);
    ck_assert_int_eq(kgc__space_open(&space, &kgc__anonymous_backing, HUGE, PAGE, NULL), 0);
    ck_assert_ptr_null(kgc__map_owner(space.range.base)); /* nobody's */
    kgc__space_close(&space);
}
END_TEST

START_TEST(alloc_gives_zeroed_usable_memory)
{
    open_space(&kgc__anonymous_backing, 64 * KGC_MIB, PAGE);
    for (size_t size = PAGE; size <= 4 * KGC_MIB; size *= 2) {
        for (unsigned arena = ARENA;; arena = KGC_ARENA_COLLECTOR) {
            bool zero = false, commit = true; /* zeroed is not asked for, but told */
            char *p = h->alloc(h, NULL, size, PAGE, &zero, &commit, arena);
            ck_assert_ptr_nonnull(p);
            ck_assert(zero && commit);
            ck_assert(all_bytes(p, size, 0));
            memset(p, 0xa5, size);
            if (arena == KGC_ARENA_COLLECTOR)
                break;
        }
    }
}
END_TEST

START_TEST(sides_by_caller)
{
    open_space(&kgc__anonymous_backing, 64 * KGC_MIB, PAGE);
    char *section = take(PAGE, PAGE, KGC_ARENA_COLLECTOR), *extent = take(PAGE, PAGE, 0);
    ck_assert_ptr_eq(section, space.range.base);
    ck_assert_ptr_eq(extent, space.range.base + space.range.size - PAGE);
    ck_assert_uint_eq(atomic_load(&space.bytes[KGC__LOW]), PAGE);
    ck_assert_uint_eq(atomic_load(&space.bytes[KGC__HIGH]), PAGE);
    ck_assert_ptr_eq(take(PAGE, PAGE, KGC_ARENA_COLLECTOR), section + PAGE);
}
END_TEST

START_TEST(alloc_aligns)
{
    open_space(&kgc__anonymous_backing, 64 * KGC_MIB, PAGE);
    for (size_t align = 1; align <= 8 * KGC_MIB; align *= 2) {
        ck_assert_uint_eq((uintptr_t)take(3 * PAGE, align, ARENA) % align, 0);
        ck_assert_uint_eq((uintptr_t)take(3 * PAGE, align, KGC_ARENA_COLLECTOR) % align, 0);
    }
}
END_TEST

static void refuses(void *wish, size_t size, size_t align)
{
    for (int flags = 0; flags < 4; flags++) {
        bool zero = (flags & 1) != 0, commit = (flags & 2) != 0;
        size_t low = kgc__range_taken(&space.range, KGC__LOW),
               high = kgc__range_taken(&space.range, KGC__HIGH);
        ck_assert_ptr_null(h->alloc(h, wish, size, align, &zero, &commit, ARENA));
        ck_assert_ptr_null(h->alloc(h, wish, size, align, &zero, &commit, KGC_ARENA_COLLECTOR));
        ck_assert(zero == ((flags & 1) != 0) && commit == ((flags & 2) != 0)); /* left as they were */
        ck_assert_uint_eq(kgc__range_taken(&space.range, KGC__LOW), low);
        ck_assert_uint_eq(kgc__range_taken(&space.range, KGC__HIGH), high);
    }
}

START_TEST(alloc_refuses)
{
    open_space(&whole, 8 * PAGE, PAGE);
    refuses(space.range.base, PAGE, PAGE); /* a wished address */
    refuses(NULL, 0, PAGE);
    refuses(NULL, PAGE + 1, PAGE);
    refuses(NULL, 9 * PAGE, PAGE);
    refuses(NULL, SIZE_MAX - PAGE + 1, PAGE);
    unsigned before = atomic_load(&space.refusals);
    refuses(NULL, 9 * PAGE, PAGE);
    ck_assert_uint_eq(atomic_load(&space.refusals), before + 8);
    seen.error = ENOSPC; /* the backing has none */
    refuses(NULL, PAGE, PAGE);
    seen.error = 0;
    ck_assert_ptr_nonnull(take(8 * PAGE, PAGE, ARENA)); /* no address was lost */
    errno = 0;
    ck_assert_ptr_null(take(PAGE, PAGE, ARENA));
    ck_assert_int_eq(errno, ENOMEM);
}
END_TEST

START_TEST(limit)
{
    open_space(&kgc__anonymous_backing, 10 * PAGE, HUGE);
    ck_assert_ptr_nonnull(take(4 * PAGE, PAGE, ARENA));
    ck_assert_ptr_nonnull(take(6 * PAGE, PAGE, KGC_ARENA_COLLECTOR));
    ck_assert_ptr_null(take(PAGE, PAGE, ARENA));
    ck_assert_ptr_null(take(PAGE, PAGE, KGC_ARENA_COLLECTOR));
}
END_TEST

START_TEST(provided_by_granules)
{
    open_space(&whole, 64 * KGC_MIB, HUGE);
    char *a = take(PAGE, PAGE, KGC_ARENA_COLLECTOR);
    ck_assert_ptr_eq(seen.start, a);
    ck_assert_uint_eq(seen.size, HUGE);
    take(PAGE, PAGE, KGC_ARENA_COLLECTOR);
    ck_assert_int_eq(seen.provided, 1); /* there already */
    take(HUGE, PAGE, KGC_ARENA_COLLECTOR);
    ck_assert_int_eq(seen.provided, 2);
    take(PAGE, PAGE, ARENA);
    ck_assert_int_eq(seen.provided, 3);
    char *extent = take(HUGE, PAGE, ARENA); /* what holds a granule begins at one, so it can be given back */
    ck_assert_uint_eq((uintptr_t)extent % HUGE, 0);
    ck_assert_int_eq(seen.provided, 4);
}
END_TEST

START_TEST(dalloc_refuses)
{
    open_space(&kgc__anonymous_backing, HUGE, PAGE);
    char *p = take(4 * PAGE, PAGE, ARENA);
    memset(p, 1, 4 * PAGE);
    ck_assert(h->dalloc(h, p, 4 * PAGE, true, ARENA));
    ck_assert(all_bytes(p, 4 * PAGE, 1)); /* it stays mapped, as it was */
    ck_assert_uint_eq(atomic_load(&space.bytes[KGC__HIGH]), 4 * PAGE);
}
END_TEST

START_TEST(destroy_gives_pages_back)
{
    open_space(&whole, 64 * KGC_MIB, HUGE);
    char *p = take(3 * HUGE, PAGE, ARENA);
    h->destroy(h, p + PAGE, 3 * HUGE - PAGE, true, ARENA);
    ck_assert_int_eq(seen.discarded, 1);
    ck_assert_ptr_eq(seen.start, p + HUGE);
    ck_assert_uint_eq(seen.size, 2 * HUGE);
    ck_assert_uint_eq(atomic_load(&space.purged), 2 * HUGE);
    ck_assert_uint_eq(atomic_load(&space.bytes[KGC__HIGH]), PAGE);
    h->destroy(h, p, PAGE, true, ARENA); /* no whole granule: nothing to give back */
    ck_assert_int_eq(seen.discarded, 1);
    ck_assert_uint_eq(atomic_load(&space.bytes[KGC__HIGH]), 0);
}
END_TEST

START_TEST(decommit_and_commit)
{
    open_space(&whole, 64 * KGC_MIB, PAGE);
    char *p = take(8 * PAGE, PAGE, ARENA);
    memset(p, 0xee, 8 * PAGE);
    ck_assert(!h->decommit(h, p, 8 * PAGE, 2 * PAGE, 3 * PAGE, ARENA));
    ck_assert_int_eq(seen.taken_back, 1);
    ck_assert_ptr_eq(seen.start, p + 2 * PAGE);
    ck_assert_uint_eq(seen.size, 3 * PAGE);
    ck_assert_uint_eq(atomic_load(&space.purged), 3 * PAGE);
    int provided = seen.provided;
    ck_assert(!h->commit(h, p, 8 * PAGE, 2 * PAGE, 3 * PAGE, ARENA));
    ck_assert_int_eq(seen.provided, provided + 1);
    ck_assert(all_bytes(p + 2 * PAGE, 3 * PAGE, 0)); /* commit promises zero */
    ck_assert(all_bytes(p, 2 * PAGE, 0xee));
    ck_assert(all_bytes(p + 5 * PAGE, 3 * PAGE, 0xee));
    seen.error = ENOMEM;
    ck_assert(h->decommit(h, p, 8 * PAGE, 0, PAGE, ARENA));
    unsigned refusals = atomic_load(&space.refusals);
    ck_assert(h->commit(h, p, 8 * PAGE, 2 * PAGE, PAGE, ARENA));
    ck_assert_uint_eq(atomic_load(&space.refusals), refusals + 1);
}
END_TEST

START_TEST(commit_reaches_whole_granules)
{
    open_space(&whole, 64 * KGC_MIB, HUGE);
    char *p = take(4 * HUGE, PAGE, ARENA);
    ck_assert(!h->decommit(h, p, 4 * HUGE, HUGE, HUGE, ARENA));
    ck_assert(!h->commit(h, p, 4 * HUGE, HUGE + 5 * PAGE, PAGE, ARENA));
    ck_assert_ptr_eq(seen.start, p + HUGE);
    ck_assert_uint_eq(seen.size, HUGE);
}
END_TEST

START_TEST(what_the_backing_cannot)
{
    open_space(&least, 64 * KGC_MIB, PAGE);
    char *p = take(4 * PAGE, PAGE, ARENA);
    memset(p, 3, 4 * PAGE);
    ck_assert(h->decommit(h, p, 4 * PAGE, 0, 4 * PAGE, ARENA));
    ck_assert(!h->commit(h, p, 4 * PAGE, 0, 4 * PAGE, ARENA)); /* nothing to do */
    ck_assert(h->purge_forced(h, p, 4 * PAGE, 0, 4 * PAGE, ARENA));
    ck_assert(h->purge_lazy(h, p, 4 * PAGE, 0, 4 * PAGE, ARENA));
    ck_assert(all_bytes(p, 4 * PAGE, 3));
    ck_assert_uint_eq(atomic_load(&space.purged), 0);
    h->destroy(h, p, 4 * PAGE, true, ARENA);
    ck_assert_uint_eq(atomic_load(&space.purged), 0);
}
END_TEST

START_TEST(ordinary_pages_decommit_by_discarding)
{
    open_space(&kgc__anonymous_backing, HUGE, PAGE);
    char *p = take(2 * PAGE, PAGE, ARENA);
    memset(p, 3, 2 * PAGE);
    ck_assert(!h->decommit(h, p, 2 * PAGE, 0, PAGE, ARENA));
    ck_assert(!h->commit(h, p, 2 * PAGE, 0, PAGE, ARENA));
    ck_assert(all_bytes(p, PAGE, 0)); /* what commit promises */
    ck_assert(all_bytes(p + PAGE, PAGE, 3));
    ck_assert_uint_eq(atomic_load(&space.purged), PAGE);
}
END_TEST

/* Free pieces that were not given back stay small where they can be given back
   page by page: see kgc__space_limits_dirty(). */
START_TEST(large_dirty_pieces_are_not_made)
{
    const size_t half = KGC_MIB / 2;
    open_space(&kgc__anonymous_backing, 64 * KGC_MIB, PAGE);
    char *p = take(4 * KGC_MIB, PAGE, ARENA);
    ck_assert(!h->merge(h, p, half, p + half, half, true, ARENA));
    ck_assert(h->merge(h, p, KGC_MIB, p + KGC_MIB, PAGE, true, ARENA));
    ck_assert(!h->merge(h, p, KGC_MIB, p + KGC_MIB, KGC_MIB, false, ARENA));     /* given back */
    ck_assert(!h->merge(h, p, 2 * KGC_MIB, p + 2 * KGC_MIB, PAGE, true, ARENA)); /* large already */
    ck_assert(!h->merge(h, p, KGC_MIB, p + KGC_MIB, KGC_MIB, true, KGC_ARENA_COLLECTOR));
    bool zero = true, commit = false;
    ck_assert_ptr_nonnull(h->alloc(h, NULL, PAGE, PAGE, &zero, &commit, ARENA));
    ck_assert(!commit); /* mergeable with what was given back */
}
END_TEST

START_TEST(what_cannot_be_given_back_merges)
{
    open_space(&least, 64 * KGC_MIB, PAGE);
    char *p = take(2 * KGC_MIB, PAGE, ARENA);
    ck_assert(!h->merge(h, p, KGC_MIB, p + KGC_MIB, KGC_MIB, true, ARENA));
}
END_TEST

START_TEST(purge_forced_reads_as_zero)
{
    open_space(&kgc__anonymous_backing, 64 * KGC_MIB, PAGE);
    char *p = take(16 * PAGE, PAGE, KGC_ARENA_COLLECTOR);
    memset(p, 0x77, 16 * PAGE);
    ck_assert(!h->purge_forced(h, p, 16 * PAGE, 4 * PAGE, 8 * PAGE, KGC_ARENA_COLLECTOR));
    ck_assert(all_bytes(p, 4 * PAGE, 0x77));
    ck_assert(all_bytes(p + 4 * PAGE, 8 * PAGE, 0));
    ck_assert(all_bytes(p + 12 * PAGE, 4 * PAGE, 0x77));
    ck_assert_uint_eq(atomic_load(&space.purged), 8 * PAGE);
}
END_TEST

START_TEST(purge_forced_zeroes_the_edges)
{
    open_space(&whole, 64 * KGC_MIB, HUGE);
    char *p = take(4 * HUGE, PAGE, ARENA);
    memset(p, 0x11, 4 * HUGE);
    /* From the middle of the first granule to the middle of the third: one whole one. */
    ck_assert(!h->purge_forced(h, p, 4 * HUGE, HUGE / 2, 2 * HUGE, ARENA));
    ck_assert_int_eq(seen.discarded, 1);
    ck_assert_ptr_eq(seen.start, p + HUGE);
    ck_assert_uint_eq(seen.size, HUGE);
    ck_assert(all_bytes(p, HUGE / 2, 0x11));
    ck_assert(all_bytes(p + HUGE / 2, 2 * HUGE, 0));
    ck_assert(all_bytes(p + 5 * HUGE / 2, 3 * HUGE / 2, 0x11));
    ck_assert_uint_eq(atomic_load(&space.purged), HUGE);
}
END_TEST

START_TEST(purge_of_less_than_a_granule)
{
    open_space(&whole, 64 * KGC_MIB, HUGE);
    char *p = take(2 * HUGE, PAGE, ARENA);
    memset(p, 0x22, 2 * HUGE);
    ck_assert(h->purge_forced(h, p, 2 * HUGE, PAGE, HUGE - PAGE, ARENA));
    ck_assert(
        h->purge_forced(h, p, 2 * HUGE, HUGE / 2, HUGE, ARENA)); /* a granule's size, but parts of two */
    ck_assert(h->purge_lazy(h, p, 2 * HUGE, HUGE / 2, HUGE, ARENA));
    ck_assert(h->decommit(h, p, 2 * HUGE, 0, PAGE, ARENA));
    ck_assert_int_eq(seen.discarded + seen.discarded_lazily + seen.taken_back, 0);
    ck_assert(all_bytes(p, 2 * HUGE, 0x22)); /* refused means untouched */
}
END_TEST

START_TEST(failing_purges_change_nothing)
{
    open_space(&whole, 64 * KGC_MIB, HUGE);
    char *p = take(2 * HUGE, PAGE, ARENA);
    memset(p, 0x33, 2 * HUGE);
    seen.error = EINVAL;
    ck_assert(h->purge_forced(h, p, 2 * HUGE, PAGE, 2 * HUGE - PAGE, ARENA));
    ck_assert(h->purge_lazy(h, p, 2 * HUGE, 0, 2 * HUGE, ARENA));
    ck_assert(all_bytes(p, 2 * HUGE, 0x33));
    ck_assert_uint_eq(atomic_load(&space.purged), 0);
}
END_TEST

START_TEST(purge_lazy)
{
    open_space(&kgc__anonymous_backing, 64 * KGC_MIB, PAGE);
    char *p = take(8 * PAGE, PAGE, ARENA);
    memset(p, 0x44, 8 * PAGE);
    ck_assert(h->purge_lazy(h, p, 8 * PAGE, 2 * PAGE, 2 * PAGE, ARENA)); /* which decommits at once */
    ck_assert(all_bytes(p, 8 * PAGE, 0x44));
    ck_assert(!h->purge_lazy(h, p, 8 * PAGE, 2 * PAGE, 2 * PAGE, KGC_ARENA_COLLECTOR));
    ck_assert(all_bytes(p, 2 * PAGE, 0x44));
    ck_assert(all_bytes(p + 4 * PAGE, 4 * PAGE, 0x44));
    for (int i = 2; i < 4; i++) /* as before or as zero */
        ck_assert(all_bytes(p + i * PAGE, PAGE, 0x44) || all_bytes(p + i * PAGE, PAGE, 0));
    memset(p, 0x55, 8 * PAGE); /* writing makes it ordinary again */
    ck_assert(all_bytes(p, 8 * PAGE, 0x55));
}
END_TEST

START_TEST(split_and_merge)
{
    struct kgc__space other = {0};
    open_space(&kgc__anonymous_backing, 64 * KGC_MIB, PAGE);
    ck_assert_int_eq(kgc__space_open(&other, &kgc__anonymous_backing, 64 * KGC_MIB, PAGE, &other), 0);
    bool zero = true, commit = true;
    char *stranger = other.hooks.alloc(&other.hooks, NULL, PAGE, PAGE, &zero, &commit, ARENA);
    char *b = take(2 * PAGE, PAGE, ARENA), *a = take(2 * PAGE, PAGE, ARENA);
    ck_assert_ptr_eq(a + 2 * PAGE, b);
    ck_assert(!h->split(h, a, 2 * PAGE, PAGE, PAGE, true, ARENA));
    ck_assert(!h->split(h, a, 2 * PAGE, PAGE, PAGE, false, ARENA));
    ck_assert(!h->merge(h, a, 2 * PAGE, b, 2 * PAGE, true, ARENA));
    ck_assert(h->merge(h, a, 2 * PAGE, stranger, PAGE, true, ARENA));
    ck_assert(h->merge(h, stranger, PAGE, b, 2 * PAGE, true, ARENA));
}
END_TEST

START_TEST(failing_system_calls)
{
    open_space(&kgc__anonymous_backing, 64 * KGC_MIB, PAGE);
    fault_arm(FAULT_MPROTECT, 1, true, ENOMEM);
    refuses(NULL, PAGE, PAGE);
    fault_disarm();
    char *p = take(4 * PAGE, PAGE, ARENA);
    memset(p, 9, 4 * PAGE);
    fault_arm(FAULT_MADVISE, 1, true, EINVAL);
    ck_assert(h->purge_forced(h, p, 4 * PAGE, 0, 4 * PAGE, ARENA));
    ck_assert(h->purge_lazy(h, p, 4 * PAGE, 0, 4 * PAGE, ARENA));
    h->destroy(h, p, 4 * PAGE, true, ARENA); /* cannot refuse: the pages stay */
    fault_disarm();
    ck_assert_uint_eq(atomic_load(&space.purged), 0);
    ck_assert(all_bytes(p, 4 * PAGE, 9));
}
END_TEST

/* Concurrent calls get memory that is theirs alone, ready to use. */
enum { THREADS = 4, PIECES = 400 };

static void *use_many(void *arg)
{
    unsigned char me = (unsigned char)(size_t)arg;
    char *piece[PIECES];
    unsigned x = me;
    for (size_t i = 0; i < PIECES; i++) {
        x = x * 1103515245 + 12345;
        unsigned arena = (x >> 16 & 1) != 0 ? ARENA : KGC_ARENA_COLLECTOR;
        bool zero = true, commit = true;
        piece[i] = h->alloc(h, NULL, 4 * PAGE, PAGE, &zero, &commit, arena);
        if (piece[i] == NULL || !all_bytes(piece[i], 4 * PAGE, 0))
            return "not zero";
        memset(piece[i], me, 4 * PAGE);
    }
    for (size_t i = 0; i < PIECES; i++) {
        if (!all_bytes(piece[i], 4 * PAGE, me))
            return "written by another";
        if (i % 2 == 0 && h->purge_forced(h, piece[i], 4 * PAGE, PAGE, PAGE, ARENA))
            return "purge refused";
    }
    return NULL;
}

START_TEST(threads)
{
    pthread_t thread[THREADS];
    open_space(&kgc__anonymous_backing, 256 * KGC_MIB, PAGE);

    for (size_t i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&thread[i], NULL, use_many, (void *)(i + 1)), 0);
    for (size_t i = 0; i < THREADS; i++) {
        void *problem;
        ck_assert_int_eq(pthread_join(thread[i], &problem), 0);
        ck_assert_msg(problem == NULL, "%s", (char *)problem);
    }
    ck_assert_uint_eq(atomic_load(&space.bytes[KGC__LOW]) + atomic_load(&space.bytes[KGC__HIGH]),
                      (size_t)THREADS * PIECES * 4 * PAGE);
}
END_TEST

SUITE("space", opening_and_closing, alloc_gives_zeroed_usable_memory, sides_by_caller, alloc_aligns,
      alloc_refuses, limit, provided_by_granules, dalloc_refuses, destroy_gives_pages_back,
      decommit_and_commit, commit_reaches_whole_granules, what_the_backing_cannot,
      ordinary_pages_decommit_by_discarding, large_dirty_pieces_are_not_made,
      what_cannot_be_given_back_merges, purge_forced_reads_as_zero, purge_forced_zeroes_the_edges,
      purge_of_less_than_a_granule, failing_purges_change_nothing, purge_lazy, split_and_merge,
      failing_system_calls, threads)
