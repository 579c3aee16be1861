/* SPDX-License-Identifier: MIT */
/* Collectable objects: kindgc/allocate.h. */
#include "chain.h"
#include "misuse.h"
#include "suite.h"
#include <errno.h>
#include <gc/gc.h>
#include <stdlib.h>
#include <string.h>

START_TEST(scanned)
{
    for (size_t size = 0; size < 100000; size = size * 2 + 1) {
        unsigned char *p = kgc_allocate(size);
        ck_assert_ptr_nonnull(p);
        ck_assert_uint_eq((uintptr_t)p % 16, 0);
        ck_assert_ptr_eq(kgc_kind_of(p), kgc_heap_kind());
        ck_assert_uint_ge(kgc_size(p), size);
        for (size_t i = 0; i < size; i++)
            ck_assert_uint_eq(p[i], 0);
        memset(p, 0xff, size);
        kgc_release(p);
    }
    void *a = kgc_allocate(0), *b = kgc_allocate(0);
    ck_assert_ptr_ne(a, b);
}
END_TEST

/* An atomic object keeps nothing alive, a scanned one does. */
static __attribute__((noinline)) void **hold_in(void *(*allocate)(size_t))
{
    void **p = allocate(64);
    memset(p, 0, 64);
    p[3] = make_chain();
    return p;
}

START_TEST(what_is_scanned)
{
    void **volatile p = hold_in(kgc_allocate);
    collect_all();
    ck_chain_kept();
    check_chain(p[3]);
    p[3] = NULL;
    collect_all();
    ck_chain_ended();
    next_chain();
    p = hold_in(kgc_allocate_atomic);
    collect_all();
    ck_chain_ended();
    next_chain();
    p = hold_in(GC_malloc); /* libgc's own objects point at ours */
    collect_all();
    ck_chain_kept();
    ck_assert_ptr_nonnull(p[3]);
}
END_TEST

START_TEST(too_large)
{
    volatile size_t huge = (size_t)PTRDIFF_MAX + 1;
    void *(*const functions[])(size_t) = {kgc_allocate, kgc_allocate_atomic};
    for (int i = 0; i < 2; i++) {
        errno = 0;
        ck_assert_ptr_null(functions[i](huge));
        ck_assert_int_eq(errno, ENOMEM);
        ck_last_error("the GC heap cannot grow for an object of %zu bytes", huge);
    }
    void *p = kgc_allocate(10);
    errno = 0;
    ck_assert_ptr_null(kgc_reallocate(p, huge));
    ck_assert_int_eq(errno, ENOMEM);
    ck_assert_uint_ge(kgc_size(p), 10);
}
END_TEST

START_TEST(resized)
{
    unsigned char *p = kgc_reallocate(NULL, 10);
    memset(p, 1, 10);
    p = kgc_reallocate(p, 5000);
    ck_assert_uint_ge(kgc_size(p), 5000);
    for (size_t i = 0; i < 5000; i++)
        ck_assert_uint_eq(p[i], i < 10 ? 1 : 0);
    memset(p, 2, 5000);
    p = kgc_reallocate(p, 4000); /* in place: what is cut off is cleared */
    p = kgc_reallocate(p, 5000);
    for (size_t i = 0; i < 5000; i++)
        ck_assert_uint_eq(p[i], i < 4000 ? 2 : 0);
    p = kgc_reallocate(p, 20);
    ck_assert_uint_lt(kgc_size(p), 100);
    for (size_t i = 0; i < 20; i++)
        ck_assert_uint_eq(p[i], 2);
    ck_assert_ptr_null(kgc_reallocate(p, 0));
}
END_TEST

/* As in a new object, the byte behind the last one belongs to it: what points there keeps it alive. */
START_TEST(resized_to_all_of_it)
{
    for (size_t size = 1; size < 10000; size += size / 2 + 1) {
        char *p = kgc_allocate(size);
        size_t all = kgc_size(p);
        p = kgc_reallocate(p, all);
        ck_assert_ptr_eq(kgc_base(p + all), p);
        char *same = kgc_reallocate(p, all);
        ck_assert_ptr_eq(same, p);
    }
}
END_TEST

