/* SPDX-License-Identifier: MIT */
/*
 * Blocks from tiers: choosing the tier, and counting what is in each.
 *
 * The counts are usable bytes of live blocks by kind, for all tiers of the
 * process together, since a block that is freed does not tell through which
 * of them it came.  They are exact at any time.  Nothing locks: a thread that
 * allocates beside another may choose by counts that are a block old.
 */
#include "memkind/memtier.h"
#include <string.h>

#define DECORATOR __attribute__((weak))
DECORATOR void memtier_kind_malloc_post(memkind_t kind, size_t size, void **result);
DECORATOR void memtier_kind_calloc_post(memkind_t kind, size_t nmemb, size_t size, void **result);
DECORATOR void memtier_kind_posix_memalign_post(memkind_t kind, void **memptr, size_t alignment, size_t size,
                                                int *err);
DECORATOR void memtier_kind_realloc_post(memkind_t *kind, void *ptr, size_t size, void **result);
DECORATOR void memtier_kind_free_pre(void **ptr);
DECORATOR void memtier_kind_usable_size_post(void **ptr, size_t size);

static size_t bytes_in(const struct memkind *k)
{
    return atomic_load_explicit(&k->tiered, memory_order_relaxed);
}

static void count(memkind_t k, void *p)
{
    if (p != NULL)
        atomic_fetch_add_explicit(&k->tiered, kgc_kind_usable_size(NULL, p), memory_order_relaxed);
}

/* A block of another's (memkind_malloc() has no part in the count) must not
   make the count wrap. */
static void uncount(memkind_t k, size_t bytes)
{
    size_t before = bytes_in(k), after;
    do
        after = before > bytes ? before - bytes : 0;
    while (!atomic_compare_exchange_weak_explicit(&k->tiered, &before, after, memory_order_relaxed,
                                                  memory_order_relaxed));
}

/* The tier that has least for its weight; of equal ones the first. */
static memkind_t laggard(const struct memtier_memory *memory)
{
    const struct memkind__tier *best = &memory->tier[0];
    size_t best_bytes = bytes_in(best->kind);
    for (unsigned i = 1; i < memory->tiers; i++) {
        const struct memkind__tier *t = &memory->tier[i];
        size_t bytes = bytes_in(t->kind);
        if ((unsigned __int128)bytes * best->weight < (unsigned __int128)best_bytes * t->weight) {
            best = t;
            best_bytes = bytes;
        }
    }
    return best->kind;
}

/* Moves the threshold between tiers i and i + 1 when their ratio is off. */
static void adjust(struct memtier_memory *memory, unsigned i)
{
    struct memkind__threshold *t = &memory->threshold[i];
    const struct memkind__tier *low = &memory->tier[i], *high = low + 1;
    double below = (double)bytes_in(low->kind), above = (double)bytes_in(high->kind);
    if (below == 0 && above == 0)
        return;
    double difference =
        above / below - (double)high->weight / low->weight; /* infinite when nothing is below */
    if (__builtin_fabs(difference) < memory->tuning.trigger || difference == 0)
        return;
    double value = (double)atomic_load_explicit(&t->value, memory_order_relaxed);
    double step = value * memory->tuning.degree;
    step = step < 1 ? 1 : step; /* sizes are whole: less would be nothing */
    value = difference > 0 ? value + step : value - step;
    size_t bounded = value <= (double)t->least  ? t->least
                     : value >= (double)t->most ? t->most
                                                : (size_t)value;
    atomic_store_explicit(&t->value, bounded, memory_order_relaxed);
}

static void count_allocation(struct memtier_memory *memory)
{
    unsigned n = atomic_fetch_add_explicit(&memory->allocations, 1, memory_order_relaxed) + 1;
    if (n < memory->tuning.interval ||
        atomic_flag_test_and_set_explicit(&memory->adjusting, memory_order_acquire))
        return;
    atomic_store_explicit(&memory->allocations, 0, memory_order_relaxed);
    for (unsigned i = 0; i < memory->tiers - 1; i++)
        adjust(memory, i);
    atomic_flag_clear_explicit(&memory->adjusting, memory_order_release);
}

memkind_t memkind__choose_tier(struct memtier_memory *memory, size_t size)
{
    if (memory->policy == MEMTIER_POLICY_STATIC_RATIO)
        return laggard(memory);
    unsigned i = 0;
    while (i < memory->tiers - 1 &&
           size >= atomic_load_explicit(&memory->threshold[i].value, memory_order_relaxed))
        i++;
    return memory->tier[i].kind;
}

