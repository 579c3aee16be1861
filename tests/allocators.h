/* SPDX-License-Identifier: MIT */
/* For tests of allocators: one of each sort, and blocks with known contents. */
#ifndef KGC_TESTS_ALLOCATORS_H
#define KGC_TESTS_ALLOCATORS_H

#include "misuse.h"
#include <errno.h>
#include <kindgc.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum sort { ROOTED, COLLECTABLE, ATOMIC, SYSTEM, KIND, REGION, MINIMAL, SORTS };

static const char *const sort_name[SORTS] = {"rooted", "collectable", "atomic", "system",
                                             "kind",   "region",      "minimal"};

/* The least that an allocator can be: no more than two functions. */
static void *minimal_alloc(void *self, kgc_layout layout)
{
    void *p = NULL;
    size_t align = layout.align > 8 ? layout.align : 8;
    errno = posix_memalign(&p, align, layout.size);
    if (p == NULL)
        return NULL;
    ++*(int *)self;
    return memset(p, 0xee, layout.size);
}

static void minimal_dealloc(void *self, void *p, kgc_layout layout)
{
    memset(p, 0xdd, layout.size);
    free(p);
    --*(int *)self;
    errno = 99; /* the caller's errno is preserved for it */
}

static int minimal_blocks;

/* A fresh one; its kind or region lives as long as the test. */
static __attribute__((unused)) kgc_allocator make_allocator(enum sort sort)
{
    switch (sort) {
    case ROOTED:
        return *KGC_ROOTED;
    case COLLECTABLE:
        return *KGC_COLLECTABLE;
    case ATOMIC:
        return *KGC_COLLECTABLE_ATOMIC;
    case SYSTEM:
        return *KGC_SYSTEM;
    case KIND: {
        kgc_kind *kind = NULL;
        ck_assert_msg(kgc_kind_open("default,limit=512M", &kind) == 0, "%s", kgc_last_error());
        return kgc_allocator_of_kind(kind);
    }
    case REGION: {
        kgc_region *region = kgc_region_create((size_t)1 << 32, KGC_REGION_LAZY);
        ck_assert_msg(region != NULL, "%s", kgc_last_error());
        return kgc_allocator_of_region(region);
    }
    default:
        return (kgc_allocator){.alloc = minimal_alloc, .dealloc = minimal_dealloc, .self = &minimal_blocks};
    }
}

static __attribute__((unused)) kgc_layout layout_of(size_t size, size_t align)
{
    kgc_layout layout;
    ck_assert_msg(kgc_layout_make(size, align, &layout) == 0, "%s", kgc_last_error());
    return layout;
}

/* Contents that tell blocks, and places in them, apart. */
static inline unsigned char content(unsigned block, size_t i)
{
    return (unsigned char)(block * 37 + i * 11 + (i >> 8));
}

static inline void fill(void *p, size_t from, size_t to, unsigned block)
{
    for (size_t i = from; i < to; i++)
        ((unsigned char *)p)[i] = content(block, i);
}

static inline bool is_filled(const void *p, size_t size, unsigned block)
{
    for (size_t i = 0; i < size; i++)
        if (((const unsigned char *)p)[i] != content(block, i))
            return false;
    return true;
}

static inline bool is_zero(const void *p, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++)
        if (((const unsigned char *)p)[i] != 0)
            return false;
    return true;
}

#endif
