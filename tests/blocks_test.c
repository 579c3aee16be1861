/* SPDX-License-Identifier: MIT */
/* Live blocks by their addresses: arena/blocks.h. */
#include "arena/blocks.h"
#include "suite.h"
#include <kindgc.h>
#include <stdlib.h>
#include <string.h>

static void check_found(const char *at, const char *block, size_t usable)
{
    struct kgc__block b;
    ck_assert(kgc__block_find(at, &b));
    ck_assert_ptr_eq(b.start, block);
    ck_assert_uint_eq(b.size, usable);
}

static void check_block(char *p)
{
    struct kgc__block b;
    size_t usable = kgc_malloc_usable_size(p), step = usable / 61 + 1;
    for (size_t i = 0; i < usable; i += step)
        check_found(p + i, p, usable);
    check_found(p + usable - 1, p, usable);
    ck_assert(!kgc__block_find(p + usable, &b) || b.start == p + usable);
    ck_assert(!kgc__block_find(p - 1, &b) || b.start != p);
    kgc_free(p);
    for (size_t i = 0; i < usable; i += step)
        ck_assert(!kgc__block_find(p + i, &b));
}

START_TEST(found_from_within)
{
    for (size_t size = 1; size < 40000000; size = size * 5 / 4 + 1)
        check_block(kgc_malloc(size));
    for (size_t alignment = 32; alignment <= 1 << 20; alignment *= 2)
        for (size_t size = 1; size < 3000000; size = size * 9 + 1)
            check_block(kgc_aligned_alloc(alignment, size));
    check_block(kgc_malloc((size_t)1 << 30));
}
END_TEST

/* The same among neighbours of all sizes, that come and go. */
START_TEST(among_others)
{
    enum { BLOCKS = 3000 };
    static char *block[BLOCKS];
    unsigned x = 1;
    for (int round = 0; round < 30000; round++) {
        x = x * 1103515245 + 12345;
        unsigned i = x >> 8 & 0xffff;
        i %= BLOCKS;
        unsigned bits = x >> 4 & 15;
        size_t size = (x >> 16) % ((size_t)16 << bits) + 1;
        kgc_free(block[i]);
        block[i] = kgc_malloc(size);
        if (round % 3 == 0)
            block[i] = kgc_realloc(block[i], size / 3 + 1 + 2 * size * (round % 2u));
        size_t usable = kgc_malloc_usable_size(block[i]);
        check_found(block[i] + usable - 1, block[i], usable);
        check_found(block[i] + usable / 2, block[i], usable);
        check_found(block[i], block[i], usable);
    }
    for (unsigned i = 0; i < BLOCKS; i++)
        if (block[i] != NULL)
            check_block(block[i]);
}
END_TEST

/* Blocks above the classes, which share records by 32 MiB with their neighbours;
   nothing of them is touched. */
START_TEST(very_large_ones)
{
    enum { BLOCKS = 24 };
    static char *block[BLOCKS];
    struct kgc__block b;
    unsigned x = 1;
    for (int round = 0; round < 400; round++) {
        x = x * 1103515245 + 12345;
        unsigned i = (x >> 8 & 0xffff) % BLOCKS;
        size_t size = ((x >> 16) % 20 == 0 ? 1 : (x >> 16) % 100) * KGC_MIB + (x & 0xfff);
        kgc_free(block[i]);
        if (block[i] != NULL)
            ck_assert(!kgc__block_find(block[i], &b));
        block[i] = kgc_malloc(size + 1);
        for (int down = 0; down < 2; down++)
            if (kgc_realloc_in_place(block[i], down ? size / 2 : size + 40 * KGC_MIB) && down)
                block[i] = kgc_realloc(block[i], size / 2 + 1); /* stays where it is */
        for (unsigned j = 0; j < BLOCKS; j++) {
            size_t usable = block[j] != NULL ? kgc_malloc_usable_size(block[j]) : 0;
            for (size_t at = 0; at < usable; at += usable / 3)
                check_found(block[j] + at, block[j], usable);
            if (usable != 0)
                check_found(block[j] + usable - 1, block[j], usable);
        }
    }
    for (unsigned i = 0; i < BLOCKS; i++)
        if (block[i] != NULL)
            check_block(block[i]);
}
END_TEST

