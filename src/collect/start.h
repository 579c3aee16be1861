/* SPDX-License-Identifier: MIT */
/*
 * Starting the library, and the check at the entry of every function that
 * allocates.
 */
#ifndef KGC_COLLECT_START_H
#define KGC_COLLECT_START_H

#include "base/check.h"
#include <stdbool.h>
#include <stddef.h>
#include <sys/single_threaded.h>

/*
 * Starts libgc with the settings in force and proves that it takes memory
 * from us.  Idempotent.  Returns 0, or ENOTSUP, EINVAL or what opening the
 * heap's kind returned, with kgc_last_error() set.
 */
int kgc__start(void);
/* Has kgc__start() succeeded: does the program use the library itself? */
bool kgc__started(void);

/*
 * What the calling thread may do, in bits:
 *   READY    it is known to the collector; enough while it is the only thread
 *   LOCKING  and libgc was told to lock, so other threads may exist
 * __libc_single_threaded is 1 while there is one thread.  So one expression
 * also notices the first thread that was made behind our back.
 */
enum { KGC__READY = 1, KGC__LOCKING = 2 };
extern __thread unsigned char kgc__thread_state __attribute__((tls_model("initial-exec")));

/* The slow part of kgc__enter(). */
bool kgc__enter_first(void);

/*
 * To be called by every function that allocates or collects: starts the
 * library and registers the thread.  False with errno and kgc_last_error()
 * set when it cannot be.
 */
static inline bool kgc__entered(void)
{
    unsigned enough = KGC__LOCKING | (unsigned char)__libc_single_threaded;
    return (kgc__thread_state & enough) != 0;
}

static inline bool kgc__enter(void)
{
    return kgc__likely(kgc__entered()) || kgc__enter_first();
}

/* The allocation failed for good: emits the event, asks the out-of-memory
   function, and sets errno to ENOMEM when that returns NULL. */
void *kgc__out_of_memory(size_t size);
/* The same without a text of its own. */
void *kgc__ask_oom_function(size_t size);
/* What it returned last in this thread. */
extern __thread void *kgc__oom_object __attribute__((tls_model("initial-exec")));
/* Chains our out-of-memory function to libgc's. */
void kgc__heap_attach_oom(void);

/* Runs all finalizers when the process ends, if that is wanted.  Idempotent. */
void kgc__finalizers_at_exit(void);

/* In a forked child, where only the calling thread is left and libgc's lock
   may still be held by it. */
void kgc__collect_after_fork_in_child(void);
void kgc__threads_after_fork_in_child(void);
void kgc__finalizers_after_fork_in_child(void);

#endif
