/* SPDX-License-Identifier: MIT */
/* Tiers: the first member until its amount is used, then the next. */
#include "base/size.h"
#include "misuse.h"
#include "os/proc.h"
#include "suite.h"
#include "support/extents.h"
#include "support/system.h"
#include <errno.h>
#include <pthread.h>
#include <string.h>

static unsigned member_of(kgc_kind *tier, const void *p)
{
    kgc_kind *kind = kgc_kind_of(p);
    for (unsigned i = 0; i < tier->members; i++)
        if (tier->member[i] == kind)
            return i;
    ck_abort_msg("%p is in no member", p);
}

START_TEST(members)
{
    kgc_kind *tier = open_kind("tier:default@1M+file:/var/tmp,limit=2M+default");
    ck_assert_uint_eq(tier->members, 3);
    ck_assert_str_eq(kgc_kind_name(tier->member[0]), "default");
    ck_assert_str_eq(kgc_kind_name(tier->member[1]), "file:/var/tmp,limit=2M");
    for (unsigned i = 0; i < 3; i++)
        ck_assert_ptr_eq(tier->member[i]->parent, tier);
    ck_assert_ptr_eq(kgc__kind_root(tier->member[2]), tier);
    ck_assert_ptr_eq(kgc__kind_root(tier), tier);
    close_kind(tier);
}
END_TEST

START_TEST(fills_in_order)
{
    kgc_kind *tier = open_kind("tier:default@1M+file:/var/tmp@2M+default@3M");
    for (size_t i = 0; i < 6 * 4; i++) {
        char *p = try_extent(tier, 256 * KGC_KIB, i % 2 == 0 ? ARENA : KGC_ARENA_COLLECTOR);
        ck_assert_ptr_nonnull(p);
        ck_assert(all_bytes(p, 256 * KGC_KIB, 0));
        memset(p, 1, 256 * KGC_KIB);
        ck_assert_uint_eq(member_of(tier, p), i < 4 ? 0 : i < 12 ? 1 : 2);
    }
    errno = 0;
    ck_assert_ptr_null(try_extent(tier, PAGE, ARENA));
    ck_assert_int_eq(errno, ENOMEM);
    ck_assert_ptr_null(try_extent(tier, PAGE, KGC_ARENA_COLLECTOR));
}
END_TEST

START_TEST(small_pieces_fill_gaps)
{
    kgc_kind *tier = open_kind("tier:default@1M+default");
    ck_assert_uint_eq(member_of(tier, take_extent(tier, 768 * KGC_KIB)), 0);
    ck_assert_uint_eq(member_of(tier, take_extent(tier, 512 * KGC_KIB)), 1); /* does not fit */
    ck_assert_uint_eq(member_of(tier, take_extent(tier, 256 * KGC_KIB)), 0);
    ck_assert_uint_eq(member_of(tier, take_extent(tier, PAGE)), 1);
    ck_assert_uint_eq(member_of(tier, take_extent(tier, 64 * KGC_MIB)),
                      1); /* more than the first could ever hold */
    close_kind(tier);
}
END_TEST

START_TEST(amounts_below_a_huge_page)
{
    if (kgc__proc_thp_size() == 0)
        SKIP("this system has no transparent huge pages");
    kgc_kind *tier = open_kind("tier:thp@1M+default");
    char *p = try_extent(tier, KGC_MIB, KGC_ARENA_COLLECTOR);
    ck_assert_uint_eq(member_of(tier, p), 0);
    memset(p, 1, KGC_MIB);
    ck_assert_uint_eq(member_of(tier, try_extent(tier, PAGE, KGC_ARENA_COLLECTOR)), 1);
}
END_TEST

START_TEST(hooks_go_to_the_member)
{
    kgc_kind *tier = open_kind("tier:default@1M+file:/var/tmp");
    extent_hooks_t *h = hooks_of(tier);
    char *a = take_extent(tier, KGC_MIB), *b = take_extent(tier, KGC_MIB);
    memset(a, 1, KGC_MIB);
    memset(b, 2, KGC_MIB);
    ck_assert_uint_eq(member_of(tier, b), 1);
    ck_assert(h->dalloc(h, a, KGC_MIB, true, ARENA));
    ck_assert(h->dalloc(h, b, KGC_MIB, true, ARENA));
    ck_assert(!h->decommit(h, b, KGC_MIB, 0, PAGE, ARENA));
    ck_assert(!h->commit(h, b, KGC_MIB, 0, PAGE, ARENA));
    ck_assert(h->purge_lazy(h, a, KGC_MIB, 0, PAGE, ARENA));
    ck_assert(!h->purge_lazy(h, a, KGC_MIB, 0, PAGE, KGC_ARENA_COLLECTOR));
    ck_assert(h->purge_lazy(h, b, KGC_MIB, 0, PAGE, KGC_ARENA_COLLECTOR));
    ck_assert(!h->purge_forced(h, a, KGC_MIB, PAGE, PAGE, ARENA));
    ck_assert(!h->purge_forced(h, b, KGC_MIB, PAGE, 2 * PAGE, ARENA));
    ck_assert(all_bytes(a + PAGE, PAGE, 0) && all_bytes(b + PAGE, 2 * PAGE, 0));
    ck_assert(all_bytes(a + 2 * PAGE, KGC_MIB - 2 * PAGE, 1));
    ck_assert(all_bytes(b + 3 * PAGE, KGC_MIB - 3 * PAGE, 2));
    ck_assert_uint_eq(stats_of(tier->member[0]).purged, PAGE);
    ck_assert_uint_eq(stats_of(tier->member[1]).purged, 3 * PAGE);
    ck_assert(!h->split(h, b, KGC_MIB, PAGE, KGC_MIB - PAGE, true, ARENA));
    ck_assert(!h->merge(h, b, PAGE, b + PAGE, KGC_MIB - PAGE, true, ARENA));
    ck_assert(h->merge(h, a, KGC_MIB, b, KGC_MIB, true, ARENA)); /* never across members */
    h->destroy(h, a, KGC_MIB, true, ARENA);
    h->destroy(h, b, KGC_MIB, true, ARENA);
    ck_assert_uint_eq(stats_of(tier).committed, 0);
    close_kind(tier);
}
END_TEST

