/* SPDX-License-Identifier: MIT */
/* Placed pages: see placed.h. */
#include "extent/placed.h"
#include "base/size.h"
#include "os/meta.h"

_Atomic(struct kgc__placed *) kgc__placed_pieces[KGC__MAP_ENTRIES];
_Atomic(void *) kgc__placed_owners[KGC__PLACED_NUMBERS];
_Atomic size_t kgc__placed_pages;

/* Pieces exist in [lowest, behind) only. */
static _Atomic size_t lowest = KGC__MAP_ENTRIES, behind;

unsigned kgc__placed_claim(void *owner)
{
    for (unsigned i = 1; i < KGC__PLACED_PENDING; i++) {
        void *none = NULL;
        if (atomic_load(&kgc__placed_owners[i]) == NULL &&
            atomic_compare_exchange_strong(&kgc__placed_owners[i], &none, owner))
            return i;
    }
    return 0;
}

void kgc__placed_disclaim(unsigned number)
{
    if (number == 0)
        return;
    for (size_t i = atomic_load(&lowest); i < atomic_load(&behind); i++) {
        struct kgc__placed *piece = atomic_load(&kgc__placed_pieces[i]);
        if (piece != NULL)
            piece->slot[number] = 0;
    }
    atomic_store(&kgc__placed_owners[number], NULL);
}

struct kgc__placed *kgc__placed_piece(const void *p)
{
    size_t index = (uintptr_t)p >> KGC__GIB_BITS;
    if (index >= KGC__MAP_ENTRIES)
        return NULL;
    struct kgc__placed *piece = atomic_load(&kgc__placed_pieces[index]);
    if (piece != NULL)
        return piece;
    piece = kgc__meta_allocate(sizeof *piece);
    if (piece == NULL)
        return NULL;
    atomic_store_explicit(&kgc__placed_pieces[index], piece, memory_order_release);
    if (index < atomic_load(&lowest))
        atomic_store(&lowest, index);
    if (index >= atomic_load(&behind))
        atomic_store(&behind, index + 1);
    return piece;
}

static size_t place_of(uintptr_t address)
{
    return address >> KGC__MAP_PAGE_BITS & (KGC__LEAF_PAGES - 1);
}

/* The part of [start, end) in start's GiB. */
static void set_in_piece(uintptr_t start, uintptr_t end, unsigned number)
{
    struct kgc__placed *piece = atomic_load(&kgc__placed_pieces[start >> KGC__GIB_BITS]);
    size_t first = place_of(start), count = (end - start) >> KGC__MAP_PAGE_BITS, before = 0;
    for (size_t i = first; i < first + count; i++) {
        before += piece->number[i] != 0;
        __atomic_store_n(&piece->number[i], (unsigned char)number, __ATOMIC_RELEASE);
    }
    size_t change = (number != 0 ? count : 0) - before; /* may wrap, and back */
    atomic_fetch_add(&piece->pages, change);
    atomic_fetch_add(&kgc__placed_pages, change);
}

void kgc__placed_set(const void *p, size_t size, unsigned number)
{
    for (uintptr_t at = (uintptr_t)p, end = at + size; at < end;) {
        uintptr_t next = kgc__round_down(at, KGC_GIB) + KGC_GIB;
        if (next > end)
            next = end;
        set_in_piece(at, next, number);
        at = next;
    }
}

/* The first page of a piece from i on that is placed, or KGC__LEAF_PAGES. */
static size_t find_placed(const struct kgc__placed *piece, size_t i)
{
    while (i < KGC__LEAF_PAGES && __atomic_load_n(&piece->number[i], __ATOMIC_RELAXED) == 0) {
        uint64_t word = 1;
        if (i % sizeof word == 0)
            word = __atomic_load_n((const uint64_t *)(const void *)&piece->number[i], __ATOMIC_RELAXED);
        i += word == 0 ? sizeof word : 1;
    }
    return i;
}

bool kgc__placed_next(const void *from, struct kgc__placed_run *out)
{
    size_t index = (uintptr_t)from >> KGC__GIB_BITS, at = place_of((uintptr_t)from);
    if (atomic_load(&kgc__placed_pages) == 0)
        return false;
    if (index < atomic_load(&lowest)) {
        index = atomic_load(&lowest);
        at = 0;
    }
    for (; index < atomic_load(&behind); index++, at = 0) {
        const struct kgc__placed *piece = atomic_load(&kgc__placed_pieces[index]);
        if (piece == NULL || atomic_load(&piece->pages) == 0)
            continue;
        size_t first = find_placed(piece, at), end = first;
        if (first == KGC__LEAF_PAGES)
            continue;
        unsigned number = __atomic_load_n(&piece->number[first], __ATOMIC_ACQUIRE);
        while (end < KGC__LEAF_PAGES && __atomic_load_n(&piece->number[end], __ATOMIC_RELAXED) == number)
            end++;
        *out = (struct kgc__placed_run){
            .start = (char *)((index << KGC__GIB_BITS) + (first << KGC__MAP_PAGE_BITS)),
            .size = (end - first) << KGC__MAP_PAGE_BITS,
            .number = number,
        };
        return true;
    }
    return false;
}