START_TEST(nothing)
{
    struct kgc__block b;
    int local;
    void *foreign = malloc(10), *explicit = NULL;
    kgc_kind *kind;
    ck_assert_int_eq(kgc_kind_open("default,scanned", &kind), 0);
    explicit = kgc_kind_malloc(kind, 10);
    ck_assert(!kgc__block_find(NULL, &b));
    ck_assert(!kgc__block_find((void *)-1, &b));
    ck_assert(!kgc__block_find(&local, &b));
    ck_assert(!kgc__block_find(foreign, &b));
    ck_assert(!kgc__block_find(explicit, &b));
    ck_assert(!kgc__block_find(kgc_allocate(10), &b));
    kgc_kind_free(kind, explicit);
    free(foreign);
}
END_TEST

START_TEST(pinned)
{
    struct kgc__block b;
    char *p = kgc_malloc(100);
    ck_assert(kgc__block_pin(p, true));
    ck_assert(kgc__block_find(p + 50, &b));
    ck_assert(b.pinned);
    ck_assert(!kgc__block_pin(p + 16, true));
    p = kgc_realloc(p, 100000);
    ck_assert(kgc__block_find(p + 50, &b));
    ck_assert(b.pinned);
    ck_assert(kgc_realloc_in_place(p, kgc_malloc_usable_size(p)));
    ck_assert(kgc__block_find(p, &b) && b.pinned);
    kgc_free(p);
    ck_assert(!kgc__block_pin(p, true));
    ck_assert(!kgc__block_find(p, &b));
    char *q = kgc_malloc(100000);
    ck_assert(kgc__block_find(q, &b));
    ck_assert(!b.pinned);
    kgc_free(q);
}
END_TEST

struct seen {
    size_t blocks, bytes;
    const char *last;
    char *stop_at;
};

static bool see(const struct kgc__block *b, void *arg)
{
    struct seen *s = arg;
    s->blocks++;
    s->bytes += b->size;
    bool ascends = s->last < b->start;
    s->last = ascends ? b->start : (const char *)-1;
    return b->start != s->stop_at;
}

static void see_range(char *lo, char *hi, void *arg)
{
    struct seen *s = arg;
    if (s->stop_at >= lo && s->stop_at < hi)
        s->blocks++;
}

START_TEST(visited)
{
    enum { BLOCKS = 2000 };
    static char *block[BLOCKS];
    size_t bytes = 0;
    for (unsigned i = 0; i < BLOCKS; i++) {
        block[i] = kgc_malloc((size_t)i * i);
        bytes += kgc_malloc_usable_size(block[i]);
    }
    struct seen s = {0};
    kgc__blocks_visit(see, &s);
    ck_assert_uint_eq(s.blocks, BLOCKS);
    ck_assert_uint_eq(s.bytes, bytes);
    ck_assert_ptr_ne(s.last, (char *)-1);
    struct seen first = {.stop_at = block[1000]};
    kgc__blocks_visit(see, &first);
    ck_assert_uint_lt(first.blocks, BLOCKS);
    struct seen ranges = {.stop_at = block[1000]}, tables = {.stop_at = block[1000]};
    kgc__blocks_visit_ranges(see_range, &ranges);
    ck_assert_uint_eq(ranges.blocks, 1);
    kgc__blocks_visit_tables(see_range, &tables);
    ck_assert_uint_eq(tables.blocks, 0);
    for (unsigned i = 0; i < BLOCKS; i++)
        kgc_free(block[i]);
    s = (struct seen){0};
    kgc__blocks_visit(see, &s);
    ck_assert_uint_eq(s.blocks, 0);
}
END_TEST

SUITE("blocks", found_from_within, among_others, very_large_ones, nothing, pinned, visited)
