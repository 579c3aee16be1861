/* SPDX-License-Identifier: MIT */
/*
 * Blocks of regions: kindgc/region.h.  Each test names in its comment the
 * functions of Rust's MmapBacked that it stands for.  Pages are
 * region_pages_test's part, kinds region_kind_test's.
 */
#include "base/size.h"
#include "region.h"
#include "suite.h"
#include "support/system.h"
#include <errno.h>
#include <kindgc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* new, with_flags, drop, capacity, capacity_bytes, size, region_size, base, base_ptr */
START_TEST(whole_pages)
{
    const size_t sizes[] = {1, PAGE - 1, PAGE, PAGE + 1, 10 * PAGE, KGC_MIB + 1};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        for (unsigned checked = 0; checked < 2; checked++) {
            kgc_region *r = create(sizes[i], checked != 0 ? KGC_REGION_CHECKED : 0);
            size_t size = kgc__round_up(sizes[i], PAGE);
            ck_assert_uint_eq(kgc_region_size(r), size);
            ck_assert_uint_eq(kgc_region_capacity(r), size);
            ck_assert_uint_eq(kgc_region_remaining(r), size);
            ck_assert_uint_eq(kgc_region_allocated(r), 0);
            char *base = kgc_region_base(r);
            ck_assert_uint_eq((uintptr_t)base % PAGE, 0);
            ck_assert(all_bytes(base, size, 0));
            memset(base, 1, size);
            kgc_region_destroy(r);
        }
}
END_TEST

/* allocated, remaining, allocate: nothing is lost between blocks */
START_TEST(full_to_the_last_byte)
{
    kgc_region *r = create(2 * PAGE, 0);
    char *base = kgc_region_base(r);
    for (size_t i = 0; i < 2 * PAGE; i++) {
        ck_assert_uint_eq(kgc_region_remaining(r), 2 * PAGE - i);
        ck_assert_ptr_eq(take(r, 1, 1), base + i);
        ck_assert_uint_eq(kgc_region_allocated(r), i + 1);
    }
    ck_fails(kgc_region_allocate(r, 1, 1), ENOMEM,
             "the region at %p is full: 8192 of 8192 bytes are taken, and 1 more, aligned to 1, do not fit; "
             "reset it "
             "or make a larger one",
             (void *)base);
    kgc_region_reset(r);
    ck_assert_ptr_eq(take(r, 2 * PAGE, 1), base);
    ck_fails(kgc_region_allocate(r, 0, 1), ENOMEM,
             "the region at %p is full: 8192 of 8192 bytes are taken, and 1 more, aligned to 1, do not fit; "
             "reset it "
             "or make a larger one",
             (void *)base);
    kgc_region_destroy(r);
}
END_TEST

/* allocate: size 0 */
START_TEST(size_zero)
{
    for (unsigned flags = 0; flags <= KGC_REGION_CHECKED; flags += KGC_REGION_CHECKED) {
        kgc_region *r = create(PAGE, flags);
        char *a = take(r, 0, 1), *b = take(r, 0, 1), *c = kgc_region_allocate_zeroed(r, 0, 64);
        ck_assert(a != b && b != c && c != NULL);
        ck_assert_uint_eq(kgc_region_usable_size(r, c, 0), 1);
        c = kgc_region_grow(r, c, 0, 100, 64);
        ck_assert_ptr_nonnull(c);
        ck_assert_uint_eq(kgc_region_usable_size(r, c, 100), 100);
        ck_assert_ptr_eq(kgc_region_shrink(r, c, 100, 0, 64), c);
        size_t before = kgc_region_allocated(r);
        kgc_region_deallocate(r, c, 0);
        ck_assert_uint_lt(kgc_region_allocated(r), before);
        kgc_region_destroy(r);
    }
}
END_TEST

/* allocate: alignments up to the region's size */
START_TEST(alignments)
{
    kgc_region *r = create(KGC_MIB, 0);
    for (size_t align = 1; align <= 512 * KGC_KIB; align *= 2) {
        kgc_region_reset(r);
        take(r, 1, 1);
        memset(take(r, 3, align), 1, 3);
    }
    kgc_region_reset(r);
    errno = 0;
    char *p = kgc_region_allocate(r, 1, KGC_MIB); /* the start of the region may be so aligned, by chance */
    ck_assert(p != NULL ? (uintptr_t)p % KGC_MIB == 0 : errno == ENOMEM);
    for (size_t align = (size_t)1 << 40; align != 0; align *= 2) {
        errno = 0;
        ck_assert_ptr_null(kgc_region_allocate(r, 1, align));
        ck_assert_int_eq(errno, ENOMEM);
    }
    kgc_region_destroy(r);
    /* In a region of huge pages, which is aligned to one. */
    r = kgc_region_create_huge(1);
    if (r == NULL)
        SKIP("%s", kgc_last_error());
    ck_assert_ptr_eq(take(r, 1, kgc_region_size(r)), kgc_region_base(r));
    kgc_region_destroy(r);
}
END_TEST

