/* SPDX-License-Identifier: MIT */
/* The checking mode of regions: MmapBacked's corruption_events. */
#include "base/size.h"
#include "os/os.h"
#include "region.h"
#include "suite.h"
#include "support/fault.h"
#include "support/system.h"
#include <errno.h>
#include <kindgc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static uint64_t damaged(kgc_region *r)
{
    return kgc_region_corruption_events(r);
}

START_TEST(each_byte_of_a_guard)
{
    kgc_region *r = create(4 * PAGE, KGC_REGION_CHECKED);
    uint64_t expected = 0;
    for (size_t size = 1; size < 40; size += 13)
        for (int at = -GUARD; at < GUARD; at++)
            for (int way = 0; way < 4; way++) {
                kgc_region_reset(r);
                char *p = take(r, size, 1);
                ck_assert_ptr_eq(p, (char *)kgc_region_base(r) + GUARD);
                memset(p, way, size);
                ck_assert_uint_eq(damaged(r), expected);
                char *victim = at < 0 ? p + at : p + size + at;
                const char values[] = {0, (char)0xff, 'x', (char)(*victim ^ 1)};
                if (*victim == values[way])
                    continue;
                *victim = values[way];
                ck_assert_uint_eq(damaged(r), ++expected);
                ck_assert_uint_eq(damaged(r), expected); /* once */
            }
    kgc_region_destroy(r);
}
END_TEST

START_TEST(found_on_each_occasion)
{
    kgc_region *r = create(4 * PAGE, KGC_REGION_CHECKED);
    uint64_t expected = 0;
    char *a = take(r, 10, 8), *b = take(r, 20, 8), *c = take(r, 30, 8);
    b[-1] = 0;
    ck_assert_ptr_eq(kgc_region_grow(r, c, 30, 40, 8), c); /* looks at c's own */
    a[10] = 0;
    b[20] = 0;
    kgc_region_reset(r);
    expected += 3;
    ck_assert_uint_eq(damaged(r), expected);
    a = take(r, 10, 8);
    a[10] = 0;
    ck_assert_ptr_eq(kgc_region_grow(r, a, 10, 11, 8), a); /* sets a new one behind the new end */
    ck_assert_uint_eq(damaged(r), ++expected);
    a[11] = 0;
    ck_assert_ptr_eq(kgc_region_shrink(r, a, 11, 5, 8), a);
    ck_assert_uint_eq(damaged(r), ++expected);
    a[5] = 0;
    kgc_region_deallocate(r, a, 5);
    ck_assert_uint_eq(damaged(r), ++expected);
    /* A block that moved away is watched at its old place still. */
    a = take(r, 10, 8), b = take(r, 10, 8);
    c = kgc_region_grow(r, a, 10, 20, 8);
    ck_assert(c != NULL && c != a);
    a[10] = 0;
    c[20] = 0;
    ck_assert_uint_eq(damaged(r), expected += 2);
    kgc_region_destroy(r);
}
END_TEST

START_TEST(shrunk_in_the_middle)
{
    kgc_region *r = create(4 * PAGE, KGC_REGION_CHECKED);
    char *a = take(r, 1000, 8), *b = take(r, 10, 8);
    ck_assert_ptr_eq(kgc_region_shrink(r, a, 1000, 100, 8), a);
    memset(a + 100 + GUARD, 0, 900); /* nobody's, the old guard among it */
    ck_assert_uint_eq(damaged(r), 0);
    a[100 + GUARD - 1] = 0;
    ck_assert_uint_eq(damaged(r), 1);
    ck_assert_uint_eq(kgc_region_usable_size(r, a, 100), 100);
    kgc_region_deallocate(r, b, 10);
    kgc_region_deallocate(r, a, 100); /* ends in front of b's guards again */
    ck_assert_uint_eq(kgc_region_allocated(r), 0);
    kgc_region_destroy(r);
}
END_TEST

/* Whatever is written over everything: all guards count, and nothing else happens. */
START_TEST(everything_overwritten)
{
    const int values[] = {0, 0xff, 0x55, 'A'};
    kgc_region *r = create(256 * KGC_KIB, KGC_REGION_CHECKED);
    for (size_t v = 0; v < sizeof values / sizeof values[0]; v++) {
        kgc_region_reset(r);
        uint64_t before = damaged(r);
        char *p[3000]; /* more than the first table holds */
        for (size_t i = 0; i < 3000; i++)
            p[i] = take(r, i % 40, (size_t)1 << i % 5);
        ck_assert_uint_eq(damaged(r), before);
        memset(kgc_region_base(r), values[v], kgc_region_size(r));
        ck_assert_uint_eq(damaged(r), before + 6000);
        for (size_t i = 3000; i-- != 0;)
            kgc_region_deallocate(r, p[i], i % 40);
        ck_assert_uint_eq(kgc_region_allocated(r), 0);
        ck_assert_uint_eq(damaged(r), before + 6000);
    }
    kgc_region_destroy(r);
}
END_TEST

