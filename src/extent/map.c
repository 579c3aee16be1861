/* SPDX-License-Identifier: MIT */
/* The address map: see map.h. */
#include "extent/map.h"
#include "base/check.h"
#include "base/size.h"
#include "os/meta.h"
#include "os/os.h"
#include <errno.h>

_Atomic(uintptr_t) kgc__map_entries[KGC__MAP_ENTRIES];

static inline struct kgc__leaf *as_leaf(uintptr_t entry)
{
    return (struct kgc__leaf *)(entry - 1);
}

/* The leaf for an entry, made if needed.  An owner of the whole GiB is spread
   over it, which only happens when ranges overlap one: never in practice. */
static struct kgc__leaf *leaf_of(size_t index)
{
    for (;;) {
        uintptr_t entry = atomic_load(&kgc__map_entries[index]);
        if ((entry & 1) != 0)
            return as_leaf(entry);
        struct kgc__leaf *fresh = kgc__meta_allocate(sizeof *fresh);
        if (fresh == NULL)
            return NULL;
        for (size_t i = 0; entry != 0 && i < KGC__LEAF_PAGES; i++)
            atomic_init(&fresh->owner[i], (void *)entry);
        if (atomic_compare_exchange_strong(&kgc__map_entries[index], &entry, (uintptr_t)fresh + 1))
            return fresh;
        kgc__meta_free(fresh, sizeof *fresh);
    }
}

static void set_in_leaf(struct kgc__leaf *leaf, uintptr_t start, uintptr_t end, void *owner)
{
    size_t first = start >> KGC__MAP_PAGE_BITS & (KGC__LEAF_PAGES - 1),
           count = (end - start) >> KGC__MAP_PAGE_BITS;
    for (size_t i = 0; i < count; i++)
        atomic_store_explicit(&leaf->owner[first + i], owner, memory_order_release);
}

/* The part of [start, end) in start's GiB. */
static bool set_in_gib(uintptr_t start, uintptr_t end, void *owner)
{
    size_t index = start >> KGC__GIB_BITS;
    if (end - start == KGC_GIB) {
        uintptr_t entry = atomic_load(&kgc__map_entries[index]);
        while ((entry & 1) == 0)
            if (atomic_compare_exchange_weak(&kgc__map_entries[index], &entry, (uintptr_t)owner))
                return true;
    } else if (owner == NULL && atomic_load(&kgc__map_entries[index]) == 0) {
        return true;
    }
    struct kgc__leaf *leaf = leaf_of(index);
    if (leaf != NULL)
        set_in_leaf(leaf, start, end, owner);
    return leaf != NULL;
}

bool kgc__map_set(const void *p, size_t size, void *owner)
{
    uintptr_t start = (uintptr_t)p, end = start + kgc__round_up(size, kgc__page_size());
    KGC_CHECK((start & (kgc__page_size() - 1)) == 0);
    if ((end - 1) >> KGC__ADDRESS_BITS != 0) {
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

static void forget_in_leaf(struct kgc__leaf *leaf, const void *owner)
{
    for (size_t i = 0; i < KGC__LEAF_PAGES; i++) {
        void *found = atomic_load_explicit(&leaf->owner[i], memory_order_relaxed);
        if (found == owner)
            atomic_compare_exchange_strong(&leaf->owner[i], &found, NULL);
    }
}

void kgc__map_forget(const void *owner)
{
    for (size_t i = 0; i < KGC__MAP_ENTRIES; i++) {
        uintptr_t entry = atomic_load(&kgc__map_entries[i]);
        if ((entry & 1) != 0)
            forget_in_leaf(as_leaf(entry), owner);
        else if (entry == (uintptr_t)owner && entry != 0)
            atomic_compare_exchange_strong(&kgc__map_entries[i], &entry, 0);
    }
}
