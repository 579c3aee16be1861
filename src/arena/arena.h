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

/*
 * fork(2).  The layer's lock is held across it, so that what the lock guards
 * is whole in the child.  It is taken before jemalloc's, whose handlers were
 * registered earlier and so run later.
 */
void kgc__arena_before_fork(void);
void kgc__arena_after_fork_in_parent(void);
/* Only the calling thread is left: the other threads' caches go. */
void kgc__arena_after_fork_in_child(void);

#endif