START_TEST(resized_keeps_its_sort)
{
    void **p = kgc_allocate_atomic(16);
    p = kgc_reallocate(p, 5000);
    memset(p, 0, 5000);
    p[100] = make_chain();
    collect_all();
    ck_chain_ended();
    next_chain();
    void **volatile q = kgc_allocate(16);
    q = kgc_reallocate(q, 5000);
    q[100] = make_chain();
    collect_all();
    ck_chain_kept();
    ck_assert_ptr_nonnull(q[100]);
    ck_assert_ptr_nonnull(p);
}
END_TEST

/* The finalizer of an object that is given back does not run for the next one there. */
START_TEST(released_with_finalizer)
{
    for (int i = 0; i < 1000; i++) {
        void *p = kgc_allocate(48);
        ck_assert_int_eq(
            kgc_register_finalizer(p, count_end, &links_ended, KGC_FINALIZE_NO_ORDER, NULL, NULL), 0);
        kgc_release(p);
        p = kgc_allocate(48);
        ck_assert_int_eq(kgc_register_finalizer(p, count_end, &links_ended, KGC_FINALIZE_NORMAL, NULL, NULL),
                         0);
        p = kgc_reallocate(p, 500);
        ck_assert_ptr_nonnull(p);
    }
    collect_all();
    ck_chain_kept();
}
END_TEST

START_TEST(base_and_size)
{
    static int local;
    char *p = kgc_allocate(100), *large = kgc_allocate(100000);
    void *foreign = malloc(1);
    ck_assert_ptr_eq(kgc_base(p), p);
    ck_assert_ptr_eq(kgc_base(p + 99), p);
    ck_assert_ptr_eq(kgc_base(large + 99999), large);
    ck_assert_ptr_null(kgc_base(NULL));
    ck_assert_ptr_null(kgc_base(&local));
    ck_assert_ptr_null(kgc_base(foreign));
    ck_assert_ptr_null(kgc_base((void *)-1));
    ck_assert_ptr_null(kgc_base((void *)1));
    ck_assert_uint_ge(kgc_size(p), 100);
    ck_assert_uint_eq(kgc_size(p + 16), 0);
    ck_assert_uint_eq(kgc_size(NULL), 0);
    ck_assert_uint_eq(kgc_size(&local), 0);
    ck_assert_uint_eq(kgc_size(foreign), 0);
    free(foreign);
}
END_TEST

START_TEST(before_any_use)
{
    static int local;
    ck_assert_ptr_null(kgc_base(&local));
    ck_assert_uint_eq(kgc_size(&local), 0);
    ck_assert_uint_eq(kgc_heap_size(), 0);
    ck_assert_uint_eq(kgc_total_bytes(), 0);
    kgc_release(NULL);
    ck_assert_uint_eq(kgc_heap_size(), 0);
}
END_TEST

START_TEST(strings)
{
    char *s = kgc_strdup("a string");
    ck_assert_str_eq(s, "a string");
    ck_assert_str_eq(kgc_strdup(""), "");
    const char *volatile none = NULL;
    errno = 0;
    ck_assert_ptr_null(kgc_strdup(none));
    ck_assert_int_eq(errno, EINVAL);
    ck_last_error("kgc_strdup: the string is NULL");
}
END_TEST

START_TEST(misused)
{
    static int local;
    char *p = kgc_allocate(100), *large = kgc_allocate(100000);
    void *rooted = kgc_malloc(100), *q = p;
    ck_fatal(kgc_release(p + 1), "kgc_release: %p points into an object, not at its start", (void *)(p + 1));
    ck_fatal(kgc_release(&local), "kgc_release: %p does not belong to the GC heap, or was released already",
             (void *)&local);
    ck_fatal(kgc_release(rooted), "kgc_release: %p is a rooted block; kgc_free() frees it", rooted);
    kgc_release(large);
    ck_fatal(kgc_release(large), "kgc_release: %p does not belong to the GC heap, or was released already",
             (void *)large);
    errno = 0;
    q = kgc_reallocate(p + 16, 10);
    ck_assert_ptr_null(q);
    ck_assert_int_eq(errno, EINVAL);
    ck_last_error("kgc_reallocate: %p is not the start of a collectable object", (void *)(p + 16));
    ck_assert_ptr_null(kgc_reallocate(rooted, 10));
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_ptr_null(kgc_reallocate(&local, 10));
    kgc_release(p);
    kgc_free(rooted);
}
END_TEST

SUITE("allocate", scanned, what_is_scanned, too_large, resized, resized_to_all_of_it, resized_keeps_its_sort,
      released_with_finalizer, base_and_size, before_any_use, strings, misused)
