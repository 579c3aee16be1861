/* SPDX-License-Identifier: MIT */
/* Explicit memory of a kind: kindgc/arena.h. */
#include "base/size.h"
#include "kind/kind.h"
#include "misuse.h"
#include "suite.h"
#include <errno.h>
#include <jemalloc/jemalloc.h>
#include <kindgc.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static kgc_kind *open_kind(const char *spec)
{
    kgc_kind *kind;
    ck_assert_msg(kgc_kind_open(spec, &kind) == 0, "%s", kgc_last_error());
    return kind;
}

static size_t allocated(kgc_kind *kind)
{
    kgc_kind_info info;
    ck_assert_int_eq(kgc_kind_stats(kind, &info), 0);
    return info.allocated;
}

START_TEST(many_sizes)
{
    kgc_kind *kind = open_kind("default");
    void *blocks[64];
    for (size_t i = 0; i < 64; i++) {
        size_t size = (size_t)1 << (i % 24);
        blocks[i] = kgc_kind_malloc(kind, size);
        ck_assert_ptr_nonnull(blocks[i]);
        ck_assert_uint_eq((uintptr_t)blocks[i] % 16, 0);
        ck_assert_ptr_eq(kgc_kind_of(blocks[i]), kind);
        ck_assert_uint_ge(kgc_kind_usable_size(NULL, blocks[i]), size);
        memset(blocks[i], (int)i, size);
    }
    ck_assert_uint_gt(allocated(kind), 0);
    for (size_t i = 0; i < 64; i++) {
        ck_assert_uint_eq(*(unsigned char *)blocks[i], i);
        kgc_kind_free(i % 2 == 0 ? kind : NULL, blocks[i]);
    }
    ck_assert_uint_eq(allocated(kind), 0);
    ck_assert_int_eq(kgc_kind_close(kind), 0);
}
END_TEST

START_TEST(size_zero)
{
    kgc_kind *kind = open_kind("default");
    void *a = kgc_kind_malloc(kind, 0), *b = kgc_kind_malloc(kind, 0), *c = kgc_kind_calloc(kind, 0, 8);
    ck_assert_ptr_nonnull(a);
    ck_assert_ptr_nonnull(b);
    ck_assert_ptr_nonnull(c);
    ck_assert_ptr_ne(a, b);
    void *p = kgc_kind_realloc(kind, NULL, 0);
    ck_assert_ptr_nonnull(p);
    ck_assert_ptr_null(kgc_kind_realloc(kind, p, 0)); /* frees it */
    kgc_kind_free(kind, a);
    kgc_kind_free(kind, b);
    kgc_kind_free(kind, c);
    kgc_kind_free(kind, NULL);
    kgc_kind_free(NULL, NULL);
    ck_assert_int_eq(kgc_kind_close(kind), 0);
}
END_TEST

START_TEST(zeroed)
{
    kgc_kind *kind = open_kind("default");
    for (size_t size = 1; size < 100000; size = size * 3 + 1) {
        unsigned char *p = kgc_kind_malloc(kind, size);
        memset(p, 0xff, size);
        kgc_kind_free(kind, p);
        p = kgc_kind_calloc(kind, 1, size);
        for (size_t i = 0; i < size; i++)
            ck_assert_uint_eq(p[i], 0);
        kgc_kind_free(kind, p);
    }
    ck_assert_int_eq(kgc_kind_close(kind), 0);
}
END_TEST

/* Sizes that memkind gets wrong among them. */
START_TEST(too_large)
{
    kgc_kind *kind = open_kind("default");
    const struct {
        size_t count, size;
    } cases[] = {
        {SIZE_MAX / 4 + 2, 4}, {SIZE_MAX, SIZE_MAX}, {2, SIZE_MAX / 2 + 1}, {1, (size_t)PTRDIFF_MAX + 1}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        errno = 0;
        ck_assert_ptr_null(kgc_kind_calloc(kind, cases[i].count, cases[i].size));
        ck_assert_int_eq(errno, ENOMEM);
    }
    volatile size_t huge = SIZE_MAX;
    errno = 0;
    ck_assert_ptr_null(kgc_kind_malloc(kind, huge));
    ck_assert_int_eq(errno, ENOMEM);
    void *p = kgc_kind_malloc(kind, 10), *out = &p;
    errno = 0;
    ck_assert_ptr_null(kgc_kind_realloc(kind, p, huge));
    ck_assert_int_eq(errno, ENOMEM);
    errno = 77;
    ck_assert_int_eq(kgc_kind_posix_memalign(kind, &out, 64, huge), ENOMEM);
    ck_assert_int_eq(errno, 77);
    ck_assert_ptr_eq(out, &p);
    kgc_kind_free(kind, p);
    ck_assert_int_eq(kgc_kind_close(kind), 0);
}
END_TEST

