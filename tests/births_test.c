/* SPDX-License-Identifier: MIT */
/* What is recorded of blocks: their stacks and what was asked for. */
#include "arena/blocks.h"
#include "leak/births.h"
#include "leak/depot.h"
#include "leak/find.h"
#include "leak/sites.h"
#include "misuse.h"
#include "stale.h"
#include "suite.h"
#include <errno.h>
#include <kindgc/leak.h>
#include <kindgc/malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>

static struct kgc__birth birth_of(void *p)
{
    struct kgc__block block;
    ck_assert(kgc__block_find(p, &block));
    ck_assert_ptr_eq(block.start, p);
    return kgc__birth_of(block.start, block.size);
}

/* Writes all that the program may use, and checks the record. */
static uint32_t check(void *p, size_t asked)
{
    ck_assert_ptr_nonnull(p);
    ck_assert_uint_ge(kgc_malloc_usable_size(p), asked);
    memset(p, 0xff, kgc_malloc_usable_size(p));
    struct kgc__birth birth = birth_of(p);
    ck_assert_uint_eq(birth.asked, asked);
    ck_assert_uint_ne(birth.stack, 0);
    return birth.stack;
}

static const size_t sizes[] = {0,    1,     7,     8,     9,      15,     16,     17,      100,    1000,
                               4096, 16376, 16384, 20000, 100000, 131072, 262144, 1000000, 5000000};
enum { SIZES = sizeof sizes / sizeof sizes[0] };

START_TEST(every_size)
{
    kgc__births_start(0, 0);
    for (unsigned i = 0; i < SIZES; i++) {
        void *p = kgc_malloc(sizes[i]), *q = kgc_calloc(1, sizes[i]);
        check(p, sizes[i]);
        size_t zeros = 0;
        while (zeros < sizes[i] && ((char *)q)[zeros] == 0)
            zeros++;
        ck_assert_uint_eq(zeros, sizes[i]);
        check(q, sizes[i]);
        kgc_free(p);
        kgc_free(q);
    }
}
END_TEST

START_TEST(aligned)
{
    kgc__births_start(0, 0);
    for (size_t align = 16; align <= 1 << 20; align *= 4)
        for (unsigned i = 0; i < SIZES; i++) {
            void *p = kgc_aligned_alloc(align, sizes[i]), *q;
            ck_assert_uint_eq((uintptr_t)p % align, 0);
            check(p, sizes[i]);
            ck_assert_int_eq(kgc_posix_memalign(&q, align, sizes[i]), 0);
            check(q, sizes[i]);
            kgc_free(p);
            kgc_free(q);
        }
}
END_TEST

START_TEST(resized)
{
    kgc__births_start(0, 0);
    for (unsigned i = 0; i < SIZES; i++)
        for (unsigned k = 1; k < SIZES; k++) {
            char *p = kgc_malloc(sizes[i]);
            size_t common = sizes[i] < sizes[k] ? sizes[i] : sizes[k];
            uint32_t before = check(p, sizes[i]);
            memset(p, 0x5a, common);
            p = kgc_realloc(p, sizes[k]);
            size_t kept = 0;
            while (kept < common && p[kept] == 0x5a)
                kept++;
            ck_assert_uint_eq(kept, common);
            ck_assert_uint_ne(check(p, sizes[k]), before);
            if (kgc_realloc_in_place(p, sizes[k] + 1))
                check(p, sizes[k] + 1);
            kgc_free(p);
        }
}
END_TEST

static __attribute__((noinline)) void *one_place(size_t size)
{
    void *p = kgc_malloc(size);
    __asm__ volatile("" : : : "memory");
    return p;
}

