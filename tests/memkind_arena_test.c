/* SPDX-License-Identifier: MIT */
/*
 * The needs that memkind's arena functions met, each met by ours: a test for
 * each function of memkind_arena(3), named after it.  What the functions do
 * beyond that is tested elsewhere, and the hooks' part in extent_hooks_test.
 */
#include "base/size.h"
#include "misuse.h"
#include "suite.h"
#include "support/extents.h"
#include "support/system.h"
#include <errno.h>
#include <jemalloc/jemalloc.h>
#include <kindgc/arena.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static const size_t sizes[] = {1, 8, 100, 4096, 5000, 70000, KGC_MIB, 5 * KGC_MIB};
enum { SIZES = sizeof sizes / sizeof sizes[0] };
static volatile size_t too_much = SIZE_MAX; /* that the compiler does not see */

/* A kind is made with its operations and its name; with what it is made of. */
START_TEST(memkind_arena_create)
{
    kgc_kind *kind, *other;
    ck_assert_int_eq(kgc_kind_open("file:/var/tmp,limit=1G,arenas=2", &kind), 0);
    ck_assert_str_eq(kgc_kind_name(kind), "file:/var/tmp,limit=1G,arenas=2");
    ck_assert_int_eq(kgc_kind_create("by hooks", hooks_of(kind), NULL, &other), 0);
    ck_assert_str_eq(kgc_kind_name(other), "by hooks");
    close_kind(other);
    close_kind(kind);
    ck_assert_int_ne(kgc_kind_open("no such kind", &kind), 0);
    ck_assert_ptr_null(kind);
}
END_TEST

/* The array of arenas: how many there are to be, and which; made as threads
   come, not all at first. */
START_TEST(memkind_arena_create_map)
{
    unsigned arenas[4], first;
    kgc_kind_options options = {.arenas = 4};
    kgc_kind *kind;
    ck_assert_int_eq(kgc_kind_open_with("default", &options, &kind), 0);
    ck_assert_uint_eq(kgc_kind_arenas(kind, arenas, 4), 0);
    ck_assert_int_eq(kgc_kind_arena_of_thread(kind, &first), 0);
    ck_assert_uint_eq(kgc_kind_arenas(kind, arenas, 4), 1);
    ck_assert_uint_eq(arenas[0], first);
    close_kind(kind);
}
END_TEST

/* All that it took comes back, though jemalloc keeps free memory. */
START_TEST(memkind_arena_destroy)
{
    struct holdings after[2];
    for (int round = 0; round < 6; round++) {
        kgc_kind *kind = open_kind("default");
        for (int i = 0; i < SIZES; i++)
            kgc_kind_free(kind, kgc_kind_malloc(kind, sizes[i]));
        ck_assert_uint_gt(stats_of(kind).committed, 0);
        close_kind(kind);
        after[round % 2] = count_holdings();
    }
    ck_assert_uint_eq(after[0].mappings, after[1].mappings);
    ck_assert_uint_eq(after[0].address_space, after[1].address_space);
    ck_assert_uint_eq(after[0].descriptors, after[1].descriptors);
}
END_TEST

START_TEST(memkind_arena_malloc)
{
    kgc_kind *kind = open_kind("default");
    void *empty = kgc_kind_malloc(kind, 0), *another = kgc_kind_malloc(kind, 0);
    ck_assert(empty != NULL && another != NULL && empty != another);
    kgc_kind_free(kind, empty);
    kgc_kind_free(kind, another);
    for (int i = 0; i < SIZES; i++) {
        char *p = kgc_kind_malloc(kind, sizes[i]);
        ck_assert_ptr_eq(kgc_kind_of(p), kind);
        memset(p, 1, sizes[i]);
        kgc_kind_free(kind, p);
    }
    errno = 0;
    ck_assert_ptr_null(kgc_kind_malloc(kind, too_much));
    ck_assert_int_eq(errno, ENOMEM);
    close_kind(kind);
}
END_TEST

