/* SPDX-License-Identifier: MIT */
/*
 * The depot of stacks: see depot.h.
 *
 * Records lie in pieces of memory, one after the other; a stack's number leads
 * to its record by an index.  Records of one bucket are chained.
 */
#include "leak/depot.h"
#include "base/check.h"
#include "os/meta.h"
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

struct record {
    uint64_t hash;
    uint32_t number, next; /* next: a number */
    uint32_t count, sites[];
};

enum {
    BUCKETS = 1 << 17,
    PIECE = 1 << 20, /* bytes */
    INDEX = 1 << 14, /* records in a piece of the index */
    INDICES = 1 << 10
};
static _Atomic(_Atomic uint32_t *) buckets;
static _Atomic(_Atomic(struct record *) *) indices[INDICES];
static _Atomic uint32_t numbers; /* given out */
static _Atomic size_t bytes, refusals;
static size_t most = (size_t)512 << 20;

/* Where records are cut from: the first word of a piece counts its bytes in use. */
static _Atomic(_Atomic size_t *) piece;

static void *cut(size_t size)
{
    size = (size + 7) & ~(size_t)7;
    for (;;) {
        _Atomic size_t *p = atomic_load_explicit(&piece, memory_order_acquire);
        if (p != NULL) {
            size_t at = atomic_load(p);
            while (at + size <= PIECE)
                if (atomic_compare_exchange_weak(p, &at, at + size))
                    return (char *)p + at;
        }
        if (atomic_load(&bytes) + PIECE > most)
            return NULL;
        _Atomic size_t *fresh = kgc__meta_allocate(PIECE);
        if (fresh == NULL)
            return NULL;
        atomic_init(fresh, 64);
        if (atomic_compare_exchange_strong(&piece, &p, fresh))
            atomic_fetch_add(&bytes, PIECE);
        else
            kgc__meta_free(fresh, PIECE);
    }
}

static struct record *record_of(uint32_t number)
{
    uint32_t i = number - 1;
    if (number == 0 || i / INDEX >= INDICES)
        return NULL;
    _Atomic(struct record *) *index = atomic_load_explicit(&indices[i / INDEX], memory_order_acquire);
    return index != NULL ? atomic_load_explicit(&index[i % INDEX], memory_order_acquire) : NULL;
}

/* From the stack `first` of a chain up to, not including, the stack `end`. */
static uint32_t search(uint64_t hash, uint32_t first, uint32_t end)
{
    for (uint32_t n = first; n != end;) {
        const struct record *r = record_of(n);
        if (r->hash == hash)
            return n;
        n = r->next;
    }
    return 0;
}

uint32_t kgc__depot_find(uint64_t hash)
{
    _Atomic uint32_t *table = atomic_load_explicit(&buckets, memory_order_acquire);
    return table != NULL ? search(hash, atomic_load_explicit(&table[hash % BUCKETS], memory_order_acquire), 0)
                         : 0;
}

/* A record with a number of its own; NULL: no memory. */
static struct record *make(uint64_t hash, const uint32_t *sites, unsigned count)
{
    struct record *r = cut(sizeof *r + count * sizeof *sites);
    if (r == NULL)
        return NULL;
    uint32_t number = atomic_fetch_add(&numbers, 1) + 1, i = number - 1;
    _Atomic(struct record *) *index =
        i / INDEX < INDICES ? kgc__meta_ensure((_Atomic(void *) *)&indices[i / INDEX], INDEX * sizeof *index)
                            : NULL;
    if (index == NULL)
        return NULL; /* a number that stands for no stack */
    r->hash = hash;
    r->number = number;
    r->count = count;
    memcpy(r->sites, sites, count * sizeof *sites);
    atomic_store_explicit(&index[i % INDEX], r, memory_order_release);
    return r;
}

uint32_t kgc__depot_put(uint64_t hash, const uint32_t *sites, unsigned count)
{
    _Atomic uint32_t *table = kgc__meta_ensure((_Atomic(void *) *)&buckets, BUCKETS * sizeof *table);
    struct record *fresh = NULL;
    if (table != NULL) {
        _Atomic uint32_t *head = &table[hash % BUCKETS];
        uint32_t first = atomic_load_explicit(head, memory_order_acquire), searched = 0, found;
        for (;;) {
            if ((found = search(hash, first, searched)) != 0)
                return found; /* another thread was faster, if there is a fresh one */
            searched = first;
            if (fresh == NULL && (fresh = make(hash, sites, count)) == NULL)
                break;
            fresh->next = first;
            if (atomic_compare_exchange_strong(head, &first, fresh->number))
                return fresh->number;
        }
    }
    atomic_fetch_add_explicit(&refusals, 1, memory_order_relaxed);
    return 0;
}

const uint32_t *kgc__depot_stack(uint32_t number, unsigned *count)
{
    const struct record *r = record_of(number);
    *count = r != NULL ? r->count : 0;
    return r != NULL ? r->sites : NULL;
}

void kgc__depot_stats(struct kgc__depot_stats *out)
{
    out->stacks = atomic_load(&numbers);
    out->bytes = atomic_load(&bytes);
    out->refusals = atomic_load(&refusals);
}

void kgc__depot_set_most(size_t n)
{
    most = n;
}
