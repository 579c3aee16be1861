/* SPDX-License-Identifier: MIT */
/*
 * A byte for each 4 KiB of a kind's range: the class of the blocks that start
 * there.  It makes free() find the class with one load, without jemalloc.
 *
 * A byte is written when a block is handed out by jemalloc.  All blocks that
 * live in a page have the same class, so the byte of a live block's first
 * page is right; bytes of free pages may be stale.
 *
 * In scanned kinds every page that a block touches has the byte, and the
 * collector scans just those.  There, free blocks are cleared, so that what
 * is scanned without living holds nothing; the bytes go when a large block is
 * freed (see kgc__unmark()) or a hook gives the pages back (extent/space.c).
 * Bytes are written before a block is known to anybody, and never when pages
 * cannot be read; so a collection may read them at any time.
 */
#ifndef KGC_ARENA_MARKS_H
#define KGC_ARENA_MARKS_H

#include "arena/classes.h"
#include "extent/map.h"
#include "kind/kind.h"
#include <string.h>

/*
 * Blocks of at least KGC__MARK_LATER_FROM bytes, which share no page with
 * others, have their class in the first page's byte only.  The k-th after it
 * has KGC__MARK_LATER + floor(log2(k)), so that the first is found in few
 * steps (scanned kinds only).
 */
enum { KGC__MARK_SHIFT = 12, KGC__MARK_LATER = 128, KGC__MARK_LATER_FROM = 16 * 1024 };

/* The kind, a member for tiers and ratios, whose range p lies in; NULL:
   nobody's, or a kind of the caller's hooks. */
static inline kgc_kind *kgc__ranged_kind_of(const void *p)
{
    kgc_kind *kind = kgc__kind_of_owner(kgc__map_owner(p));
    return kind != NULL && kind->space.range.base != NULL ? kind : NULL;
}

static inline unsigned char *kgc__mark_of(kgc_kind *kind, const void *p)
{
    unsigned char *marks = atomic_load_explicit(&kind->space.marks, memory_order_acquire);
    return marks != NULL ? marks + ((size_t)((const char *)p - kind->space.range.base) >> KGC__MARK_SHIFT)
                         : NULL;
}

/* The class of the block at p; 0 when it was not handed out here. */
static inline unsigned kgc__class_at(kgc_kind *kind, const void *p)
{
    const unsigned char *mark = kgc__mark_of(kind, p);
    return mark != NULL ? __atomic_load_n(mark, __ATOMIC_RELAXED) : 0;
}

/* Sees to it that a kind's range, and its members' ranges, have marks.  0 or ENOMEM. */
int kgc__marks_make(kgc_kind *kind);
/* p, of `size` bytes usable, is handed out. */
void kgc__mark(void *p, size_t size, unsigned class);
/* p, cleared and of at least KGC__MARK_LATER_FROM bytes, is free: the collector passes over it. */
void kgc__unmark(void *p, size_t size);

#endif