START_TEST(places)
{
    kgc__births_start(0, 0);
    void *p[3];
    for (volatile unsigned i = 0; i < 2; i++) /* not unrolled */
        p[i] = one_place(100 * i);
    p[2] = one_place(300);
    ck_assert_uint_eq(birth_of(p[0]).stack, birth_of(p[1]).stack);
    ck_assert_uint_ne(birth_of(p[0]).stack, birth_of(p[2]).stack);
    unsigned n, m;
    const uint32_t *a = kgc__depot_stack(birth_of(p[0]).stack, &n),
                   *b = kgc__depot_stack(birth_of(p[2]).stack, &m);
    ck_assert_uint_eq(n, m);
    unsigned differ = 0;
    for (unsigned i = 0; i < n; i++)
        differ += a[i] != b[i];
    ck_assert_uint_eq(differ, 1); /* this function */
}
END_TEST

/* One of 1,000 blocks of 100 bytes, on average. */
START_TEST(sampled)
{
    kgc__births_start(0, 100000);
    unsigned recorded = 0, wrong = 0;
    for (unsigned i = 0; i < 300000; i++) {
        void *p = kgc_malloc(100);
        struct kgc__birth birth = birth_of(p);
        recorded += birth.stack != 0;
        wrong += birth.asked != 100;
        kgc_free(p);
    }
    ck_assert_uint_eq(wrong, 0);
    ck_assert_uint_gt(recorded, 200);
    ck_assert_uint_lt(recorded, 400);
    recorded = 0;
    for (unsigned i = 0; i < 100; i++) {
        void *p = kgc_malloc(1000000);
        recorded += birth_of(p).stack != 0;
        kgc_free(p);
    }
    ck_assert_uint_eq(recorded, 100);
}
END_TEST

START_TEST(ignored)
{
    kgc__births_start(0, 0);
    struct kgc__block block;
    void *p = kgc_malloc(10);
    ck_assert_int_eq(kgc_leak_ignore(p), 0);
    ck_assert(kgc__block_find(p, &block) && block.pinned);
    ck_assert_int_eq(kgc_leak_ignore(NULL), 0);
    ck_assert_int_eq(kgc_leak_ignore((char *)p + 1), EINVAL);
    ck_last_error("kgc_leak_ignore: no block of the rooted heap begins at %p", (void *)((char *)p + 1));
    int here;
    ck_assert_int_eq(kgc_leak_ignore(&here), EINVAL);
    p = kgc_realloc(p, 100000);
    ck_assert(kgc__block_find(p, &block) && block.pinned);
    kgc_free(p);
    ck_assert_int_eq(kgc_leak_ignore(p), EINVAL);
    kgc_leak_disable();
    void *q = kgc_malloc(10);
    kgc_leak_disable();
    kgc_leak_enable();
    void *r = kgc_malloc(100000);
    kgc_leak_enable();
    void *s = kgc_malloc(10);
    ck_assert(kgc__block_find(q, &block) && block.pinned);
    ck_assert(kgc__block_find(r, &block) && block.pinned);
    ck_assert(kgc__block_find(s, &block) && !block.pinned);
    ck_fatal(kgc_leak_enable(), "kgc_leak_enable: the thread has not called kgc_leak_disable()");
}
END_TEST

enum { THREADS = 4, BLOCKS = 2000 };
static void *allocate(void *arg)
{
    void **p = arg;
    for (unsigned i = 0; i < BLOCKS; i++) {
        p[i] = kgc_malloc(i);
        memset(p[i], 1, i);
    }
    return NULL;
}

START_TEST(threads)
{
    static void *p[THREADS][BLOCKS];
    pthread_t thread[THREADS];
    kgc__births_start(0, 0);
    for (unsigned t = 0; t < THREADS; t++)
        pthread_create(&thread[t], NULL, allocate, p[t]);
    for (unsigned t = 0; t < THREADS; t++)
        pthread_join(thread[t], NULL);
    for (unsigned t = 0; t < THREADS; t++)
        for (unsigned i = 0; i < BLOCKS; i++) {
            struct kgc__birth birth = birth_of(p[t][i]);
            ck_assert_uint_eq(birth.asked, i);
            ck_assert_uint_ne(birth.stack, 0);
            kgc_free(p[t][i]);
        }
    struct kgc__depot_stats stats;
    kgc__depot_stats(&stats);
    ck_assert_uint_le(stats.stacks, 10);
}
END_TEST

SUITE("births", every_size, aligned, resized, places, sampled, ignored, threads)
