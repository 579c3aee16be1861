/* SPDX-License-Identifier: MIT */
/*
 * The interface of the boehm_gc crate, function by function: each test has the
 * name of one of its functions and holds our counterpart to what that function
 * promises.
 */
#include "base/size.h"
#include "chain.h"
#include "misuse.h"
#include "suite.h"
#include <gc/gc.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdint.h>

/* FinalizerMode: when a finalizer runs. */
enum { OBJECTS = 100, MOST = 90 };

struct object {
    struct object *other;
};

static unsigned ran, ran_of_first;

static void on_end(void *object, void *data)
{
    (void)object;
    ran++;
    ran_of_first += data != NULL;
}

/* Pairs, of which the first object refers to the second one or to itself. */
static __attribute__((noinline)) void make_pairs(kgc_finalizer_mode first, kgc_finalizer_mode second,
                                                 bool to_itself)
{
    for (int i = 0; i < OBJECTS; i++) {
        struct object *a = kgc_allocate(sizeof *a), *b = kgc_allocate(sizeof *b);
        a->other = to_itself ? a : b;
        ck_assert_int_eq(kgc_register_finalizer(a, on_end, &ran, first, NULL, NULL), 0);
        ck_assert_int_eq(kgc_register_finalizer(b, on_end, NULL, second, NULL, NULL), 0);
    }
}

/* What ran in the first collection, in parts of first and second objects. */
static void expect_first(kgc_finalizer_mode first, kgc_finalizer_mode second, bool to_itself, bool a, bool b)
{
    make_pairs(first, second, to_itself);
    ran = ran_of_first = 0;
    clear_stack();
    kgc_collect();
    unsigned of_second = ran - ran_of_first;
    ck_assert_msg(a ? ran_of_first >= MOST : ran_of_first <= OBJECTS - MOST, "modes %d %d: %u first objects",
                  first, second, ran_of_first);
    ck_assert_msg(b ? of_second >= MOST : of_second <= OBJECTS - MOST, "modes %d %d: %u second objects",
                  first, second, of_second);
    for (int i = 0; i < 4; i++) { /* the rest, if it can */
        clear_stack();
        kgc_collect();
    }
}

START_TEST(FinalizerMode)
{
    GC_set_warn_proc(GC_ignore_warn_proc); /* about objects that refer to themselves */
    /* In order: who is referred to waits. */
    expect_first(KGC_FINALIZE_NORMAL, KGC_FINALIZE_NORMAL, false, true, false);
    ck_assert_uint_ge(ran, 2 * MOST);
    /* An object that refers to itself never ends, unless that is ignored. */
    expect_first(KGC_FINALIZE_NORMAL, KGC_FINALIZE_NORMAL, true, false, true);
    ck_assert_uint_le(ran_of_first, OBJECTS - MOST);
    expect_first(KGC_FINALIZE_IGNORE_SELF, KGC_FINALIZE_IGNORE_SELF, true, true, true);
    expect_first(KGC_FINALIZE_IGNORE_SELF, KGC_FINALIZE_IGNORE_SELF, false, true, false);
    /* At once, whoever refers to it. */
    expect_first(KGC_FINALIZE_NO_ORDER, KGC_FINALIZE_NO_ORDER, false, true, true);
    /* After all that reach it. */
    expect_first(KGC_FINALIZE_NO_ORDER, KGC_FINALIZE_UNREACHABLE, false, true, false);
    ck_assert_uint_ge(ran, 2 * MOST);
}
END_TEST

/* Memory that is not collected, and whose pointers are followed. */
START_TEST(__rust_allocate)
{
    struct link **block = kgc_malloc(sizeof *block);
    ck_assert_uint_eq((uintptr_t)block % 16, 0);
    uintptr_t hidden = ~(uintptr_t)block;
    *block = make_chain();
    block = NULL;
    collect_all();
    ck_chain_kept();
    struct link **again = (struct link **)~hidden;
    check_chain(*again);
    kgc_free(again);
    void *aligned = kgc_aligned_alloc(4096, 100);
    ck_assert_uint_eq((uintptr_t)aligned % 4096, 0);
    kgc_free(aligned);
}
END_TEST

