/* SPDX-License-Identifier: MIT */
/*
 * Size classes of explicit memory are jemalloc's: a class that were smaller
 * than jemalloc's would hand out too little, a larger one would waste.
 */
#include "arena/classes.h"
#include "suite.h"
#include <jemalloc/jemalloc.h>

static size_t served(size_t size)
{
    return kgc__class_size(kgc__class_of(size));
}

START_TEST(every_class_is_jemallocs)
{
    size_t before = 8; /* jemalloc's smallest, which has no class here */
    for (unsigned class = 1; class <= KGC__CLASSES; class ++) {
        size_t size = kgc__class_size(class);
        ck_assert_uint_eq(nallocx(size, 0), size);
        ck_assert_uint_eq(nallocx(before + 1, 0), size); /* there is none between */
        ck_assert_uint_eq(kgc__class_of(size), class);
        ck_assert_uint_eq(kgc__class_of(size - 1), class);
        if (size < KGC__CLASSES_MAX)
            ck_assert_uint_eq(kgc__class_of(size + 1), class + 1);
        before = size;
    }
    ck_assert_uint_eq(before, KGC__CLASSES_MAX);
}
END_TEST

/* All sizes to 64 KiB, then those around each page boundary: jemalloc's larger
   classes are whole pages. */
START_TEST(every_size)
{
    for (size_t size = 9; size <= 64 * KGC_KIB; size++)
        ck_assert_uint_eq(served(size), nallocx(size, 0));
    for (size_t at = 64 * KGC_KIB; at <= KGC__CLASSES_MAX; at += at < 2 * KGC_MIB ? 4 * KGC_KIB : 256 * KGC_KIB)
        for (size_t size = at - 1; size <= at + 1 && size <= KGC__CLASSES_MAX; size++)
            ck_assert_uint_eq(served(size), nallocx(size, 0));
}
END_TEST

START_TEST(smallest)
{
    for (size_t size = 0; size <= 16; size++) {
        ck_assert_uint_eq(kgc__class_of(size), 1);
        ck_assert_uint_eq(kgc__class_of_any(size), 1);
    }
    ck_assert_uint_eq(kgc__class_size(1), 16); /* alignment to 16 bytes for all */
}
END_TEST

START_TEST(largest)
{
    ck_assert_uint_eq(kgc__class_of(KGC__CLASSES_MAX), KGC__CLASSES);
    ck_assert_uint_eq(kgc__class_of_any(KGC__CLASSES_MAX), KGC__CLASSES);
    ck_assert_uint_eq(kgc__class_of_any(KGC__CLASSES_MAX + 1), KGC__NO_CLASS);
    ck_assert_uint_eq(kgc__class_of_any(SIZE_MAX), KGC__NO_CLASS);
    /* A class is a byte of a page, and 0 says that there is none. */
    ck_assert_uint_lt(KGC__CLASSES, KGC__NO_CLASS);
    ck_assert_uint_le(KGC__NO_CLASS, UINT8_MAX);
}
END_TEST

START_TEST(fast_classes_are_what_tcaches_hold)
{
    size_t most, size = sizeof most;
    ck_assert_int_eq(mallctl("arenas.tcache_max", &most, &size, NULL, 0), 0);
    ck_assert_uint_eq(most, KGC__FAST_MAX);
    ck_assert_uint_eq(kgc__class_of(KGC__FAST_MAX), KGC__FAST_CLASSES);
    ck_assert_uint_eq(kgc__class_of(KGC__FAST_MAX + 1), KGC__FAST_CLASSES + 1);
}
END_TEST

SUITE("classes", every_class_is_jemallocs, every_size, smallest, largest, fast_classes_are_what_tcaches_hold)