static void check_calloc(const char *spec)
{
    kgc_kind *kind = open_kind(spec);
    for (int round = 0; round < 3; round++)
        for (int i = 0; i < SIZES; i++) {
            char *p = kgc_kind_calloc(kind, 3, sizes[i]);
            ck_assert(p != NULL && all_bytes(p, 3 * sizes[i], 0));
            memset(p, 0x5a, 3 * sizes[i]); /* the next round gets the same memory */
            kgc_kind_free(kind, p);
        }
    static const size_t counts[] = {SIZE_MAX / 4 + 2, SIZE_MAX, SIZE_MAX / 2 + 1};
    for (int i = 0; i < 3; i++) { /* the product is small when it wraps */
        errno = 0;
        ck_assert_ptr_null(kgc_kind_calloc(kind, counts[i], 4));
        ck_assert_int_eq(errno, ENOMEM);
    }
    close_kind(kind);
}

START_TEST(memkind_arena_calloc)
{
    check_calloc("default");
}
END_TEST

/* File-backed memory is used again without being a fresh file. */
START_TEST(memkind_arena_pmem_calloc)
{
    check_calloc("file:/var/tmp,limit=256M");
    static char range[16 << 20];
    kgc_kind *kind;
    memset(range, 0xff, sizeof range); /* and a range of the caller's is dirty from the start */
    ck_assert_int_eq(kgc_kind_create_fixed("dirty", range, sizeof range, &kind), 0);
    char *p = kgc_kind_calloc(kind, 1, KGC_MIB);
    ck_assert(p != NULL && all_bytes(p, KGC_MIB, 0));
    kgc_kind_free(kind, p);
    close_kind(kind);
}
END_TEST

START_TEST(memkind_arena_posix_memalign)
{
    kgc_kind *kind = open_kind("default");
    void *p, *before = &p;
    errno = EDOM;
    for (size_t alignment = sizeof(void *); alignment <= 8 * KGC_MIB; alignment *= 2)
        for (int i = 0; i < SIZES; i++) {
            ck_assert_int_eq(kgc_kind_posix_memalign(kind, &p, alignment, sizes[i]), 0);
            ck_assert_uint_eq((uintptr_t)p % alignment, 0);
            memset(p, 1, sizes[i]);
            kgc_kind_free(kind, p);
        }
    p = before;
    ck_assert_int_eq(kgc_kind_posix_memalign(kind, &p, 24, 1), EINVAL);
    ck_assert_int_eq(kgc_kind_posix_memalign(kind, &p, sizeof(void *) / 2, 1), EINVAL);
    ck_assert_int_eq(kgc_kind_posix_memalign(kind, &p, 0, 1), EINVAL);
    ck_assert_int_eq(kgc_kind_posix_memalign(kind, &p, 64, SIZE_MAX), ENOMEM);
    ck_assert_int_eq(kgc_kind_posix_memalign(kind, &p, 64, PTRDIFF_MAX), ENOMEM);
    ck_assert_ptr_eq(p, before);
    ck_assert_int_eq(errno, EDOM); /* in any case */
    close_kind(kind);
}
END_TEST

static void *grow_and_shrink(kgc_kind *kind, kgc_kind *named, void *p)
{
    size_t before = 1;
    for (int i = 0; i < 2 * SIZES; i++) {
        size_t size = sizes[i < SIZES ? i : 2 * SIZES - 1 - i], kept = size < before ? size : before;
        p = kgc_kind_realloc(named, p, size);
        ck_assert_ptr_eq(kgc_kind_of(p), kind);
        ck_assert(all_bytes(p, kept, 0x42));
        memset(p, 0x42, size);
        before = size;
    }
    return p;
}

