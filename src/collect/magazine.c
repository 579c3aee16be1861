/* SPDX-License-Identifier: MIT */
/*
 * Filling the threads' magazines, in batches, from libgc: see magazine.h.
 *
 * GC_generic_malloc_many() gives what one block of 4 KiB has room for, zeroed
 * and linked.  libgc 8.2.2 sometimes returns a list of larger objects than
 * were asked for when threads race for a block; such a list goes into the
 * magazine of its true size.
 */
#include "collect/magazine.h"
#include "collect/libgc.h"
#include "collect/roots.h"
#include <gc/gc_inline.h>
#include <string.h>

static struct kgc__magazines none; /* of threads that have no record: always empty */
__thread struct kgc__magazines *kgc__magazines __attribute__((tls_model("initial-exec"))) = &none;
static struct kgc__magazines *all;               /* under libgc's lock */
static _Atomic(struct kgc__magazines *) orphans; /* of threads that fork left behind */

enum { BLOCK = 4096 };

static size_t slots_of(size_t granules)
{
    return BLOCK / 16 / granules;
}

static void insert(void *p)
{
    struct kgc__magazines *m = p;
    m->next = all;
    all = m;
}

static void delete (void *p)
{
    struct kgc__magazines **at = &all;
    while (*at != p)
        at = &(*at)->next;
    *at = (*at)->next;
}

static bool make_record(void)
{
    size_t slots = 0;
    for (size_t g = 1; g <= KGC__GRANULES; g++)
        slots += slots_of(g);
    struct kgc__magazines *m = GC_malloc_uncollectable(sizeof *m + slots * sizeof m->slots[0]);
    if (m == NULL)
        return false;
    void **slot = m->slots;
    for (size_t g = 1; g <= KGC__GRANULES; g++) {
        m->atomic[g] = m->floor[g] = slot;
        slot += slots_of(g);
    }
    kgc__roots_locked(insert, m);
    kgc__magazines = m;
    return true;
}

static void free_orphans(void)
{
    for (struct kgc__magazines *next, *m = atomic_exchange(&orphans, NULL); m != NULL; m = next) {
        next = m->next;
        GC_free(m);
    }
}

static bool has_record(void)
{
    if (kgc__unlikely(atomic_load_explicit(&orphans, memory_order_relaxed) != NULL))
        free_orphans();
    return kgc__magazines != &none || make_record();
}

void *kgc__magazine_refill(size_t granules)
{
    if (!has_record())
        return NULL;
    void **chain = &kgc__magazines->scanned[granules];
    GC_generic_malloc_many(granules * 16, KGC__SCANNED, chain);
    void *p = *chain;
    if (p == NULL)
        return NULL;
    size_t got = GC_size(p) / 16;
    if (kgc__unlikely(got != granules) && got <= KGC__GRANULES && kgc__magazines->scanned[got] == NULL) {
        kgc__magazines->scanned[got] = p;
        *chain = NULL;
        return kgc__magazine_take(got);
    }
    return kgc__magazine_take(granules);
}

/* A batch on its way from the chain into the slots. */
struct batch {
    void *chain, **slot, **end;
    GC_word collections; /* before the chain was asked for */
};

static void unchain(void *arg)
{
    struct batch *b = arg;
    if (GC_get_gc_no() != b->collections)
        return;
    for (void *p = b->chain; p != NULL && b->slot < b->end; p = *(void **)p)
        *b->slot++ = p;
}

/*
 * Nothing follows a chain through objects that are not scanned, so a collection
 * would free those that only the chain holds, and others would write where its
 * links were.  Objects move from it into slots with libgc's lock held, when no
 * collection can begin.  If one has come before that, the batch is forgotten.
 */
void *kgc__magazine_refill_atomic(size_t granules)
{
    if (!has_record())
        return NULL;
    struct kgc__magazines *m = kgc__magazines;
    void **floor = m->floor[granules];
    for (int attempt = 0; attempt < 3; attempt++) {
        struct batch batch = {
            .slot = floor, .end = floor + slots_of(granules), .collections = GC_get_gc_no()};
        GC_generic_malloc_many(granules * 16, KGC__POINTER_FREE, &batch.chain);
        if (batch.chain == NULL)
            return NULL;
        kgc__roots_locked(unchain, &batch);
        m->atomic[granules] = batch.slot;
        if (batch.slot != floor)
            return kgc__magazine_take_atomic(granules);
    }
    return NULL;
}

void kgc__magazines_drop(void)
{
    struct kgc__magazines *m = kgc__magazines;
    if (m == &none)
        return;
    kgc__magazines = &none;
    kgc__roots_locked(delete, m);
    GC_free(m);
}

/* libgc's lock may still be held, by this thread: they are freed later. */
void kgc__magazines_after_fork_in_child(void)
{
    struct kgc__magazines *own = NULL;
    for (struct kgc__magazines *next, *m = all; m != NULL; m = next) {
        next = m->next;
        if (m == kgc__magazines) {
            own = m;
        } else {
            m->next = atomic_load(&orphans);
            atomic_store(&orphans, m);
        }
    }
    all = own;
    if (own != NULL)
        own->next = NULL;
}