START_TEST(without_checking)
{
    kgc_region *r = create(PAGE, 0);
    take(r, 10, 1);
    memset(kgc_region_base(r), 0, PAGE);
    ck_assert_uint_eq(damaged(r), 0);
    kgc_region_destroy(r);
}
END_TEST

/* Guards on pages that are given back are given up, after a last look. */
START_TEST(released_pages)
{
    kgc_region *r = create(16 * PAGE, KGC_REGION_CHECKED);
    char *base = kgc_region_base(r), *p[60];
    for (size_t i = 0; i < 60; i++)
        p[i] = take(r, 1000, 8);
    p[20][-1] = 0; /* in page 5 */
    ck_assert_int_eq(kgc_region_release_pages(r, base + 4 * PAGE, 4 * PAGE), 0);
    ck_assert(all_bytes(base + 4 * PAGE, 4 * PAGE, 0));
    ck_assert_uint_eq(damaged(r), 1);
    memset(base + 4 * PAGE, 7, 4 * PAGE);
    ck_assert_uint_eq(damaged(r), 1);
    p[59][1000] = 0;
    p[0][-GUARD] = 0;
    ck_assert_uint_eq(damaged(r), 3);
    /* When the system refuses, all guards count still. */
    fault_arm(FAULT_MADVISE, 1, false, EINVAL);
    ck_assert_int_eq(kgc_region_release_pages(r, base + 12 * PAGE, PAGE), EINVAL);
    fault_disarm();
    p[50][1000] = 0;
    ck_assert_uint_eq(damaged(r), 4);
    kgc_region_destroy(r);
}
END_TEST

START_TEST(protected_pages)
{
    kgc_region *r = create(16 * PAGE, KGC_REGION_CHECKED);
    char *base = kgc_region_base(r), *p[60];
    for (size_t i = 0; i < 60; i++)
        p[i] = take(r, 1000, 8);
    p[20][1000] = 0;
    p[5][1000] = 0;
    ck_assert_int_eq(kgc_region_protect(r, base, 4 * PAGE, PROT_READ), 0);
    ck_assert_int_eq(kgc_region_protect(r, base + 4 * PAGE, 4 * PAGE, PROT_NONE), 0);
    ck_assert_uint_eq(damaged(r), 2);
    p[59][1000] = 0;
    ck_assert_uint_eq(damaged(r), 3);
    ck_assert_int_eq(kgc_region_commit(r, 0, 16 * PAGE), 0);
    memset(base + 4 * PAGE, 0, 4 * PAGE);
    p[0][-1] = 0;
    ck_assert_uint_eq(damaged(r), 4);
    kgc_region_reset(r);
    /* Without a commit: blocks that are taken are usable. */
    ck_assert_int_eq(kgc_region_protect(r, base, 16 * PAGE, PROT_NONE), 0);
    for (size_t i = 0; i < 60; i++)
        memset(take(r, 1000, 8), 1, 1000);
    ck_assert_uint_eq(damaged(r), 4);
    kgc_region_destroy(r);
}
END_TEST

START_TEST(no_memory_for_the_table)
{
    fault_arm(FAULT_MMAP, 1, true, ENOMEM);
    errno = 0;
    ck_assert_ptr_null(kgc_region_create(PAGE, KGC_REGION_CHECKED));
    ck_assert_int_eq(errno, ENOMEM);
    ck_last_error("no memory for a region's record");
    fault_disarm();
    kgc_region *r = create(KGC_MIB, KGC_REGION_CHECKED);
    for (size_t i = 0; i < 1024; i++)
        take(r, 8, 8);
    size_t before = kgc_region_allocated(r);
    fault_arm(FAULT_MMAP, 1, true, ENOMEM);
    ck_fails(kgc_region_allocate(r, 8, 8), ENOMEM,
             "no memory for the table of 1024 blocks of the region at %p", kgc_region_base(r));
    ck_assert_uint_eq(kgc_region_allocated(r), before);
    fault_disarm();
    take(r, 8, 8);
    memset(kgc_region_base(r), 0, KGC_MIB);
    ck_assert_uint_eq(damaged(r), 2050);
    kgc_region_destroy(r);
}
END_TEST

SUITE("region_guard", each_byte_of_a_guard, found_on_each_occasion, shrunk_in_the_middle,
      everything_overwritten, without_checking, released_pages, protected_pages, no_memory_for_the_table)
