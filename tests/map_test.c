/* SPDX-License-Identifier: MIT */
/* The address map.  It never touches what it maps, so addresses are made up. */
#include "base/size.h"
#include "extent/map.h"
#include "os/os.h"
#include "suite.h"
#include "support/fault.h"
#include "support/system.h"
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

enum { PAGE = 4096 };

static char owners[4][64] __attribute__((aligned(64)));
#define A ((void *)owners[0])
#define B ((void *)owners[1])
#define C ((void *)owners[2])

/* GiB number n of an area where nothing of ours lies. */
static char *gib(size_t n)
{
    return (char *)((0x1000 + n) * KGC_GIB);
}

static void check_edges(char *start, size_t size, void *owner)
{
    ck_assert_ptr_null(kgc__map_owner(start - 1));
    ck_assert_ptr_eq(kgc__map_owner(start), owner);
    ck_assert_ptr_eq(kgc__map_owner(start + 1), owner);
    ck_assert_ptr_eq(kgc__map_owner(start + size / 2), owner);
    ck_assert_ptr_eq(kgc__map_owner(start + size - 1), owner);
    ck_assert_ptr_null(kgc__map_owner(start + size));
}

START_TEST(any_pointer)
{
    int here;
    ck_assert_ptr_null(kgc__map_owner(NULL));
    ck_assert_ptr_null(kgc__map_owner(&here));
    ck_assert_ptr_null(kgc__map_owner(owners));
    ck_assert_ptr_null(kgc__map_owner((void *)UINTPTR_MAX));
    for (unsigned bit = 0; bit < 64; bit++) {
        ck_assert_ptr_null(kgc__map_owner((void *)((uintptr_t)1 << bit)));
        ck_assert_ptr_null(kgc__map_owner((void *)(((uintptr_t)1 << bit) - 1)));
        ck_assert_ptr_null(kgc__map_owner((void *)(UINTPTR_MAX << bit)));
    }
    ck_assert(kgc__map_set(gib(0), PAGE, A));
    uintptr_t x = 1;
    for (int i = 0; i < 1000000; i++) {
        x = x * 6364136223846793005u + 1442695040888963407u;
        kgc__map_owner((void *)x);
        kgc__map_owner((void *)(x >> 16));
    }
    /* The same address in what a 48 bit index would wrap to. */
    for (unsigned bit = 48; bit < 64; bit++)
        ck_assert_ptr_null(kgc__map_owner((void *)((uintptr_t)gib(0) | (uintptr_t)1 << bit)));
}
END_TEST

START_TEST(pages)
{
    char *p = gib(1) + 77 * PAGE;
    ck_assert(kgc__map_set(p, PAGE, A));
    check_edges(p, PAGE, A);
    ck_assert(kgc__map_set(p + PAGE, 3 * PAGE, B));
    ck_assert_ptr_eq(kgc__map_owner(p + PAGE - 1), A);
    ck_assert_ptr_eq(kgc__map_owner(p + PAGE), B);
    ck_assert(kgc__map_set(p + 2 * PAGE, PAGE, C));
    ck_assert_ptr_eq(kgc__map_owner(p + 2 * PAGE - 1), B);
    ck_assert_ptr_eq(kgc__map_owner(p + 2 * PAGE), C);
    ck_assert_ptr_eq(kgc__map_owner(p + 3 * PAGE), B);
    ck_assert(kgc__map_set(p, 4 * PAGE, NULL));
    for (int i = -1; i < 5; i++)
        ck_assert_ptr_null(kgc__map_owner(p + i * PAGE));
    ck_assert(kgc__map_set(p, 4 * PAGE, NULL)); /* forgetting twice */
}
END_TEST

START_TEST(part_of_a_page_counts_whole)
{
    ck_assert(kgc__map_set(gib(1), 1, A));
    check_edges(gib(1), PAGE, A);
    ck_assert(kgc__map_set(gib(1), PAGE + 1, B));
    check_edges(gib(1), 2 * PAGE, B);
}
END_TEST

