/* SPDX-License-Identifier: MIT */
/*
 * fork(2) with malloc in its handlers.
 *
 * The library's handlers take its locks, jemalloc's too.  Handlers that a
 * program has registered before ours run while they are held, in the parent
 * and in the child, and may call malloc() as with glibc.  So between our
 * handlers the forking thread is served from early.c, and what it frees is
 * freed afterwards.
 */
#include "dropin/dropin.h"
#include <pthread.h>

static __thread bool forking;
static __thread void *postponed; /* linked through the blocks */

bool kgc__forking(void)
{
    return forking;
}

void kgc__free_after_fork(void *p)
{
    if (kgc_malloc_usable_size(p) == 0) { /* not a block: let it be told */
        kgc_free(p);
        return;
    }
    *(void **)p = postponed;
    postponed = p;
}

static void enter(void)
{
    forking = true;
    __atomic_add_fetch(&kgc__slow_reasons, 1, __ATOMIC_SEQ_CST);
}

static void free_postponed(void)
{
    forking = false;
    while (postponed != NULL) {
        void *p = postponed;
        postponed = *(void **)p;
        kgc_free(p);
    }
}

static void leave_in_parent(void)
{
    __atomic_sub_fetch(&kgc__slow_reasons, 1, __ATOMIC_SEQ_CST);
    free_postponed();
}

/* Other threads that were forking too are not there. */
static void leave_in_child(void)
{
    __atomic_store_n(&kgc__slow_reasons, 0, __ATOMIC_SEQ_CST);
    free_postponed();
}

void kgc__fork_attach(void)
{
    pthread_atfork(enter, leave_in_parent, leave_in_child);
}
