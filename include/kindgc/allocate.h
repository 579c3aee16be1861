/* SPDX-License-Identifier: MIT */
/*
 * Collectable memory: objects that the collector frees when nothing points to
 * them any more.
 *
 * Scanned objects are searched for pointers conservatively, at every aligned
 * word; atomic objects are not searched.  A pointer anywhere into an object
 * keeps it alive.  Pointers are looked for in registers, stacks, thread-local
 * and static variables, scanned objects and rooted memory (kindgc/malloc.h),
 * not in malloc(3)'s memory.  Objects of GC_malloc() and these live in one
 * heap and may point at each other.
 *
 * An allocating function may run a collection, and finalizers in the calling
 * thread (kindgc/finalize.h).
 */
#ifndef KINDGC_ALLOCATE_H
#define KINDGC_ALLOCATE_H

#include <kindgc/kind.h>

KGC_BEGIN_DECLS

/*
 * A scanned object, zeroed, aligned to 16 bytes, in the heap's kind.  size 0
 * gives a unique object.  NULL with errno ENOMEM when the heap cannot grow
 * any more: after the out-of-memory function (kindgc/heap.h) was asked.
 * Semantics of GC_malloc().
 */
KGC_API KGC_MALLOC KGC_ALLOC_SIZE(1) void *kgc_allocate(size_t size);

/* The same for objects without pointers: never scanned, contents
   indeterminate.  Semantics of GC_malloc_atomic(). */
KGC_API KGC_MALLOC KGC_ALLOC_SIZE(1) void *kgc_allocate_atomic(size_t size);

/*
 * Resizes a collectable object, which may move; scanned stays scanned and
 * atomic atomic.  p NULL allocates a scanned object; size 0 releases p and
 * returns NULL.  An object that moves leaves its finalizer behind, which does
 * not run any more.  On failure NULL with errno ENOMEM, p unchanged; EINVAL
 * when p is not the start of a collectable object.
 */
KGC_API __attribute__((warn_unused_result)) KGC_ALLOC_SIZE(2) void *kgc_reallocate(void *p, size_t size);

/*
 * Frees an object now.  Never needed; sound only when nothing uses it any
 * more.  Its finalizer does not run.  NULL: nothing.  A pointer that is not
 * the start of a collectable object calls the fatal handler; that a small
 * object was released already cannot be noticed.
 */
KGC_API void kgc_release(void *p);

/* Start of the object that an address lies in; NULL when it lies in none.
   Any value may be asked for. */
KGC_API void *kgc_base(const void *p);

/* Usable bytes of the object that starts at p, at least what was asked for;
   0 when none starts there. */
KGC_API size_t kgc_size(const void *p);

/* A copy of a string in an atomic object.  NULL with errno ENOMEM, or EINVAL for NULL. */
KGC_API KGC_MALLOC char *kgc_strdup(const char *string);

KGC_END_DECLS
#endif
