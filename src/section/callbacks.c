/* SPDX-License-Identifier: MIT */
/*
 * Interposes libgc's setters and getters of callbacks: see callbacks.h.
 *
 * Takes no lock of its own: GC_set_push_other_roots() takes none either and
 * may be called with libgc's lock held; the others take libgc's.
 */
#include "section/callbacks.h"
#include "section/section.h"
#include <dlfcn.h>
#include <stdatomic.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))

/*
 * A setter that runs while ours is being installed may have stored into libgc
 * what it should not any more, so it looks again afterwards.
 *
 * libgc calls its own GC_get_oom_fn() where memory has run out, and the call
 * comes here as any other: it gets the function that it was given.
 */
#define DEFINE(name, type)                                                    \
    static _Atomic(type) ours_##name, program_##name;                         \
                                                                              \
    type kgc__callback_##name(void)                                           \
    {                                                                         \
        return atomic_load(&program_##name);                                  \
    }                                                                         \
                                                                              \
    void kgc__callback_set_##name(type ours)                                  \
    {                                                                         \
        atomic_store(&ours_##name, ours);                                     \
        type found = KGC__LIBGC(GC_get_##name)();                             \
        if (found == ours)                                                    \
            return;                                                           \
        atomic_store(&program_##name, found);                                 \
        KGC__LIBGC(GC_set_##name)(ours);                                      \
    }                                                                         \
                                                                              \
    EXPORT void GC_CALL GC_set_##name(type f)                                 \
    {                                                                         \
        if (atomic_load(&ours_##name) == NULL)                                \
            KGC__LIBGC(GC_set_##name)(f);                                     \
        type ours = atomic_load(&ours_##name);                                \
        if (ours == NULL)                                                     \
            return;                                                           \
        atomic_store(&program_##name, f);                                     \
        if (KGC__LIBGC(GC_get_##name)() == f)                                 \
            KGC__LIBGC(GC_set_##name)(ours);                                  \
    }                                                                         \
                                                                              \
    EXPORT type GC_CALL GC_get_##name(void)                                   \
    {                                                                         \
        bool installed = atomic_load(&ours_##name) != NULL;                   \
        if (installed && !kgc__section_is_libgc(__builtin_return_address(0))) \
            return atomic_load(&program_##name);                              \
        return KGC__LIBGC(GC_get_##name)();                                   \
    }

KGC__CALLBACKS(DEFINE)

/* What was replaced by assignment, the last first. */
static GC_push_other_roots_proc pushers[8];
enum { PUSHERS = sizeof pushers / sizeof pushers[0] };

/* The oldest is libgc's own, which pushes the threads' stacks: it stays. */
static void remember_pusher(GC_push_other_roots_proc old)
{
    unsigned kept = pushers[PUSHERS - 1] == NULL ? PUSHERS - 1 : PUSHERS - 2;
    memmove(&pushers[1], &pushers[0], kept * sizeof pushers[0]);
    pushers[0] = old;
}

GC_push_other_roots_proc kgc__callback_pusher(unsigned depth)
{
    return depth == 0 ? atomic_load(&program_push_other_roots) : depth <= PUSHERS ? pushers[depth - 1] : NULL;
}

void kgc__callbacks_renew(void)
{
    GC_push_other_roots_proc ours = atomic_load(&ours_push_other_roots);
    if (ours == NULL)
        return;
    GC_push_other_roots_proc found = KGC__LIBGC(GC_get_push_other_roots)(); /* takes no lock */
    if (found == ours)
        return;
    remember_pusher(atomic_exchange(&program_push_other_roots, found));
    KGC__LIBGC(GC_set_push_other_roots)(ours);
}

static _Atomic bool missed;

void kgc__callbacks_missed(void)
{
    atomic_store(&missed, true);
}

void kgc__callbacks_check(void)
{
    if (atomic_load_explicit(&missed, memory_order_relaxed) && atomic_exchange(&missed, false))
        kgc__callback_set_on_collection_event(atomic_load(&ours_on_collection_event));
}
