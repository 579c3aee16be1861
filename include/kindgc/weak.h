/* SPDX-License-Identifier: MIT */
/*
 * References that do not keep an object alive.
 *
 * A weak reference and an ephemeron are collectable objects themselves, so
 * they need not be freed.  Both are cleared while the world is stopped, at the
 * end of the collection that finds the object unreachable: before its
 * finalizer runs.  A finalizer that brings the object back to life does not
 * bring the reference back.  A reference that only a finalizer can see, because
 * nothing else leads to it, is as it was as long as the object is alive (an
 * ephemeron: and its value, otherwise it is cleared).
 *
 * Reading takes no lock and, in a thread that the collector knows, is a single
 * load; others become known to it (kindgc/heap.h).  What was read is alive as
 * long as the caller holds it.  Each collection looks at every weak reference
 * and ephemeron that is alive once, while the world is stopped.
 *
 * References are not told when their object is released or moved by hand
 * (kgc_release(), kgc_reallocate()): clear them before, or they may refer to
 * what comes to lie there.
 */
#ifndef KINDGC_WEAK_H
#define KINDGC_WEAK_H

#include <kindgc/base.h>

KGC_BEGIN_DECLS

typedef struct kgc_weak kgc_weak;

/*
 * A reference to the collectable object that `object` points to or into.
 * NULL with errno ENOMEM; EINVAL when it is not in a collectable object.
 */
KGC_API kgc_weak *kgc_weak_create(void *object);
/* What was given to kgc_weak_create(), or NULL when the object was collected
   or the reference cleared. */
KGC_API void *kgc_weak_get(const kgc_weak *weak);
/* Drops the reference now. */
KGC_API void kgc_weak_clear(kgc_weak *weak);

typedef struct kgc_ephemeron kgc_ephemeron;

/*
 * A pair: as long as the ephemeron and its key are alive, the value is too; the
 * value, and what only it points to, does not keep the key alive.  When the
 * key was collected both are NULL.  With a weak reference as key and a strong
 * value, a value that points at its key would never be collected; here it is.
 *
 * key: as for kgc_weak_create().  value: anything, NULL too.
 * NULL with errno ENOMEM or EINVAL.
 */
KGC_API kgc_ephemeron *kgc_ephemeron_create(void *key, void *value);
KGC_API void *kgc_ephemeron_key(const kgc_ephemeron *ephemeron);
/* NULL when the key was collected. */
KGC_API void *kgc_ephemeron_value(const kgc_ephemeron *ephemeron);
/* Another value; nothing when the key was collected. */
KGC_API void kgc_ephemeron_set_value(kgc_ephemeron *ephemeron, void *value);
/* Drops both now. */
KGC_API void kgc_ephemeron_clear(kgc_ephemeron *ephemeron);

KGC_END_DECLS
#endif
