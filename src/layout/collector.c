/* SPDX-License-Identifier: MIT */
/*
 * The tables for collectable objects, scanned and atomic; self is the table.
 *
 * libgc aligns to 16 bytes.  A block that is aligned to more lies inside an
 * object that is large enough for it wherever it starts: a pointer to the
 * block keeps that object alive, as any pointer into an object does, and
 * kgc_base() finds it again when the block is freed or resized.
 */
#include "base/check.h"
#include "base/message.h"
#include "layout/layout.h"
#include <errno.h>
#include <kindgc/allocate.h>
#include <string.h>

/* How far a block may lie behind the start of its object. */
static size_t slack(kgc_layout layout)
{
    return layout.align > KGC__ALIGNMENT ? layout.align - KGC__ALIGNMENT : 0;
}

/* The size cannot overflow: size + align - 1 is at most PTRDIFF_MAX. */
static void *allocate(void *(*from)(size_t), kgc_layout layout)
{
    void *p = from(layout.size + slack(layout));
    return p != NULL ? (void *)kgc__round_up((uintptr_t)p, layout.align) : NULL;
}

static void *scanned_alloc(void *self, kgc_layout layout)
{
    (void)self;
    return allocate(kgc_allocate, layout);
}

static void *atomic_alloc(void *self, kgc_layout layout)
{
    (void)self;
    return allocate(kgc_allocate_atomic, layout);
}

static void *atomic_alloc_zeroed(void *self, kgc_layout layout)
{
    void *p = atomic_alloc(self, layout);
    return p != NULL ? memset(p, 0, layout.size) : NULL;
}

/* Bytes from p to the end of its object; 0 when no block of this layout can start there. */
static size_t usable_size(void *self, const void *p, kgc_layout layout)
{
    (void)self;
    char *base = kgc_base(p);
    size_t offset = (size_t)((const char *)p - base);
    return base != NULL && offset <= slack(layout) ? kgc_size(base) - offset : 0;
}

static void dealloc(void *self, void *p, kgc_layout layout)
{
    size_t usable = usable_size(self, p, layout);
    if (usable == 0)
        kgc_release(p); /* which says why not */
    else if (layout.size > usable)
        kgc__fatal("the object at %p has %zu bytes, not %zu", p, usable, layout.size);
    else
        kgc_release(kgc_base(p));
}

static void *reallocate(void *self, void *p, kgc_layout layout, size_t size)
{
    if (slack(layout) == 0)
        return kgc_reallocate(p, size);
    size_t usable = usable_size(self, p, layout);
    if (usable < layout.size) {
        errno = kgc__fail(EINVAL, "%p is not a collectable block of %zu bytes, aligned to %zu", p,
                          layout.size, layout.align);
        return NULL;
    }
    if (!kgc__stays(usable, size))
        return kgc__allocator_move(self, p, layout, (kgc_layout){size, layout.align});
    if (size < layout.size) /* what is cut off keeps nothing alive */
        memset((char *)p + size, 0, layout.size - size);
    return p;
}

const kgc_allocator kgc_collectable_allocator = {
    scanned_alloc, scanned_alloc, dealloc, reallocate, usable_size, (void *)&kgc_collectable_allocator};
const kgc_allocator kgc_atomic_allocator = {atomic_alloc, atomic_alloc_zeroed, dealloc,
                                            reallocate,   usable_size,         (void *)&kgc_atomic_allocator};