START_TEST(alignments)
{
    kgc_kind *kind = open_kind("default");
    for (size_t alignment = 8; alignment <= 4 * KGC_MIB; alignment *= 2) {
        void *p;
        ck_assert_int_eq(kgc_kind_posix_memalign(kind, &p, alignment, alignment + 1), 0);
        ck_assert_uint_eq((uintptr_t)p % alignment, 0);
        memset(p, 1, alignment + 1);
        kgc_kind_free(NULL, p);
    }
    void *out = NULL;
    ck_assert_int_eq(kgc_kind_posix_memalign(kind, &out, 24, 1), EINVAL);
    ck_last_error("kgc_kind_posix_memalign: the alignment is a power of two, and at least 8");
    ck_assert_int_eq(kgc_kind_posix_memalign(kind, &out, 4, 1), EINVAL);
    ck_assert_int_eq(kgc_kind_posix_memalign(kind, &out, 0, 1), EINVAL);
    ck_assert_int_eq(kgc_kind_posix_memalign(NULL, &out, 8, 1), EINVAL);
    ck_last_error("kgc_kind_posix_memalign: the kind is NULL");
    ck_assert_ptr_null(out);
    ck_assert_int_eq(kgc_kind_close(kind), 0);
}
END_TEST

START_TEST(resized)
{
    kgc_kind *kind = open_kind("default"), *other = open_kind("default");
    unsigned char *p = NULL;
    for (size_t size = 1; size < 10 * KGC_MIB; size *= 3) {
        p = kgc_kind_realloc(size % 2 != 0 || p == NULL ? kind : NULL, p, size);
        ck_assert_ptr_nonnull(p);
        ck_assert_ptr_eq(kgc_kind_of(p), kind);
        for (size_t i = 0; i < size / 3; i += 511)
            ck_assert_uint_eq(p[i], 7);
        memset(p, 7, size);
    }
    p = kgc_kind_realloc(other, p, 100); /* moves there */
    ck_assert_ptr_eq(kgc_kind_of(p), other);
    for (size_t i = 0; i < 100; i++)
        ck_assert_uint_eq(p[i], 7);
    ck_assert_uint_eq(allocated(kind), 0);
    ck_assert_int_eq(kgc_kind_close(kind), 0);
    kgc_kind_free(NULL, p);
    ck_assert_int_eq(kgc_kind_close(other), 0);
}
END_TEST

START_TEST(without_kind)
{
    errno = 0;
    ck_assert_ptr_null(kgc_kind_malloc(NULL, 1));
    ck_assert_int_eq(errno, EINVAL);
    ck_last_error("kgc_kind_malloc: the kind is NULL");
    errno = 0;
    ck_assert_ptr_null(kgc_kind_calloc(NULL, 1, 1));
    ck_assert_int_eq(errno, EINVAL);
    ck_last_error("kgc_kind_calloc: the kind is NULL");
    errno = 0;
    ck_assert_ptr_null(kgc_kind_realloc(NULL, NULL, 1));
    ck_assert_int_eq(errno, EINVAL);
    ck_last_error("kgc_kind_realloc: the kind is NULL");
}
END_TEST

START_TEST(misused)
{
    kgc_kind *kind = open_kind("default"), *other = open_kind("thp");
    static int local;
    void *p = kgc_kind_malloc(kind, 1), *foreign = malloc(1), *object = kgc_allocate(1);
    ck_fatal(kgc_kind_free(NULL, &local),
             "kgc_kind_free: %p does not belong to the explicit memory of any kind", (void *)&local);
    ck_fatal(kgc_kind_free(kind, foreign),
             "kgc_kind_free: %p does not belong to the explicit memory of any kind", foreign);
    ck_fatal(kgc_kind_free(NULL, (void *)-1),
             "kgc_kind_free: 0xffffffffffffffff does not belong to the explicit "
             "memory of any kind");
    ck_fatal(kgc_kind_free(NULL, object), "kgc_kind_free: %p lies in the GC heap, not in explicit memory",
             object);
    ck_fatal(kgc_kind_free(other, p), "kgc_kind_free: %p belongs to \"default\", not to \"thp\"", p);
    void *middle = kind->space.range.base + kind->space.range.size / 2;
    ck_fatal(kgc_kind_free(NULL, middle),
             "kgc_kind_free: %p does not belong to the explicit memory of any kind", middle);
    void *result = p;
    errno = 0;
    ck_fatal(result = kgc_kind_realloc(kind, object, 8),
             "kgc_kind_realloc: %p lies in the GC heap, not in explicit memory", object);
    ck_assert_ptr_null(result);
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_uint_eq(kgc_kind_usable_size(NULL, object), 0);
    ck_assert_uint_eq(kgc_kind_usable_size(kind, foreign), 0);
    ck_assert_uint_eq(kgc_kind_usable_size(kind, NULL), 0);
    kgc_kind_free(kind, p);
    free(foreign);
    ck_assert_int_eq(kgc_kind_close(kind), 0);
    ck_assert_int_eq(kgc_kind_close(other), 0);
}
END_TEST

