/* SPDX-License-Identifier: MIT */
/* Kinds on memory that the caller has mapped. */
#include "base/size.h"
#include "misuse.h"
#include "os/os.h"
#include "suite.h"
#include "support/extents.h"
#include "support/system.h"
#include <errno.h>
#include <kindgc/arena.h>
#include <string.h>
#include <sys/mman.h>

#define SIZE (4 * KGC_MIB)

/* Memory full of somebody's bytes. */
static char *map_dirty(size_t size)
{
    char *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(p, MAP_FAILED);
    memset(p, 0xd1, size);
    return p;
}

static kgc_kind *create(void *p, size_t size)
{
    kgc_kind *kind = NULL;
    ck_assert_msg(kgc_kind_create_fixed("mine", p, size, &kind) == 0, "%s", kgc_last_error());
    return kind;
}

START_TEST(memory_of_the_range)
{
    char *range = map_dirty(SIZE);
    kgc_kind *kind = create(range, SIZE);
    ck_assert_str_eq(kgc_kind_name(kind), "mine");
    ck_assert_ptr_eq(kgc_kind_of(range), kind);
    ck_assert_ptr_eq(kgc_kind_of(range + SIZE - 1), kind);
    char *section = try_extent(kind, 16 * PAGE, KGC_ARENA_COLLECTOR), *extent = take_extent(kind, 16 * PAGE);
    ck_assert_ptr_eq(section, range);
    ck_assert_ptr_eq(extent, range + SIZE - 16 * PAGE);
    ck_assert(all_bytes(section, 16 * PAGE, 0) && all_bytes(extent, 16 * PAGE, 0)); /* it was dirty */
    ck_assert(all_bytes(range + 16 * PAGE, SIZE - 32 * PAGE, 0xd1)); /* the rest is untouched */
    kgc_kind_info info = stats_of(kind);
    ck_assert_uint_eq(info.reserved, SIZE);
    ck_assert_uint_eq(info.limit, SIZE);
    ck_assert_uint_eq(info.committed, 32 * PAGE);
    ck_assert_uint_eq(kind->arenas_max, 1); /* small */
    while (try_extent(kind, 16 * PAGE, ARENA) != NULL)
        ;
    ck_assert_uint_eq(stats_of(kind).committed, SIZE); /* all of it */
}
END_TEST

START_TEST(zero_only_where_it_is)
{
    char *range = map_dirty(SIZE);
    kgc_kind *kind = create(range, SIZE);
    extent_hooks_t *h = hooks_of(kind);
    bool zero = false, commit = false;
    char *p = h->alloc(h, NULL, PAGE, PAGE, &zero, &commit, ARENA);
    ck_assert(p != NULL && !zero && commit); /* not asked for, and not claimed */
    ck_assert(all_bytes(p, PAGE, 0xd1));
    zero = true;
    p = h->alloc(h, NULL, PAGE, PAGE, &zero, &commit, ARENA);
    ck_assert(p != NULL && zero && all_bytes(p, PAGE, 0));
    zero = true;
    ck_assert_ptr_null(h->alloc(h, NULL, 2 * SIZE, PAGE, &zero, &commit, ARENA));
    ck_assert(zero);
}
END_TEST

START_TEST(nothing_is_given_back)
{
    char *range = map_dirty(SIZE);
    kgc_kind *kind = create(range, SIZE);
    extent_hooks_t *h = hooks_of(kind);
    char *p = take_extent(kind, 8 * PAGE);
    memset(p, 7, 8 * PAGE);
    ck_assert(h->dalloc(h, p, 8 * PAGE, true, ARENA));
    ck_assert(h->decommit(h, p, 8 * PAGE, 0, 8 * PAGE, ARENA));
    ck_assert(h->purge_forced(h, p, 8 * PAGE, 0, 8 * PAGE, ARENA));
    ck_assert(h->purge_lazy(h, p, 8 * PAGE, 0, 8 * PAGE, ARENA));
    ck_assert(all_bytes(p, 8 * PAGE, 7));
    ck_assert_uint_eq(stats_of(kind).purged, 0);
    ck_assert(!h->split(h, p, 8 * PAGE, PAGE, 7 * PAGE, true, ARENA));
    ck_assert(!h->merge(h, p, PAGE, p + PAGE, 7 * PAGE, true, ARENA));
    h->destroy(h, p, 8 * PAGE, true, ARENA);
    ck_assert_uint_eq(stats_of(kind).committed, 0);
}
END_TEST