START_TEST(memkind_arena_realloc)
{
    kgc_kind *kind = open_kind("default"), *other = open_kind("default");
    char *p = kgc_kind_realloc(kind, NULL, 1); /* as malloc() */
    *p = 0x42;
    p = grow_and_shrink(kind, kind, p);
    char *q = kgc_kind_realloc(other, p, 100); /* and to another kind */
    ck_assert_ptr_eq(kgc_kind_of(q), other);
    ck_assert_int_eq(*q, 0x42);
    ck_assert_uint_eq(stats_of(kind).allocated, 0);
    errno = 0;
    ck_assert_ptr_null(kgc_kind_realloc(other, q, too_much));
    ck_assert_int_eq(errno, ENOMEM);
    ck_assert_int_eq(*q, 0x42);                        /* it is still there */
    ck_assert_ptr_null(kgc_kind_realloc(other, q, 0)); /* as free() */
    ck_assert_uint_eq(stats_of(other).allocated, 0);
    close_kind(kind);
    close_kind(other);
}
END_TEST

START_TEST(memkind_arena_realloc_with_kind_detect)
{
    kgc_kind *kinds[2] = {open_kind("default"), open_kind("tier:default@1M+default")};
    for (int i = 0; i < 2; i++) {
        char *p = kgc_kind_malloc(kinds[i], 1), *q;
        *p = 0x42;
        for (size_t size = 1; size < 300000; size *= 3) {
            q = kgc_kind_realloc(NULL, p, size);
            ck_assert_ptr_eq(kgc__kind_root(kgc_kind_of(q)), kinds[i]);
            ck_assert_int_eq(*q, 0x42);
            p = q;
        }
        kgc_kind_free(NULL, p);
        close_kind(kinds[i]);
    }
    errno = 0;
    ck_assert_ptr_null(kgc_kind_realloc(NULL, NULL, 1)); /* whose should it be? */
    ck_assert_int_eq(errno, EINVAL);
    void *foreign = malloc(10), *result = &result;
    ck_fatal(result = kgc_kind_realloc(NULL, foreign, 100),
             "kgc_kind_realloc: %p does not belong to the explicit memory of any kind", foreign);
    ck_assert_ptr_null(result);
    free(foreign);
}
END_TEST

static void *own_arena(void *kind)
{
    static _Thread_local unsigned arena;
    return kgc_kind_arena_of_thread(kind, &arena) == 0 ? (void *)(uintptr_t)arena : NULL;
}

/* The calling thread's arena, for mallocx(3). */
START_TEST(memkind_thread_get_arena)
{
    kgc_kind_options options = {.arenas = 3};
    kgc_kind *kind;
    unsigned arena, again;
    pthread_t thread[2];
    void *theirs[2];
    ck_assert_int_eq(kgc_kind_open_with("default", &options, &kind), 0);
    ck_assert_int_eq(kgc_kind_arena_of_thread(kind, &arena), 0);
    ck_assert_int_eq(kgc_kind_arena_of_thread(kind, &again), 0);
    ck_assert_uint_eq(arena, again);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(pthread_create(&thread[i], NULL, own_arena, kind), 0);
        ck_assert_int_eq(pthread_join(thread[i], &theirs[i]), 0);
        ck_assert_uint_ne((unsigned)(uintptr_t)theirs[i], arena);
    }
    ck_assert_ptr_ne(theirs[0], theirs[1]);
    void *p = mallocx(1000, (int)(MALLOCX_ARENA(arena) | MALLOCX_TCACHE_NONE));
    ck_assert_ptr_eq(kgc_kind_of(p), kind);
    dallocx(p, MALLOCX_TCACHE_NONE);
    close_kind(kind);
}
END_TEST

/* One arena for all threads. */
START_TEST(memkind_bijective_get_arena)
{
    kgc_kind *kind = open_kind("default,arenas=1");
    unsigned arena;
    pthread_t thread;
    void *theirs;
    ck_assert_int_eq(kgc_kind_arena_of_thread(kind, &arena), 0);
    ck_assert_int_eq(pthread_create(&thread, NULL, own_arena, kind), 0);
    ck_assert_int_eq(pthread_join(thread, &theirs), 0);
    ck_assert_uint_eq((unsigned)(uintptr_t)theirs, arena);
    ck_assert_uint_eq(kgc_kind_arenas(kind, NULL, 0), 1);
    close_kind(kind);
}
END_TEST

