/* SPDX-License-Identifier: MIT */
/* The rooted heap: kindgc/malloc.h. */
#include "chain.h"
#include "misuse.h"
#include "suite.h"
#include <errno.h>
#include <gc/gc.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static bool is_filled(const unsigned char *p, size_t size, unsigned char with)
{
    for (size_t i = 0; i < size; i++)
        if (p[i] != with)
            return false;
    return true;
}

START_TEST(blocks)
{
    for (size_t size = 0; size < 1000000; size = size * 2 + 1) {
        unsigned char *p = kgc_malloc(size);
        ck_assert_ptr_nonnull(p);
        ck_assert_uint_eq((uintptr_t)p % 16, 0);
        ck_assert_str_eq(kgc_kind_name(kgc_kind_of(p)), kgc_kind_name(kgc_heap_kind()));
        size_t usable = kgc_malloc_usable_size(p);
        ck_assert_uint_ge(usable, size);
        memset(p, 0xff, usable);
        kgc_free(p);
        p = kgc_calloc(size, 1);
        ck_assert(is_filled(p, size, 0));
        kgc_free_sized(p, size);
    }
    void *a = kgc_malloc(0), *b = kgc_malloc(0);
    ck_assert_ptr_nonnull(a);
    ck_assert_ptr_ne(a, b);
    kgc_free(a);
    kgc_free(b);
    kgc_free(NULL);
    kgc_free_sized(NULL, 10);
    ck_assert_uint_eq(kgc_malloc_usable_size(NULL), 0);
}
END_TEST

/* Never collected, always scanned, until freed. */
static void ***hidden; /* the block's address, inverted: libgc does not see it */

static __attribute__((noinline)) void hide_block(void **p)
{
    p[0] = make_chain();
    hidden = (void ***)~(uintptr_t)p;
}

static __attribute__((noinline)) void **unhide(void)
{
    return (void **)~(uintptr_t)hidden;
}

static void check_rooted(void **p)
{
    next_chain();
    hide_block(p);
    p = NULL;
    collect_all();
    ck_chain_kept();
    check_chain(unhide()[0]);
    kgc_free(unhide());
    collect_all();
    ck_chain_ended();
}

START_TEST(keeps_alive)
{
    check_rooted(kgc_malloc(40));
    check_rooted(kgc_malloc(40000));
    check_rooted(kgc_aligned_alloc(256, 40));
    check_rooted(kgc_aligned_alloc(64 * 1024, 40000));
    check_rooted(kgc_realloc(kgc_malloc(10), 40000));
}
END_TEST

START_TEST(aligned)
{
    for (size_t alignment = 1; alignment <= 1 << 20; alignment *= 2) {
        void *p = kgc_aligned_alloc(alignment, alignment + 3);
        ck_assert_ptr_nonnull(p);
        ck_assert_uint_eq((uintptr_t)p % alignment, 0);
        size_t usable = kgc_malloc_usable_size(p);
        ck_assert_uint_ge(usable, alignment + 3);
        memset(p, 0xff, usable);
        unsigned char *q = kgc_realloc(p, 2 * usable);
        ck_assert(is_filled(q, usable, 0xff));
        kgc_free(q);
        if (alignment >= sizeof(void *)) {
            p = NULL;
            ck_assert_int_eq(kgc_posix_memalign(&p, alignment, 1), 0);
            ck_assert_uint_eq((uintptr_t)p % alignment, 0);
            kgc_free(p);
        }
    }
    errno = 0;
    volatile size_t odd = 24;
    ck_assert_ptr_null(kgc_aligned_alloc(odd, 1));
    ck_assert_int_eq(errno, EINVAL);
    ck_last_error("kgc_aligned_alloc: the alignment is a power of two, not 24");
    void *p = &errno;
    errno = 77;
    ck_assert_int_eq(kgc_posix_memalign(&p, 4, 1), EINVAL);
    ck_assert_int_eq(kgc_posix_memalign(&p, 24, 1), EINVAL);
    ck_last_error("kgc_posix_memalign: the alignment is a power of two, and at least 8");
    ck_assert_int_eq(kgc_posix_memalign(&p, 64, SIZE_MAX), ENOMEM);
    ck_assert_int_eq(kgc_posix_memalign(&p, 64, (size_t)PTRDIFF_MAX - 10), ENOMEM);
    ck_assert_int_eq(errno, 77);
    ck_assert_ptr_eq(p, &errno);
}
END_TEST

START_TEST(too_large)
{
    volatile size_t huge = (size_t)PTRDIFF_MAX + 1, half = SIZE_MAX / 2 + 1;
    errno = 0;
    ck_assert_ptr_null(kgc_malloc(huge));
    ck_assert_int_eq(errno, ENOMEM);
    errno = 0;
    ck_assert_ptr_null(kgc_calloc(2, half));
    ck_assert_int_eq(errno, ENOMEM);
    void *p = kgc_malloc(10);
    errno = 0;
    ck_assert_ptr_null(kgc_realloc(p, huge));
    ck_assert_int_eq(errno, ENOMEM);
    errno = 0;
    ck_assert_ptr_null(kgc_reallocarray(p, 2, half));
    ck_assert_int_eq(errno, ENOMEM);
    ck_last_error("kgc_reallocarray: 2 times %zu bytes overflow", half);
    kgc_free(p); /* still there */
}
END_TEST

