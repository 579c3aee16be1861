/* SPDX-License-Identifier: MIT */
/*
 * A GC heap on the caller's own extent hooks: one piece of memory that this
 * program reserves and hands out itself.  Counts what the hooks are asked for
 * and shows that the objects lie there.
 *
 * Hooks run with the collector's lock held: they use system calls and atomic
 * operations, nothing else.
 */
#include <jemalloc/jemalloc.h>
#include <kindgc.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define RESERVED ((size_t)1 << 30)

static char *memory;
static atomic_size_t used;
static atomic_size_t calls_for_heap, calls_for_arena, purged;

static void *my_alloc(extent_hooks_t *hooks, void *new_addr, size_t size, size_t alignment, bool *zero,
                      bool *commit, unsigned arena)
{
    (void)hooks;
    size_t old = atomic_load(&used), start;
    do {
        uintptr_t address = ((uintptr_t)memory + old + alignment - 1) & ~(uintptr_t)(alignment - 1);
        start = address - (uintptr_t)memory;
        if (size > RESERVED || start > RESERVED - size || (new_addr && new_addr != memory + start))
            return NULL;
    } while (!atomic_compare_exchange_weak(&used, &old, start + size));
    if (mprotect(memory + start, size, PROT_READ | PROT_WRITE))
        return NULL;
    *zero = *commit = true; /* fresh pages: never handed out before */
    atomic_fetch_add(arena == KGC_ARENA_COLLECTOR ? &calls_for_heap : &calls_for_arena, 1);
    return memory + start;
}

/* true: the caller keeps the extent and uses it again. */
static bool my_dalloc(extent_hooks_t *hooks, void *p, size_t size, bool committed, unsigned arena)
{
    (void)hooks, (void)p, (void)size, (void)committed, (void)arena;
    return true;
}

static bool my_purge_forced(extent_hooks_t *hooks, void *p, size_t size, size_t offset, size_t length,
                            unsigned arena)
{
    (void)hooks, (void)size, (void)arena;
    atomic_fetch_add(&purged, length);
    return madvise((char *)p + offset, length, MADV_DONTNEED) != 0;
}

static bool my_split(extent_hooks_t *hooks, void *p, size_t size, size_t a, size_t b, bool committed,
                     unsigned arena)
{
    (void)hooks, (void)p, (void)size, (void)a, (void)b, (void)committed, (void)arena;
    return false; /* no bookkeeping of ours stands in the way */
}

static bool my_merge(extent_hooks_t *hooks, void *p, size_t a, void *q, size_t b, bool committed,
                     unsigned arena)
{
    (void)hooks, (void)p, (void)a, (void)q, (void)b, (void)committed, (void)arena;
    return false;
}

static extent_hooks_t my_hooks = {
    .alloc = my_alloc,
    .dalloc = my_dalloc,
    .purge_forced = my_purge_forced,
    .split = my_split,
    .merge = my_merge,
};

static bool is_mine(const void *p)
{
    return (const char *)p >= memory && (const char *)p < memory + RESERVED;
}

static void fail(const char *what)
{
    fprintf(stderr, "own_hooks: %s: %s\n", what, kgc_last_error());
    exit(1);
}

typedef struct item {
    struct item *next;
    size_t number;
    char payload[104];
} item;

int main(int argc, char **argv)
{
    size_t mib = argc > 1 ? strtoul(argv[1], NULL, 10) : 64, mine = 0, before = 0, sum = 0;
    kgc_kind *kind;
    if (mib == 0 || mib > 512) {
        fprintf(stderr, "usage: own_hooks [MIB (1..512)]\n");
        return 2;
    }
    memory = mmap(NULL, RESERVED, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) {
        perror("own_hooks: mmap");
        return 1;
    }
    if (kgc_init(NULL))
        fail("kgc_init");
    if (kgc_kind_create("mine", &my_hooks, NULL, &kind))
        fail("kgc_kind_create");
    if (kgc_heap_set_kind(kind))
        fail("kgc_heap_set_kind");

    /* A list that stays alive. */
    size_t count = (mib << 20) / sizeof(item);
    item *list = NULL;
    for (size_t i = 0; i < count; i++) {
        item *fresh = kgc_allocate(sizeof *fresh);
        if (!fresh)
            fail("kgc_allocate");
        fresh->next = list;
        fresh->number = i;
        list = fresh;
    }
    kgc_collect();
    for (const item *i = list; i; i = i->next) {
        sum += i->number;
        if (is_mine(i) != (kgc_kind_of(i) == kind))
            fail("the library and the program disagree on where an object lies");
        if (is_mine(i))
            mine++;
        else
            before++;
    }
    if (sum != count * (count - 1) / 2)
        fail("objects were lost");

    /* The same hooks serve explicit memory. */
    char *block = kgc_kind_malloc(kind, 100000);
    if (!block || !is_mine(block))
        fail("kgc_kind_malloc");
    memset(block, 1, 100000);
    kgc_kind_free(kind, block);

    printf("objects:        %zu\n", count);
    printf("in my memory:   %zu\n", mine);
    printf("elsewhere:      %zu, in what the heap had free before it was given my kind\n", before);
    printf("hook calls:     %zu for the heap, %zu for the arena\n", atomic_load(&calls_for_heap),
           atomic_load(&calls_for_arena));
    printf("handed out:     %.1f MiB, given back %.1f MiB\n", (double)atomic_load(&used) / (1 << 20),
           (double)atomic_load(&purged) / (1 << 20));
    if (before * sizeof(item) > 4 << 20 || atomic_load(&calls_for_heap) == 0)
        fail("too many objects lie elsewhere");
    return 0;
}