START_TEST(get_kind_by_arena)
{
    kgc_kind *kinds[3];
    unsigned arena[3];
    for (int i = 0; i < 3; i++) {
        kinds[i] = open_kind("default");
        ck_assert_int_eq(kgc_kind_arena_of_thread(kinds[i], &arena[i]), 0);
    }
    for (int i = 0; i < 3; i++)
        ck_assert_ptr_eq(kgc_kind_of_arena(arena[i]), kinds[i]);
    ck_assert_ptr_null(kgc_kind_of_arena(0));            /* jemalloc's own */
    ck_assert_ptr_null(kgc_kind_of_arena((unsigned)-1)); /* not even an index */
    for (int i = 0; i < 3; i++) {
        close_kind(kinds[i]);
        ck_assert_ptr_null(kgc_kind_of_arena(arena[i]));
    }
}
END_TEST

START_TEST(memkind_arena_detect_kind)
{
    kgc_kind *kinds[2] = {open_kind("default"), open_kind("file:/var/tmp,limit=64M")};
    for (int k = 0; k < 2; k++)
        for (int i = 0; i < SIZES; i++) {
            char *p = kgc_kind_malloc(kinds[k], sizes[i]);
            ck_assert_ptr_eq(kgc_kind_of(p), kinds[k]);
            ck_assert_ptr_eq(kgc_kind_of(p + sizes[i] - 1), kinds[k]); /* anywhere inside */
            kgc_kind_free(NULL, p);
        }
    /* memkind ends with a crash here. */
    void *foreign = malloc(10), *mapped = mallocx(100000, 0);
    void *const strangers[] = {NULL, foreign, mapped, &kinds, (void *)kgc_kind_of, (void *)1, (void *)-1};
    for (int i = 0; i < 7; i++)
        ck_assert_ptr_null(kgc_kind_of(strangers[i]));
    free(foreign);
    dallocx(mapped, 0);
    close_kind(kinds[0]);
    close_kind(kinds[1]);
}
END_TEST

static kgc_kind *of_child;

static void use_at_exit(void)
{
    kgc_kind_free(NULL, kgc_kind_malloc(of_child, 100));
}

static int leave_all_open(void *directory)
{
    char spec[4200];
    snprintf(spec, sizeof spec, "file:%s", (const char *)directory);
    if (kgc_kind_open(spec, &of_child) != 0)
        return 2;
    for (int i = 0; i < SIZES; i++)
        memset(kgc_kind_malloc(of_child, sizes[i]), 1, sizes[i]);
    atexit(use_at_exit); /* memory can be used to the very end */
    exit(0);
}

/* At the end of the process all goes with it: nothing to call. */
START_TEST(memkind_arena_finalize)
{
    const char *directory = make_directory();
    int status = in_child(leave_all_open, (void *)directory);
    size_t left = count_names(directory);
    remove_directory(directory);
    ck_assert(exited(status, 0));
    ck_assert_uint_eq(left, 0);
}
END_TEST

static void *first_use(void *kind)
{
    return kgc_kind_malloc(kind, 100);
}

/* Kinds become ready at their first use, whichever thread's that is. */
START_TEST(memkind_arena_init)
{
    for (int round = 0; round < 50; round++) {
        kgc_kind *kind = open_kind("default,arenas=2");
        pthread_t thread[3];
        ck_assert_uint_eq(stats_of(kind).arenas, 0);
        ck_assert_uint_eq(stats_of(kind).committed, 0);
        for (int i = 0; i < 3; i++)
            ck_assert_int_eq(pthread_create(&thread[i], NULL, first_use, kind), 0);
        for (int i = 0; i < 3; i++) {
            void *p;
            ck_assert_int_eq(pthread_join(thread[i], &p), 0);
            ck_assert_ptr_eq(kgc_kind_of(p), kind);
            kgc_kind_free(kind, p);
        }
        ck_assert_uint_eq(stats_of(kind).arenas, 2);
        close_kind(kind);
    }
}
END_TEST

