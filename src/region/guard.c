/* SPDX-License-Identifier: MIT */
/*
 * The checking mode: 16 bytes in front of each block and 16 behind it that
 * nobody may write to.
 *
 * The table of blocks lies outside of the region, so that what runs over a
 * guard cannot lead the walk astray, and so that no guard behind a damaged one
 * goes unseen.  A damaged guard is marked in the table and not repaired: the
 * region's memory is only read, which works on pages that the caller has made
 * read-only.  Guards on pages that were released, or that cannot be read, are
 * looked at for the last time before that and then given up.
 */
#include "base/check.h"
#include "base/size.h"
#include "os/meta.h"
#include "region/region.h"
#include <errno.h>
#include <string.h>

enum {
    GUARD = 16,
    FIRST_ROOM = 1024 /* blocks: the smallest table that meta.h gives back, 16 KiB */
};

/* Differs from byte to byte and is never 0, which ends strings, nor an ASCII character. */
static unsigned char pattern(uintptr_t address)
{
    return (unsigned char)(0x80 | (address * 37 & 0x7f));
}

static void set_guard(char *p)
{
    for (size_t i = 0; i < GUARD; i++)
        p[i] = (char)pattern((uintptr_t)p + i);
}

static bool is_intact(const char *p)
{
    for (size_t i = 0; i < GUARD; i++)
        if ((unsigned char)p[i] != pattern((uintptr_t)p + i))
            return false;
    return true;
}

static size_t before(const struct kgc__block *block)
{
    return block->start - GUARD;
}

static size_t after(const struct kgc__block *block)
{
    return block->start + block->size;
}

int kgc__guards_open(kgc_region *r)
{
    r->blocks = kgc__meta_allocate(FIRST_ROOM * sizeof *r->blocks);
    if (r->blocks == NULL)
        return ENOMEM;
    r->room = FIRST_ROOM;
    r->guard = GUARD;
    return 0;
}

void kgc__guards_close(kgc_region *r)
{
    kgc__meta_free(r->blocks, r->room * sizeof *r->blocks);
}

int kgc__guards_make_room(kgc_region *r)
{
    if (r->count < r->room)
        return 0;
    size_t old = r->room * sizeof *r->blocks;
    struct kgc__block *larger = kgc__meta_allocate(2 * old);
    if (larger == NULL)
        return ENOMEM;
    memcpy(larger, r->blocks, old);
    kgc__meta_free(r->blocks, old);
    r->blocks = larger;
    r->room *= 2;
    return 0;
}

void kgc__guards_add(kgc_region *r, size_t start, size_t size)
{
    KGC_CHECK_INTERNAL(r->count < r->room && start - r->at >= GUARD);
    struct kgc__block *block = &r->blocks[r->count++];
    *block = (struct kgc__block){.start = start, .size = size};
    set_guard(r->base + before(block));
    set_guard(r->base + after(block));
}

/* The first block whose second guard ends behind this place. */
static size_t first_behind(const kgc_region *r, size_t place)
{
    size_t low = 0, high = r->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (after(&r->blocks[middle]) + GUARD > place)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

struct kgc__block *kgc__guards_find(const kgc_region *r, size_t start)
{
    size_t i = first_behind(r, start);
    return i < r->count && r->blocks[i].start == start ? &r->blocks[i] : NULL;
}

void kgc__guards_look(kgc_region *r, struct kgc__block *block)
{
    if (!block->before_done && !is_intact(r->base + before(block))) {
        block->before_done = 1;
        r->damaged++;
    }
    if (!block->after_done && !is_intact(r->base + after(block))) {
        block->after_done = 1;
        r->damaged++;
    }
}

void kgc__guards_look_at_all(kgc_region *r)
{
    for (size_t i = 0; i < r->count; i++)
        kgc__guards_look(r, &r->blocks[i]);
}

void kgc__guards_resize(kgc_region *r, struct kgc__block *block, size_t size)
{
    block->size = size;
    block->after_done = 0;
    set_guard(r->base + after(block));
}

size_t kgc__guards_drop_last(kgc_region *r)
{
    r->count--;
    return r->count != 0 ? after(&r->blocks[r->count - 1]) + GUARD : 0;
}

void kgc__guards_drop_all(kgc_region *r)
{
    r->count = 0;
}

/* Does a guard that starts there share a byte with [from, to)? */
static bool touches(size_t guard, size_t from, size_t to)
{
    return guard < to && guard + GUARD > from;
}

void kgc__guards_look_between(kgc_region *r, size_t from, size_t to)
{
    for (size_t i = first_behind(r, from); i < r->count && before(&r->blocks[i]) < to; i++)
        kgc__guards_look(r, &r->blocks[i]);
}

void kgc__guards_give_up_between(kgc_region *r, size_t from, size_t to)
{
    for (size_t i = first_behind(r, from); i < r->count && before(&r->blocks[i]) < to; i++) {
        struct kgc__block *block = &r->blocks[i];
        if (touches(before(block), from, to))
            block->before_done = 1;
        if (touches(after(block), from, to))
            block->after_done = 1;
    }
}