START_TEST(whole_gibs_need_no_leaf)
{
    struct holdings before = count_holdings();
    ck_assert(kgc__map_set(gib(10), 512 * KGC_GIB, A));
    check_edges(gib(10), 512 * KGC_GIB, A);
    ck_assert(kgc__map_set(gib(10), 512 * KGC_GIB, NULL));
    ck_assert_ptr_null(kgc__map_owner(gib(10)));
    ck_assert_ptr_null(kgc__map_owner(gib(521)));
    ck_assert(kgc__map_set(gib(2000) + PAGE, 40 * PAGE, NULL)); /* nothing to forget */
    ck_assert_uint_eq(count_holdings().mappings, before.mappings);
    ck_assert_uint_eq(count_holdings().address_space, before.address_space);
}
END_TEST

START_TEST(across_gibs)
{
    char *p = gib(20) - 5 * PAGE;
    size_t size = 5 * PAGE + 2 * KGC_GIB + 7 * PAGE;
    ck_assert(kgc__map_set(p, size, A));
    check_edges(p, size, A);
    for (int i = 0; i < 3; i++) {
        ck_assert_ptr_eq(kgc__map_owner(gib(20 + i) - 1), A);
        ck_assert_ptr_eq(kgc__map_owner(gib(20 + i)), A);
    }
    ck_assert(kgc__map_set(p, size, NULL));
    for (int i = -1; i < 4; i++)
        ck_assert_ptr_null(kgc__map_owner(gib(20 + i)));
}
END_TEST

START_TEST(a_hole_in_a_gib)
{
    char *p = gib(30);
    ck_assert(kgc__map_set(p, 3 * KGC_GIB, A));
    ck_assert(kgc__map_set(p + KGC_GIB + 8 * PAGE, PAGE, NULL));
    ck_assert_ptr_eq(kgc__map_owner(p + KGC_GIB), A);
    ck_assert_ptr_eq(kgc__map_owner(p + KGC_GIB + 8 * PAGE - 1), A);
    ck_assert_ptr_null(kgc__map_owner(p + KGC_GIB + 8 * PAGE));
    ck_assert_ptr_eq(kgc__map_owner(p + KGC_GIB + 9 * PAGE), A);
    ck_assert_ptr_eq(kgc__map_owner(p + 2 * KGC_GIB - 1), A);
    ck_assert(kgc__map_set(p, 3 * KGC_GIB, B)); /* a leaf stays a leaf */
    check_edges(p, 3 * KGC_GIB, B);
    ck_assert(kgc__map_set(p, 3 * KGC_GIB, NULL));
    ck_assert_ptr_null(kgc__map_owner(p + KGC_GIB));
}
END_TEST

START_TEST(ends_of_the_address_space)
{
    char *top = (char *)((uintptr_t)1 << 48);
    ck_assert(kgc__map_set(top - PAGE, PAGE, A));
    ck_assert_ptr_eq(kgc__map_owner(top - 1), A);
    ck_assert_ptr_null(kgc__map_owner(top));
    ck_assert_ptr_null(kgc__map_owner(top - PAGE - 1));
    errno = 0;
    ck_assert(!kgc__map_set(top - PAGE, 2 * PAGE, B));
    ck_assert_int_eq(errno, ENOMEM);
    ck_assert_ptr_eq(kgc__map_owner(top - 1), A);
    ck_assert(!kgc__map_set(top, PAGE, A));
    ck_assert(kgc__map_set(top, PAGE, NULL));
    ck_assert(kgc__map_set(top - PAGE, PAGE, NULL));
    ck_assert(kgc__map_set(NULL, PAGE, A)); /* the first page is an address like any other */
    ck_assert_ptr_eq(kgc__map_owner(NULL), A);
    ck_assert_ptr_null(kgc__map_owner((void *)PAGE));
}
END_TEST

