/* SPDX-License-Identifier: MIT */
/*
 * libgc's callbacks, of which it has one each, shared with the program.
 *
 * The library needs some of them and so do programs, which set theirs later,
 * not all asking for what was there before (ECL, Guile).  So libgc's setters
 * and getters are interposed: the program's function is kept here, for ours to
 * call, and is what the getter tells; libgc keeps ours.  See doc/callbacks.md.
 */
#ifndef KGC_SECTION_CALLBACKS_H
#define KGC_SECTION_CALLBACKS_H

#define GC_THREADS             1
#define GC_NO_THREAD_REDIRECTS 1
#include <gc/gc.h>
#include <gc/gc_mark.h>

#define KGC__CALLBACKS(X)                               \
    X(on_collection_event, GC_on_collection_event_proc) \
    X(push_other_roots, GC_push_other_roots_proc)       \
    X(oom_fn, GC_oom_func)                              \
    X(finalizer_notifier, GC_finalizer_notifier_proc)

/*
 * For each of them:
 *   kgc__callback_NAME()       the program's function, or libgc's own as long
 *                              as it has set none; may be NULL
 *   kgc__callback_set_NAME(f)  makes f the function that libgc calls, for good.
 *                              Without libgc's lock.
 */
#define KGC__DECLARE(name, type)     \
    type kgc__callback_##name(void); \
    void kgc__callback_set_##name(type ours);
KGC__CALLBACKS(KGC__DECLARE)
#undef KGC__DECLARE

/*
 * Takes over a procedure for roots that the program has assigned to libgc's
 * exported variable.  With libgc's lock held, before roots are pushed.
 */
void kgc__callbacks_renew(void);
/* Such a procedure may have found ours in the variable, and calls it for the
   one before.  That is this one, for a call at this depth; 0: the program's. */
GC_push_other_roots_proc kgc__callback_pusher(unsigned depth);

/*
 * Calls do not come here from a program that was linked to libgc before this
 * library.  A collection is running that was not announced; after that
 * kgc__callbacks_check(), to be called now and then without libgc's lock,
 * installs the callback for collection events again.
 */
void kgc__callbacks_missed(void);
void kgc__callbacks_check(void);

#endif
