/* SPDX-License-Identifier: MIT */
/*
 * Which addresses are rooted blocks: a bit for every 16 bytes of address
 * space, set at the first byte of each block that is allocated.
 *
 * libgc cannot tell: it keeps its mark on uncollectable objects that were
 * freed (GC_free() in malloc.c of 8.2).  A table for each GiB is made when a
 * block in it is first allocated; of its 8 MiB only the touched part takes
 * memory, a 128th of the heap it describes.  Lock-free.
 */
#ifndef KGC_ROOTED_LIVE_H
#define KGC_ROOTED_LIVE_H

#include <stdbool.h>

/* p is a block from now on.  False with errno ENOMEM when there is no memory for a table. */
bool kgc__live_set(const void *p);
/* True when p was a block until now: of two threads that free it, one gets true. */
bool kgc__live_clear(const void *p);
bool kgc__live(const void *p);

#endif