START_TEST(__rust_deallocate)
{
    struct link **block = kgc_malloc(sizeof *block);
    *block = make_chain();
    kgc_free_sized(block, sizeof *block);
    collect_all();
    ck_chain_ended();
    size_t before = kgc_heap_size();
    for (int i = 0; i < 1000; i++)
        kgc_free(kgc_malloc(100000));
    ck_assert_uint_lt(kgc_heap_size(), before + 10 * KGC_MIB);
}
END_TEST

START_TEST(__rust_reallocate)
{
    struct link **block = kgc_malloc(sizeof *block);
    *block = make_chain();
    for (size_t size = 16; size < KGC_MIB; size = size * 3 / 2) {
        block = kgc_realloc(block, size);
        ck_assert_ptr_nonnull(block);
    }
    collect_all();
    ck_chain_kept();
    check_chain(*block);
    block = kgc_realloc(block, 8);
    check_chain(*block);
    kgc_free(block);
}
END_TEST

/* True: the block has the size now.  It never moves. */
START_TEST(__rust_reallocate_inplace)
{
    for (size_t size = 1; size < 200000; size = size * 2 + 1) {
        char *block = kgc_malloc(size);
        memset(block, 5, size);
        size_t usable = kgc_malloc_usable_size(block);
        ck_assert(kgc_realloc_in_place(block, usable));
        bool grown = kgc_realloc_in_place(block, 2 * usable + 4096); /* only large ones, if there is room */
        ck_assert(!grown || size >= 8192);
        ck_assert_uint_ge(kgc_malloc_usable_size(block), size);
        for (size_t i = 0; i < size; i++)
            if (block[i] != 5)
                ck_abort_msg("byte %zu of %zu changed", i, size);
        kgc_free(block);
    }
}
END_TEST

START_TEST(__rust_usable_size)
{
    for (size_t size = 1; size < 100000; size += 1 + size / 7) {
        char *block = kgc_malloc(size);
        size_t usable = kgc_malloc_usable_size(block);
        ck_assert_uint_ge(usable, size);
        ck_assert_uint_le(usable, size + size / 2 + 4096);
        memset(block, 1, usable);
        kgc_free(block);
    }
}
END_TEST

/* The counters.  Small objects are counted by blocks of 4 KiB, when a thread's
   magazine takes them: one block for each size and thread is ahead at most, and
   a 16th of a block may be kept back. */
enum { BLOCK = 4096, NUMBER = 10000 };

/* Bytes of the heap that an object of `size` takes. */
static size_t cost(size_t size)
{
    return kgc__round_up(size + 1, 16);
}

static void check_counted(size_t counted, size_t size)
{
    size_t exact = NUMBER * cost(size);
    ck_assert_uint_ge(counted + BLOCK, exact);
    ck_assert_uint_le(counted, exact + exact / 15 + BLOCK);
}

START_TEST(bytes_since_gc)
{
    ck_assert_int_eq(kgc_init(NULL), 0);
    kgc_disable();
    static const size_t sizes[] = {1, 16, 100, 500};
    for (int atomic = 0; atomic < 2; atomic++)
        for (int i = 0; i < 4; i++) {
            void *volatile first = (atomic ? kgc_allocate_atomic : (kgc_allocate))(sizes[i]);
            ck_assert_ptr_nonnull(first);
            size_t before = kgc_bytes_since_gc();
            for (int j = 0; j < NUMBER; j++)
                first = (atomic ? kgc_allocate_atomic : (kgc_allocate))(sizes[i]);
            check_counted(kgc_bytes_since_gc() - before, sizes[i]);
        }
    size_t before = kgc_bytes_since_gc();
    for (int i = 0; i < 10; i++)
        ck_assert_ptr_nonnull(kgc_allocate(KGC_MIB));
    ck_assert_uint_ge(kgc_bytes_since_gc() - before, 10 * KGC_MIB);
    ck_assert_uint_le(kgc_bytes_since_gc() - before, 10 * (KGC_MIB + BLOCK));
    kgc_enable();
    kgc_collect();
    ck_assert_uint_le(kgc_bytes_since_gc(), 64 * 1024);
}
END_TEST

