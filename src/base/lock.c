/* SPDX-License-Identifier: MIT */
/* Mutexes with ranks; the ranks a thread holds are a bit set of its own. */
#include "base/lock.h"
#include "base/check.h"

static __thread unsigned held __attribute__((tls_model("initial-exec")));

void kgc__lock_acquire(kgc__lock *lock)
{
    KGC_CHECK_INTERNAL(held >> lock->rank == 0);
    pthread_mutex_lock(&lock->mutex);
    held |= 1u << lock->rank;
}

void kgc__lock_release(kgc__lock *lock)
{
    KGC_CHECK_INTERNAL((held >> lock->rank & 1) != 0);
    held &= ~(1u << lock->rank);
    pthread_mutex_unlock(&lock->mutex);
}

void kgc__lock_reset(kgc__lock *lock)
{
    pthread_mutex_init(&lock->mutex, NULL);
    held &= ~(1u << lock->rank);
}
