/* SPDX-License-Identifier: MIT */
/*
 * malloc replaced, inside libkindgc-malloc.so.
 *
 * symbols.c has the functions that programs call: one test, then a tail call
 * of the rooted heap.  Everything that is rare is behind that test: before and
 * while the library starts (start.c), during fork (fork.c), with malloc=off,
 * and for pointers that are not the rooted heap's (foreign.c).
 */
#ifndef KGC_DROPIN_DROPIN_H
#define KGC_DROPIN_DROPIN_H

#include "base/check.h"
#include "rooted/rooted.h"
#include <kindgc/kind.h>
#include <kindgc/malloc.h>
#include <stdbool.h>
#include <stddef.h>

enum { KGC__ALIGNMENT = 16 };

/*
 * How many reasons there are for the slow path: not started, or malloc=off;
 * and each thread between fork's handlers.  0: none.
 */
extern int kgc__slow_reasons;

static inline bool kgc__fast(void)
{
    return kgc__likely(__atomic_load_n(&kgc__slow_reasons, __ATOMIC_RELAXED) == 0);
}

/* Does p lie in memory of a kind, so that the rooted heap knows what it is? */
static inline bool kgc__ours(const void *p)
{
    return kgc__likely(kgc__rooted_owns(p)) || kgc_kind_of(p) != NULL;
}

/* ---- start.c ---- */

/* Who serves the calling thread's requests now. */
enum kgc__server { KGC__ROOTED, KGC__LIBC, KGC__EARLY };
/* The answer; starts the library when nobody has yet. */
enum kgc__server kgc__server(void);

/* ---- slow.c: the same functions for everybody else; alignment is a power of two ---- */

void *kgc__slow_malloc(size_t size);
void *kgc__slow_calloc(size_t count, size_t size);
void *kgc__slow_aligned(size_t alignment, size_t size);
/* p is not NULL. */
void *kgc__slow_realloc(void *p, size_t size);
void kgc__slow_free(void *p);
/* Frees a block of early.c or of glibc's; false: it can be neither. */
bool kgc__free_stranger(void *p);
size_t kgc__slow_usable_size(void *p);

/* ---- fork.c ---- */

/* Is this thread between fork's handlers, where the locks are held? */
bool kgc__forking(void);
/* Once, after the library's own handlers. */
void kgc__fork_attach(void);
/* Frees a block of the rooted heap after fork. */
void kgc__free_after_fork(void *p);

#endif
