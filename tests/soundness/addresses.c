/* SPDX-License-Identifier: MIT */
/*
 * A table of node ids in two levels, by granules of 16 bytes: see addresses.h.
 *
 * Ids are never taken out: an entry counts when its node still covers the
 * granule.  Nodes of several pages are entered once a page only, which is
 * enough for others to meet them, since these look at all granules of their
 * own and at the first of each page that they touch.
 */
#include "addresses.h"
#include <stdlib.h>
#include <sys/mman.h>

enum { GRANULE = 16, PAGE = 4096, CHUNK_BITS = 26, ADDRESS_BITS = 48 };
typedef _Atomic node_id entry;

static _Atomic(entry *) *chunk; /* not a variable: libgc would scan it */

static void *zeroes(size_t size)
{
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED)
        abort();
    return p;
}

void addresses_create(void)
{
    chunk = zeroes(sizeof *chunk << (ADDRESS_BITS - CHUNK_BITS));
}

static entry *entry_of(uintptr_t address)
{
    enum { SIZE = (1u << CHUNK_BITS) / GRANULE * sizeof(entry) };
    _Atomic(entry *) *at = &chunk[address >> CHUNK_BITS];
    entry *entries = atomic_load_explicit(at, memory_order_acquire);
    if (entries == NULL) {
        entry *fresh = zeroes(SIZE);
        if (atomic_compare_exchange_strong(at, &entries, fresh))
            entries = fresh;
        else
            munmap(fresh, SIZE);
    }
    return &entries[address % (1u << CHUNK_BITS) / GRANULE];
}

/* A node that was freed has no address; one that is being made gets its
   address last. */
static bool overlaps(const struct node *a, const struct node *b)
{
    uint64_t hidden = atomic_load(&b->hidden);
    uintptr_t from = (uintptr_t)address_of(a), other = (uintptr_t)reveal(hidden);
    return hidden != 0 && from < other + b->size && other < from + a->size;
}

static unsigned meet(const struct node *n, node_id id)
{
    if (id == 0 || id == id_of(n) || !overlaps(n, node_of(id)))
        return 0;
    return atomic_exchange(&node_of(id)->reused, 1) == 0;
}

unsigned addresses_claim(const struct node *n)
{
    unsigned met = 0;
    uintptr_t first = (uintptr_t)address_of(n) / GRANULE,
              last = ((uintptr_t)address_of(n) + n->size - 1) / GRANULE;
    bool sparse = n->size >= 4 * PAGE;
    met += meet(n, atomic_load(entry_of(first * GRANULE / PAGE * PAGE)));
    for (uintptr_t g = first; g <= last; g++) {
        entry *e = entry_of(g * GRANULE);
        bool enter = !sparse || g == first || g * GRANULE % PAGE == 0;
        met += meet(n, enter ? atomic_exchange(e, id_of(n)) : atomic_load_explicit(e, memory_order_relaxed));
    }
    return met;
}
