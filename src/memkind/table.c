/* SPDX-License-Identifier: MIT */
/*
 * From a kgc_kind to the record it belongs to: a hash table with open
 * addressing, read without a lock.  Writers hold memkind__lock().
 *
 * A slot is empty (key NULL), deleted (key DELETED) or used.  A used slot's
 * record is written before its key.  Every key is reachable from its first
 * slot over slots that are not empty.  jemalloc has 4,095 arenas, so more kinds
 * than half the table could not have memory anyway.
 */
#include "memkind/kind.h"

enum { SLOTS = 8192 };
#define DELETED ((kgc_kind *)1)

static struct {
    _Atomic(kgc_kind *) key;
    _Atomic(struct memkind *) record;
} slots[SLOTS];
static unsigned used;

static unsigned first_slot(const kgc_kind *kind)
{
    return (unsigned)((uintptr_t)kind / 64 * 0x9E3779B97F4A7C15u >> 40) % SLOTS;
}

bool memkind__table_add(kgc_kind *kind, struct memkind *k)
{
    if (used == SLOTS / 2)
        return false;
    unsigned i = first_slot(kind);
    for (;; i = (i + 1) % SLOTS) {
        kgc_kind *key = atomic_load_explicit(&slots[i].key, memory_order_relaxed);
        if (key == NULL || key == DELETED)
            break;
    }
    atomic_store_explicit(&slots[i].record, k, memory_order_relaxed);
    atomic_store_explicit(&slots[i].key, kind, memory_order_release);
    used++;
    return true;
}

void memkind__table_remove(kgc_kind *kind)
{
    unsigned i = first_slot(kind);
    for (;; i = (i + 1) % SLOTS) {
        kgc_kind *key = atomic_load_explicit(&slots[i].key, memory_order_relaxed);
        if (key == NULL)
            return;
        if (key == kind)
            break;
    }
    atomic_store_explicit(&slots[i].key, DELETED, memory_order_relaxed);
    used--;
    /* Deleted slots before an empty one are on nobody's way. */
    if (atomic_load_explicit(&slots[(i + 1) % SLOTS].key, memory_order_relaxed) == NULL)
        for (; atomic_load_explicit(&slots[i].key, memory_order_relaxed) == DELETED;
             i = (i + SLOTS - 1) % SLOTS)
            atomic_store_explicit(&slots[i].key, NULL, memory_order_relaxed);
}

struct memkind *memkind__table_find(kgc_kind *kind)
{
    unsigned i = first_slot(kind);
    for (unsigned n = 0; n < SLOTS; n++, i = (i + 1) % SLOTS) {
        kgc_kind *key = atomic_load_explicit(&slots[i].key, memory_order_acquire);
        if (key == kind)
            return atomic_load_explicit(&slots[i].record, memory_order_relaxed);
        if (key == NULL)
            break;
    }
    return NULL;
}

struct memkind *memkind__table_next(unsigned *index)
{
    while (*index < SLOTS) {
        unsigned i = (*index)++;
        kgc_kind *key = atomic_load_explicit(&slots[i].key, memory_order_relaxed);
        if (key != NULL && key != DELETED)
            return atomic_load_explicit(&slots[i].record, memory_order_relaxed);
    }
    return NULL;
}
