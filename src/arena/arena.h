/* SPDX-License-Identifier: MIT */
/*
 * Explicit memory: what the layers above need of it beside kindgc/arena.h.
 */
#ifndef KGC_ARENA_ARENA_H
#define KGC_ARENA_ARENA_H

/*
 * Initialises jemalloc.  Called before libgc is initialised: fork handlers
 * run in the reverse order of their registration, so fork takes libgc's lock
 * first and jemalloc's after it, as a collection does.
 */
void kgc__arena_prepare(void);

#endif