START_TEST(free_bytes)
{
    ck_assert_int_eq(kgc_init(NULL), 0);
    void *volatile large = kgc_allocate_atomic(20 * KGC_MIB);
    ck_assert_ptr_nonnull(large);
    size_t before = kgc_free_bytes();
    kgc_release((void *)large);
    large = NULL;
    ck_assert_uint_ge(kgc_free_bytes(), before + 20 * KGC_MIB);
    /* A lower bound: so much can be allocated without growing. */
    kgc_collect();
    size_t free = kgc_free_bytes(), heap = kgc_heap_size();
    ck_assert_uint_le(free, heap);
    kgc_disable();
    for (size_t sum = 0; sum + 200000 < free / 10 * 9; sum += 200000)
        ck_assert_ptr_nonnull(kgc_allocate_atomic(200000 - 4096));
    ck_assert_uint_eq(kgc_heap_size(), heap);
    kgc_enable();
}
END_TEST

START_TEST(gc_allocate)
{
    static struct link *held;
    held = make_chain();
    collect_all();
    ck_chain_kept();
    check_chain(held);
    held = NULL;
    collect_all();
    ck_chain_ended();
    const char *p = kgc_allocate(1000);
    for (int i = 0; i < 1000; i++)
        ck_assert_int_eq(p[i], 0);
}
END_TEST

static __attribute__((noinline)) void drop_chain(void)
{
    next_chain();
    check_chain(make_chain());
}

START_TEST(gc_collect)
{
    drop_chain();
    size_t before = GC_get_gc_no();
    clear_stack();
    kgc_collect();
    ck_assert_uint_ge(GC_get_gc_no(), before + 1);
    ck_chain_ended();
}
END_TEST

START_TEST(gc_disable)
{
    ck_assert_int_eq(kgc_init(NULL), 0);
    kgc_disable();
    drop_chain();
    size_t collections = GC_get_gc_no();
    collect_all(); /* does nothing */
    for (int i = 0; i < 1000; i++)
        ck_assert_ptr_nonnull(kgc_allocate(100000));
    ck_assert_uint_eq(GC_get_gc_no(), collections);
    ck_chain_kept();
    kgc_enable();
    collect_all();
    ck_chain_ended();
}
END_TEST

static void *disable_in_thread(void *unused)
{
    (void)unused;
    kgc_disable();
    return NULL;
}

