/* SPDX-License-Identifier: MIT */
/* Reserved ranges that hand out pieces from both ends. */
#include "base/size.h"
#include "extent/range.h"
#include "misuse.h"
#include "os/os.h"
#include "suite.h"
#include "support/fault.h"
#include "support/system.h"
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/resource.h>

enum { PAGE = 4096 };
#define HUGE (2 * KGC_MIB)

static struct kgc__range range;

static void reserve(size_t limit, size_t granule)
{
    ck_assert_msg(kgc__range_reserve(&range, limit, granule) == 0, "%s", kgc_last_error());
    ck_assert_ptr_nonnull(range.base);
    ck_assert_uint_eq(range.size % granule, 0);
    ck_assert_uint_eq((uintptr_t)range.base % granule, 0);
    ck_assert_uint_le(range.limit, range.size);
}

START_TEST(reserving)
{
    struct holdings before = count_holdings();
    reserve(10 * PAGE + 1, PAGE);
    ck_assert_uint_eq(range.limit, 10 * PAGE + 1);
    ck_assert_uint_eq(range.size, 11 * PAGE);
    ck_assert(!is_readable(range.base)); /* without access */
    ck_assert(kgc__range_contains(&range, range.base));
    ck_assert(kgc__range_contains(&range, range.base + range.size - 1));
    ck_assert(!kgc__range_contains(&range, range.base + range.size));
    ck_assert(!kgc__range_contains(&range, range.base - 1));
    ck_assert(!kgc__range_contains(&range, NULL));
    kgc__range_release(&range);
    ck_assert(!kgc__range_contains(&range, range.base));
    kgc__range_release(&range); /* twice: nothing */
    reserve(SIZE_MAX, HUGE);
    ck_assert_uint_eq(range.limit, range.size);
    if (!SANITIZED) /* their shadow takes much of the address space */
        ck_assert_uint_ge(range.size, 64 * KGC_GIB);
    ck_assert_uint_eq((uintptr_t)range.base % KGC_GIB, 0);
    kgc__range_release(&range);
    ck_assert_uint_eq(count_holdings().mappings, before.mappings);
    ck_assert_uint_eq(count_holdings().address_space, before.address_space);
}
END_TEST

START_TEST(low_side)
{
    reserve(16 * PAGE, PAGE);
    char *a = kgc__range_take(&range, KGC__LOW, PAGE, PAGE);
    char *b = kgc__range_take(&range, KGC__LOW, 3 * PAGE, PAGE);
    ck_assert_ptr_eq(a, range.base); /* dense, from the base */
    ck_assert_ptr_eq(b, a + PAGE);
    ck_assert_uint_eq(kgc__range_taken(&range, KGC__LOW), 4 * PAGE);
    ck_assert_uint_eq(kgc__range_taken(&range, KGC__HIGH), 0);
}
END_TEST

START_TEST(high_side)
{
    reserve(16 * PAGE, PAGE);
    char *end = range.base + range.size;
    ck_assert_ptr_eq(kgc__range_take(&range, KGC__HIGH, PAGE, PAGE), end - PAGE);
    ck_assert_ptr_eq(kgc__range_take(&range, KGC__HIGH, 3 * PAGE, PAGE), end - 4 * PAGE);
    ck_assert_uint_eq(kgc__range_taken(&range, KGC__HIGH), 4 * PAGE);
    ck_assert_uint_eq(kgc__range_taken(&range, KGC__LOW), 0);
}
END_TEST

START_TEST(sides_meet)
{
    reserve(8 * PAGE, PAGE);
    char *low = kgc__range_take(&range, KGC__LOW, 5 * PAGE, PAGE);
    ck_assert_ptr_null(kgc__range_take(&range, KGC__HIGH, 4 * PAGE, PAGE));
    char *high = kgc__range_take(&range, KGC__HIGH, 3 * PAGE, PAGE);
    ck_assert_ptr_eq(high, low + 5 * PAGE);
    ck_assert_ptr_null(kgc__range_take(&range, KGC__LOW, PAGE, PAGE));
    ck_assert_ptr_null(kgc__range_take(&range, KGC__HIGH, PAGE, PAGE));
    ck_assert_uint_eq(kgc__range_taken(&range, KGC__LOW), 5 * PAGE); /* a refusal takes nothing */
    ck_assert_uint_eq(kgc__range_taken(&range, KGC__HIGH), 3 * PAGE);
}
END_TEST

START_TEST(limit_is_less_than_size)
{
    reserve(3 * PAGE, HUGE);
    ck_assert_uint_eq(range.size, HUGE);
    ck_assert_uint_eq(range.limit, 3 * PAGE);
    ck_assert_ptr_null(kgc__range_take(&range, KGC__LOW, 4 * PAGE, PAGE));
    ck_assert_ptr_nonnull(kgc__range_take(&range, KGC__LOW, 2 * PAGE, PAGE));
    ck_assert_ptr_null(kgc__range_take(&range, KGC__HIGH, 2 * PAGE, PAGE));
    ck_assert_ptr_nonnull(kgc__range_take(&range, KGC__HIGH, PAGE, PAGE));
    ck_assert_ptr_null(kgc__range_take(&range, KGC__LOW, PAGE, PAGE));
}
END_TEST