START_TEST(stays_the_callers)
{
    char *range = map_dirty(SIZE);
    for (int round = 0; round < 20; round++) { /* on the same memory again and again */
        kgc_kind *kind = create(range, SIZE);
        memset(take_extent(kind, SIZE / 2), round, SIZE / 2);
        close_kind(kind);
        ck_assert_ptr_null(kgc_kind_of(range));
        ck_assert(is_writable(range) && is_writable(range + SIZE - 1));
    }
    ck_assert(all_bytes(range, SIZE / 2, 0xd1));
    ck_assert_int_eq(munmap(range, SIZE), 0);
}
END_TEST

START_TEST(whole_pages)
{
    char *range = map_dirty(SIZE);
    kgc_kind *kind = create(range + 1, SIZE - 2);
    ck_assert_uint_eq(stats_of(kind).limit, SIZE - 2 * PAGE);
    ck_assert_ptr_null(kgc_kind_of(range + PAGE - 1));
    ck_assert_ptr_eq(kgc_kind_of(range + PAGE), kind);
    ck_assert_ptr_null(kgc_kind_of(range + SIZE - PAGE));
    close_kind(kind);
    kind = create(range + 1, 64 * KGC_KIB + PAGE - 1); /* just enough */
    ck_assert_uint_eq(stats_of(kind).limit, 64 * KGC_KIB);
    close_kind(kind);
}
END_TEST

START_TEST(bad_arguments)
{
    char *range = map_dirty(SIZE), name[1100];
    kgc_kind *kind = (kgc_kind *)range;
    ck_assert_int_eq(kgc_kind_create_fixed("x", range, SIZE, NULL), EINVAL);
    ck_last_error("kgc_kind_create_fixed: out is NULL");
    memset(name, 'n', sizeof name);
    name[sizeof name - 1] = '\0';
    const char *const names[] = {NULL, "", name};
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(kgc_kind_create_fixed(names[i], range, SIZE, &kind), EINVAL);
        ck_assert_ptr_null(kind);
        ck_last_error("kgc_kind_create_fixed: a name of 1 to 1023 bytes is needed");
    }
    ck_assert_int_eq(kgc_kind_create_fixed("x", NULL, SIZE, &kind), EINVAL);
    ck_last_error("kgc_kind_create_fixed: \"x\": (nil) and 4194304 bytes are no range of addresses");
    ck_assert_int_eq(kgc_kind_create_fixed("x", range, SIZE_MAX, &kind), EINVAL);
    const size_t small[] = {0, 1, 64 * KGC_KIB - 1, 64 * KGC_KIB};
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(kgc_kind_create_fixed("x", range + (i == 3), small[i], &kind), EINVAL);
        ck_last_error("kgc_kind_create_fixed: \"x\": whole pages of 64K or more are needed");
    }
}
END_TEST

