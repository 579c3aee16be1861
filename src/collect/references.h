/* SPDX-License-Identifier: MIT */
/*
 * The references that the collector does not follow, and when they are
 * cleared: one registry of weak references, one of ephemerons.
 *
 * A reference is an atomic object of the heap, so nothing in it keeps anything
 * alive; the registry lies in memory that the collector does not read.  libgc
 * has disappearing links, but it clears them after it has started the threads
 * again, so that they could only be read with its lock held.  Here references
 * are cleared when marking has just ended and threads are still suspended.
 *
 * Everything here happens with libgc's lock held.
 */
#ifndef KGC_COLLECT_REFERENCES_H
#define KGC_COLLECT_REFERENCES_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What every reference begins with. */
struct kgc__reference {
    _Atomic(void *) target; /* NULL: cleared, and not in the registry any more */
    uint32_t index;         /* in the registry */
};
/* Without the padding it is an object of the smallest size, with the byte that libgc adds. */
enum { KGC__REFERENCE_SIZE = offsetof(struct kgc__reference, index) + sizeof(uint32_t) };

struct kgc__entry {
    struct kgc__reference *reference;
    void *base; /* of the object that the target lies in */
};

struct kgc__references {
    struct kgc__entry *entries;
    uint32_t *links; /* what ephemeron.c needs: as many as link_count for each entry there is room for */
    uint32_t count, capacity; /* a power of two, or 0 */
    const unsigned link_count;
    bool undecided; /* entries of references that finalizers may bring back to life */
    void (*const clear)(struct kgc__reference *);
};
extern struct kgc__references kgc__weak_references, kgc__ephemeron_references;

/*
 * A new object of `size` bytes that refers to `target`, in the registry; value
 * is passed to init (or NULL) before.  In the name of a public function.  Takes
 * libgc's lock itself.  NULL with errno and kgc_last_error() set: EINVAL when
 * the target is in no collectable object, ENOMEM.
 */
void *kgc__reference_new(struct kgc__references *registry, size_t size, void *target, void *value,
                         void (*init)(struct kgc__reference *, void *value), const char *function);
/* Clears it now.  Takes libgc's lock itself. */
void kgc__reference_clear(struct kgc__references *registry, struct kgc__reference *reference);
/* p is released, and may be a reference.  Takes libgc's lock itself. */
void kgc__reference_released(void *p);

/* Is this a reference that was not cleared? */
bool kgc__references_have(const struct kgc__references *registry, const struct kgc__reference *reference);
/* The last entry takes the place of entry i. */
void kgc__references_remove(struct kgc__references *registry, uint32_t i);

/* Is there an object at this address that starts there, and is it marked?  The
   one that was there may have been released, and its block even be unmapped. */
bool kgc__is_alive(void *object);

/* ephemeron.c: marks what ephemerons keep alive, and clears the others. */
void kgc__ephemerons_marked(void);

#endif
