/* SPDX-License-Identifier: MIT */
/*
 * Collectable objects, over libgc's own functions and the threads' magazines.
 *
 * What is checked here: that pointers given back are what they must be.
 * libgc cannot tell a small object that was released from one in use, so
 * releasing twice is not noticed.
 */
#include "base/message.h"
#include "collect/allocate_in.h"
#include "collect/large.h"
#include "collect/libgc.h"
#include "collect/magazine.h"
#include "collect/pace.h"
#include "collect/references.h"
#include "collect/start.h"
#include "collect/type.h"
#include <errno.h>
#include <kindgc/allocate.h>
#include <stdint.h>
#include <string.h>

static void *fail(int error)
{
    errno = error;
    return NULL;
}

/*
 * Small objects come from the thread's magazine (magazine.h).  A thread has one
 * only after kgc__enter() and until it leaves the heap, so the common path has
 * nothing else to check.
 */
static __attribute__((noinline)) void *allocate_slowly(size_t size)
{
    if (!kgc__enter())
        return NULL;
    kgc__pace_poll();
    if (size > PTRDIFF_MAX)
        return kgc__out_of_memory(size);
    if (size >= KGC__LARGE)
        return kgc__large_allocate(size, true);
    void *p = size <= KGC__MAGAZINE_MAX ? kgc__magazine_refill(kgc__size_class(size)) : NULL;
    return p != NULL ? p : GC_malloc(size); /* which calls the out-of-memory function */
}

void *(kgc_allocate)(size_t size)
{
    void *p = kgc__likely(size <= KGC__MAGAZINE_MAX) ? kgc_take(kgc__size_class(size)) : NULL;
    return kgc__likely(p != NULL) ? p : allocate_slowly(size);
}

static __attribute__((noinline)) void *allocate_atomic_slowly(size_t size)
{
    if (!kgc__enter())
        return NULL;
    kgc__pace_poll();
    if (size > PTRDIFF_MAX)
        return kgc__out_of_memory(size);
    void *p = size <= KGC__MAGAZINE_MAX
                  ? kgc__shelf_refill(KGC__POINTER_FREE, kgc__size_class(size), NULL, NULL)
                  : NULL;
    return p != NULL ? p : GC_malloc_atomic(size);
}

void *kgc_allocate_atomic(size_t size)
{
    void *p = kgc__likely(size <= KGC__MAGAZINE_MAX)
                  ? kgc__shelf_take(KGC__POINTER_FREE, kgc__size_class(size))
                  : NULL;
    return kgc__likely(p != NULL) ? p : allocate_atomic_slowly(size);
}

/* Its finalizer would otherwise run for whatever comes to lie there. */
static void release(void *p)
{
    GC_register_finalizer_no_order(p, NULL, NULL, NULL, NULL);
    kgc__reference_released(p);
    GC_free(p);
}

static bool is_scanned(const void *p, int kind)
{
    bool scanned = kind == KGC__SCANNED || kgc__large_is_kind(kind);
    kgc__placed_kind_of(p, kind, &scanned);
    return scanned;
}

/*
 * Another object with the old one's contents, on the same kind of memory.  An
 * embedder's own kinds of objects stay what they are.
 */
static void *move(void *p, size_t old, size_t size, int kind)
{
    bool scanned = is_scanned(p, kind);
    kgc_kind *placed = kgc__placed_kind_of(p, kind, &scanned);
    bool large = placed == NULL && scanned && size >= KGC__LARGE;
    void *q = large                       ? kgc__large_allocate(size, false)
              : placed != NULL            ? kgc_allocate_in(placed, size, scanned ? 0 : KGC_ATOMIC)
              : scanned                   ? kgc_allocate(size)
              : kind == KGC__POINTER_FREE ? kgc_allocate_atomic(size)
                                          : GC_generic_or_special_malloc(size, kind);
    if (q == NULL)
        return fail(ENOMEM);
    size_t kept = old < size ? old : size;
    memcpy(q, p, kept);
    if (large && q != kgc__oom_object)
        kgc__large_zero(q, kept, GC_size(q));
    release(p);
    return q;
}

void *kgc_reallocate(void *p, size_t size)
{
    if (p == NULL)
        return kgc_allocate(size);
    int kind;
    size_t old;
    if (!kgc__is_collectable(p, &kind, &old)) {
        kgc__fail(EINVAL, "kgc_reallocate: %p is not the start of a collectable object", p);
        return fail(EINVAL);
    }
    if (kgc__type_is_kind(kind)) {
        kgc__fail(EINVAL,
                  "kgc_reallocate: %p is of a type with pointers; allocate another object with "
                  "kgc_allocate_typed()",
                  p);
        return fail(EINVAL);
    }
    if (!kgc__enter())
        return NULL;
    if (size == 0) {
        release(p);
        return NULL;
    }
    if (size > PTRDIFF_MAX)
        return kgc__out_of_memory(size);
    if (size >= old || size < old / 2) /* the byte behind the last one belongs to it, as in a new object */
        return move(p, old, size, kind);
    if (is_scanned(p,
                   kind)) /* what is cut off keeps nothing alive, and is zero when the object grows again */
        memset((char *)p + size, 0, old - size);
    return p;
}

void kgc_release(void *p)
{
    if (p == NULL || !kgc__enter())
        return;
    int kind;
    size_t size;
    kgc_kind *kind_of_p;
    const void *base = GC_base(p);
    if (kgc__is_collectable(p, &kind, &size))
        release(p);
    else if (kgc__kind_use_of(p, &kind_of_p) == KGC__EXPLICIT && kind_of_p->rooted)
        kgc__fatal("kgc_release: %p is a rooted block; kgc_free() frees it", p);
    else if (base == NULL)
        kgc__fatal("kgc_release: %p does not belong to the GC heap, or was released already", p);
    else if (base != p)
        kgc__fatal("kgc_release: %p points into an object, not at its start", p);
    else
        kgc__fatal("kgc_release: %p is one of libgc's uncollectable objects; GC_free() frees it", p);
}

void *kgc_base(const void *p)
{
    return GC_base((void *)p);
}

size_t kgc_size(const void *p)
{
    if (p == NULL || GC_base((void *)p) != p)
        return 0;
    size_t size;
    int kind = GC_get_kind_and_size(p, &size);
    return kgc__type_is_kind(kind) ? size - KGC__WORD : size; /* which has a hidden word */
}

char *kgc_strdup(const char *string)
{
    if (string == NULL) {
        kgc__fail(EINVAL, "kgc_strdup: the string is NULL");
        return fail(EINVAL);
    }
    size_t size = strlen(string) + 1;
    char *copy = kgc_allocate_atomic(size);
    return copy != NULL ? memcpy(copy, string, size) : NULL;
}