/* allocate_zeroed: also where blocks have been, at each way of freeing */
START_TEST(zeroed)
{
    for (unsigned flags = 0; flags <= KGC_REGION_CHECKED; flags += KGC_REGION_CHECKED) {
        kgc_region *r = create(64 * KGC_KIB, flags);
        size_t all = kgc_region_capacity(r) - (flags != 0 ? 2 * GUARD : 0);
        for (unsigned way = 0; way < 5; way++) {
            char *p = take(r, 20000, 1);
            memset(p, 0xff, 20000);
            switch (way) {
            case 0:
                break;
            case 1:
                kgc_region_deallocate(r, p, 20000);
                break;
            case 2:
                ck_assert_ptr_eq(kgc_region_shrink(r, p, 20000, 7, 1), p);
                p = kgc_region_allocate_zeroed(r, 30000, 1);
                ck_assert(all_bytes(p, 30000, 0));
                break;
            case 3:
                ck_assert_ptr_eq(kgc_region_grow(r, p, 20000, 40000, 1), p);
                memset(p, 0xff, 40000);
                break;
            case 4:
                ck_assert_int_eq(kgc_region_commit(r, 50000, 5000), 0);
                memset((char *)kgc_region_base(r) + 50000, 0xff, 5000);
                break;
            }
            kgc_region_reset(r);
            p = kgc_region_allocate_zeroed(r, all, 1);
            ck_assert(p != NULL && all_bytes(p, all, 0));
            ck_assert_uint_eq(kgc_region_remaining(r), 0);
            memset(p, 0xee, all);
            kgc_region_reset(r);
            ck_assert_int_eq(kgc_region_release_pages(r, kgc_region_base(r), kgc_region_size(r)), 0);
        }
        kgc_region_destroy(r);
    }
}
END_TEST

/* allocate_zeroed: memory that no block has used is not touched */
START_TEST(zeroed_without_touching)
{
    kgc_region *r = create(64 * KGC_MIB, 0);
    char *p = kgc_region_allocate_zeroed(r, 64 * KGC_MIB, 1);
    unsigned char present[1];
    ck_assert_int_eq(mincore(p + 32 * KGC_MIB, PAGE, present), 0);
    ck_assert_int_eq(present[0] & 1, 0);
    kgc_region_destroy(r);
}
END_TEST

/* grow: in place when it is the last, a copy otherwise */
START_TEST(growing)
{
    kgc_region *r = create(16 * PAGE, 0);
    char *a = take(r, 100, 8);
    memset(a, 'a', 100);
    ck_assert_ptr_eq(kgc_region_grow(r, a, 100, 5000, 8), a);
    ck_assert(all_bytes(a, 100, 'a'));
    memset(a, 'a', 5000);
    ck_assert_uint_eq(kgc_region_allocated(r), 5000);
    char *b = take(r, 10, 16);
    memset(b, 'b', 10);
    ck_assert_ptr_eq(kgc_region_grow(r, a, 5000, 5000, 8), a); /* nothing to do */
    char *c = kgc_region_grow(r, a, 5000, 6000, 8);
    ck_assert(c != NULL && c != a && all_bytes(c, 5000, 'a') && all_bytes(a, 5000, 'a') &&
              all_bytes(b, 10, 'b'));
    ck_assert_uint_eq(kgc_region_usable_size(r, c, 6000), 6000);
    /* To the last byte, and not a byte more. */
    size_t most = 6000 + kgc_region_remaining(r);
    ck_assert_ptr_eq(kgc_region_grow(r, c, 6000, most, 8), c);
    ck_assert_uint_eq(kgc_region_remaining(r), 0);
    errno = 0;
    ck_assert_ptr_null(kgc_region_grow(r, c, most, most + 1, 8));
    ck_assert_int_eq(errno, ENOMEM);
    ck_assert_ptr_null(kgc_region_grow(r, c, most, SIZE_MAX, 8));
    ck_assert_int_eq(errno, ENOMEM);
    errno = 0;
    ck_assert_ptr_null(kgc_region_grow(r, b, 10, 11, 16)); /* no room for a copy */
    ck_assert_int_eq(errno, ENOMEM);
    ck_assert(all_bytes(c, 5000, 'a') && all_bytes(b, 10, 'b'));
    ck_assert_uint_eq(kgc_region_allocated(r), 16 * PAGE);
    kgc_region_destroy(r);
}
END_TEST

/* shrink: the last gives its end back, another loses it */
START_TEST(shrinking)
{
    kgc_region *r = create(4 * PAGE, 0);
    char *a = take(r, 1000, 8), *b = take(r, 1000, 8);
    memset(a, 'a', 1000);
    memset(b, 'b', 1000);
    ck_assert_ptr_eq(kgc_region_shrink(r, b, 1000, 400, 8), b);
    ck_assert_uint_eq(kgc_region_allocated(r), 1400);
    ck_assert_ptr_eq(kgc_region_shrink(r, a, 1000, 400, 8), a);
    ck_assert_uint_eq(kgc_region_allocated(r), 1400);
    ck_assert_ptr_eq(kgc_region_shrink(r, b, 400, 400, 8), b);
    ck_assert(all_bytes(a, 400, 'a') && all_bytes(b, 400, 'b'));
    ck_assert_ptr_eq(kgc_region_grow(r, b, 400, 1000, 8), b); /* still the last */
    ck_assert_ptr_eq(kgc_region_shrink(r, b, 1000, 0, 8), b);
    ck_assert_uint_eq(kgc_region_allocated(r), 1001);
    kgc_region_destroy(r);
}
END_TEST

