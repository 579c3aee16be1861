/* SPDX-License-Identifier: MIT */
/*
 * A reserved range of addresses that hands out pieces from both ends.
 *
 *      base                                                  base + size
 *      | low: GC sections, dense -> |      free      | <- high: arenas |
 *
 * Sections grow densely from the base because libgc's tables wrap at 1 GiB
 * and spread-out sections cost false black-listing.  Addresses are never
 * taken back: libgc returns no section, jemalloc keeps and reuses what it
 * frees.  Lock-free: pieces are asked for with threads suspended.
 *
 * Invariants:
 *   handed out = low + high <= limit - placed, limit <= size
 *   pages [0, low_ready) and [size - high_ready, size) were made usable
 *   low <= low_ready and high <= high_ready whenever no request is under way,
 *   ready ends are multiples of the granule
 */
#ifndef KGC_EXTENT_RANGE_H
#define KGC_EXTENT_RANGE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum kgc__side { KGC__LOW, KGC__HIGH };

struct kgc__range {
    char *base;     /* NULL: none */
    size_t size;    /* bytes, a multiple of the granule */
    size_t granule; /* unit of making usable: the page size of the backing */
    size_t limit;   /* bytes */
    _Atomic uint64_t taken;         /* pages: low in the lower half, high in the upper */
    _Atomic size_t ready[2];        /* bytes from each end */
    _Atomic size_t placed;          /* bytes of the limit that are used elsewhere: section/place.h */
};

/*
 * Reserves addresses for at most `limit` bytes (SIZE_MAX: as much as is
 * sensible on this machine), halving until they fit under RLIMIT_AS.
 * Returns 0 or ENOMEM with kgc_last_error() set.
 */
int kgc__range_reserve(struct kgc__range *range, size_t limit, size_t granule);
void kgc__range_release(struct kgc__range *range);

/* A piece of `size` bytes (a multiple of the page size) aligned to `align`; NULL when it is full. */
void *kgc__range_take(struct kgc__range *range, enum kgc__side side, size_t size, size_t align);
/* Gives back the piece that was taken last; false (and it stays taken) when it was not the last. */
bool kgc__range_untake(struct kgc__range *range, enum kgc__side side, void *p, size_t size);

/*
 * What has to be made usable before the piece at p may be used: false when
 * nothing.  After making it so, kgc__range_mark_ready() records it; two
 * threads may do the same work, which must be idempotent.
 */
struct kgc__span {
    char *start;
    size_t size;
};
bool kgc__range_unready(struct kgc__range *range, enum kgc__side side, void *p, size_t size, struct kgc__span *out);
void kgc__range_mark_ready(struct kgc__range *range, enum kgc__side side, const struct kgc__span *span);

/* The usable bytes at one end. */
struct kgc__span kgc__range_ready(struct kgc__range *range, enum kgc__side side);
size_t kgc__range_taken(struct kgc__range *range, enum kgc__side side);
bool kgc__range_contains(const struct kgc__range *range, const void *p);

/* Counts bytes elsewhere.  False when the limit does not allow them; exact
   when no piece is taken at the same time. */
bool kgc__range_place(struct kgc__range *range, size_t size);
void kgc__range_unplace(struct kgc__range *range, size_t size);

#endif
