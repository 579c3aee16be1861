/* SPDX-License-Identifier: MIT */
/*
 * Memory from any allocator by its table, and from the global one.  Here
 * arguments are checked, blocks of 0 bytes are made, which need no memory, and
 * what a table lacks is made of its alloc and dealloc; so a table's functions
 * see only what their contract says.
 *
 * Each operation is written once and knows the public name that it was called
 * by, for its messages.
 */
#include "base/check.h"
#include "base/message.h"
#include "layout/layout.h"
#include <errno.h>
#include <kindgc/init.h>
#include <string.h>

bool kgc__allocator_is_complete(const char *function, const kgc_allocator *a)
{
    if (a != NULL && a->alloc != NULL && a->dealloc != NULL)
        return true;
    if (a == NULL)
        kgc__fail(EINVAL, "%s: the allocator is NULL", function);
    else
        kgc__fail(EINVAL, "%s: the allocator lacks %s", function, a->alloc == NULL ? "alloc" : "dealloc");
    return false;
}

static __attribute__((noinline)) bool unsound(const char *function, const kgc_allocator *a, kgc_layout layout)
{
    if (kgc__allocator_is_complete(function, a))
        kgc__layout_is_bad(function, layout);
    errno = EINVAL;
    return false;
}

static inline bool is_sound(const char *function, const kgc_allocator *a, kgc_layout layout)
{
    return kgc__likely(a != NULL && a->alloc != NULL && a->dealloc != NULL && kgc__layout_is_good(layout)) ||
           unsound(function, a, layout);
}

/* Without the division that % would be. */
static inline bool is_aligned(const void *p, kgc_layout layout)
{
    return ((uintptr_t)p & (layout.align - 1)) == 0;
}

/* A block of 0 bytes. */
static void *nothing(kgc_layout layout)
{
    return (void *)(uintptr_t)layout.align;
}

/* Below, tables are complete and layouts good, unless it is a function's part to see to it. */

static inline void *take(const kgc_allocator *a, kgc_layout layout)
{
    return kgc__likely(layout.size != 0) ? a->alloc(a->self, layout) : nothing(layout);
}

static inline void *take_zeroed(const kgc_allocator *a, kgc_layout layout)
{
    if (a->alloc_zeroed != NULL && layout.size != 0)
        return a->alloc_zeroed(a->self, layout);
    void *p = take(a, layout);
    return p != NULL && layout.size != 0 ? memset(p, 0, layout.size) : p;
}

static inline void drop(const kgc_allocator *a, void *p, kgc_layout layout)
{
    int saved = errno;
    if (kgc__likely(layout.size != 0))
        a->dealloc(a->self, p, layout);
    errno = saved;
}

static inline void *allocate(const char *function, const kgc_allocator *a, kgc_layout layout)
{
    return is_sound(function, a, layout) ? take(a, layout) : NULL;
}

static inline void *allocate_zeroed(const char *function, const kgc_allocator *a, kgc_layout layout)
{
    return is_sound(function, a, layout) ? take_zeroed(a, layout) : NULL;
}

static inline void deallocate(const char *function, const kgc_allocator *a, void *p, kgc_layout layout)
{
    if (p == NULL)
        return;
    int saved = errno;
    if (!is_sound(function, a, layout)) {
        errno = saved;
        kgc__fatal("%s", kgc_last_error());
    } else if (kgc__unlikely(!is_aligned(p, layout))) {
        kgc__fatal("%s: %p is not aligned to %zu", function, p, layout.align);
    } else {
        drop(a, p, layout);
    }
}

void *kgc__allocator_move(const kgc_allocator *a, void *p, kgc_layout layout, kgc_layout wanted)
{
    int saved = errno;
    void *q = take(a, wanted);
    if (q == NULL && wanted.align == layout.align && wanted.size <= layout.size) {
        errno = saved;
        return p;
    }
    if (q == NULL)
        return NULL;
    memcpy(q, p, layout.size < wanted.size ? layout.size : wanted.size);
    drop(a, p, layout);
    return q;
}

/* By the table's realloc; a block that is to shrink stays where it is when there is no memory. */
static void *reallocate(const kgc_allocator *a, void *p, kgc_layout layout, size_t size)
{
    int saved = errno;
    errno = ENOMEM;
    void *q = a->realloc(a->self, p, layout, size);
    if (q == NULL && size <= layout.size && errno == ENOMEM)
        q = p;
    if (q != NULL)
        errno = saved;
    return q;
}

static void *change(const kgc_allocator *a, void *p, kgc_layout layout, kgc_layout wanted)
{
    if (layout.size == wanted.size && layout.align == wanted.align)
        return p;
    if (layout.size == 0)
        return take(a, wanted);
    if (wanted.size == 0) {
        drop(a, p, layout);
        return nothing(wanted);
    }
    /* Who frees the block will name the new alignment, so it must be one that
       was allocated with it. */
    if (layout.align != wanted.align || a->realloc == NULL)
        return kgc__allocator_move(a, p, layout, wanted);
    return reallocate(a, p, layout, wanted.size);
}

