/* SPDX-License-Identifier: MIT */
/*
 * The tables for the rooted heap, a kind, a region and the system, over their
 * public functions.  Each of these checks by itself what it is given to free;
 * collector.c has the collectable objects.
 */
#include "layout/layout.h"
#include <errno.h>
#include <kindgc/arena.h>
#include <kindgc/malloc.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

/* The rooted heap. */

static void *rooted_alloc(void *self, kgc_layout layout)
{
    (void)self;
    return layout.align <= KGC__ALIGNMENT ? kgc_malloc(layout.size)
                                          : kgc_aligned_alloc(layout.align, layout.size);
}

static void *rooted_alloc_zeroed(void *self, kgc_layout layout)
{
    (void)self;
    if (layout.align <= KGC__ALIGNMENT)
        return kgc_calloc(1, layout.size);
    void *p = kgc_aligned_alloc(layout.align, layout.size);
    return p != NULL ? memset(p, 0, layout.size) : NULL;
}

static void rooted_dealloc(void *self, void *p, kgc_layout layout)
{
    (void)self;
    kgc_free_sized(p, layout.size);
}

static void *rooted_realloc(void *self, void *p, kgc_layout layout, size_t size)
{
    (void)self;
    if (layout.align <= KGC__ALIGNMENT)
        return kgc_realloc(p, size);
    if (kgc__stays(kgc_malloc_usable_size(p), size) && kgc_realloc_in_place(p, size))
        return p;
    return kgc__allocator_move(KGC_ROOTED, p, layout, (kgc_layout){size, layout.align});
}

static size_t rooted_usable_size(void *self, const void *p, kgc_layout layout)
{
    (void)self, (void)layout;
    return kgc_malloc_usable_size(p);
}

const kgc_allocator kgc_rooted_allocator = {rooted_alloc,   rooted_alloc_zeroed, rooted_dealloc,
                                            rooted_realloc, rooted_usable_size,  NULL};

/* A kind's explicit memory; self is the kind. */

static void *kind_alloc(void *self, kgc_layout layout)
{
    if (layout.align <= KGC__ALIGNMENT)
        return kgc_kind_malloc(self, layout.size);
    void *p = NULL;
    int error = kgc_kind_posix_memalign(self, &p, layout.align, layout.size);
    if (error != 0)
        errno = error;
    return p;
}

static void *kind_alloc_zeroed(void *self, kgc_layout layout)
{
    if (layout.align <= KGC__ALIGNMENT)
        return kgc_kind_calloc(self, 1, layout.size);
    void *p = kind_alloc(self, layout);
    return p != NULL ? memset(p, 0, layout.size) : NULL;
}

static void kind_dealloc(void *self, void *p, kgc_layout layout)
{
    (void)layout; /* to compare its size with the block's would take 7 ns more */
    kgc_kind_free(self, p);
}

static void *kind_realloc(void *self, void *p, kgc_layout layout, size_t size)
{
    if (layout.align <= KGC__ALIGNMENT)
        return kgc_kind_realloc(self, p, size);
    if (kgc__stays(kgc_kind_usable_size(self, p), size))
        return p;
    kgc_allocator a = kgc_allocator_of_kind(self);
    return kgc__allocator_move(&a, p, layout, (kgc_layout){size, layout.align});
}

static size_t kind_usable_size(void *self, const void *p, kgc_layout layout)
{
    (void)layout;
    return kgc_kind_usable_size(self, p);
}

kgc_allocator kgc_allocator_of_kind(kgc_kind *kind)
{
    return (kgc_allocator){kind_alloc, kind_alloc_zeroed, kind_dealloc, kind_realloc, kind_usable_size, kind};
}

/* A region; self is the region. */

static void *region_alloc(void *self, kgc_layout layout)
{
    return kgc_region_allocate(self, layout.size, layout.align);
}

static void *region_alloc_zeroed(void *self, kgc_layout layout)
{
    return kgc_region_allocate_zeroed(self, layout.size, layout.align);
}

static void region_dealloc(void *self, void *p, kgc_layout layout)
{
    kgc_region_deallocate(self, p, layout.size);
}

static void *region_realloc(void *self, void *p, kgc_layout layout, size_t size)
{
    return (size < layout.size ? kgc_region_shrink : kgc_region_grow)(self, p, layout.size, size,
                                                                      layout.align);
}

static size_t region_usable_size(void *self, const void *p, kgc_layout layout)
{
    return kgc_region_usable_size(self, p, layout.size);
}

kgc_allocator kgc_allocator_of_region(kgc_region *region)
{
    return (kgc_allocator){region_alloc,   region_alloc_zeroed, region_dealloc,
                           region_realloc, region_usable_size,  region};
}

/* The system.  malloc(n) need not be aligned to 16 bytes where n is smaller:
   another malloc than glibc's may have taken its place. */

static bool suits_malloc(kgc_layout layout)
{
    return layout.align <= KGC__ALIGNMENT && layout.align <= layout.size;
}

static void *system_alloc(void *self, kgc_layout layout)
{
    (void)self;
    if (suits_malloc(layout))
        return malloc(layout.size);
    void *p = NULL;
    int error = posix_memalign(&p, layout.align > sizeof p ? layout.align : sizeof p, layout.size);
    if (error == 0)
        return p;
    errno = error;
    return NULL;
}

static void *system_alloc_zeroed(void *self, kgc_layout layout)
{
    if (suits_malloc(layout))
        return calloc(1, layout.size);
    void *p = system_alloc(self, layout);
    return p != NULL ? memset(p, 0, layout.size) : NULL;
}

static void system_dealloc(void *self, void *p, kgc_layout layout)
{
    (void)self, (void)layout;
    free(p);
}

static void *system_realloc(void *self, void *p, kgc_layout layout, size_t size)
{
    (void)self;
    kgc_layout wanted = {size, layout.align};
    if (suits_malloc(wanted))
        return realloc(p, size);
    return kgc__stays(malloc_usable_size(p), size) ? p : kgc__allocator_move(KGC_SYSTEM, p, layout, wanted);
}

static size_t system_usable_size(void *self, const void *p, kgc_layout layout)
{
    (void)self, (void)layout;
    return malloc_usable_size((void *)p);
}

const kgc_allocator kgc_system_allocator = {system_alloc,   system_alloc_zeroed, system_dealloc,
                                            system_realloc, system_usable_size,  NULL};
