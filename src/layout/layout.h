/* SPDX-License-Identifier: MIT */
/*
 * What the files of this layer offer each other:
 *
 *   layout.c     sizes and alignments; pure arithmetic
 *   allocator.c  memory from any allocator, and from the global one
 *   objects.c    the tables for the rooted heap, a kind, a region, the system
 *   collector.c  the tables for collectable objects
 *   global.c     which allocator is the global one; the hook for allocations that fail
 *
 * Nothing here locks.
 */
#ifndef KGC_LAYOUT_LAYOUT_H
#define KGC_LAYOUT_LAYOUT_H

#include "base/check.h"
#include "base/size.h"
#include <kindgc/layout.h>
#include <stdatomic.h>

/* What every allocator here aligns to without being asked. */
enum { KGC__ALIGNMENT = 16 };

static inline bool kgc__layout_is_good(kgc_layout layout)
{
    return kgc__is_power_of_two(layout.align) && layout.size <= PTRDIFF_MAX - (layout.align - 1);
}

/* Sets kgc_last_error() to why a layout is bad, beginning with the function's name, and returns EINVAL. */
int kgc__layout_is_bad(const char *function, kgc_layout layout);

/*
 * For realloc: does a block with `usable` bytes stay where it is for `size`?
 * One that is more than twice too large moves, so that memory is freed.
 */
static inline bool kgc__stays(size_t usable, size_t size)
{
    return size <= usable && size >= usable / 2;
}

/* Another block with the old one's contents, from alloc and dealloc of the
   table; the old one itself when it is to shrink and there is no memory. */
void *kgc__allocator_move(const kgc_allocator *a, void *p, kgc_layout layout, kgc_layout wanted);

/* Does it have alloc and dealloc?  If not, kgc_last_error() says so. */
bool kgc__allocator_is_complete(const char *function, const kgc_allocator *a);

/* The global allocator; NULL until it is set or used. */
extern _Atomic(const kgc_allocator *) kgc__global;
/* From now on it is the default one, unless it is set. */
const kgc_allocator *kgc__global_first_use(void);

static inline const kgc_allocator *kgc__global_allocator(void)
{
    const kgc_allocator *a = atomic_load_explicit(&kgc__global, memory_order_acquire);
    return kgc__likely(a != NULL) ? a : kgc__global_first_use();
}

#endif