START_TEST(closing)
{
    kgc_kind *kind = open_kind("default");
    void *p = kgc_kind_malloc(kind, 1000);
    size_t live = allocated(kind);
    ck_assert_uint_ge(live, 1000);
    ck_assert_int_eq(kgc_kind_close(kind), EBUSY);
    ck_last_error("kgc_kind_close: %zu bytes of explicit memory of \"default\" are still allocated", live);
    kgc_kind_free(kind, p);
    ck_assert_int_eq(kgc_kind_close(kind), 0);
    for (int i = 0; i < 50; i++) { /* the record and the arena are used again */
        kind = open_kind("default");
        p = kgc_kind_malloc(kind, 100000);
        ck_assert_ptr_nonnull(p);
        kgc_kind_free(kind, p);
        ck_assert_int_eq(kgc_kind_close(kind), 0);
    }
}
END_TEST

START_TEST(limited_kind)
{
    kgc_kind *kind = open_kind("file:/var/tmp,limit=4M");
    void *blocks[1024];
    size_t n = 0;
    errno = 0;
    while (n < 1024 && (blocks[n] = kgc_kind_malloc(kind, 16384)) != NULL)
        memset(blocks[n++], 1, 16384);
    ck_assert_int_eq(errno, ENOMEM);
    ck_last_error("\"file:/var/tmp,limit=4M\" has no 16384 bytes more");
    ck_assert_uint_le(n * 16384, 4 * KGC_MIB);
    ck_assert_uint_ge(n * 16384, 3 * KGC_MIB); /* most of a small kind can be used */
    kgc_kind_free(kind, blocks[--n]);
    blocks[n] = kgc_kind_malloc(kind, 16384);
    ck_assert_ptr_nonnull(blocks[n++]);
    while (n != 0)
        kgc_kind_free(NULL, blocks[--n]);
    ck_assert_int_eq(kgc_kind_close(kind), 0);
}
END_TEST

START_TEST(tier)
{
    kgc_kind *kind = open_kind("tier:default@8M+file:/var/tmp");
    enum { BLOCKS = 1024 };
    void *blocks[BLOCKS];
    size_t first = 0, second = 0;
    for (size_t i = 0; i < BLOCKS; i++) {
        blocks[i] = kgc_kind_malloc(kind, 16384);
        ck_assert_ptr_nonnull(blocks[i]);
        memset(blocks[i], (int)i, 16384);
        kgc_kind *member = kgc_kind_of(blocks[i]);
        first += member == kind->member[0];
        second += member == kind->member[1];
    }
    ck_assert_uint_eq(first + second, BLOCKS);
    ck_assert_uint_ge(first * 20480, 7 * KGC_MIB); /* jemalloc adds a page to each, and grows by half a MiB */
    /* A member stands for its tier. */
    blocks[0] = kgc_kind_realloc(kind->member[1], blocks[0], 100);
    ck_assert_uint_eq(*(unsigned char *)blocks[0], 0);
    kgc_kind_free(kind->member[0], blocks[0]);
    for (size_t i = 1; i < BLOCKS; i++)
        kgc_kind_free(i % 2 == 0 ? kind : NULL, blocks[i]);
    ck_assert_int_eq(kgc_kind_close(kind), 0);
}
END_TEST

/* Hooks of the caller's: what they hand out is told apart by use. */
static size_t mapped;

static void *map(extent_hooks_t *hooks, void *wish, size_t size, size_t align, bool *zero, bool *commit,
                 unsigned arena)
{
    (void)hooks, (void)arena;
    if (wish != NULL || align > 4096)
        return NULL;
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return NULL;
    mapped += size;
    *zero = *commit = true;
    return p;
}

static void unmap(extent_hooks_t *hooks, void *p, size_t size, bool committed, unsigned arena)
{
    (void)hooks, (void)committed, (void)arena;
    mapped -= size;
    munmap(p, size);
}

/* Without this one jemalloc throws away the rest of each extent that it wanted to split. */
static bool split(extent_hooks_t *hooks, void *p, size_t size, size_t a, size_t b, bool committed,
                  unsigned arena)
{
    (void)hooks, (void)p, (void)size, (void)a, (void)b, (void)committed, (void)arena;
    return false;
}

static extent_hooks_t own_hooks = {.alloc = map, .destroy = unmap, .split = split};

