/* SPDX-License-Identifier: MIT */
/* The bits of rooted blocks: see live.h. */
#include "rooted/live.h"
#include "base/check.h"
#include "base/size.h"
#include "collect/start.h"
#include "os/meta.h"
#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/single_threaded.h>

enum { ADDRESS_BITS = 48, GIB_BITS = 30, UNIT_BITS = 4, WORD_BITS = 6 };
enum { TABLES = 1 << (ADDRESS_BITS - GIB_BITS), WORDS = 1 << (GIB_BITS - UNIT_BITS - WORD_BITS) };

struct table {
    _Atomic uint64_t word[WORDS];
};
static _Atomic(struct table *) tables[TABLES];

static struct table *table_of(const void *p)
{
    uintptr_t address = (uintptr_t)p;
    if ((address & ((1u << UNIT_BITS) - 1)) != 0 || address >> ADDRESS_BITS != 0)
        return NULL;
    return atomic_load_explicit(&tables[address >> GIB_BITS], memory_order_acquire);
}

static _Atomic uint64_t *word_of(struct table *table, const void *p)
{
    return &table->word[(uintptr_t)p >> (UNIT_BITS + WORD_BITS) & (WORDS - 1)];
}

static uint64_t bit_of(const void *p)
{
    return (uint64_t)1 << ((uintptr_t)p >> UNIT_BITS & 63);
}

static struct table *make_table(const void *p)
{
    struct table *none = NULL, *fresh = kgc__meta_allocate(sizeof *fresh);
    if (fresh == NULL || atomic_compare_exchange_strong(&tables[(uintptr_t)p >> GIB_BITS], &none, fresh))
        return fresh;
    kgc__meta_free(fresh, sizeof *fresh); /* another thread was faster */
    return none;
}

/* Setting and clearing; a process with one thread saves the locked instruction. */
static uint64_t set_bit(_Atomic uint64_t *word, uint64_t bit)
{
    if (!__libc_single_threaded)
        return atomic_fetch_or_explicit(word, bit, memory_order_relaxed);
    uint64_t before = atomic_load_explicit(word, memory_order_relaxed);
    atomic_store_explicit(word, before | bit, memory_order_relaxed);
    return before;
}

static uint64_t clear_bit(_Atomic uint64_t *word, uint64_t bit)
{
    if (!__libc_single_threaded)
        return atomic_fetch_and_explicit(word, ~bit, memory_order_relaxed);
    uint64_t before = atomic_load_explicit(word, memory_order_relaxed);
    atomic_store_explicit(word, before & ~bit, memory_order_relaxed);
    return before;
}

bool kgc__live_set(const void *p)
{
    KGC_CHECK((uintptr_t)p >> ADDRESS_BITS == 0 && ((uintptr_t)p & ((1u << UNIT_BITS) - 1)) == 0);
    struct table *table = table_of(p);
    if (table == NULL && (table = make_table(p)) == NULL) {
        errno = ENOMEM;
        return false;
    }
    uint64_t before = set_bit(word_of(table, p), bit_of(p));
    KGC_CHECK_INTERNAL((before & bit_of(p)) == 0 || p == kgc__oom_object);
    (void)before;
    return true;
}

bool kgc__live_clear(const void *p)
{
    struct table *table = table_of(p);
    if (table == NULL)
        return false;
    return (clear_bit(word_of(table, p), bit_of(p)) & bit_of(p)) != 0;
}

bool kgc__live(const void *p)
{
    struct table *table = table_of(p);
    return table != NULL && (atomic_load_explicit(word_of(table, p), memory_order_relaxed) & bit_of(p)) != 0;
}
