/* SPDX-License-Identifier: MIT */
/*
 * A byte for each 4 KiB of a kind's range: the class of the blocks that start
 * there.  It makes free() find the class with one load, without jemalloc.
 *
 * A byte is written when a block is handed out by jemalloc.  All blocks that
 * live in a page have the same class, so the byte of a live block's first
 * page is right; bytes of free pages may be stale.
 *
 * In scanned kinds every page that a block touches has the byte (blocks above
 * the classes: see below), and the collector scans just those.  There, free
 * blocks are cleared, so that what is scanned without living holds nothing; the
 * bytes go when a large block is freed (see kgc__unmark()) or a hook gives the
 * pages back (extent/space.c).
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
 *
 * Blocks above the classes have KGC__NO_CLASS in the first page's byte; the
 * bytes of their other pages mean nothing.  Where such a block ends is in a
 * record for each 32 MiB of the range, in which at most one of them begins;
 * the records of what it reaches into say where it began.  So a GiB is not a
 * matter of 256 KiB of bytes.
 */
enum { KGC__MARK_LATER = 128, KGC__MARK_LATER_FROM = 16 * 1024 };

/* The pages [first, end), by number, of the block above the classes that begins
   here; and the record of the one that has begun before and reaches into this.
   Valid while the first page's byte is KGC__NO_CLASS. */
struct kgc__long {
    _Atomic uint32_t first, end, begun;
};
enum { KGC__LONG_SHIFT = 25 - KGC__MARK_SHIFT };

/* They lie behind the marks and their groups. */
static inline size_t kgc__longs_offset(size_t range_size)
{
    size_t units = range_size >> KGC__MARK_SHIFT;
    return kgc__round_up(units + (units >> KGC__GROUP_SHIFT) + 1, sizeof(uint64_t));
}

static inline struct kgc__long *kgc__longs(const kgc_kind *kind, const unsigned char *marks)
{
    return (struct kgc__long *)(uintptr_t)(marks + kgc__longs_offset(kind->space.range.size));
}

/* Does a page belong to the block that such a record tells of? */
static inline bool kgc__long_has(const struct kgc__long *l, const unsigned char *marks, size_t unit)
{
    size_t first = atomic_load_explicit(&l->first, memory_order_relaxed);
    return unit >= first && unit < atomic_load_explicit(&l->end, memory_order_relaxed) &&
           __atomic_load_n(&marks[first], __ATOMIC_ACQUIRE) == KGC__NO_CLASS;
}

/* The page behind the last of those that a collection reads for the byte of one. */
static inline size_t kgc__mark_end(const kgc_kind *kind, const unsigned char *marks, size_t unit)
{
    const struct kgc__long *l = &kgc__longs(kind, marks)[unit >> KGC__LONG_SHIFT];
    return kgc__long_has(l, marks, unit) ? atomic_load_explicit(&l->end, memory_order_relaxed) : unit + 1;
}

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
