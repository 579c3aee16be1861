/* SPDX-License-Identifier: MIT */
/*
 * The registries of references: see references.h.
 *
 * A reference that is not reachable itself may still be read: by the finalizer
 * of an object that leads to it.  Which they are is known only after libgc has
 * looked at its finalizers.  So a reference leaves the registry when what it
 * refers to is dead, and then it is cleared, or when it is itself dead after
 * that.
 */
#include "collect/references.h"
#include "base/message.h"
#include "collect/closure.h"
#include "collect/libgc.h"
#include "collect/roots.h"
#include "collect/start.h"
#include "os/meta.h"
#include "section/section.h"
#include <errno.h>
#include <kindgc/allocate.h>
#include <string.h>

enum { LEAST = 4096 }; /* entries: their memory can be given back to the system */

static _Atomic bool used; /* there was a reference */

static void clear_weak(struct kgc__reference *r)
{
    atomic_store_explicit(&r->target, NULL, memory_order_relaxed);
}

struct kgc__references kgc__weak_references = {.clear = clear_weak};

bool kgc__references_have(const struct kgc__references *registry, const struct kgc__reference *reference)
{
    return reference->index < registry->count && registry->entries[reference->index].reference == reference;
}

void kgc__references_remove(struct kgc__references *registry, uint32_t i)
{
    struct kgc__entry *last = &registry->entries[--registry->count];
    if (i == registry->count)
        return;
    registry->entries[i] = *last;
    last->reference->index = i;
}

static size_t bytes_for(const struct kgc__references *registry, size_t capacity)
{
    return capacity * (sizeof(struct kgc__entry) + registry->link_count * sizeof(uint32_t));
}

static bool resize(struct kgc__references *registry, size_t capacity)
{
    if (capacity > UINT32_MAX)
        return false;
    struct kgc__entry *entries = kgc__meta_allocate(bytes_for(registry, capacity));
    if (entries == NULL)
        return false;
    if (registry->count != 0)
        memcpy(entries, registry->entries, registry->count * sizeof *entries);
    kgc__meta_free(registry->entries, bytes_for(registry, registry->capacity));
    registry->entries = entries;
    registry->links = (uint32_t *)(entries + capacity);
    registry->capacity = (uint32_t)capacity;
    return true;
}

static void shrink(struct kgc__references *registry)
{
    size_t capacity = registry->capacity;
    while (capacity > LEAST && registry->count < capacity / 8)
        capacity /= 2;
    if (capacity < registry->capacity)
        resize(registry, capacity); /* if there is no memory it stays as it is */
}

bool kgc__is_alive(void *object)
{
    return GC_base(object) == object && GC_is_marked(object);
}

static void clear_dead(struct kgc__references *registry)
{
    for (uint32_t i = registry->count; i-- > 0;) {
        struct kgc__entry *e = &registry->entries[i];
        if (!kgc__is_alive(e->base)) {
            registry->clear(e->reference);
            kgc__references_remove(registry, i);
        } else if (!GC_is_marked(e->reference)) {
            registry->undecided = true;
        }
    }
}

/* Marking has ended, threads are suspended. */
static void marked(void)
{
    if (kgc__ephemeron_references.count != 0)
        kgc__ephemerons_marked();
    clear_dead(&kgc__weak_references);
}

static void forget_dead(struct kgc__references *registry)
{
    for (uint32_t i = registry->count; registry->undecided && i-- > 0;)
        if (!kgc__is_alive(registry->entries[i].reference))
            kgc__references_remove(registry, i);
    registry->undecided = false;
    shrink(registry);
}

/* libgc has marked what finalizers will see; threads run again. */
static void finalizers_known(void)
{
    forget_dead(&kgc__ephemeron_references);
    forget_dead(&kgc__weak_references);
}

struct insertion {
    struct kgc__references *registry;
    struct kgc__entry entry;
    bool done;
};

static void insert(void *arg)
{
    struct insertion *in = arg;
    struct kgc__references *registry = in->registry;
    kgc__collection_steps.marked = marked;
    kgc__collection_steps.finalizers_known = finalizers_known;
    atomic_store_explicit(&used, true, memory_order_relaxed);
    if (registry->count == registry->capacity &&
        !resize(registry, registry->count == 0 ? LEAST : 2 * (size_t)registry->count))
        return;
    if (registry == &kgc__ephemeron_references && !kgc__closure_prepare())
        return;
    in->entry.reference->index = registry->count;
    registry->entries[registry->count++] = in->entry;
    in->done = true;
}

static void *fail(int error)
{
    errno = error;
    return NULL;
}

static bool is_atomic(void *p)
{
    return GC_base(p) == p && GC_get_kind_and_size(p, NULL) == KGC__POINTER_FREE;
}

void *kgc__reference_new(struct kgc__references *registry, size_t size, void *target, void *value,
                         void (*init)(struct kgc__reference *, void *value), const char *function)
{
    int kind;
    size_t unused;
    void *base = GC_base(target);
    if (!kgc__is_collectable(base, &kind, &unused)) {
        kgc__fail(EINVAL, "%s: %p is not in a collectable object", function, target);
        return fail(EINVAL);
    }
    struct kgc__reference *r = kgc_allocate_atomic(size);
    if (r == NULL)
        return NULL;
    struct insertion in = {.registry = registry, .entry = {r, base}};
    if (is_atomic(r)) { /* a program's out-of-memory function may return anything */
        atomic_init(&r->target, target);
        if (init != NULL)
            init(r, value);
        kgc__roots_locked(insert, &in);
    }
    if (in.done)
        return r;
    kgc__fail(ENOMEM, "%s: no memory", function);
    return fail(ENOMEM);
}

struct removal {
    struct kgc__references *registry;
    struct kgc__reference *reference;
};

static void clear(void *arg)
{
    const struct removal *out = arg;
    if (!kgc__references_have(out->registry, out->reference))
        return;
    kgc__references_remove(out->registry, out->reference->index);
    out->registry->clear(out->reference);
}

void kgc__reference_clear(struct kgc__references *registry, struct kgc__reference *reference)
{
    struct removal out = {registry, reference};
    if (reference != NULL)
        kgc__roots_locked(clear, &out);
}

void kgc__reference_released(void *p)
{
    if (!atomic_load_explicit(&used, memory_order_relaxed) || !is_atomic(p))
        return;
    kgc__reference_clear(&kgc__weak_references, p);
    kgc__reference_clear(&kgc__ephemeron_references, p);
}
