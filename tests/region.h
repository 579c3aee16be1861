/* SPDX-License-Identifier: MIT */
/* For tests of regions: regions and blocks that must be there. */
#ifndef KGC_TESTS_REGION_H
#define KGC_TESTS_REGION_H

#include "base/size.h"
#include "misuse.h"
#include <errno.h>
#include <kindgc.h>

enum { PAGE = 4096, GUARD = 16 };

static __attribute__((unused)) kgc_region *create(size_t size, unsigned flags)
{
    kgc_region *r = kgc_region_create(size, flags);
    ck_assert_msg(r != NULL, "%s", kgc_last_error());
    return r;
}

static __attribute__((unused)) char *take(kgc_region *r, size_t size, size_t align)
{
    char *p = kgc_region_allocate(r, size, align);
    ck_assert_msg(p != NULL, "%s", kgc_last_error());
    ck_assert_uint_eq((uintptr_t)p % align, 0);
    ck_assert(kgc_region_contains(r, p) && kgc_region_contains(r, p + (size != 0 ? size - 1 : 0)));
    return p;
}

/* The call fails with this error and text. */
#define ck_fails(call, error, ...)      \
    do {                                \
        errno = 0;                      \
        ck_assert_ptr_null(call);       \
        ck_assert_int_eq(errno, error); \
        ck_last_error(__VA_ARGS__);     \
    } while (0)

#endif
