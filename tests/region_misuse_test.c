/* SPDX-License-Identifier: MIT */
/* Wrong arguments to functions of kindgc/region.h, and their errors. */
#include "base/size.h"
#include "region.h"
#include "suite.h"
#include <errno.h>
#include <kindgc.h>
#include <stdlib.h>
#include <sys/mman.h>

START_TEST(bad_creation)
{
    const size_t most = (size_t)PTRDIFF_MAX - KGC_GIB;
    ck_fails(kgc_region_create(0, 0), EINVAL, "kgc_region_create: the size is 1 to %zu, not 0", most);
    ck_fails(kgc_region_create_lazy(SIZE_MAX), EINVAL, "kgc_region_create: the size is 1 to %zu, not %zu",
             most, SIZE_MAX);
    ck_fails(kgc_region_create_huge(most + 1), EINVAL, "kgc_region_create: the size is 1 to %zu, not %zu",
             most, most + 1);
    ck_fails(kgc_region_create(1, 0x18), EINVAL,
             "kgc_region_create: flags 0x18 are not known, or not allowed here");
    ck_fails(kgc_region_create(most, 0), ENOMEM,
             "kgc_region_create: %zu bytes of addresses: Cannot allocate memory", kgc__round_up(most, PAGE));
    ck_fails(kgc_region_create_in(NULL, 1, 0), EINVAL, "kgc_region_create_in: the kind is NULL");
}
END_TEST

START_TEST(bad_arguments)
{
    ck_fails(kgc_region_allocate(NULL, 1, 1), EINVAL, "kgc_region_allocate: the region is NULL");
    ck_fails(kgc_region_allocate_zeroed(NULL, 1, 1), EINVAL,
             "kgc_region_allocate_zeroed: the region is NULL");
    ck_fails(kgc_region_grow(NULL, NULL, 1, 2, 1), EINVAL, "kgc_region_grow: the region is NULL");
    ck_fails(kgc_region_shrink(NULL, NULL, 2, 1, 1), EINVAL, "kgc_region_shrink: the region is NULL");
    ck_assert(kgc_region_base(NULL) == NULL && kgc_region_size(NULL) == 0 && kgc_region_capacity(NULL) == 0);
    ck_assert(kgc_region_allocated(NULL) == 0 && kgc_region_remaining(NULL) == 0);
    ck_assert(!kgc_region_contains(NULL, NULL) && kgc_region_usable_size(NULL, NULL, 0) == 0);
    ck_assert_uint_eq(kgc_region_corruption_events(NULL), 0);
    kgc_region_reset(NULL);
    kgc_region_destroy(NULL);
    kgc_region_deallocate(NULL, NULL, 1);

    kgc_region *r = create(PAGE, 0);
    char *base = kgc_region_base(r), *p = take(r, 100, 8);
    ck_fails(kgc_region_allocate(r, 1, 0), EINVAL,
             "kgc_region_allocate: the alignment is a power of two, not 0");
    ck_fails(kgc_region_allocate_zeroed(r, 1, 24), EINVAL,
             "kgc_region_allocate_zeroed: the alignment is a power of two, not 24");
    ck_fails(kgc_region_grow(r, p, 100, 200, 3), EINVAL,
             "kgc_region_grow: the alignment is a power of two, not 3");
    ck_fails(kgc_region_shrink(r, p, 100, 50, 0), EINVAL,
             "kgc_region_shrink: the alignment is a power of two, not 0");
    ck_fails(kgc_region_grow(r, p, 100, 99, 8), EINVAL,
             "kgc_region_grow: from 100 to 99 bytes is not growing");
    ck_fails(kgc_region_shrink(r, p, 100, 101, 8), EINVAL,
             "kgc_region_shrink: from 100 to 101 bytes is not shrinking");
    struct {
        char *p;
        size_t size, align;
    } wrong[] = {{p + 8, 92, 8},     {p, 99, 8},        {p, 101, 8},
                 {base + 104, 1, 8}, {p, 100, 1 << 30}, {NULL, 100, 8}};
    if ((uintptr_t)p % (1 << 30) == 0)
        wrong[4].align <<= 20;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        ck_fails(kgc_region_grow(r, wrong[i].p, wrong[i].size, 200, wrong[i].align), EINVAL,
                 "kgc_region_grow: %p is not a block of %zu bytes, aligned to %zu, of the region at %p",
                 (void *)wrong[i].p, wrong[i].size, wrong[i].align, (void *)base);
        ck_fails(kgc_region_shrink(r, wrong[i].p, wrong[i].size, 1, wrong[i].align), EINVAL,
                 "kgc_region_shrink: %p is not a block of %zu bytes, aligned to %zu, of the region at %p",
                 (void *)wrong[i].p, wrong[i].size, wrong[i].align, (void *)base);
    }
    ck_assert_uint_eq(kgc_region_allocated(r), 100);
    const size_t large[] = {SIZE_MAX, SIZE_MAX - 100, SIZE_MAX / 2 + 1, PTRDIFF_MAX, PAGE};
    for (size_t i = 0; i < sizeof large / sizeof large[0]; i++)
        ck_fails(
            kgc_region_allocate(r, large[i], 1), ENOMEM,
            "the region at %p is full: 100 of 4096 bytes are taken, and %zu more, aligned to 1, do not fit; "
            "reset it or make a larger one",
            (void *)base, large[i]);
    kgc_region_destroy(r);
}
END_TEST

START_TEST(misuse)
{
    kgc_region *r = create(PAGE, 0);
    char *base = kgc_region_base(r), *p = take(r, 100, 8);
    ck_fatal(kgc_region_deallocate(r, p + 1, 100),
             "kgc_region_deallocate: %p is not a block of 100 bytes of the region at %p", (void *)(p + 1),
             (void *)base);
    ck_fatal(kgc_region_deallocate(r, p, 99),
             "kgc_region_deallocate: %p is not a block of 99 bytes of the region at %p", (void *)p,
             (void *)base);
    ck_fatal(kgc_region_deallocate(r, &r, 8),
             "kgc_region_deallocate: %p is not a block of 8 bytes of the region at %p", (void *)&r,
             (void *)base);
    ck_fatal(kgc_region_deallocate(NULL, p, 8),
             "kgc_region_deallocate: %p is not a block of 8 bytes of the region at (nil)", (void *)p);
    kgc_region_deallocate(r, p, 100);
    ck_fatal(kgc_region_deallocate(r, p, 100),
             "kgc_region_deallocate: %p is not a block of 100 bytes of the region at %p", (void *)p,
             (void *)base);
    kgc_region_destroy(r);
    ck_fatal(kgc_region_destroy(r), "kgc_region_destroy: the region %p was destroyed already", (void *)r);
    errno = 0;
    ck_fatal(ck_assert_ptr_null(kgc_region_allocate(r, 1, 1)), "the region %p was destroyed", (void *)r);
    ck_assert_int_eq(errno, EINVAL);
}
END_TEST

SUITE("region_misuse", bad_creation, bad_arguments, misuse)
