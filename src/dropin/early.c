/* SPDX-License-Identifier: MIT */
/*
 * A bump arena in chunks: see early.h.  Each block is preceded by its size.  A
 * chunk knows how far it is used and how many blocks live in it, in one word,
 * so that it is empty again when the last one was freed.
 */
#include "dropin/early.h"
#include "base/size.h"
#include "dropin/dropin.h"
#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

enum { STATIC = 64 * 1024, CHUNK = 1024 * 1024 };

/* The word: units of 16 bytes in use, and the number of blocks above that. */
#define UNITS     ((uint64_t)UINT32_MAX)
#define ONE_BLOCK ((uint64_t)1 << 32)
#define MOST      ((size_t)1 << 35)

struct chunk {
    struct chunk *next;
    char *start;
    size_t size;
    _Atomic uint64_t used;
};

static _Alignas(KGC__ALIGNMENT) char memory[STATIC];
static struct chunk first = {.start = memory, .size = STATIC};
static _Atomic(struct chunk *) chunks = &first;

static size_t *size_of(const void *p)
{
    return (size_t *)p - 1;
}

/* size is a multiple of 16.  NULL: there is no room. */
static void *cut(struct chunk *c, size_t alignment, size_t size)
{
    uint64_t before = atomic_load(&c->used), after;
    char *p;
    do {
        char *at = c->start + (before & UNITS) * KGC__ALIGNMENT;
        p = (char *)kgc__round_up((uintptr_t)at + KGC__ALIGNMENT, alignment);
        size_t offset = (size_t)(p - c->start);
        if (offset > c->size || c->size - offset < size)
            return NULL;
        after = (before & ~UNITS) + ONE_BLOCK + (offset + size) / KGC__ALIGNMENT;
    } while (!atomic_compare_exchange_weak(&c->used, &before, after));
    *size_of(p) = size;
    return p;
}

/* One more chunk, with room for a block. */
static struct chunk *grow(size_t alignment, size_t size)
{
    size_t bytes = kgc__round_up(size + alignment + 4096, CHUNK);
    struct chunk *c = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (c == MAP_FAILED)
        return NULL;
    c->start = (char *)c + kgc__round_up(sizeof *c, KGC__ALIGNMENT);
    c->size = bytes - (size_t)(c->start - (char *)c);
    c->next = atomic_load(&chunks);
    while (!atomic_compare_exchange_weak(&chunks, &c->next, c))
        ;
    return c;
}

void *kgc__early_allocate(size_t alignment, size_t size)
{
    void *p = NULL;
    if (alignment < KGC__ALIGNMENT)
        alignment = KGC__ALIGNMENT;
    if (size < MOST && alignment < MOST) {
        size = kgc__round_up(size == 0 ? 1 : size, KGC__ALIGNMENT);
        struct chunk *c = atomic_load(&chunks);
        for (; p == NULL && c != NULL; c = c->next)
            p = cut(c, alignment, size);
        if (p == NULL && (c = grow(alignment, size)) != NULL)
            p = cut(c, alignment, size);
    }
    if (p == NULL) {
        errno = ENOMEM;
        return NULL;
    }
    return memset(p, 0, size);
}

static struct chunk *chunk_of(const void *p)
{
    struct chunk *c = atomic_load(&chunks);
    while (c != NULL && (uintptr_t)p - (uintptr_t)c->start >= c->size)
        c = c->next;
    return c;
}

bool kgc__early_owns(const void *p)
{
    return chunk_of(p) != NULL;
}

size_t kgc__early_size(const void *p)
{
    return *size_of(p);
}

/* The last block's memory is used again, and all of a chunk without blocks. */
void kgc__early_free(void *p)
{
    struct chunk *c = chunk_of(p);
    uint64_t units = (uint64_t)((char *)p - c->start) / KGC__ALIGNMENT, end = units + *size_of(p) / KGC__ALIGNMENT;
    uint64_t before = atomic_load(&c->used), after;
    do {
        after = before - ONE_BLOCK;
        if (after <= UNITS)
            after = 0;
        else if ((before & UNITS) == end)
            after = (after & ~UNITS) | (units - 1);
    } while (!atomic_compare_exchange_weak(&c->used, &before, after));
}
