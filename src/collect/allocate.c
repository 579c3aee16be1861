/* SPDX-License-Identifier: MIT */
/*
 * Collectable objects, over libgc's own functions.
 *
 * What is checked here: that pointers given back are what they must be.
 * libgc cannot tell a small object that was released from one in use, so
 * releasing twice is not noticed.
 */
#include "base/message.h"
#include "collect/libgc.h"
#include "collect/start.h"
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
 * The common path is a jump to libgc's function, without its entry in our
 * procedure linkage table: beside GC_malloc()'s own 20 ns each instruction
 * shows.  errno is set by our out-of-memory function.
 */
#if __has_attribute(noplt)
__typeof__(GC_malloc) GC_malloc __attribute__((noplt));
__typeof__(GC_malloc_atomic) GC_malloc_atomic __attribute__((noplt));
#endif

static __attribute__((noinline)) void *allocate_slowly(size_t size, void *(*allocate)(size_t))
{
    if (!kgc__enter())
        return NULL;
    return size > PTRDIFF_MAX ? kgc__out_of_memory(size) : allocate(size);
}

void *kgc_allocate(size_t size)
{
    if (kgc__unlikely(!kgc__entered() || size > PTRDIFF_MAX))
        return allocate_slowly(size, GC_malloc);
    return GC_malloc(size);
}

void *kgc_allocate_atomic(size_t size)
{
    if (kgc__unlikely(!kgc__entered() || size > PTRDIFF_MAX))
        return allocate_slowly(size, GC_malloc_atomic);
    return GC_malloc_atomic(size);
}

/* Its finalizer would otherwise run for whatever comes to lie there. */
static void release(void *p)
{
    GC_register_finalizer_no_order(p, NULL, NULL, NULL, NULL);
    GC_free(p);
}

/*
 * Another object with the old one's contents.  An embedder's own kinds of
 * objects stay what they are.
 */
static void *move(void *p, size_t old, size_t size, int kind)
{
    void *q = kind == KGC__SCANNED        ? GC_malloc(size)
              : kind == KGC__POINTER_FREE ? GC_malloc_atomic(size)
                                          : GC_generic_or_special_malloc(size, kind);
    if (q == NULL)
        return fail(ENOMEM);
    memcpy(q, p, old < size ? old : size);
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
    if (!kgc__enter())
        return NULL;
    if (size == 0) {
        release(p);
        return NULL;
    }
    if (size > PTRDIFF_MAX)
        return kgc__out_of_memory(size);
    if (size > old || size < old / 2)
        return move(p, old, size, kind);
    if (kind ==
        KGC__SCANNED) /* what is cut off keeps nothing alive, and is zero when the object grows again */
        memset((char *)p + size, 0, old - size);
    return p;
}

void kgc_release(void *p)
{
    if (p == NULL || !kgc__enter())
        return;
    int kind;
    size_t size;
    const void *base = GC_base(p);
    if (kgc__is_collectable(p, &kind, &size))
        release(p);
    else if (base == NULL)
        kgc__fatal("kgc_release: %p does not belong to the GC heap, or was released already", p);
    else if (base != p)
        kgc__fatal("kgc_release: %p points into an object, not at its start", p);
    else
        kgc__fatal("kgc_release: %p is a rooted block; kgc_free() frees it", p);
}

void *kgc_base(const void *p)
{
    return GC_base((void *)p);
}

size_t kgc_size(const void *p)
{
    return p != NULL && GC_base((void *)p) == p ? GC_size(p) : 0;
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
