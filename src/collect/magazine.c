/* SPDX-License-Identifier: MIT */
/*
 * Filling the threads' magazines, in batches, from libgc: see magazine.h.
 *
 * GC_generic_malloc_many() gives what one block of 4 KiB has room for, zeroed
 * and linked.  When it finds no block, libgc 8.2.2 gives a single object that
 * is larger than was asked for, for it adds the byte behind it once more; that
 * is given back, and one is allocated that is not.
 */
#include "collect/magazine.h"
#include "collect/libgc.h"
#include "collect/roots.h"
#include "collect/start.h"
#include <gc/gc_inline.h>
#include <string.h>

/* For threads and kinds that have none: always empty. */
static struct kgc__shelf no_shelf;
static struct kgc__magazines none = {.shelf = {[0 ... KGC__OBJECT_KINDS - 1] = &no_shelf}};
KGC_API __thread struct kgc_magazines *kgc_thread_magazines __attribute__((tls_model("initial-exec"))) =
    &none.head;
static struct kgc__magazines *all;               /* under libgc's lock */
static _Atomic(struct kgc__magazines *) orphans; /* of threads that fork left behind */

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

/* What libgc gave is new: not what the program's out-of-memory function had. */
static bool is_new(const void *p)
{
    return p != NULL && p != kgc__oom_object;
}

static bool make_record(void)
{
    kgc__oom_object = NULL;
    struct kgc__magazines *m = GC_malloc_uncollectable(sizeof *m);
    if (!is_new(m))
        return false;
    if (kgc__magazines() != &none) { /* libgc has run a finalizer, which has allocated */
        GC_free(m);
        return true;
    }
    for (unsigned i = 0; i < KGC__OBJECT_KINDS; i++)
        m->shelf[i] = &no_shelf;
    kgc__roots_locked(insert, m);
    kgc_thread_magazines = &m->head;
    return true;
}

/*
 * libgc 8.2 makes a kind's lists of blocks to sweep with its first object, but
 * not in GC_generic_malloc_many().  Without them a collection does not empty
 * the kind's free lists, which then hold objects of blocks that are gone.
 */
static bool make_lists_of(unsigned object_kind)
{
    return GC_generic_malloc(1, (int)object_kind) != NULL;
}

static bool make_shelf(unsigned object_kind)
{
    if (!make_lists_of(object_kind))
        return false;
    size_t slots = 0;
    for (size_t c = 1; c < KGC_SIZE_CLASSES; c++)
        slots += kgc__class_slots(c);
    kgc__oom_object = NULL;
    struct kgc__shelf *shelf = GC_malloc(sizeof *shelf + slots * sizeof shelf->slots[0]);
    if (!is_new(shelf))
        return false;
    void **slot = shelf->slots;
    for (size_t c = 1; c < KGC_SIZE_CLASSES; c++) {
        shelf->size[c].top = shelf->size[c].floor = slot;
        slot += kgc__class_slots(c);
    }
    kgc__magazines()->shelf[object_kind] = shelf;
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
    return kgc__magazines() != &none || make_record();
}

static bool has_shelf(unsigned object_kind)
{
    return has_record() && (kgc__magazines()->shelf[object_kind] != &no_shelf || make_shelf(object_kind));
}

/*
 * A block of which nothing is alive goes back to libgc in a collection, and is
 * then made anew, which takes libgc's lock for long.  A block of which
 * something is alive is only swept, without the lock.  So a thread keeps one
 * object of each block that it has got whole, as long as it goes on taking
 * batches: with two threads an object of 16 to 128 bytes takes 32 ns instead of
 * 45 to 64.  Not of blocks of few objects, one of which would be a large part.
 */
enum { KEPT_FROM = 16 };

/*
 * In each collection one in so many goes, the oldest first.  Were all blocks
 * kept, libgc would find none for a size that has run out of them right after
 * a collection, and let the heap grow by half: from 5 to 11.5 MiB with two
 * threads that have 1,024 such objects each.
 */
enum { LET_GO = 64 };

static void keep_block(void *object)
{
    struct kgc__magazines *m = kgc__magazines();
    m->keeps[m->kept++ % KGC__KEPT_BLOCKS] = object;
}

/* A thread may be suspended within keep_block(): then one block is kept for
   longer, or not at all. */
static void let_some_go(struct kgc__magazines *m)
{
    if (m->kept - m->let_go > KGC__KEPT_BLOCKS)
        m->let_go = m->kept - KGC__KEPT_BLOCKS; /* others have taken their places */
    for (unsigned n = (m->kept - m->let_go + LET_GO - 1) / LET_GO; n != 0; n--)
        m->keeps[m->let_go++ % KGC__KEPT_BLOCKS] = NULL;
}

void kgc__magazines_age(void)
{
    for (struct kgc__magazines *m = all; m != NULL; m = m->next) {
        if (m->kept != 0 && m->batches == m->batches_before) {
            memset(m->keeps, 0, sizeof m->keeps);
            m->kept = m->let_go = 0;
        }
        let_some_go(m);
        m->batches_before = m->batches;
    }
}

