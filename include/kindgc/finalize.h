/* SPDX-License-Identifier: MIT */
/*
 * Finalizers: functions that run after an object became unreachable and
 * before its memory is used again.
 *
 * A finalizer runs at most once for each registration, with the object
 * intact; storing the object somewhere reachable brings it back to life, and
 * it may be registered again.  By default finalizers run inside allocating
 * functions, in whatever thread calls them: take no locks in them that the
 * program holds while it allocates, or choose another policy.
 * Semantics of GC_register_finalizer() and its variants.
 */
#ifndef KINDGC_FINALIZE_H
#define KINDGC_FINALIZE_H

#include <kindgc/base.h>

KGC_BEGIN_DECLS

/* data is what was registered.  It is kept alive with the registration. */
typedef void (*kgc_finalizer)(void *object, void *data);

typedef enum kgc_finalizer_mode {
    KGC_FINALIZE_NORMAL,      /* topological: only when no other object with a finalizer reaches it;
                                 an object in a cycle is never finalized */
    KGC_FINALIZE_IGNORE_SELF, /* the same, but pointers from the object to itself do not count */
    KGC_FINALIZE_NO_ORDER,    /* as soon as it is unreachable, whatever points at it: what it points to may
                                 have been finalized already */
    KGC_FINALIZE_UNREACHABLE  /* when it is unreachable from roots even through other finalizable objects and
                                 their data: after all others */
} kgc_finalizer_mode;

/*
 * Registers fn for the collectable object that starts at `object`, instead of
 * the one that was registered.  fn NULL removes the registration.
 * *old_fn and *old_data receive what was registered before (NULL when none);
 * either pointer may be NULL.
 * Returns 0; EINVAL when no collectable object starts there or the mode is
 * unknown; ENOMEM.
 */
KGC_API int kgc_register_finalizer(void *object, kgc_finalizer fn, void *data, kgc_finalizer_mode mode,
                                   kgc_finalizer *old_fn, void **old_data);

/* Runs the finalizers that are ready, in this thread.  Returns how many ran.
   May be called under every policy. */
KGC_API int kgc_finalizers_run(void);

typedef enum kgc_finalizer_policy {
    KGC_FINALIZERS_ALLOCATING, /* in a thread that allocates or collects (the default, libgc's own) */
    KGC_FINALIZERS_ON_DEMAND,  /* only in kgc_finalizers_run() */
    KGC_FINALIZERS_THREAD      /* in a thread of the library's own, soon after a collection */
} kgc_finalizer_policy;

/*
 * Chooses where finalizers run.  Returns 0; EINVAL for an unknown policy;
 * what pthread_create(3) returned.  Uses libgc's finalizer notifier; a
 * program that sets its own (Guile does) must keep the default policy.
 * KGC_EVENT_FINALIZERS_READY is emitted under the two other policies.
 *
 * The library's thread blocks the program's signals and ends with the
 * process; exit(3) does not wait for it.  A forked child makes its own when
 * finalizers are ready there; if it cannot, they run in the thread that
 * allocates.
 */
KGC_API int kgc_set_finalizer_thread(kgc_finalizer_policy policy);

KGC_END_DECLS
#endif
