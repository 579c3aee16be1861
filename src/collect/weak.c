/* SPDX-License-Identifier: MIT */
/* Weak references: kindgc/weak.h, over the registry. */
#include "collect/references.h"
#include "collect/start.h"
#include <kindgc/weak.h>

struct kgc_weak {
    struct kgc__reference reference;
};

kgc_weak *kgc_weak_create(void *object)
{
    return kgc__reference_new(&kgc__weak_references, KGC__REFERENCE_SIZE, object, NULL, NULL,
                              "kgc_weak_create");
}

/*
 * One load is enough.  A thread is suspended either before it: then it finds
 * NULL if the object was dead; or after it: then the address is in a register
 * or on the stack, which are roots, so the object was not dead.  The thread
 * must be known to the collector for that.
 */
void *kgc_weak_get(const kgc_weak *weak)
{
    return kgc__enter() ? atomic_load_explicit(&weak->reference.target, memory_order_relaxed) : NULL;
}

void kgc_weak_clear(kgc_weak *weak)
{
    kgc__reference_clear(&kgc__weak_references, (struct kgc__reference *)weak);
}