START_TEST(resized)
{
    unsigned char *p = kgc_realloc(NULL, 1);
    for (size_t size = 1; size < 3000000; size *= 2) {
        p = kgc_reallocarray(p, size, 2);
        ck_assert(size == 1 || is_filled(p, size, 5));
        memset(p, 5, 2 * size);
    }
    p = kgc_realloc(p, 100);
    ck_assert_uint_lt(kgc_malloc_usable_size(p), 1000);
    ck_assert(is_filled(p, 100, 5));
    ck_assert_ptr_null(kgc_realloc(p, 0));
    ck_fatal(kgc_free(p), "kgc_free: %p was freed already, or was never allocated", (void *)p);

    p = kgc_malloc(100);
    size_t usable = kgc_malloc_usable_size(p);
    ck_assert(kgc_realloc_in_place(p, usable));
    ck_assert(kgc_realloc_in_place(p, 1));
    ck_assert(!kgc_realloc_in_place(p, usable + 1));
    ck_assert(!kgc_realloc_in_place(NULL, 1));
    kgc_free(p);
}
END_TEST

START_TEST(errno_is_preserved)
{
    void *p = kgc_malloc(100000);
    errno = 77;
    kgc_free(p);
    ck_assert_int_eq(errno, 77);
}
END_TEST

START_TEST(freed_twice)
{
    static const size_t sizes[] = {1, 40, 5000, 40000, 100000, 3000000};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        char *p = kgc_malloc(sizes[i]);
        kgc_free(p);
        ck_fatal(kgc_free(p), "kgc_free: %p was freed already, or was never allocated", (void *)p);
        kgc_collect();
        ck_fatal(kgc_free_sized(p, 1), "kgc_free_sized: %p was freed already, or was never allocated",
                 (void *)p);
        p = kgc_aligned_alloc(512, sizes[i]);
        kgc_free(p);
        ck_fatal(kgc_free(p), "kgc_free: %p was freed already, or was never allocated", (void *)p);
    }
    void *small = kgc_malloc(40), *result = small;
    kgc_free(small);
    errno = 0;
    ck_fatal(result = kgc_realloc(small, 10), "kgc_realloc: %p was freed already, or was never allocated",
             small);
    ck_assert_ptr_null(result);
    ck_assert_int_eq(errno, EINVAL);
    bool in_place = true;
    ck_fatal(in_place = kgc_realloc_in_place(small, 10),
             "kgc_realloc_in_place: %p was freed already, or was never allocated", small);
    ck_assert(!in_place);
    ck_assert_uint_eq(kgc_malloc_usable_size(small), 0);
    void *rooted = kgc_malloc(7);
    ck_fatal(kgc_kind_free(NULL, rooted),
             "kgc_kind_free: %p is a block of the rooted heap; kgc_free() frees it", rooted);
    kgc_free(rooted);
}
END_TEST

START_TEST(misused)
{
    static int local;
    char *p = kgc_malloc(100), *object = kgc_allocate(100), *turned = kgc_aligned_alloc(512, 40);
    void *foreign = malloc(1);
    ck_fatal(kgc_free(p + 16), "kgc_free: %p points into a block, not at its start", (void *)(p + 16));
    ck_fatal(kgc_free(p + 1), "kgc_free: %p points into a block, not at its start", (void *)(p + 1));
    ck_fatal(kgc_free(turned + 16), "kgc_free: %p points into a block, not at its start",
             (void *)(turned + 16));
    ck_fatal(kgc_free(object), "kgc_free: %p is a collectable object, or points into one", (void *)object);
    ck_fatal(kgc_free(object + 16), "kgc_free: %p is a collectable object, or points into one",
             (void *)(object + 16));
    ck_fatal(kgc_free(&local), "kgc_free: %p does not belong to the rooted heap", (void *)&local);
    ck_fatal(kgc_free(foreign), "kgc_free: %p does not belong to the rooted heap", foreign);
    ck_fatal(kgc_free((void *)-16), "kgc_free: 0xfffffffffffffff0 does not belong to the rooted heap");
    size_t usable = kgc_malloc_usable_size(p);
    ck_fatal(kgc_free_sized(p, usable + 1), "kgc_free_sized: the block at %p has %zu bytes, not %zu",
             (void *)p, usable, usable + 1);
    kgc_free(p); /* it was not freed by any of these */
    kgc_free(turned);
    free(foreign);
}
END_TEST

/* Blocks that cross threads; all are freed exactly once. */
enum { ROUNDS = 20000, SLOTS = 64 };
static _Atomic(void *) slots[SLOTS];

static void *exchange(void *seed)
{
    unsigned x = (unsigned)(uintptr_t)seed;
    for (int i = 0; i < ROUNDS; i++) {
        x = x * 1103515245 + 12345;
        size_t size = x >> 16 & 511;
        unsigned char *p = x % 7 == 0 ? kgc_aligned_alloc(64, size + 1) : kgc_malloc(size + 1);
        p[0] = p[size] = (unsigned char)size;
        p = atomic_exchange(&slots[x >> 8 & (SLOTS - 1)], p);
        kgc_free(p);
    }
    return NULL;
}

START_TEST(threads)
{
    pthread_t thread[3];
    ck_assert_ptr_nonnull(kgc_allocate(1));
    for (uintptr_t i = 0; i < 3; i++)
        ck_assert_int_eq(pthread_create(&thread[i], NULL, exchange, (void *)(i * 77 + 1)), 0);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(pthread_join(thread[i], NULL), 0);
    for (int i = 0; i < SLOTS; i++)
        kgc_free(atomic_load(&slots[i]));
}
END_TEST

SUITE("malloc", blocks, keeps_alive, aligned, too_large, resized, errno_is_preserved, freed_twice, misused,
      threads)