START_TEST(sizes_that_cannot_be)
{
    reserve(16 * PAGE, PAGE);
    for (enum kgc__side side = KGC__LOW; side <= KGC__HIGH; side++) {
        ck_assert_ptr_null(kgc__range_take(&range, side, 17 * PAGE, PAGE));
        ck_assert_ptr_null(kgc__range_take(&range, side, SIZE_MAX - PAGE + 1, PAGE));
        ck_assert_ptr_null(kgc__range_take(&range, side, (size_t)1 << 63, PAGE));
        ck_assert_ptr_null(kgc__range_take(&range, side, PAGE, (size_t)1 << 47));
    }
    ck_assert_uint_eq(kgc__range_taken(&range, KGC__LOW) + kgc__range_taken(&range, KGC__HIGH), 0);
    struct kgc__range none = {0};
    ck_assert_ptr_null(kgc__range_take(&none, KGC__LOW, PAGE, PAGE));
    ck_assert_ptr_null(kgc__range_ready(&none, KGC__HIGH).start);
}
END_TEST

START_TEST(alignment)
{
    reserve(64 * KGC_MIB, PAGE);
    for (enum kgc__side side = KGC__LOW; side <= KGC__HIGH; side++) {
        for (size_t align = PAGE; align <= 4 * KGC_MIB; align *= 2) {
            char *p = kgc__range_take(&range, side, 3 * PAGE, align);
            ck_assert_ptr_nonnull(p);
            ck_assert_uint_eq((uintptr_t)p % align, 0);
            ck_assert(kgc__range_contains(&range, p) && kgc__range_contains(&range, p + 3 * PAGE - 1));
        }
    }
    /* Alignment may not fit although the size would. */
    kgc__range_release(&range);
    reserve(8 * PAGE, PAGE);
    size_t odd = (uintptr_t)range.base % (16 * PAGE) == 0 ? PAGE : 0;
    if (odd != 0)
        kgc__range_take(&range, KGC__LOW, odd, PAGE);
    ck_assert_ptr_null(kgc__range_take(&range, KGC__LOW, PAGE, 64 * KGC_GIB));
    ck_assert_uint_eq(kgc__range_taken(&range, KGC__LOW), odd);
}
END_TEST

START_TEST(untaking)
{
    reserve(16 * PAGE, PAGE);
    for (enum kgc__side side = KGC__LOW; side <= KGC__HIGH; side++) {
        char *a = kgc__range_take(&range, side, PAGE, PAGE);
        char *b = kgc__range_take(&range, side, 2 * PAGE, PAGE);
        ck_assert(!kgc__range_untake(&range, side, a, PAGE)); /* not the last */
        ck_assert_uint_eq(kgc__range_taken(&range, side), 3 * PAGE);
        ck_assert(kgc__range_untake(&range, side, b, 2 * PAGE));
        ck_assert(kgc__range_untake(&range, side, a, PAGE));
        ck_assert_uint_eq(kgc__range_taken(&range, side), 0);
        ck_assert_ptr_eq(kgc__range_take(&range, side, PAGE, PAGE), a);
    }
}
END_TEST

START_TEST(readiness)
{
    struct kgc__span span;
    reserve(8 * HUGE, HUGE);
    ck_assert_uint_eq(kgc__range_ready(&range, KGC__LOW).size, 0);
    char *a = kgc__range_take(&range, KGC__LOW, PAGE, PAGE);
    ck_assert(kgc__range_unready(&range, KGC__LOW, a, PAGE, &span));
    ck_assert_ptr_eq(span.start, range.base);
    ck_assert_uint_eq(span.size, HUGE); /* whole granules */
    kgc__range_mark_ready(&range, KGC__LOW, &span);
    ck_assert(!kgc__range_unready(&range, KGC__LOW, a, PAGE, &span));
    char *b = kgc__range_take(&range, KGC__LOW, HUGE, PAGE);
    ck_assert(kgc__range_unready(&range, KGC__LOW, b, HUGE, &span));
    ck_assert_ptr_eq(span.start, range.base + HUGE);
    ck_assert_uint_eq(span.size, HUGE);
    kgc__range_mark_ready(&range, KGC__LOW, &span);

    char *c = kgc__range_take(&range, KGC__HIGH, HUGE + PAGE, PAGE);
    ck_assert(kgc__range_unready(&range, KGC__HIGH, c, HUGE + PAGE, &span));
    ck_assert_ptr_eq(span.start, range.base + range.size - 2 * HUGE);
    ck_assert_uint_eq(span.size, 2 * HUGE);
    kgc__range_mark_ready(&range, KGC__HIGH, &span);
    kgc__range_mark_ready(&range, KGC__HIGH,
                          &(struct kgc__span){span.start + HUGE, HUGE}); /* late, less: no step back */
    ck_assert_uint_eq(kgc__range_ready(&range, KGC__HIGH).size, 2 * HUGE);
    ck_assert_ptr_eq(kgc__range_ready(&range, KGC__HIGH).start, span.start);
    ck_assert_uint_eq(kgc__range_ready(&range, KGC__LOW).size, 2 * HUGE);
    ck_assert_ptr_eq(kgc__range_ready(&range, KGC__LOW).start, range.base);
}
END_TEST

