/* SPDX-License-Identifier: MIT */
/* The table of sections: see table.h. */
#include "section/table.h"
#include "base/check.h"
#include "os/meta.h"
#include <stdatomic.h>
#include <string.h>

/* Blocks of records that never move: 1024 records each, 4096 blocks are 4 M
   sections, 256 GiB even if each were of the least size, 64 KiB. */
enum { BLOCK = 1024, BLOCKS = 4096 };

static _Atomic(struct kgc__section_record *) blocks[BLOCKS];
static _Atomic size_t count;

/* Records by address. */
static struct kgc__section_record **sorted;
static size_t capacity;

static bool prepare_block(void)
{
    size_t n = atomic_load(&count) / BLOCK;
    if (n == BLOCKS)
        return false;
    if (atomic_load(&blocks[n]) == NULL)
        atomic_store(&blocks[n], kgc__meta_allocate(BLOCK * sizeof(struct kgc__section_record)));
    return atomic_load(&blocks[n]) != NULL;
}

static bool prepare_index(void)
{
    size_t n = atomic_load(&count);
    if (n < capacity)
        return true;
    size_t larger = capacity == 0 ? BLOCK : capacity * 2;
    struct kgc__section_record **fresh = kgc__meta_allocate(larger * sizeof *fresh);
    if (fresh == NULL)
        return false;
    if (n != 0)
        memcpy(fresh, sorted, n * sizeof *fresh);
    kgc__meta_free(sorted, capacity * sizeof *sorted);
    sorted = fresh;
    capacity = larger;
    return true;
}

bool kgc__table_prepare(void)
{
    return prepare_block() && prepare_index();
}

/* The first place in the index whose section ends behind p. */
static size_t lower_bound(const char *p)
{
    size_t low = 0, high = atomic_load(&count);
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (sorted[middle]->base + sorted[middle]->size <= p)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

void kgc__table_add(char *base, size_t size, kgc_kind *kind)
{
    size_t n = atomic_load(&count), at = lower_bound(base);
    struct kgc__section_record *r = &atomic_load(&blocks[n / BLOCK])[n % BLOCK];
    r->base = base;
    r->size = size;
    r->kind = kind;
    memmove(sorted + at + 1, sorted + at, (n - at) * sizeof *sorted);
    sorted[at] = r;
    KGC_CHECK_INTERNAL(at == n || base + size <= sorted[at + 1]->base);
    atomic_store_explicit(&count, n + 1, memory_order_release);
}

struct kgc__section_record *kgc__table_find(const char *p)
{
    size_t at = lower_bound(p);
    return at < atomic_load(&count) ? sorted[at] : NULL;
}

size_t kgc__table_count(void)
{
    return atomic_load_explicit(&count, memory_order_acquire);
}

struct kgc__section_record *kgc__table_get(size_t i)
{
    return &atomic_load_explicit(&blocks[i / BLOCK], memory_order_relaxed)[i % BLOCK];
}
