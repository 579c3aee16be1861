/* SPDX-License-Identifier: MIT */
/*
 * Which addresses are live blocks of the rooted heap: a byte for each 16 bytes
 * of its kind's range.  The byte of a live block's first 16 bytes is its class
 * (KGC__BLOCK_LARGE for those above the classes); every other byte is 0.
 * KGC__BLOCK_PINNED is added to blocks that must not be reclaimed.
 *
 * malloc() stores the byte when it hands a block out and free() clears it, so
 * a block that is freed twice, or an address that is none, is noticed by the
 * load that finds the class.  Plain stores: of two threads that free one block
 * at the same moment both may see it alive.
 *
 * What finds leaks reads the bytes while all other threads are stopped, at
 * whatever instruction: a block that malloc() has not returned yet may be
 * there or not, and both are right.
 */
#ifndef KGC_ARENA_BLOCKS_H
#define KGC_ARENA_BLOCKS_H

#include "arena/classes.h"
#include "kind/kind.h"
#include <stdbool.h>
#include <stddef.h>

enum { KGC__BLOCK_SHIFT = 4, KGC__BLOCK_LARGE = KGC__CLASSES + 1, KGC__BLOCK_PINNED = 0x80 };

/* Makes a scanned kind one whose blocks are known, before any was allocated.
   0, or ENOMEM with kgc_last_error() set. */
int kgc__blocks_make(kgc_kind *kind);

/* The block at p, just taken from the kind, lives. */
void kgc__block_born(void *p);
/* The byte of any address: 0 when no live block starts there. */
unsigned kgc__block_byte(const void *p);
/* The live block at p is one no more. */
void kgc__block_died(void *p);

/* A live block. */
struct kgc__block {
    char *start;
    size_t size; /* usable bytes */
    bool pinned;
};

/*
 * The live block that p points to or into; false: none.  Any address may be
 * asked for.  Takes no lock and allocates nothing; jemalloc is not asked.
 * `stopped` threads or running ones, as the file's comment says.
 */
bool kgc__block_find(const void *p, struct kgc__block *out);

/* The live block at p becomes one that is never reclaimed, or an ordinary one
   again.  False: no live block starts there. */
bool kgc__block_pin(void *p, bool pinned);
/* Has any block ever been pinned? */
extern bool kgc__block_pins;

/* Calls fn for every live block, by ascending address in each range, until it
   returns false.  A block that fn frees is not visited again. */
void kgc__blocks_visit(bool (*fn)(const struct kgc__block *, void *), void *arg);

/* Calls fn for each piece of memory in which live blocks may lie: the part
   that is in use of each such kind's range. */
void kgc__blocks_visit_ranges(void (*fn)(char *lo, char *hi, void *), void *arg);

/* The same for the tables behind this: what nobody else should read. */
void kgc__blocks_visit_tables(void (*fn)(char *lo, char *hi, void *), void *arg);

#endif
