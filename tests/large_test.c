/* SPDX-License-Identifier: MIT */
/* Large scanned objects: zero whatever lay there before, and scanned. */
#include "chain.h"
#include "os/zero.h"
#include "suite.h"
#include "support/fault.h"
#include <gc/gc_mark.h>
#include <sys/mman.h>
#include <unistd.h>

enum { KIB = 1024, MIB = 1024 * KIB };

static bool is_zero(const unsigned char *p, size_t size)
{
    return p[0] == 0 && memcmp(p, p + 1, size - 1) == 0;
}

static const size_t sizes[] = {64 * KIB - 1, 64 * KIB,   64 * KIB + 1, 100000,
                               MIB - 1,      MIB + 4096, 3 * MIB + 17};
enum { SIZES = sizeof sizes / sizeof sizes[0] };

/* Memory that was used is taken again: every object is filled and released. */
static bool used_memory_is_zeroed(void)
{
    for (int round = 0; round < 6; round++) {
        for (int i = 0; i < SIZES; i++) {
            unsigned char *p = kgc_allocate(sizes[i]);
            if (p == NULL || (uintptr_t)p % 16 != 0 || kgc_size(p) < sizes[i] || !is_zero(p, kgc_size(p)))
                return false;
            memset(p, 0xff, kgc_size(p));
            if (round % 2 == 0) /* a file's pages leave the page table with their contents */
                madvise(p, sizes[i] / 4096 * 4096, MADV_DONTNEED);
            kgc_release(p);
        }
    }
    return true;
}

START_TEST(zeroed)
{
    ck_assert(used_memory_is_zeroed());
}
END_TEST

static void on_heap(const char *spec)
{
    ck_assert_int_eq(kgc_init(&(kgc_options){.heap = spec}), 0);
    ck_assert(used_memory_is_zeroed());
}

START_TEST(zeroed_on_thp)
{
    on_heap("thp");
}
END_TEST

START_TEST(zeroed_on_a_file)
{
    on_heap("file:/var/tmp");
}
END_TEST

START_TEST(zeroed_on_a_tier)
{
    on_heap("tier:default@2M+file:/var/tmp");
}
END_TEST

/* A page that was never used is not brought into memory. */
START_TEST(fresh_memory_is_not_touched)
{
    enum { SIZE = 16 * MIB };
    unsigned char *p = kgc_allocate(SIZE);
    ck_assert_ptr_nonnull(p);
    unsigned char in_memory[SIZE / 4096];
    ck_assert_int_eq(mincore(p, SIZE, in_memory), 0);
    size_t resident = 0;
    for (size_t i = 0; i < sizeof in_memory; i++)
        resident += in_memory[i] & 1;
    ck_assert_uint_le(resident, sizeof in_memory / 8);
    ck_assert(is_zero(p, SIZE));
}
END_TEST

/* Without /proc everything is zeroed. */
static void without(enum fault_call call)
{
    kgc_release(kgc_allocate(MIB));
    fault_arm(call, 1, true, fault_errno(call));
    bool works = used_memory_is_zeroed();
    unsigned hits = fault_hits();
    fault_disarm();
    ck_assert(works);
    ck_assert_uint_gt(hits, 0);
}

START_TEST(pagemap_cannot_be_opened)
{
    without(FAULT_OPEN);
}
END_TEST

START_TEST(pagemap_cannot_be_read)
{
    without(FAULT_PREAD);
}
END_TEST

/* Any part of a range, whatever its pages are. */
START_TEST(ranges)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE), size = 600 * page;
    unsigned char *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(p, MAP_FAILED);
    for (size_t i = 0; i < 600; i += 3)
        memset(p + i * page, 0xff, page);
    const size_t from[] = {0, 1, page - 1, page, 5 * page + 7},
                 to[] = {size, size - 1, page + 1, 2 * page, 6 * page};
    for (int i = 0; i < 5; i++) {
        for (int j = 0; j < 5; j++) {
            if (from[i] >= to[j])
                continue;
            memset(p, 0xff, page);
            p[from[i]] = p[to[j] - 1] = 1;
            kgc__os_zero_anonymous(p + from[i], to[j] - from[i]);
            ck_assert(is_zero(p + from[i], to[j] - from[i]));
            if (from[i] > 0 && from[i] < page)
                ck_assert_uint_eq(p[from[i] - 1], 0xff);
        }
    }
}
END_TEST

static __attribute__((noinline)) void **hold(size_t size)
{
    void **p = kgc_allocate(size);
    ck_assert_ptr_nonnull(p);
    p[size / sizeof *p / 2] = make_chain();
    return p;
}

START_TEST(scanned)
{
    void **volatile p = hold(MIB);
    collect_all();
    ck_chain_kept();
    check_chain(p[MIB / sizeof *p / 2]);
    p = NULL;
    collect_all();
    ck_chain_ended();
}
END_TEST

static __attribute__((noinline)) void make_garbage(void)
{
    for (int i = 0; i < 64; i++)
        ck_assert_ptr_nonnull(kgc_allocate(4 * MIB));
}

START_TEST(collected)
{
    for (int round = 0; round < 8; round++)
        make_garbage();
    ck_assert_uint_lt(kgc_heap_size(), (size_t)512 * MIB);
}
END_TEST

START_TEST(reallocated)
{
    ck_assert(used_memory_is_zeroed()); /* and leaves its bytes behind */
    unsigned char *p = kgc_allocate(100);
    memset(p, 1, 100);
    size_t old = 100;
    for (int i = 0; i < 2 * SIZES; i++) {
        size_t size = i < SIZES ? sizes[i] : sizes[2 * SIZES - 1 - i] / 3;
        p = kgc_reallocate(p, size);
        ck_assert_ptr_nonnull(p);
        size_t kept = old < size ? old : size;
        ck_assert_uint_eq(p[0], 1);
        ck_assert_int_eq(memcmp(p, p + 1, kept - 1), 0);
        if (kgc_size(p) > kept)
            ck_assert(is_zero(p + kept, kgc_size(p) - kept));
        memset(p, 1, size);
        old = size;
    }
    int kind;
    size_t size;
    kind = GC_get_kind_and_size(p, &size);
    ck_assert_int_ne(kind, 0); /* scanned still */
}
END_TEST

static void *spare;
static void *give_spare(size_t size)
{
    (void)size;
    return spare;
}

/* The out-of-memory function's object is in use: it is not cleared. */
START_TEST(object_of_the_oom_function)
{
    spare = kgc_allocate(2 * MIB);
    memset(spare, 7, 2 * MIB);
    kgc_heap_set_limit(kgc_heap_size());
    kgc_set_oom_fn(give_spare);
    static void *kept[1000];
    unsigned char *p = NULL;
    for (int i = 0; i < 1000 && p != spare; i++)
        kept[i] = p = kgc_allocate(MIB);
    ck_assert_ptr_nonnull(kept[0]);
    ck_assert_ptr_eq(p, spare);
    ck_assert_uint_eq(p[0], 7);
    ck_assert_int_eq(memcmp(p, p + 1, MIB - 1), 0);
}
END_TEST

SUITE("large", zeroed, zeroed_on_thp, zeroed_on_a_file, zeroed_on_a_tier, fresh_memory_is_not_touched,
      pagemap_cannot_be_opened, pagemap_cannot_be_read, ranges, scanned, collected, reallocated,
      object_of_the_oom_function)