START_TEST(no_memory_for_a_leaf)
{
    char *p = gib(40);
    fault_arm(FAULT_MMAP, 1, true, ENOMEM);
    ck_assert(!kgc__map_set(p + PAGE, PAGE, A));
    ck_assert_uint_eq(fault_hits(), 1);
    ck_assert(kgc__map_set(p, KGC_GIB, A)); /* needs none */
    ck_assert(kgc__map_set(p, KGC_GIB, NULL));
    ck_assert(kgc__map_set(p + PAGE, PAGE, NULL));
    fault_arm(FAULT_MMAP, 2, false, ENOMEM);
    ck_assert(!kgc__map_set(p - PAGE, KGC_GIB + 2 * PAGE, A)); /* the second of two leaves fails */
    ck_assert_uint_eq(fault_hits(), 1);
    fault_disarm();
    ck_assert_ptr_null(kgc__map_owner(p - 1));
    ck_assert_ptr_null(kgc__map_owner(p));
    ck_assert_ptr_null(kgc__map_owner(p + KGC_GIB));
    ck_assert(kgc__map_set(p - PAGE, KGC_GIB + 2 * PAGE, A));
    check_edges(p - PAGE, KGC_GIB + 2 * PAGE, A);
}
END_TEST

/* Each thread owns every fourth page; all use the same leaves. */
enum { THREADS = 4, ROUNDS = 200, PAGES = 64 };
static _Atomic bool wrong;

START_TEST(all_of_an_owner)
{
    ck_assert(kgc__map_set(gib(5), 2 * KGC_GIB, A));
    ck_assert(kgc__map_set(gib(8), PAGE, A));
    ck_assert(kgc__map_set(gib(8) + PAGE, PAGE, B));
    ck_assert(kgc__map_set(gib(9), KGC_GIB, B));
    kgc__map_forget(A);
    ck_assert_ptr_null(kgc__map_owner(gib(5)));
    ck_assert_ptr_null(kgc__map_owner(gib(6)));
    ck_assert_ptr_null(kgc__map_owner(gib(8)));
    ck_assert_ptr_eq(kgc__map_owner(gib(8) + PAGE), B);
    ck_assert_ptr_eq(kgc__map_owner(gib(9)), B);
    kgc__map_forget(A); /* nothing is left */
    ck_assert_ptr_eq(kgc__map_owner(gib(9)), B);
}
END_TEST

static void *set_and_forget(void *arg)
{
    size_t me = (size_t)arg;
    for (int round = 0; round < ROUNDS; round++) {
        char *area = gib(50 + (size_t)round % 40);
        for (size_t i = 0; i < PAGES; i++)
            if (!kgc__map_set(area + (i * THREADS + me) * PAGE, PAGE, owners[me]))
                wrong = true;
        for (size_t i = 0; i < PAGES; i++)
            for (size_t k = 0; k < THREADS; k++) {
                void *owner = kgc__map_owner(area + (i * THREADS + k) * PAGE);
                if (owner != owners[k] && (owner != NULL || k == me))
                    wrong = true;
            }
        for (size_t i = 0; i < PAGES; i++)
            kgc__map_set(area + (i * THREADS + me) * PAGE, PAGE, NULL);
    }
    return NULL;
}

START_TEST(threads)
{
    pthread_t thread[THREADS];
    for (size_t i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&thread[i], NULL, set_and_forget, (void *)i), 0);
    for (size_t i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_join(thread[i], NULL), 0);
    ck_assert(!wrong);
    for (size_t i = 0; i < 40; i++)
        for (size_t k = 0; k < PAGES * THREADS; k++)
            ck_assert_ptr_null(kgc__map_owner(gib(50 + i) + k * PAGE));
}
END_TEST

SUITE("map", any_pointer, pages, part_of_a_page_counts_whole, whole_gibs_need_no_leaf, across_gibs,
      a_hole_in_a_gib, ends_of_the_address_space, no_memory_for_a_leaf, all_of_an_owner,
      threads)
