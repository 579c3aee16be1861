/* SPDX-License-Identifier: MIT */
/*
 * Finalizers: functions that run after an object became unreachable and
 * before its memory is used again.
 *
 * When: a collection finds objects that nothing reaches, and makes the
 * finalizers of those ready that their mode allows.  Weak references and
 * ephemerons that refer to them were cleared before.  Ready ones run where the
 * policy says, in no order among themselves; what must run before what is said
 * by modes.  By default that is inside allocating functions, in whatever thread
 * calls them: take no locks in a finalizer that the program holds while it
 * allocates, or choose another policy.
 *
 * How often: once for each registration, however many threads there are.  A
 * process that ends runs no more of them unless it is asked to (below).  After
 * fork(2) parent and child have each their own objects and registrations: both
 * run what was registered before, each once; what was running in another
 * thread goes on in the parent only.
 *
 * What it sees: the object and everything that it reaches, intact.  It may
 * store the object somewhere: then it lives on, without a finalizer, until one
 * is registered again, for which the finalizer itself is a good place.  It may
 * allocate, collect, and register finalizers, and call kgc_finalizers_run(),
 * which runs others that are ready inside it.
 *
 * How it ends: it should return.  It may also leave by longjmp(3), to where
 * the thread allocated, or by pthread_exit(3); the object counts as finalized,
 * and other finalizers run later, but by the default policy much later in that
 * thread, for libgc thinks that it is still in a finalizer: kgc_finalizers_run()
 * runs them at once.  A C++ exception must not leave it, for there is C code
 * between it and the program's.
 *
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
 * unknown; ENOMEM; ENOTSUP while finalizers run because the process ends.
 */
KGC_API int kgc_register_finalizer(void *object, kgc_finalizer fn, void *data, kgc_finalizer_mode mode,
                                   kgc_finalizer *old_fn, void **old_data);

/* Runs the finalizers that are ready, in this thread.  Returns how many ran.
   May be called under every policy, and in finalizers. */
KGC_API int kgc_finalizers_run(void);

typedef enum kgc_finalizer_policy {
    KGC_FINALIZERS_ALLOCATING, /* in a thread that allocates or collects (the default, libgc's own) */
    KGC_FINALIZERS_ON_DEMAND,  /* only in kgc_finalizers_run() */
    KGC_FINALIZERS_THREAD      /* in a thread of the library's own, soon after a collection */
} kgc_finalizer_policy;

/*
 * Chooses where finalizers run.  Returns 0; EINVAL for an unknown policy;
 * what pthread_create(3) returned.  A program that gives libgc a finalizer
 * notifier of its own later (Guile does) takes the finalizers over: the
 * library's thread leaves them to it.  One that was there before is called too.
 * KGC_EVENT_FINALIZERS_READY is emitted under the two other policies.
 *
 * The library's thread blocks the program's signals and ends with the
 * process; exit(3) does not wait for it.  A finalizer that ends the thread by
 * pthread_exit(3) makes room for another one.  A forked child makes its own when
 * finalizers are ready there; if it cannot, they run in the thread that
 * allocates.
 */
KGC_API int kgc_set_finalizer_thread(kgc_finalizer_policy policy);

/*
 * At exit: with the setting finalizers=exit (kindgc/init.h) all finalizers run
 * that are registered when the process calls exit(3) or returns from main():
 * in the thread that does so, in no order whatever the mode, and of objects
 * that are still in use too, by other threads perhaps.  They run before
 * functions that were given to atexit(3) before the library started.  No more
 * can be registered then.  A forked child that calls exit(3) does the same;
 * _exit(2) runs none.
 */

KGC_END_DECLS
#endif