START_TEST(statistics)
{
    kgc_kind *tier = open_kind("tier:default@1M+file:/var/tmp@2M");
    kgc_kind_info info = stats_of(tier);
    ck_assert_uint_eq(info.limit, 3 * KGC_MIB);
    ck_assert_uint_eq(info.reserved, 3 * KGC_MIB);
    ck_assert_uint_eq(info.page_size, PAGE);
    memset(take_extent(tier, KGC_MIB), 1, KGC_MIB);
    memset(try_extent(tier, KGC_MIB, KGC_ARENA_COLLECTOR), 1, KGC_MIB);
    ck_assert_ptr_null(try_extent(tier, 4 * KGC_MIB, ARENA));
    info = stats_of(tier);
    ck_assert_uint_eq(info.explicit_bytes, KGC_MIB);
    ck_assert_uint_eq(info.section_bytes, KGC_MIB);
    ck_assert_uint_eq(info.committed, 2 * KGC_MIB);
    ck_assert_uint_ge(info.resident, 2 * KGC_MIB);
    ck_assert_uint_ge(info.refusals, 1);
    ck_assert_uint_eq(stats_of(tier->member[0]).explicit_bytes, KGC_MIB);
    ck_assert_uint_eq(stats_of(tier->member[1]).section_bytes, KGC_MIB);
}
END_TEST

START_TEST(refusals_leave_the_flags)
{
    kgc_kind *tier = open_kind("tier:default@1M+default@1M");
    extent_hooks_t *h = hooks_of(tier);
    bool zero = false, commit = false;
    ck_assert_ptr_null(h->alloc(h, NULL, 2 * KGC_MIB, PAGE, &zero, &commit, ARENA));
    ck_assert(!zero && !commit);
    ck_assert_ptr_null(h->alloc(h, tier->member[0]->space.range.base, PAGE, PAGE, &zero, &commit, ARENA));
    ck_assert_ptr_nonnull(h->alloc(h, NULL, PAGE, PAGE, &zero, &commit, ARENA));
    ck_assert(zero);
}
END_TEST

START_TEST(a_member_that_cannot_be_had)
{
    kgc_kind *tier;
    static const char spec[] = "tier:file:/var/tmp@1M+default@1M+file:/nonexistent";
    for (int i = 0; i < 10; i++) /* makes records, and leaves of the address map */
        ck_assert_int_eq(kgc_kind_open(spec, &tier), ENOENT);
    struct holdings before = count_holdings();
    ck_assert_int_eq(kgc_kind_open(spec, &tier), ENOENT);
    ck_last_error(
        "tier:file:/var/tmp@1M+default@1M+file:/nonexistent: file:/nonexistent: /nonexistent is not a "
        "directory; create it or name another");
    ck_assert_ptr_null(tier);
    struct holdings after = count_holdings();
    ck_assert_uint_eq(after.mappings, before.mappings);
    ck_assert_uint_eq(after.descriptors, before.descriptors);
}
END_TEST

static void *take_many(void *tier)
{
    for (int i = 0; i < 400; i++) {
        char *p = try_extent(tier, 4 * PAGE, i % 2 == 0 ? ARENA : KGC_ARENA_COLLECTOR);
        if (p == NULL || !all_bytes(p, 4 * PAGE, 0))
            return tier;
        memset(p, 1, 4 * PAGE);
    }
    return NULL;
}

START_TEST(threads)
{
    kgc_kind *tier = open_kind("tier:default@4M+file:/var/tmp@4M+default");
    pthread_t thread[3];
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(pthread_create(&thread[i], NULL, take_many, tier), 0);
    for (int i = 0; i < 3; i++) {
        void *problem;
        ck_assert_int_eq(pthread_join(thread[i], &problem), 0);
        ck_assert_ptr_null(problem);
    }
    ck_assert_uint_eq(stats_of(tier).committed, 3 * 400 * 4 * PAGE);
    ck_assert_uint_eq(stats_of(tier->member[0]).committed, 4 * KGC_MIB);
    ck_assert_uint_eq(stats_of(tier->member[1]).committed, 4 * KGC_MIB);
}
END_TEST

SUITE("tier", members, fills_in_order, small_pieces_fill_gaps, amounts_below_a_huge_page,
      hooks_go_to_the_member, statistics, refusals_leave_the_flags, a_member_that_cannot_be_had, threads)
