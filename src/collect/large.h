/* SPDX-License-Identifier: MIT */
/*
 * Large scanned objects.
 *
 * libgc clears every scanned object itself, page by page, although pages that
 * were never used, or were given back, are zero; for large objects it is told
 * not to, by a kind of objects of ours.
 */
#ifndef KGC_COLLECT_LARGE_H
#define KGC_COLLECT_LARGE_H

#include <stdbool.h>
#include <stddef.h>

/* Bytes from which it is worth a look at the state of pages: 64 KiB. */
#define KGC__LARGE ((size_t)64 * 1024)

/* A scanned object of so many bytes that it has its pages for itself: above 2
   KiB.  Its contents are indeterminate when zero is false, but not what is
   behind `size`, which nobody would overwrite.  The thread has entered.  NULL
   with errno ENOMEM. */
void *kgc__large_allocate(size_t size, bool zero);
/* Zeroes the end of one from `from` on, as kgc__large_allocate() would have. */
void kgc__large_zero(void *p, size_t from, size_t size);
/* Is it the number of the kind of objects of these? */
bool kgc__large_is_kind(int object_kind);

#endif
