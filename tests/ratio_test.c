/* SPDX-License-Identifier: MIT */
/* Ratios: memory from each member in the proportions of their shares. */
#include "base/size.h"
#include "misuse.h"
#include "suite.h"
#include "support/extents.h"
#include "support/fault.h"
#include "support/system.h"
#include <errno.h>
#include <kindgc/arena.h>
#include <pthread.h>
#include <string.h>

static size_t bytes_of(kgc_kind *ratio, unsigned member)
{
    struct kgc__space *s = &ratio->member[member]->space; /* statistics would read smaps each time */
    return atomic_load(&s->bytes[KGC__LOW]) + atomic_load(&s->bytes[KGC__HIGH]);
}

START_TEST(members)
{
    kgc_kind *ratio = open_kind("ratio:default@3+numa:bind=0@1+locked,limit=1M@1");
    ck_assert_uint_eq(ratio->members, 3);
    ck_assert_str_eq(kgc_kind_name(ratio->member[1]), "numa:bind=0");
    for (unsigned i = 0; i < 3; i++) {
        ck_assert_ptr_eq(ratio->member[i]->parent, ratio);
        ck_assert_uint_eq(ratio->member[i]->slot, ratio->slot);
    }
    ck_assert_int_eq(kgc_kind_close(ratio->member[0]), EINVAL);
    close_kind(ratio);
}
END_TEST

/* After every hand-out no member is further ahead of its share than one of
   them, and so none is further behind than the others are ahead. */
START_TEST(approaches_the_shares)
{
    static const unsigned share[] = {5, 1, 2};
    kgc_kind *ratio = open_kind("ratio:default@5+default@1+numa:local@2");
    size_t sum = 0, largest = 0;
    unsigned x = 7;
    for (int i = 0; i < 500; i++) {
        x = x * 1103515245 + 12345;
        size_t size = PAGE * (1 + (x >> 16) % 64);
        char *p = try_extent(ratio, size, i % 3 == 0 ? KGC_ARENA_COLLECTOR : ARENA);
        ck_assert_ptr_nonnull(p);
        *p = 1;
        sum += size;
        largest = size > largest ? size : largest;
        for (unsigned m = 0; m < 3; m++) {
            double due = (double)sum * share[m] / 8, has = (double)bytes_of(ratio, m);
            ck_assert_msg(has - due <= (double)largest && due - has <= 2 * (double)largest,
                          "%d: %u has %g, due %g", i, m, has, due);
        }
    }
    ck_assert_uint_eq(stats_of(ratio).committed, sum);
    ck_assert_uint_eq(stats_of(ratio).fallbacks, 0);
}
END_TEST

START_TEST(equal_pieces)
{
    kgc_kind *ratio = open_kind("ratio:default@3+default@1");
    unsigned first = 0;
    for (int i = 0; i < 400; i++)
        first += kgc_kind_of(take_extent(ratio, 64 * KGC_KIB)) == ratio->member[0];
    ck_assert_uint_eq(first, 300);
    close_kind(ratio);
}
END_TEST

START_TEST(what_is_destroyed_counts_no_more)
{
    kgc_kind *ratio = open_kind("ratio:default@1+default@1");
    extent_hooks_t *h = hooks_of(ratio);
    char *a = take_extent(ratio, KGC_MIB), *b = take_extent(ratio, KGC_MIB);
    ck_assert_ptr_ne(kgc_kind_of(a), kgc_kind_of(b));
    kgc_kind *of_b = kgc_kind_of(b);
    h->destroy(h, b, KGC_MIB, true, ARENA);
    ck_assert_ptr_eq(kgc_kind_of(take_extent(ratio, KGC_MIB)), of_b);
}
END_TEST

START_TEST(the_other_member)
{
    kgc_kind *ratio = open_kind("ratio:default@1+default,limit=1M@1");
    for (int i = 0; i < 8; i++)
        memset(take_extent(ratio, 512 * KGC_KIB), 1, 512 * KGC_KIB);
    ck_assert_uint_eq(bytes_of(ratio, 1), KGC_MIB); /* full: the rest comes from the first */
    ck_assert_uint_eq(bytes_of(ratio, 0), 3 * KGC_MIB);
    kgc_kind_info info = stats_of(ratio);
    ck_assert_uint_eq(info.fallbacks, 3);
    kgc_kind *small = open_kind("ratio:default,limit=64K@1+default,limit=64K@2");
    for (int i = 0; i < 32; i++)
        take_extent(small, PAGE);
    errno = 0;
    ck_assert_ptr_null(try_extent(small, PAGE, ARENA));
    ck_assert_int_eq(errno, ENOMEM);
    ck_assert_uint_ge(stats_of(small).refusals, 1);
    ck_assert_uint_eq(stats_of(small).limit, 128 * KGC_KIB);
}
END_TEST

START_TEST(failing_system_calls)
{
    kgc_kind *ratio = open_kind("ratio:default@1+default@1");
    fault_arm(FAULT_MPROTECT, 1, false, ENOMEM);
    char *p = take_extent(ratio, KGC_MIB); /* of the second, as the first refuses */
    fault_disarm();
    ck_assert_ptr_eq(kgc_kind_of(p), ratio->member[1]);
    ck_assert_uint_eq(stats_of(ratio).fallbacks, 1);
    fault_arm(FAULT_MPROTECT, 1, true, ENOMEM);
    ck_assert_ptr_null(try_extent(ratio, KGC_MIB, ARENA));
    fault_disarm();
    ck_assert_ptr_eq(kgc_kind_of(take_extent(ratio, KGC_MIB)), ratio->member[0]);
    ck_assert_uint_eq(stats_of(ratio).fallbacks, 1);
}
END_TEST

