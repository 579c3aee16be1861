/* SPDX-License-Identifier: MIT */
/*
 * The rooted heap, for the layers above: who else wants to know of its blocks.
 */
#ifndef KGC_ROOTED_ROOTED_H
#define KGC_ROOTED_ROOTED_H

#include <kindgc/base.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * What comes with every block.  `extra` bytes at a block's end belong to
 * whoever set this, not to the program: they are asked for with the block, and
 * its usable size is less by as many.  The word `tail` of 8 bytes or none.
 *
 * born() is called for each new block, by malloc and realloc, with the size
 * that was asked for, before the block is returned; where realloc changes a
 * block in place too.  It may be called again for the same block.  NULL: nobody is called.
 * Set once, before the first block is allocated.
 */
struct kgc__rooted_tail {
    size_t extra; /* bytes: 0, 1 (a pointer to a block's end points into it), or 8 */
    void (*born)(void *block, size_t asked, uint64_t *tail); /* extra is 8 then */
};
void kgc__rooted_set_tail(const struct kgc__rooted_tail *tail);

/* The tail of a live block of `size` usable bytes, counted with the extra ones. */
static inline uint64_t *kgc__tail_of(char *start, size_t size)
{
    return (uint64_t *)(void *)(start + size - sizeof(uint64_t));
}

/*
 * Opens the rooted heap's kind, if that was not done yet.  kgc_malloc() does
 * it by itself; who replaces malloc() does it first, because opening some kinds
 * calls malloc().  0, or an errno value with kgc_last_error() set.
 */
KGC_API int kgc__rooted_start(void);

/* Is p in memory of the rooted heap, allocated or not?  For any value. */
KGC_API bool kgc__rooted_owns(const void *p);

/*
 * Who is asked to free what kgc_free() does not know: where malloc() is
 * replaced, blocks of other allocators come to it.  False: that is misuse.
 */
KGC_API void kgc__rooted_set_stranger(bool (*release)(void *p));

/* The slow path of malloc() calls it after taking memory for a cache, with no
   lock held; NULL: nobody.  For who paces collections. */
extern void (*kgc__rooted_took)(void);

#endif