/* deallocate */
START_TEST(freeing)
{
    for (unsigned flags = 0; flags <= KGC_REGION_CHECKED; flags += KGC_REGION_CHECKED) {
        kgc_region *r = create(4 * PAGE, flags);
        take(r, 1, 1);
        size_t one = kgc_region_allocated(r);
        char *a = take(r, 100, 64);
        size_t two = kgc_region_allocated(r);
        char *b = take(r, 200, 512);
        kgc_region_deallocate(r, b, 200);
        ck_assert_uint_eq(kgc_region_allocated(r), two); /* what the alignment took, too */
        kgc_region_deallocate(r, NULL, 3);
        ck_assert_ptr_eq(take(r, 200, 512), b);
        kgc_region_deallocate(r, a, 100); /* not the last: nothing happens */
        ck_assert_uint_gt(kgc_region_allocated(r), two);
        /* In reverse order all are found. */
        kgc_region_reset(r);
        char *p[20];
        for (size_t i = 0; i < 20; i++)
            p[i] = take(r, 16 * (i + 1), 16);
        for (size_t i = 20; i-- != 0;) {
            kgc_region_deallocate(r, p[i], 16 * (i + 1));
            ck_assert(i == 0 || kgc_region_allocated(r) ==
                                    (size_t)(p[i - 1] - p[0]) + 16 * i + (flags != 0 ? 2 * GUARD : 0));
        }
        ck_assert_uint_eq(kgc_region_allocated(r), 0);
        (void)one;
        kgc_region_destroy(r);
    }
}
END_TEST

/* reset: the same addresses again, round after round */
START_TEST(resetting)
{
    kgc_region *r = create(KGC_MIB, 0);
    for (int round = 0; round < 100; round++) {
        for (size_t i = 0; i < 1000; i++) {
            char *p = take(r, 1000, 8);
            ck_assert_ptr_eq(p, (char *)kgc_region_base(r) + 1000 * i);
            *p = (char)round;
        }
        kgc_region_reset(r);
        ck_assert_uint_eq(kgc_region_allocated(r), 0);
        ck_assert_uint_eq(kgc_region_remaining(r), KGC_MIB);
    }
    kgc_region_destroy(r);
}
END_TEST

/* contains, usable_size */
START_TEST(addresses)
{
    kgc_region *r = create(4 * PAGE, 0);
    char *base = kgc_region_base(r);
    ck_assert(kgc_region_contains(r, base) && kgc_region_contains(r, base + 4 * PAGE - 1));
    ck_assert(!kgc_region_contains(r, base - 1) && !kgc_region_contains(r, base + 4 * PAGE));
    ck_assert(!kgc_region_contains(r, NULL) && !kgc_region_contains(r, (void *)UINTPTR_MAX));
    char *a = take(r, 100, 8), *b = take(r, 50, 8);
    ck_assert_uint_eq(kgc_region_usable_size(r, a, 100), 100);
    ck_assert_uint_eq(kgc_region_usable_size(r, b, 50), 50);
    ck_assert_uint_eq(kgc_region_usable_size(r, b, 51), 0);
    ck_assert_uint_eq(kgc_region_usable_size(r, b, 49), 0);
    ck_assert_uint_eq(kgc_region_usable_size(r, b + 1, 49), 0);
    ck_assert_uint_eq(kgc_region_usable_size(r, a, 105), 0); /* would reach into b */
    ck_assert_uint_eq(kgc_region_usable_size(r, b + 50, 1), 0);
    ck_assert_uint_eq(kgc_region_usable_size(r, a, SIZE_MAX), 0);
    ck_assert_uint_eq(kgc_region_usable_size(r, base - 8, 8), 0);
    ck_assert_uint_eq(kgc_region_usable_size(r, NULL, 8), 0);
    kgc_region_destroy(r);
    r = create(4 * PAGE, KGC_REGION_CHECKED); /* knows all blocks */
    a = take(r, 100, 8), b = take(r, 50, 8);
    ck_assert_uint_eq(kgc_region_usable_size(r, a, 100), 100);
    ck_assert_uint_eq(kgc_region_usable_size(r, a, 99), 0);
    ck_assert_uint_eq(kgc_region_usable_size(r, a + 8, 8), 0);
    ck_assert_uint_eq(kgc_region_usable_size(r, b, 50), 50);
    ck_assert_uint_eq(kgc_region_usable_size(r, b + 1, 50), 0);
    kgc_region_destroy(r);
}
END_TEST

SUITE("region", whole_pages, full_to_the_last_byte, size_zero, alignments, zeroed, zeroed_without_touching,
      growing, shrinking, freeing, resetting, addresses)