static void limit_address_space(size_t more)
{
    struct rlimit limit = {.rlim_max = RLIM_INFINITY};
    limit.rlim_cur = count_holdings().address_space + more;
    ck_assert_int_eq(setrlimit(RLIMIT_AS, &limit), 0);
}

START_TEST(shrinks_under_a_limit)
{
    if (SANITIZED || under_valgrind())
        SKIP("what watches this process needs address space itself");
    limit_address_space(4 * KGC_GIB);
    size_t last = SIZE_MAX;
    for (int i = 0; i < 5; i++) { /* each leaves the program something */
        struct kgc__range r;
        ck_assert_msg(kgc__range_reserve(&r, SIZE_MAX, PAGE) == 0, "%s", kgc_last_error());
        ck_assert_uint_le(r.size, i == 0 ? 3 * KGC_GIB : last);
        ck_assert_uint_eq(r.limit, r.size);
        last = r.size;
    }
    ck_assert_ptr_nonnull(kgc__os_map_plain(KGC_MIB));
}
END_TEST

START_TEST(no_address_space)
{
    if (SANITIZED || under_valgrind())
        SKIP("what watches this process needs address space itself");
    limit_address_space(64 * KGC_KIB);
    ck_assert_int_eq(kgc__range_reserve(&range, SIZE_MAX, HUGE), ENOMEM);
    ck_last_error("no address space is left for a kind (RLIMIT_AS: ulimit -v); close kinds or raise it");
    ck_assert_ptr_null(range.base);
}
END_TEST

START_TEST(halves_until_it_fits)
{
    reserve(SIZE_MAX, PAGE);
    size_t whole = range.size;
    kgc__range_release(&range);
    fault_arm(FAULT_MMAP, 1, false, ENOMEM);
    ck_assert_int_eq(kgc__range_reserve(&range, SIZE_MAX, PAGE), 0);
    ck_assert_uint_eq(range.size, whole / 2);
    ck_assert_uint_eq(range.limit, whole / 2);
    kgc__range_release(&range);
    fault_arm(FAULT_MMAP, 1, true, ENOMEM);
    ck_assert_int_eq(kgc__range_reserve(&range, SIZE_MAX, PAGE), ENOMEM);
    ck_assert_ptr_null(range.base);
    ck_assert_uint_gt(fault_hits(), 20);
    fault_disarm();
}
END_TEST

/* Threads take pieces of both sides; no two may overlap, none may be lost. */
enum { THREADS = 4, PIECES = 2000 };
static struct piece {
    char *start;
    size_t size;
} pieces[THREADS][PIECES];

static void *take_many(void *arg)
{
    size_t me = (size_t)arg;
    unsigned x = (unsigned)me + 1;
    for (size_t i = 0; i < PIECES; i++) {
        x = x * 1103515245 + 12345;
        enum kgc__side side = x >> 16 & 1;
        size_t size = (1 + (x >> 17) % 8) * PAGE, align = (size_t)PAGE << (x >> 20) % 4;
        char *p = kgc__range_take(&range, side, size, align);
        if (p != NULL && (x >> 24) % 3 == 0 && kgc__range_untake(&range, side, p, size))
            p = NULL;
        pieces[me][i] = (struct piece){p, size};
    }
    return NULL;
}

START_TEST(threads)
{
    pthread_t thread[THREADS];
    reserve(96 * KGC_MIB, PAGE);
    for (size_t i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&thread[i], NULL, take_many, (void *)i), 0);
    for (size_t i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_join(thread[i], NULL), 0);
    static char taken[96 * 256 + 1];
    size_t sum = 0;
    for (size_t t = 0; t < THREADS; t++) {
        for (size_t i = 0; i < PIECES; i++) {
            struct piece *p = &pieces[t][i];
            for (size_t k = 0; p->start != NULL && k < p->size / PAGE; k++) {
                size_t page = (size_t)(p->start - range.base) / PAGE + k;
                ck_assert(page < 96 * 256 && !taken[page]);
                taken[page] = 1;
                sum += PAGE;
            }
        }
    }
    ck_assert_uint_gt(sum, 0);
    ck_assert_uint_ge(kgc__range_taken(&range, KGC__LOW) + kgc__range_taken(&range, KGC__HIGH), sum);
    ck_assert_uint_le(kgc__range_taken(&range, KGC__LOW) + kgc__range_taken(&range, KGC__HIGH), range.limit);
}
END_TEST

SUITE("range", reserving, low_side, high_side, sides_meet, limit_is_less_than_size, sizes_that_cannot_be,
      alignment, untaking, readiness, shrinks_under_a_limit, no_address_space, halves_until_it_fits, threads)
