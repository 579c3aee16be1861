/* SPDX-License-Identifier: MIT */
/*
 * Mutexes with ranks.
 *
 * Rank order is the order of acquisition: a thread may only take a lock of a
 * higher rank than any it holds; debug level 2 asserts it.  libgc's own lock
 * comes before all of these: its callbacks and our hooks run with it held, so
 * no lock below may be held while calling a GC_ function that locks, except
 * those whose rank says so.  Nothing on the path of an extent hook locks.
 */
#ifndef KGC_BASE_LOCK_H
#define KGC_BASE_LOCK_H

#include <pthread.h>

enum kgc__rank {
    KGC__RANK_START = 1, /* collect/start.c: first use; taken before libgc's lock */
    KGC__RANK_FINALIZER, /* collect/finalize.c: the finalizer thread's mailbox */
    KGC__RANK_ROOTED,    /* rooted/kind.c: opening the rooted heap's kind */
    KGC__RANK_KINDS,     /* kind/registry.c: opening and closing kinds */
    KGC__RANK_EXPLICIT   /* arena/arenas.c: arenas and lists of caches; before jemalloc's own */
};

typedef struct kgc__lock {
    pthread_mutex_t mutex;
    enum kgc__rank rank;
} kgc__lock;

#define KGC__LOCK_INIT(r) {.mutex = PTHREAD_MUTEX_INITIALIZER, .rank = (r)}

void kgc__lock_acquire(kgc__lock *lock);
void kgc__lock_release(kgc__lock *lock);
/* In a forked child: a fresh, free mutex, whatever its state was. */
void kgc__lock_reset(kgc__lock *lock);

#endif
