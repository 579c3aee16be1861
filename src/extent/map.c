/* SPDX-License-Identifier: MIT */
/* The address map: see map.h. */
#include "extent/map.h"
#include "base/check.h"
#include "base/size.h"
#include "os/meta.h"
#include "os/os.h"
#include <errno.h>
#include <stdatomic.h>

/*
 * 48 bits is what Linux gives user space on both machines unless a program
 * asks for more by hint.  Pages are 4 KiB at least; with larger pages a leaf
 * is used sparsely, which costs nothing.
 */
enum { ADDRESS_BITS = 48, GIB_BITS = 30, PAGE_BITS = 12 };
enum { ENTRIES = 1 << (ADDRESS_BITS - GIB_BITS), LEAF_PAGES = 1 << (GIB_BITS - PAGE_BITS) };

struct leaf {
    _Atomic(void *) owner[LEAF_PAGES];
};

/* An owner, or a leaf with bit 0 set. */
static _Atomic(uintptr_t) entries[ENTRIES];

static inline struct leaf *as_leaf(uintptr_t entry)
{
    return (struct leaf *)(entry - 1);
}

static inline size_t leaf_index(uintptr_t address)
{
    return address >> PAGE_BITS & (LEAF_PAGES - 1);
}

void *kgc__map_owner(const void *p)
{
    uintptr_t address = (uintptr_t)p;
    if (kgc__unlikely(address >> ADDRESS_BITS != 0))
        return NULL;
    uintptr_t entry = atomic_load_explicit(&entries[address >> GIB_BITS], memory_order_acquire);
    if (kgc__likely((entry & 1) == 0))
        return (void *)entry;
    return atomic_load_explicit(&as_leaf(entry)->owner[leaf_index(address)], memory_order_acquire);
}

/* The leaf for an entry, made if needed.  An owner of the whole GiB is spread
   over it, which only happens when ranges overlap one: never in practice. */
static struct leaf *leaf_of(size_t index)
{
    for (;;) {
        uintptr_t entry = atomic_load(&entries[index]);
        if ((entry & 1) != 0)
            return as_leaf(entry);
        struct leaf *fresh = kgc__meta_allocate(sizeof *fresh);
        if (fresh == NULL)
            return NULL;
        for (size_t i = 0; entry != 0 && i < LEAF_PAGES; i++)
            atomic_init(&fresh->owner[i], (void *)entry);
        if (atomic_compare_exchange_strong(&entries[index], &entry, (uintptr_t)fresh + 1))
            return fresh;
        kgc__meta_free(fresh, sizeof *fresh);
    }
}

static void set_in_leaf(struct leaf *leaf, uintptr_t start, uintptr_t end, void *owner)
{
    size_t first = leaf_index(start), count = (end - start) >> PAGE_BITS;
    for (size_t i = 0; i < count; i++)
        atomic_store_explicit(&leaf->owner[first + i], owner, memory_order_release);
}

/* The part of [start, end) in start's GiB. */
static bool set_in_gib(uintptr_t start, uintptr_t end, void *owner)
{
    size_t index = start >> GIB_BITS;
    if (end - start == KGC_GIB) {
        uintptr_t entry = atomic_load(&entries[index]);
        while ((entry & 1) == 0)
            if (atomic_compare_exchange_weak(&entries[index], &entry, (uintptr_t)owner))
                return true;
    } else if (owner == NULL && atomic_load(&entries[index]) == 0) {
        return true;
    }
    struct leaf *leaf = leaf_of(index);
    if (leaf != NULL)
        set_in_leaf(leaf, start, end, owner);
    return leaf != NULL;
}

bool kgc__map_set(const void *p, size_t size, void *owner)
{
    uintptr_t start = (uintptr_t)p, end = start + kgc__round_up(size, kgc__page_size());
    KGC_CHECK((start & (kgc__page_size() - 1)) == 0);
    if ((end - 1) >> ADDRESS_BITS != 0) {
        errno = ENOMEM;
        return owner == NULL;
    }
    for (uintptr_t at = start; at < end;) {
        uintptr_t next = kgc__round_down(at, KGC_GIB) + KGC_GIB;
        if (next > end)
            next = end;
        if (!set_in_gib(at, next, owner)) {
            if (owner != NULL && at != start)
                kgc__map_set(p, at - start, NULL);
            return owner == NULL;
        }
        at = next;
    }
    return true;
}