START_TEST(memkind_arena_free)
{
    kgc_kind *kind = open_kind("default"), *other = open_kind("default");
    void *p = kgc_kind_malloc(kind, 100);
    kgc_kind_free(kind, NULL);
    ck_fatal(kgc_kind_free(other, p), "kgc_kind_free: %p belongs to \"default\", not to \"default\"", p);
    ck_assert_uint_eq(stats_of(kind).allocated, 112);
    kgc_kind_free(kind, p);
    ck_assert_uint_eq(stats_of(kind).allocated, 0);
    ck_assert_ptr_eq(kgc_kind_malloc(kind, 100), p); /* available again */
    kgc_kind_free(kind, p);
    close_kind(kind);
    close_kind(other);
}
END_TEST

START_TEST(memkind_arena_free_with_kind_detect)
{
    kgc_kind *kinds[2] = {open_kind("default"), open_kind("ratio:default@1+default@1")};
    void *blocks[2][SIZES], *foreign = malloc(10);
    for (int i = 0; i < 2 * SIZES; i++)
        blocks[i % 2][i / 2] = kgc_kind_malloc(kinds[i % 2], sizes[i / 2]);
    for (int i = 0; i < 2 * SIZES; i++)
        kgc_kind_free(NULL, blocks[i % 2][i / 2]);
    kgc_kind_free(NULL, NULL);
    ck_fatal(kgc_kind_free(NULL, foreign),
             "kgc_kind_free: %p does not belong to the explicit memory of any kind", foreign);
    for (int i = 0; i < 2; i++) {
        ck_assert_uint_eq(stats_of(kinds[i]).allocated, 0);
        close_kind(kinds[i]);
    }
    free(foreign);
}
END_TEST

START_TEST(memkind_arena_malloc_usable_size)
{
    kgc_kind *kind = open_kind("default");
    for (int i = 0; i < SIZES; i++) {
        char *p = kgc_kind_malloc(kind, sizes[i]);
        size_t usable = kgc_kind_usable_size(kind, p);
        ck_assert_uint_ge(usable, sizes[i]);
        ck_assert_uint_eq(kgc_kind_usable_size(NULL, p), usable);
        memset(p, 1, usable); /* all of it */
        kgc_kind_free(kind, p);
    }
    ck_assert_uint_eq(kgc_kind_usable_size(kind, NULL), 0);
    ck_assert_uint_eq(kgc_kind_usable_size(NULL, &kind), 0);
    close_kind(kind);
}
END_TEST

/* Free memory goes back at once, or by and by as jemalloc has it. */
START_TEST(memkind_arena_update_memory_usage_policy)
{
    kgc_kind *kind = open_kind("file:/var/tmp,limit=256M");
    for (int conservative = 0; conservative < 2; conservative++) {
        ck_assert_int_eq(
            kgc_kind_set_decay(kind, conservative != 0 ? KGC_DECAY_CONSERVATIVE : KGC_DECAY_DEFAULT, 0), 0);
        char *p = kgc_kind_malloc(kind, 20 * KGC_MIB);
        memset(p, 1, 20 * KGC_MIB);
        ck_assert_uint_ge(stats_of(kind).resident, 20 * KGC_MIB);
        kgc_kind_free(kind, p);
        if (conservative == 0)
            ck_assert_uint_ge(stats_of(kind).resident, 20 * KGC_MIB);
        else
            ck_assert_uint_lt(stats_of(kind).resident, KGC_MIB);
    }
    ck_assert_int_eq(kgc_kind_set_decay(kind, (kgc_decay)99, 0), EINVAL);
    close_kind(kind);
}
END_TEST

SUITE("memkind_arena", memkind_arena_create, memkind_arena_create_map, memkind_arena_destroy,
      memkind_arena_malloc, memkind_arena_calloc, memkind_arena_pmem_calloc, memkind_arena_posix_memalign,
      memkind_arena_realloc, memkind_arena_realloc_with_kind_detect, memkind_thread_get_arena,
      memkind_bijective_get_arena, get_kind_by_arena, memkind_arena_detect_kind, memkind_arena_finalize,
      memkind_arena_init, memkind_arena_free, memkind_arena_free_with_kind_detect,
      memkind_arena_malloc_usable_size, memkind_arena_update_memory_usage_policy)