/* After an allocation: a tier's thresholds follow what was allocated. */
static void follow(struct memtier_memory *memory)
{
    if (memory->policy == MEMTIER_POLICY_DYNAMIC_THRESHOLD)
        count_allocation(memory);
}

void *memtier_kind_malloc(memkind_t kind, size_t size)
{
    void *p = memkind_malloc(kind, size);
    count(kind, p);
    if (memtier_kind_malloc_post != NULL)
        memtier_kind_malloc_post(kind, size, &p);
    return p;
}

void *memtier_kind_calloc(memkind_t kind, size_t num, size_t size)
{
    void *p = memkind_calloc(kind, num, size);
    count(kind, p);
    if (memtier_kind_calloc_post != NULL)
        memtier_kind_calloc_post(kind, num, size, &p);
    return p;
}

int memtier_kind_posix_memalign(memkind_t kind, void **memptr, size_t alignment, size_t size)
{
    int error = memkind_posix_memalign(kind, memptr, alignment, size);
    if (error == 0)
        count(kind, *memptr);
    if (memtier_kind_posix_memalign_post != NULL)
        memtier_kind_posix_memalign_post(kind, memptr, alignment, size, &error);
    return error;
}

void *memtier_kind_realloc(memkind_t kind, void *ptr, size_t size)
{
    if (ptr == NULL && kind != NULL)
        return memtier_kind_malloc(kind, size);
    if (ptr != NULL && size == 0) {
        memtier_kind_free(kind, ptr);
        return NULL;
    }
    memkind_t from = ptr != NULL ? memkind_detect_kind(ptr) : NULL;
    size_t before = kgc_kind_usable_size(NULL, ptr);
    void *p = memkind_realloc(kind, ptr, size);
    if (p != NULL) {
        if (from != NULL)
            uncount(from, before);
        count(kind != NULL ? kind : from, p);
    }
    if (memtier_kind_realloc_post != NULL)
        memtier_kind_realloc_post(&kind, ptr, size, &p);
    return p;
}

void memtier_kind_free(memkind_t kind, void *ptr)
{
    if (memtier_kind_free_pre != NULL)
        memtier_kind_free_pre(&ptr);
    if (ptr == NULL)
        return;
    memkind_t owner = memkind_detect_kind(ptr);
    if (owner != NULL)
        uncount(owner, kgc_kind_usable_size(NULL, ptr));
    memkind_free(kind, ptr);
}

size_t memtier_usable_size(void *ptr)
{
    size_t size = kgc_kind_usable_size(NULL, ptr);
    if (memtier_kind_usable_size_post != NULL)
        memtier_kind_usable_size_post(&ptr, size);
    return size;
}

size_t memtier_kind_allocated_size(memkind_t kind)
{
    return kind != NULL ? bytes_in(kind) : 0;
}

static bool no_memory(const struct memtier_memory *memory)
{
    if (memory == NULL)
        errno = EINVAL;
    return memory == NULL;
}

void *memtier_malloc(struct memtier_memory *memory, size_t size)
{
    if (no_memory(memory))
        return NULL;
    void *p = memtier_kind_malloc(memkind__choose_tier(memory, size), size);
    follow(memory);
    return p;
}

void *memtier_calloc(struct memtier_memory *memory, size_t num, size_t size)
{
    size_t sum;
    if (no_memory(memory))
        return NULL;
    if (__builtin_mul_overflow(num, size, &sum))
        sum = SIZE_MAX; /* refused below */
    void *p = memtier_kind_calloc(memkind__choose_tier(memory, sum), num, size);
    follow(memory);
    return p;
}

int memtier_posix_memalign(struct memtier_memory *memory, void **memptr, size_t alignment, size_t size)
{
    if (memory == NULL)
        return EINVAL;
    int error = memtier_kind_posix_memalign(memkind__choose_tier(memory, size), memptr, alignment, size);
    follow(memory);
    return error;
}

void *memtier_realloc(struct memtier_memory *memory, void *ptr, size_t size)
{
    if (ptr == NULL)
        return memtier_malloc(memory, size);
    void *p = memtier_kind_realloc(memkind_detect_kind(ptr), ptr, size);
    if (memory != NULL)
        follow(memory);
    return p;
}
