/* SPDX-License-Identifier: MIT */
/* libgc's headers, with the functions for threads and without the macros that
   replace pthread_create() and others by libgc's own. */
#ifndef KGC_COLLECT_LIBGC_H
#define KGC_COLLECT_LIBGC_H

#define GC_THREADS             1
#define GC_NO_THREAD_REDIRECTS 1
#include <gc/gc.h>
#include <gc/gc_mark.h>
#include <stdbool.h>

/* libgc's predefined kinds of objects, as GC_get_kind_and_size() numbers them. */
enum { KGC__POINTER_FREE = 0, KGC__SCANNED = 1, KGC__ROOTED = 2, KGC__ROOTED_POINTER_FREE = 3 };

/* Does a collectable object start at p?  Takes no lock.  *kind and *size are the object's. */
static inline bool kgc__is_collectable(const void *p, int *kind, size_t *size)
{
    if (p == NULL || GC_base((void *)p) != p)
        return false;
    *kind = GC_get_kind_and_size(p, size);
    return *kind != KGC__ROOTED && *kind != KGC__ROOTED_POINTER_FREE;
}

#endif