START_TEST(not_mapped_so)
{
    char *range = map_dirty(SIZE);
    kgc_kind *kind;
    static const int protections[] = {PROT_NONE, PROT_READ};
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(mprotect(range + SIZE / 2, PAGE, protections[i]), 0);
        ck_assert_int_eq(kgc_kind_create_fixed("x", range, SIZE, &kind), EINVAL);
        ck_last_error("kgc_kind_create_fixed: \"x\": not all of %p to %p is mapped readable and writable",
                      (void *)range, (void *)(range + SIZE));
        ck_assert_ptr_null(kgc_kind_of(range));
    }
    close_kind(create(range, SIZE / 2));
    ck_assert_int_eq(munmap(range + SIZE / 2, PAGE), 0);
    ck_assert_int_eq(kgc_kind_create_fixed("x", range, SIZE, &kind), EINVAL);
    ck_assert_int_eq(kgc_kind_create_fixed("x", (void *)((uintptr_t)1 << 60), SIZE, &kind), EINVAL);
}
END_TEST

START_TEST(overlaps_another_kind)
{
    char *range = map_dirty(SIZE);
    kgc_kind *kind = create(range, SIZE / 2), *other;
    const size_t starts[] = {0, SIZE / 4, SIZE / 2 - PAGE};
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(kgc_kind_create_fixed("x", range + starts[i], SIZE / 2, &other), EINVAL);
        ck_assert_ptr_null(other);
        ck_last_error("kgc_kind_create_fixed: \"x\": a part of the range belongs to another kind");
    }
    ck_assert_ptr_eq(kgc_kind_of(range), kind);
    other = create(range + SIZE / 2, SIZE / 2); /* next to it */
    close_kind(kind);
    ck_assert_ptr_eq(kgc_kind_of(range + SIZE / 2), other);
    kgc_kind *ours = open_kind("default");
    char *p = take_extent(ours, KGC_MIB);
    ck_assert_int_eq(kgc_kind_create_fixed("x", p, KGC_MIB, &kind), EINVAL);
    ck_assert_ptr_eq(kgc_kind_of(p), ours);
}
END_TEST

START_TEST(what_it_is)
{
    kgc_kind *kind = create(map_dirty(SIZE), SIZE);
    kgc_kind_description d;
    take_extent(kind, KGC_MIB);
    ck_assert_int_eq(kgc_kind_describe(kind, &d), 0);
    ck_assert_int_eq(d.backing, KGC_BACKING_FIXED);
    ck_assert_int_eq(d.policy, KGC_POLICY_SYSTEM);
    ck_assert_uint_eq(d.capacity, SIZE - KGC_MIB);
    ck_assert_uint_eq(d.limit, SIZE);
    ck_assert_uint_eq(d.page_size, PAGE);
    ck_assert(!d.locked && !d.scanned && !d.fell_back);
}
END_TEST

/* Everything that is freed is used again: as much fits the hundredth time as
   the first. */
START_TEST(blocks_are_used_again)
{
    kgc_kind *kind = create(map_dirty(SIZE), SIZE);
    static void *block[SIZE / 1000];
    size_t first = 0;
    for (int round = 0; round < (SANITIZED ? 10 : 100); round++) {
        size_t n = 0, size = round % 2 == 0 ? 20000 : 1000;
        for (; n < sizeof block / sizeof block[0]; n++) {
            block[n] = kgc_kind_calloc(kind, 1, size);
            if (block[n] == NULL)
                break;
            ck_assert(all_bytes(block[n], size, 0)); /* calloc is honest, however dirty it was */
            memset(block[n], 0xee, size);
        }
        if (round % 2 == 0)
            first = first == 0 ? n : first;
        ck_assert_msg(round % 2 != 0 || n == first, "round %d: %zu blocks, at first %zu", round, n, first);
        while (n-- > 0)
            kgc_kind_free(kind, block[n]);
        ck_assert_int_eq(kgc_kind_purge(kind), 0);
    }
    ck_assert_uint_gt(first * 20000, SIZE / 2);
    close_kind(kind);
}
END_TEST

SUITE("fixed", memory_of_the_range, zero_only_where_it_is, nothing_is_given_back, stays_the_callers,
      whole_pages, bad_arguments, not_mapped_so, overlaps_another_kind, what_it_is, blocks_are_used_again)
