/* SPDX-License-Identifier: MIT */
/*
 * Size classes of explicit memory: sixteens up to 128, then four for each
 * doubling.  They are jemalloc's own, so rounding up to one wastes nothing
 * and a block of one is usable to its last byte.
 */
#ifndef KGC_ARENA_CLASSES_H
#define KGC_ARENA_CLASSES_H

#include "base/size.h"
#include <stddef.h>

enum {
    KGC__CLASSES = 80,      /* 1 to 80: 16 bytes to 32 MiB */
    KGC__FAST_CLASSES = 40, /* up to 32 KiB, which is what jemalloc's tcaches hold: opt.tcache_max */
    KGC__NO_CLASS = 255     /* larger blocks */
};
#define KGC__CLASSES_MAX (32 * KGC_MIB)
#define KGC__FAST_MAX    (32 * KGC_KIB)
#define KGC__MIDDLE_MAX  (2 * KGC_MIB) /* larger ones are kept by threads for the rooted heap only */

/* The class of the smallest block that holds `size` bytes, up to KGC__CLASSES_MAX.  0 is served as 1. */
static inline unsigned kgc__class_of(size_t size)
{
    if (size <= 128)
        return size <= 16 ? 1 : (unsigned)((size + 15) >> 4);
    unsigned doubling = 63 - (unsigned)__builtin_clzl(size - 1); /* 7 for 129 to 256 */
    return 9 + (doubling - 7) * 4 + (unsigned)((size - 1) >> (doubling - 2) & 3);
}

/* The same, for any size. */
static inline unsigned kgc__class_of_any(size_t size)
{
    return size <= KGC__CLASSES_MAX ? kgc__class_of(size) : KGC__NO_CLASS;
}

/* Bytes of a block of a class, 1 to KGC__CLASSES. */
static inline size_t kgc__class_size(unsigned class)
{
    if (class <= 8)
        return (size_t) class * 16;
    unsigned doubling = (class - 9) / 4, quarter = (class - 9) % 4 + 1;
    return ((size_t)128 << doubling) + ((size_t)32 << doubling) * quarter;
}

#endif
