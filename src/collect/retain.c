/* SPDX-License-Identifier: MIT */
/*
 * Keeping blocks: see retain.h.
 *
 * libgc asks a procedure of ours about every dead object of our kinds when it
 * sweeps their block, and keeps those that the answer is "no" for; that is
 * what its "disclaim" is for.  The first object of a block that is wholly dead
 * is kept, so that the block is, and freed when the next objects are needed; or
 * else it is dead again at the next collection.  These objects hang together by
 * their first words, disguised: nothing is to be alive because of that.
 *
 * Wholly dead blocks are swept at the end of the collection.  What is swept
 * later, by several threads and without libgc's lock, changes nothing here.
 */
#include "collect/retain.h"
#include "collect/libgc.h"
#include "collect/magazine.h"
#include "collect/roots.h"
#include "section/section.h"
#include <gc/gc_disclaim.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

enum { BLOCK = 4096, CLASSES = BLOCK / 2 / 16 + 1 };

/* Blocks used, by granules of their objects, since this collection. */
static _Atomic unsigned used[KGC__OBJECT_KINDS][CLASSES];
static _Atomic GC_word since[KGC__OBJECT_KINDS];
static _Atomic bool sweeping; /* the end of a collection, libgc's lock held */

/* The first objects of blocks that this collection has kept.  Under libgc's lock. */
static struct holders {
    _Atomic GC_word first; /* disguised; 0: none */
    GC_word collection;
} holders[KGC__OBJECT_KINDS];

static bool is_dead(const char *block, size_t size)
{
    for (size_t at = size; at + size <= BLOCK; at += size)
        if (GC_is_marked(block + at))
            return false;
    return true;
}

static int GC_CALLBACK keep(void *p)
{
    if (kgc__likely((uintptr_t)p % BLOCK != 0) || !atomic_load_explicit(&sweeping, memory_order_relaxed))
        return 0;
    size_t size;
    int kind = GC_get_kind_and_size(p, &size);
    if (atomic_load(&since[kind]) + 1 != GC_get_gc_no() || atomic_load(&used[kind][size / 16]) == 0 ||
        !is_dead(p, size))
        return 0;
    atomic_fetch_sub(&used[kind][size / 16], 1);
    memset(p, 0, size);
    struct holders *h = &holders[kind];
    if (h->collection != GC_get_gc_no())
        atomic_store(&h->first, 0);
    h->collection = GC_get_gc_no();
    *(GC_word *)p = atomic_load(&h->first);
    atomic_store(&h->first, GC_HIDE_POINTER(p));
    return 1;
}

enum { AT_ONCE = 32 };

struct taken {
    struct holders *from;
    unsigned count;
    void *object[AT_ONCE];
};

static void take(void *arg)
{
    struct taken *t = arg;
    if (t->from->collection != GC_get_gc_no())
        atomic_store(&t->from->first, 0);
    for (GC_word first; t->count < AT_ONCE && (first = atomic_load(&t->from->first)) != 0; t->count++) {
        GC_word *p = t->object[t->count] = GC_REVEAL_POINTER(first);
        atomic_store(&t->from->first, *p);
        *p = 0;
    }
}

void kgc__retain_use(unsigned object_kind)
{
    struct taken t = {.from = &holders[object_kind]};
    if (atomic_load_explicit(&t.from->first, memory_order_relaxed) == 0)
        return;
    kgc__roots_locked(take, &t);
    for (unsigned i = 0; i < t.count; i++)
        GC_free(t.object[i]);
}

static void set_sweeping(bool begins)
{
    atomic_store_explicit(&sweeping, begins, memory_order_relaxed);
}

static void add_step(void *unused)
{
    (void)unused;
    kgc__collection_steps.sweeping = set_sweeping;
}

void kgc__retain_attach(int object_kind)
{
    __typeof__(&GC_register_disclaim_proc) set = KGC__LIBGC(GC_register_disclaim_proc);
    kgc__roots_locked(add_step, NULL);
    if (set != NULL) /* else it was built without, and blocks go */
        set(object_kind, keep, 0);
}

void kgc__retain_nothing(unsigned object_kind)
{
    for (size_t i = 0; i < CLASSES; i++)
        atomic_store_explicit(&used[object_kind][i], 0, memory_order_relaxed);
}

void kgc__retain_count(const void *object)
{
    size_t size;
    int kind = GC_get_kind_and_size(object, &size);
    if (atomic_load(&since[kind]) != GC_get_gc_no()) {
        kgc__retain_nothing((unsigned)kind);
        atomic_store(&since[kind], GC_get_gc_no());
    }
    atomic_fetch_add(&used[kind][size / 16], 1);
}