START_TEST(gc_enable)
{
    pthread_t thread;
    ck_assert_int_eq(kgc_init(NULL), 0);
    for (int i = 0; i < 100; i++)
        kgc_disable();
    ck_assert_int_eq(pthread_create(&thread, NULL, disable_in_thread, NULL), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    size_t collections = GC_get_gc_no();
    for (int i = 0; i < 100; i++) {
        kgc_enable();
        kgc_collect();
        ck_assert_uint_eq(GC_get_gc_no(), collections);
    }
    kgc_enable(); /* as often as kgc_disable(), from whatever threads */
    kgc_collect();
    ck_assert_uint_gt(GC_get_gc_no(), collections);
    ck_fatal(kgc_enable(), "kgc_enable: called more often than kgc_disable()");
}
END_TEST

START_TEST(heap_size)
{
    ck_assert_int_eq(kgc_init(NULL), 0);
    size_t before = kgc_heap_size();
    void *volatile large = kgc_allocate_atomic(20 * KGC_MIB);
    ck_assert_ptr_nonnull(large);
    size_t full = kgc_heap_size();
    ck_assert_uint_ge(full, 20 * KGC_MIB);
    ck_assert_uint_le(full - before, 20 * KGC_MIB + 20 * KGC_MIB);
    /* Empty blocks count. */
    kgc_release((void *)large);
    large = NULL;
    ck_assert_uint_eq(kgc_heap_size(), full);
    ck_assert_uint_ge(kgc_heap_size(), kgc_free_bytes());
    /* So does what lies between objects. */
    static void *volatile kept[500];
    for (size_t i = 0; i < 500 * 200; i++) {
        void *p = kgc_allocate_atomic(64);
        if (i % 200 == 0)
            kept[i / 200] = p;
    }
    collect_all();
    ck_assert_uint_ge(kgc_heap_size() - kgc_free_bytes(), 500 * sizeof *kept + 500 * 64);
    /* What was given back does not. */
    for (int i = 0; i < 20; i++)
        kgc_collect();
    ck_assert_uint_lt(kgc_heap_size(), full - 15 * KGC_MIB);
}
END_TEST

START_TEST(register_finalizer)
{
    int data;
    kgc_finalizer old;
    void *old_data;
    struct object *volatile o = kgc_allocate(sizeof *o);
    ck_assert_int_eq(kgc_register_finalizer((void *)o, on_end, &data, KGC_FINALIZE_NORMAL, &old, &old_data),
                     0);
    ck_assert_ptr_null((void *)old);
    ck_assert_int_eq(kgc_register_finalizer((void *)o, NULL, NULL, KGC_FINALIZE_NORMAL, &old, &old_data), 0);
    ck_assert(old == on_end);
    ck_assert_ptr_eq(old_data, &data);
    o = NULL;
    drop_chain(); /* with one finalizer for each link, which gets its data */
    collect_all();
    ck_chain_ended();
    ck_assert_uint_eq(ran, 0);
}
END_TEST

static size_t asked;
static jmp_buf out;

static void *do_not_return(size_t size)
{
    asked = size;
    longjmp(out, 1);
}

START_TEST(set_oom_fn)
{
    GC_set_warn_proc(GC_ignore_warn_proc);
    ck_assert_int_eq(kgc_heap_set_limit(8 * KGC_MIB), 0);
    kgc_oom_fn standard = kgc_set_oom_fn(do_not_return);
    if (setjmp(out) == 0) {
        ck_abort_msg("it has returned %p", kgc_allocate(9 * KGC_MIB));
    }
    ck_assert_uint_eq(asked, 9 * KGC_MIB);
    ck_assert(kgc_set_oom_fn(standard) == do_not_return);
    ck_assert_ptr_null(kgc_allocate(9 * KGC_MIB)); /* the others: oom_test.c */
}
END_TEST

START_TEST(total_bytes)
{
    ck_assert_int_eq(kgc_init(NULL), 0);
    void *volatile first = kgc_allocate(100);
    ck_assert_ptr_nonnull(first);
    for (int i = 0; i < 5; i++) {
        size_t before = kgc_total_bytes();
        for (int j = 0; j < NUMBER; j++)
            first = kgc_allocate(100);
        size_t counted = kgc_total_bytes() - before;
        check_counted(counted, 100);
        kgc_collect(); /* changes nothing */
        ck_assert_uint_ge(kgc_total_bytes(), before + counted);
        ck_assert_uint_le(kgc_total_bytes(), before + counted + BLOCK);
    }
}
END_TEST

SUITE("boehm_gc", FinalizerMode, __rust_allocate, __rust_deallocate, __rust_reallocate,
      __rust_reallocate_inplace, __rust_usable_size, bytes_since_gc, free_bytes, gc_allocate, gc_collect,
      gc_disable, gc_enable, heap_size, register_finalizer, set_oom_fn, total_bytes)