START_TEST(callers_hooks)
{
    kgc_kind *kind;
    ck_assert_int_eq(kgc_kind_create("mine", &own_hooks, NULL, &kind), 0);
    void *p = kgc_kind_malloc(kind, 5000), *q = kgc_kind_malloc(kind, 5 * KGC_MIB);
    ck_assert_ptr_nonnull(p);
    ck_assert_ptr_nonnull(q);
    ck_assert_ptr_eq(kgc_kind_of(p), kind);
    ck_assert_ptr_eq(kgc_kind_of(q), kind);
    ck_assert_uint_gt(mapped, 0);
    ck_assert_uint_ge(kgc_kind_usable_size(kind, p), 5000);

    ck_assert_int_eq(kgc_heap_set_kind(kind), 0);
    void *object = kgc_allocate(3 * KGC_MIB);
    ck_assert_ptr_eq(kgc_kind_of(object), kind);
    ck_fatal(kgc_kind_free(NULL, object), "kgc_kind_free: %p lies in the GC heap, not in explicit memory",
             object);
    ck_assert_uint_eq(kgc_kind_usable_size(NULL, object), 0);
    kgc_kind_free(NULL, p);
    kgc_kind_free(NULL, q);
}
END_TEST

START_TEST(callers_hooks_closed)
{
    kgc_kind *kind;
    ck_assert_int_eq(kgc_kind_create("mine", &own_hooks, NULL, &kind), 0);
    void *p = kgc_kind_malloc(kind, 5000);
    kgc_kind_free(NULL, p);
    ck_assert_int_eq(kgc_kind_close(kind), 0);
    ck_assert_uint_eq(mapped, 0); /* nothing of it is left, jemalloc's own records neither */
    ck_assert_ptr_null(kgc_kind_of(p));
}
END_TEST

static kgc_kind *shared;
static void *handed[1000];

static void *allocate_some(void *unused)
{
    (void)unused;
    for (size_t i = 0; i < 1000; i++)
        handed[i] = kgc_kind_malloc(shared, 16 + i % 500);
    return NULL;
}

/* The first use of one kind by several threads at once; blocks freed by another thread. */
START_TEST(threads)
{
    for (int round = 0; round < 20; round++) {
        pthread_t thread;
        void *own[1000];
        shared = open_kind("default");
        ck_assert_int_eq(pthread_create(&thread, NULL, allocate_some, NULL), 0);
        for (size_t i = 0; i < 1000; i++)
            own[i] = kgc_kind_malloc(shared, 16 + i % 500);
        pthread_join(thread, NULL);
        for (size_t i = 0; i < 1000; i++) {
            ck_assert_ptr_eq(kgc_kind_of(own[i]), shared);
            ck_assert_ptr_eq(kgc_kind_of(handed[i]), shared);
            kgc_kind_free(NULL, own[i]);
            kgc_kind_free(shared, handed[i]);
        }
        ck_assert_int_eq(kgc_kind_close(shared), 0);
    }
}
END_TEST

START_TEST(errno_is_preserved)
{
    kgc_kind *kind = open_kind("file:/var/tmp");
    for (int i = 0; i < 50; i++) {
        void *p = kgc_kind_malloc(kind, 9 * KGC_MIB); /* purged at once */
        errno = 77;
        kgc_kind_free(NULL, p);
        ck_assert_int_eq(errno, 77);
    }
    ck_assert_int_eq(kgc_kind_close(kind), 0);
}
END_TEST

/* Blocks that are larger than what jemalloc keeps in caches: each wave must use
   the memory of the one before, not ever new one. */
static void allocate_in_waves(const char *spec)
{
    enum { BLOCKS = 1000, SIZE = 16 * 1024 };
    static void *blocks[BLOCKS];
    kgc_kind *kind = open_kind(spec);
    for (int wave = 0; wave < 40; wave++) {
        for (int i = 0; i < BLOCKS; i++) {
            blocks[i] = kgc_kind_malloc(kind, SIZE);
            ck_assert_ptr_nonnull(blocks[i]);
            memset(blocks[i], wave, SIZE);
        }
        for (int i = 0; i < BLOCKS; i++)
            kgc_kind_free(kind, blocks[i]);
    }
    kgc_kind_info info;
    ck_assert_int_eq(kgc_kind_stats(kind, &info), 0);
    /* 20 MiB live at the top, as jemalloc rounds 16 KiB and an offset up. */
    ck_assert_uint_lt(info.resident, 48 * KGC_MIB);
    ck_assert_uint_lt(info.explicit_bytes, 64 * KGC_MIB);
    ck_assert_int_eq(kgc_kind_close(kind), 0);
}

START_TEST(waves_use_their_memory_again)
{
    allocate_in_waves("default,arenas=1");
    allocate_in_waves("file:/var/tmp,arenas=1");
}
END_TEST

SUITE("arena", waves_use_their_memory_again, many_sizes, size_zero, zeroed, too_large, alignments, resized,
      without_kind, misused, closing, limited_kind, tier, callers_hooks, callers_hooks_closed, threads,
      errno_is_preserved)
