/* SPDX-License-Identifier: MIT */
/*
 * Memory for the library's own records, never from malloc: it is asked for in
 * hooks, inside libgc and before anything is initialised.  Zeroed, aligned to
 * 64 bytes so that records of different threads share no cache line.  Not
 * scanned by the collector.  Lock-free.
 */
#ifndef KGC_OS_META_H
#define KGC_OS_META_H

#include <stddef.h>

/* NULL with errno ENOMEM. */
void *kgc__meta_allocate(size_t size);
/* size is what was asked for.  Only whole pages go back to the system: small
   records live as long as the process, so their owners reuse them. */
void kgc__meta_free(void *p, size_t size);

/* What *at points to; a fresh record of this size, put there, when it is NULL.  NULL: no memory. */
void *kgc__meta_ensure(_Atomic(void *) *at, size_t size);

#endif