START_TEST(limit_of_the_whole)
{
    static const char *const specs[] = {"ratio:default@1+default@1,limit=1M",
                                        "tier:default@512K+default@2M,limit=1M"};
    for (int i = 0; i < 2; i++) {
        kgc_kind *kind = open_kind(specs[i]);
        extent_hooks_t *h = hooks_of(kind);
        ck_assert_uint_eq(stats_of(kind).limit, KGC_MIB);
        char *p = take_extent(kind, 256 * KGC_KIB);
        take_extent(kind, 768 * KGC_KIB);
        ck_assert_ptr_null(try_extent(kind, PAGE, ARENA));
        ck_assert_ptr_null(try_extent(kind, PAGE, KGC_ARENA_COLLECTOR));
        ck_assert_uint_eq(atomic_load(&kind->space.refusals), 2);
        h->destroy(h, p, 256 * KGC_KIB, true, ARENA);
        ck_assert_ptr_nonnull(try_extent(kind, 256 * KGC_KIB, ARENA));
        ck_assert_ptr_null(try_extent(kind, PAGE, ARENA));
        ck_assert_ptr_null(try_extent(kind, SIZE_MAX - PAGE + 1, ARENA)); /* counting does not wrap */
        ck_assert_ptr_null(try_extent(kind, PAGE, ARENA));
    }
    kgc_kind *kind;
    kgc_kind_options options = {.limit = 64 * KGC_KIB};
    ck_assert_int_eq(kgc_kind_open_with("tier:default@1M+default", &options, &kind), 0);
    take_extent(kind, 64 * KGC_KIB);
    ck_assert_ptr_null(try_extent(kind, PAGE, ARENA));
}
END_TEST

START_TEST(a_member_that_cannot_be_had)
{
    kgc_kind *kind;
    ck_assert_int_eq(kgc_kind_open("ratio:default@1+file:/nonexistent@1", &kind), ENOENT);
    ck_last_error(
        "ratio:default@1+file:/nonexistent@1: file:/nonexistent: /nonexistent is not a directory; create "
        "it or name another");
    ck_assert_ptr_null(kind);
}
END_TEST

START_TEST(explicit_memory)
{
    kgc_kind *ratio = open_kind("ratio:default@1+default@1,arenas=1");
    void *block[200];
    for (int i = 0; i < 200; i++) {
        block[i] = kgc_kind_malloc(ratio, 100000);
        ck_assert_ptr_nonnull(block[i]);
        memset(block[i], i, 100000);
        ck_assert_ptr_eq(kgc_kind_of(block[i])->parent, ratio);
    }
    ck_assert_uint_gt(bytes_of(ratio, 0), 0);
    ck_assert_uint_gt(bytes_of(ratio, 1), 0);
    for (int i = 0; i < 200; i++) {
        ck_assert(all_bytes(block[i], 100000, (unsigned char)i));
        kgc_kind_free(i % 2 == 0 ? ratio : NULL, block[i]);
    }
    close_kind(ratio);
}
END_TEST

enum { THREADS = 4, PIECES = 500 };

static void *take_many(void *ratio)
{
    for (int i = 0; i < PIECES; i++) {
        char *p = try_extent(ratio, 4 * PAGE, i % 2 == 0 ? ARENA : KGC_ARENA_COLLECTOR);
        if (p == NULL || !all_bytes(p, 4 * PAGE, 0))
            return ratio;
        memset(p, 1, 4 * PAGE);
    }
    return NULL;
}

START_TEST(threads)
{
    kgc_kind *ratio = open_kind("ratio:default@3+default@1");
    pthread_t thread[THREADS];
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&thread[i], NULL, take_many, ratio), 0);
    for (int i = 0; i < THREADS; i++) {
        void *problem;
        ck_assert_int_eq(pthread_join(thread[i], &problem), 0);
        ck_assert_ptr_null(problem);
    }
    size_t sum = (size_t)THREADS * PIECES * 4 * PAGE;
    ck_assert_uint_eq(stats_of(ratio).committed, sum);
    /* Each thread's choice is off by what the others are about to take. */
    size_t slack = THREADS * 4 * PAGE;
    ck_assert_uint_le(bytes_of(ratio, 0), sum / 4 * 3 + slack);
    ck_assert_uint_ge(bytes_of(ratio, 0), sum / 4 * 3 - slack);
}
END_TEST

/* The limit of the whole holds with many threads: not a byte more, and all of it. */
static void *take_all(void *kind)
{
    while (try_extent(kind, PAGE, ARENA) != NULL)
        ;
    return NULL;
}

START_TEST(threads_at_the_limit)
{
    kgc_kind *kind = open_kind("ratio:default@1+default@1,limit=4M");
    pthread_t thread[THREADS];
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&thread[i], NULL, take_all, kind), 0);
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_join(thread[i], NULL), 0);
    ck_assert_uint_eq(stats_of(kind).committed, 4 * KGC_MIB);
}
END_TEST

SUITE("ratio", members, approaches_the_shares, equal_pieces, what_is_destroyed_counts_no_more,
      the_other_member, failing_system_calls, limit_of_the_whole, a_member_that_cannot_be_had,
      explicit_memory, threads, threads_at_the_limit)
