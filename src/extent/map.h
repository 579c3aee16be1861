/* SPDX-License-Identifier: MIT */
/*
 * The address map: which owner (a kind) an address belongs to.
 *
 * An entry for each GiB of address space holds nothing, an owner of the whole
 * GiB, or a leaf with an owner for each page.  Asking is two loads at most,
 * without locks, for any value at all.  Setting is lock-free too: it happens
 * in hooks.  Leaves are never freed.
 */
#ifndef KGC_EXTENT_MAP_H
#define KGC_EXTENT_MAP_H

#include "base/check.h"
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * 48 bits is what Linux gives user space on both machines unless a program
 * asks for more by hint.  Pages are 4 KiB at least; with larger pages a leaf
 * is used sparsely, which costs nothing.
 */
enum { KGC__ADDRESS_BITS = 48, KGC__GIB_BITS = 30, KGC__MAP_PAGE_BITS = 12 };
enum {
    KGC__MAP_ENTRIES = 1 << (KGC__ADDRESS_BITS - KGC__GIB_BITS),
    KGC__LEAF_PAGES = 1 << (KGC__GIB_BITS - KGC__MAP_PAGE_BITS)
};

struct kgc__leaf {
    _Atomic(void *) owner[KGC__LEAF_PAGES];
};

/* An owner, or a leaf with bit 0 set. */
extern _Atomic(uintptr_t) kgc__map_entries[KGC__MAP_ENTRIES];

/* NULL when nobody owns the address. */
static inline void *kgc__map_owner(const void *p)
{
    uintptr_t address = (uintptr_t)p;
    if (kgc__unlikely(address >> KGC__ADDRESS_BITS != 0))
        return NULL;
    uintptr_t entry = atomic_load_explicit(&kgc__map_entries[address >> KGC__GIB_BITS], memory_order_acquire);
    if (kgc__likely((entry & 1) == 0))
        return (void *)entry;
    const struct kgc__leaf *leaf = (const struct kgc__leaf *)(entry - 1);
    return atomic_load_explicit(&leaf->owner[address >> KGC__MAP_PAGE_BITS & (KGC__LEAF_PAGES - 1)],
                                memory_order_acquire);
}

/* Records (owner) or forgets (NULL) pages [p, p + size).  False when there is
   no memory for a leaf; then nothing is recorded.  Forgetting cannot
   fail; without memory for a leaf, a part of a GiB that was recorded whole is
   forgotten only with the rest of it. */
bool kgc__map_set(const void *p, size_t size, void *owner);

/* Forgets every page of an owner, wherever they are: looks through all of the
   map, which takes about a millisecond. */
void kgc__map_forget(const void *owner);

#endif