static size_t length(void **chain)
{
    size_t n = 0;
    for (; chain != NULL; chain = *chain)
        n++;
    return n;
}

/* One of a whole block is kept. */
static void keep_block_of(size_t size_class, void **chain)
{
    size_t count = kgc__class_count(size_class);
    if (count < KEPT_FROM || length(*chain) != count)
        return;
    void **first = *chain;
    *chain = *first;
    *first = NULL;
    keep_block(first);
}

void *kgc__magazine_refill(size_t size_class)
{
    if (!has_record())
        return NULL;
    kgc__magazines()->batches++;
    void **scanned = kgc__magazines()->head.scanned, **chain = &scanned[size_class];
    kgc__oom_object = NULL;
    GC_generic_malloc_many(kgc__class_granules(size_class) * 16, KGC__SCANNED, chain);
    void *p = *chain;
    if (p == NULL)
        return NULL;
    if (kgc__unlikely(GC_size(p) != kgc__class_granules(size_class) * 16)) {
        *chain = NULL;
        if (is_new(p))
            GC_free(p);
        return NULL;
    }
    keep_block_of(size_class, chain);
    return kgc_take(size_class);
}

/* A batch on its way from the chain into the slots. */
struct batch {
    void *chain, **slot, **end;
    GC_word collections; /* before the chain was asked for */
    kgc__prepare prepare;
    void *arg;
    bool refused;
};

static void unchain(void *arg)
{
    struct batch *b = arg;
    if (GC_get_gc_no() != b->collections)
        return;
    void **floor = b->slot;
    for (void **p = b->chain, **next; p != NULL && b->slot < b->end; p = next) {
        next = *p;
        *p = NULL; /* where free objects are scanned, it would keep one that is in use alive after its end */
        *b->slot++ = p;
    }
    size_t count = (size_t)(b->slot - floor);
    if (count == 0 || b->prepare == NULL || b->prepare(floor, count, b->arg))
        return;
    memset(floor, 0, count * sizeof *floor);
    b->slot = floor;
    b->refused = true;
}

/*
 * Nothing follows a chain through objects that are not scanned word by word, so
 * a collection would free those that only the chain holds, and others would
 * write where its links were.  Objects move from it into slots with libgc's
 * lock held, when no collection can begin.  If one has come before that, the
 * batch is forgotten.
 */
void *kgc__shelf_refill(unsigned object_kind, size_t size_class, kgc__prepare prepare, void *arg)
{
    if (!has_shelf(object_kind))
        return NULL;
    kgc__magazines()->batches++;
    struct kgc__shelf *shelf = kgc__magazines()->shelf[object_kind];
    void **floor = shelf->size[size_class].floor;
    for (int attempt = 0; attempt < 3; attempt++) {
        struct batch batch = {.slot = floor,
                              .end = floor + kgc__class_slots(size_class),
                              .collections = GC_get_gc_no(),
                              .prepare = prepare,
                              .arg = arg};
        GC_generic_malloc_many(kgc__class_granules(size_class) * 16, (int)object_kind, &batch.chain);
        if (batch.chain == NULL)
            return NULL;
        kgc__roots_locked(unchain, &batch);
        if (batch.refused)
            return NULL;
        size_t count = (size_t)(batch.slot - floor);
        if (object_kind == KGC__POINTER_FREE && count >= KEPT_FROM && count == kgc__class_count(size_class)) {
            keep_block(*--batch.slot);
            *batch.slot = NULL;
        }
        shelf->size[size_class].top = batch.slot;
        if (batch.slot != floor)
            return kgc__shelf_take(object_kind, size_class);
    }
    return NULL;
}

void kgc__shelves_drop(unsigned object_kind)
{
    for (struct kgc__magazines *m = all; m != NULL; m = m->next) {
        struct kgc__shelf *shelf = m->shelf[object_kind];
        for (size_t c = 1; shelf != &no_shelf && c < KGC_SIZE_CLASSES; c++) {
            memset(shelf->size[c].floor, 0, kgc__class_slots(c) * sizeof(void *));
            shelf->size[c].top = shelf->size[c].floor;
        }
    }
}

void kgc__magazines_drop(void)
{
    struct kgc__magazines *m = kgc__magazines();
    if (m == &none)
        return;
    kgc_thread_magazines = &none.head;
    kgc__roots_locked(delete, m);
    GC_free(m);
}

/* libgc's lock may still be held, by this thread: they are freed later. */
void kgc__magazines_after_fork_in_child(void)
{
    struct kgc__magazines *own = NULL;
    for (struct kgc__magazines *next, *m = all; m != NULL; m = next) {
        next = m->next;
        if (m == kgc__magazines()) {
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

ptrdiff_t kgc_thread_magazines_offset(void)
{
    return (char *)&kgc_thread_magazines - (char *)__builtin_thread_pointer();
}
