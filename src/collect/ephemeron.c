/* SPDX-License-Identifier: MIT */
/*
 * Ephemerons: kindgc/weak.h, and which of them keep their value alive.
 *
 * When libgc's marking has ended each ephemeron is looked at.  If it is marked
 * and its key is, its value is marked, with all that it leads to (closure.h).
 * Otherwise it waits, in a table of lists by address, for the one of the two
 * that is not marked, and is looked at again when that is.  So each is looked
 * at three times at most, in whatever order a chain of them was made.  Those
 * whose key is not marked in the end are cleared.
 *
 * The table is part of the registry, so it needs no memory then.
 */
#include "collect/closure.h"
#include "collect/libgc.h"
#include "collect/references.h"
#include "collect/roots.h"
#include "collect/start.h"
#include <kindgc/weak.h>
#include <string.h>

struct kgc_ephemeron {
    struct kgc__reference reference; /* to the key */
    _Atomic(void *) value;           /* NULL when the key is */
};

static struct kgc_ephemeron *ephemeron_of(struct kgc__reference *r)
{
    return (struct kgc_ephemeron *)r;
}

static void *value_of(const struct kgc_ephemeron *e)
{
    return atomic_load_explicit(&e->value, memory_order_relaxed);
}

static void clear(struct kgc__reference *r)
{
    atomic_store_explicit(&r->target, NULL, memory_order_relaxed);
    atomic_store_explicit(&ephemeron_of(r)->value, NULL, memory_order_relaxed);
}

struct kgc__references kgc__ephemeron_references = {.link_count = 2, .clear = clear};
static struct kgc__references *const registry = &kgc__ephemeron_references;

/* Lists: the number of the first entry plus 1, and of the next; 0 ends a list. */
static uint32_t *first(const void *object)
{
    uint64_t hash = ((uintptr_t)object >> 4) * 0x9e3779b97f4a7c15u;
    return &registry->links[(hash >> 32) & (registry->capacity - 1)];
}

static uint32_t *next(uint32_t i)
{
    return &registry->links[registry->capacity + i];
}

static void wait_for(const void *object, uint32_t i)
{
    uint32_t *head = first(object);
    *next(i) = *head;
    *head = i + 1;
}

static void look_at(uint32_t i)
{
    const struct kgc__entry *e = &registry->entries[i];
    if (!GC_is_marked(e->reference))
        wait_for(e->reference, i);
    else if (!kgc__is_alive(e->base))
        wait_for(e->base, i);
    else
        kgc__closure_mark(value_of(ephemeron_of(e->reference)));
}

/* Was an ephemeron marked, or the key of some?  The list is taken apart first,
   for what is looked at may be put into it again. */
static void on_marked(void *object)
{
    uint32_t *head = first(object), i = *head;
    *head = 0;
    while (i-- != 0) {
        const struct kgc__entry *e = &registry->entries[i];
        uint32_t following = *next(i);
        if (e->reference == object || e->base == object) {
            look_at(i);
        } else {
            *next(i) = *head;
            *head = i + 1;
        }
        i = following;
    }
}

/* Is the value something that dies in this collection? */
static bool is_dead(void *value)
{
    const void *base = GC_base(value);
    return base != NULL && !GC_is_marked(base);
}

/* One that is not marked itself may be seen by a finalizer. */
static void clear_dead(void)
{
    for (uint32_t i = registry->count; i-- > 0;) {
        const struct kgc__entry *e = &registry->entries[i];
        bool alive = GC_is_marked(e->reference) != 0;
        if (!kgc__is_alive(e->base) || (!alive && is_dead(value_of(ephemeron_of(e->reference))))) {
            clear(e->reference);
            kgc__references_remove(registry, i);
        } else if (!alive) {
            registry->undecided = true;
        }
    }
}

void kgc__ephemerons_marked(void)
{
    memset(registry->links, 0, registry->capacity * sizeof *registry->links);
    for (uint32_t i = 0; i < registry->count; i++)
        look_at(i);
    kgc__closure_run(on_marked);
    clear_dead();
}

static void set_value(struct kgc__reference *r, void *value)
{
    atomic_store_explicit(&ephemeron_of(r)->value, value, memory_order_relaxed);
}

kgc_ephemeron *kgc_ephemeron_create(void *key, void *value)
{
    return kgc__reference_new(registry, sizeof(struct kgc_ephemeron), key, value, set_value,
                              "kgc_ephemeron_create");
}

/* For both see kgc_weak_get(). */
void *kgc_ephemeron_key(const kgc_ephemeron *ephemeron)
{
    return kgc__enter() ? atomic_load_explicit(&ephemeron->reference.target, memory_order_relaxed) : NULL;
}

void *kgc_ephemeron_value(const kgc_ephemeron *ephemeron)
{
    return kgc__enter() ? value_of(ephemeron) : NULL;
}

struct change {
    kgc_ephemeron *ephemeron;
    void *value;
};

static void change(void *arg)
{
    const struct change *c = arg;
    if (kgc__references_have(registry, &c->ephemeron->reference))
        set_value(&c->ephemeron->reference, c->value);
}

/* With the lock: the key may die, or be cleared, at any moment.  There is no
   write barrier: values are marked from when threads are suspended at the end. */
void kgc_ephemeron_set_value(kgc_ephemeron *ephemeron, void *value)
{
    struct change c = {ephemeron, value};
    kgc__roots_locked(change, &c);
}

void kgc_ephemeron_clear(kgc_ephemeron *ephemeron)
{
    kgc__reference_clear(registry, (struct kgc__reference *)ephemeron);
}
