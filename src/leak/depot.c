/* SPDX-License-Identifier: MIT */
/*
 * The depot of stacks: see depot.h.
 *
 * Records lie in pieces of memory, one after the other; a stack's number leads
 * to its record by an index.  Records of one bucket are chained; the first
 * stacks are found without.
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
    FEW = 1 << 11,
    PROBES = 4,
    BUCKETS = 1 << 17,
    PIECE = 1 << 20, /* bytes */
    INDEX = 1 << 14, /* records in a piece of the index */
    INDICES = 1 << 10
};
/* Numbers by hash.  The first stacks are in a small table, for each page that is
   touched costs a short program, and each fork, a fault: numbers below the upper
   halves of the hashes.  The others are in chains, and these are their heads. */
static _Atomic(_Atomic uint64_t *) few;
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

/* Does a place of the small table hold the stack? */
static inline bool holds(uint64_t place, uint64_t hash)
{
    return place >> 32 == hash >> 32 && record_of((uint32_t)place)->hash == hash;
}

static uint32_t find_in_few(uint64_t hash, bool *full)
{
    const _Atomic uint64_t *table = atomic_load_explicit(&few, memory_order_acquire);
    *full = false;
    if (table == NULL)
        return 0;
    for (unsigned i = 0; i < PROBES; i++) {
        uint64_t there = atomic_load_explicit(&table[(hash + i) % FEW], memory_order_acquire);
        if (there == 0 || holds(there, hash))
            return (uint32_t)there;
    }
    *full = true;
    return 0;
}

uint32_t kgc__depot_find(uint64_t hash)
{
    bool full;
    uint32_t found = find_in_few(hash, &full);
    if (!full)
        return found;
    const _Atomic uint32_t *table = atomic_load_explicit(&buckets, memory_order_acquire);
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

/* As find_in_few(), but the stack is put into the first free place.  If all
   are taken, *fresh, which may have been made, belongs into a chain. */
static uint32_t put_into_few(uint64_t hash, const uint32_t *sites, unsigned count, struct record **fresh,
                             bool *full)
{
    _Atomic uint64_t *table = kgc__meta_ensure((_Atomic(void *) *)&few, FEW * sizeof *table);
    *full = false;
    if (table == NULL)
        return 0;
    for (unsigned i = 0; i < PROBES; i++) {
        _Atomic uint64_t *place = &table[(hash + i) % FEW];
        uint64_t there = atomic_load_explicit(place, memory_order_acquire);
        if (there == 0 && *fresh == NULL && (*fresh = make(hash, sites, count)) == NULL)
            return 0;
        if (there == 0 &&
            atomic_compare_exchange_strong(place, &there, (hash >> 32 << 32) | (*fresh)->number))
            return (*fresh)->number;
        if (holds(there, hash))
            return (uint32_t)there; /* another thread was faster, if there is a fresh one */
    }
    *full = true;
    return 0;
}

static uint32_t put_into_chain(uint64_t hash, const uint32_t *sites, unsigned count, struct record *fresh)
{
    _Atomic uint32_t *table = kgc__meta_ensure((_Atomic(void *) *)&buckets, BUCKETS * sizeof *table);
    if (table == NULL)
        return 0;
    _Atomic uint32_t *head = &table[hash % BUCKETS];
    uint32_t newest = atomic_load_explicit(head, memory_order_acquire), searched = 0, found;
    for (;;) {
        if ((found = search(hash, newest, searched)) != 0)
            return found;
        searched = newest;
        if (fresh == NULL && (fresh = make(hash, sites, count)) == NULL)
            return 0;
        fresh->next = newest;
        if (atomic_compare_exchange_strong(head, &newest, fresh->number))
            return fresh->number;
    }
}

uint32_t kgc__depot_put(uint64_t hash, const uint32_t *sites, unsigned count)
{
    struct record *fresh = NULL;
    bool full;
    uint32_t number = put_into_few(hash, sites, count, &fresh, &full);
    if (full)
        number = put_into_chain(hash, sites, count, fresh);
    if (number == 0)
        atomic_fetch_add_explicit(&refusals, 1, memory_order_relaxed);
    return number;
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