enum direction { SHRINK, GROW, ANY };

/* The checks of all functions that resize. */
static bool can_change(const char *function, enum direction direction, const kgc_allocator *a, const void *p,
                       kgc_layout layout, kgc_layout wanted)
{
    if (!is_sound(function, a, layout) || !is_sound(function, a, wanted))
        return false;
    if (p == NULL || !is_aligned(p, layout))
        kgc__fail(EINVAL, "%s: %p is not a block aligned to %zu", function, p, layout.align);
    else if (direction == GROW && wanted.size < layout.size)
        kgc__fail(EINVAL, "%s: from %zu to %zu bytes is not growing", function, layout.size, wanted.size);
    else if (direction == SHRINK && wanted.size > layout.size)
        kgc__fail(EINVAL, "%s: from %zu to %zu bytes is not shrinking", function, layout.size, wanted.size);
    else
        return true;
    errno = EINVAL;
    return false;
}

static void *resize(const char *function, enum direction direction, const kgc_allocator *a, void *p,
                    kgc_layout layout, kgc_layout wanted)
{
    return can_change(function, direction, a, p, layout, wanted) ? change(a, p, layout, wanted) : NULL;
}

static void *grow_zeroed(const char *function, const kgc_allocator *a, void *p, kgc_layout layout,
                         kgc_layout wanted)
{
    if (!can_change(function, GROW, a, p, layout, wanted))
        return NULL;
    if (layout.size == 0)
        return take_zeroed(a, wanted);
    char *q = change(a, p, layout, wanted);
    if (q != NULL)
        memset(q + layout.size, 0, wanted.size - layout.size);
    return q;
}

void *kgc_allocator_alloc(const kgc_allocator *a, kgc_layout layout)
{
    return allocate("kgc_allocator_alloc", a, layout);
}

void *kgc_allocator_alloc_zeroed(const kgc_allocator *a, kgc_layout layout)
{
    return allocate_zeroed("kgc_allocator_alloc_zeroed", a, layout);
}

void kgc_allocator_dealloc(const kgc_allocator *a, void *p, kgc_layout layout)
{
    deallocate("kgc_allocator_dealloc", a, p, layout);
}

void *kgc_allocator_grow(const kgc_allocator *a, void *p, kgc_layout old_layout, kgc_layout new_layout)
{
    return resize("kgc_allocator_grow", GROW, a, p, old_layout, new_layout);
}

void *kgc_allocator_grow_zeroed(const kgc_allocator *a, void *p, kgc_layout old_layout, kgc_layout new_layout)
{
    return grow_zeroed("kgc_allocator_grow_zeroed", a, p, old_layout, new_layout);
}

void *kgc_allocator_shrink(const kgc_allocator *a, void *p, kgc_layout old_layout, kgc_layout new_layout)
{
    return resize("kgc_allocator_shrink", SHRINK, a, p, old_layout, new_layout);
}

void *kgc_allocator_resize(const kgc_allocator *a, void *p, kgc_layout layout, size_t new_size)
{
    return resize("kgc_allocator_resize", ANY, a, p, layout, (kgc_layout){new_size, layout.align});
}

size_t kgc_allocator_usable_size(const kgc_allocator *a, const void *p, kgc_layout layout)
{
    if (p == NULL || !is_sound("kgc_allocator_usable_size", a, layout))
        return 0;
    return layout.size != 0 && a->usable_size != NULL ? a->usable_size(a->self, p, layout) : layout.size;
}

void *kgc_alloc(kgc_layout layout)
{
    return allocate("kgc_alloc", kgc__global_allocator(), layout);
}

void *kgc_alloc_zeroed(kgc_layout layout)
{
    return allocate_zeroed("kgc_alloc_zeroed", kgc__global_allocator(), layout);
}

void kgc_dealloc(void *p, kgc_layout layout)
{
    deallocate("kgc_dealloc", kgc__global_allocator(), p, layout);
}

void *kgc_grow(void *p, kgc_layout old_layout, kgc_layout new_layout)
{
    return resize("kgc_grow", GROW, kgc__global_allocator(), p, old_layout, new_layout);
}

void *kgc_grow_zeroed(void *p, kgc_layout old_layout, kgc_layout new_layout)
{
    return grow_zeroed("kgc_grow_zeroed", kgc__global_allocator(), p, old_layout, new_layout);
}

void *kgc_shrink(void *p, kgc_layout old_layout, kgc_layout new_layout)
{
    return resize("kgc_shrink", SHRINK, kgc__global_allocator(), p, old_layout, new_layout);
}

void *kgc_resize(void *p, kgc_layout layout, size_t new_size)
{
    return resize("kgc_resize", ANY, kgc__global_allocator(), p, layout,
                  (kgc_layout){new_size, layout.align});
}
