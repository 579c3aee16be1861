/* SPDX-License-Identifier: MIT */
/*
 * Blocks from before the library has started, from recursive calls while it
 * starts, and from fork's handlers.  Static memory first, which is a root of
 * the collector; then mappings.  Lock-free.
 */
#ifndef KGC_DROPIN_EARLY_H
#define KGC_DROPIN_EARLY_H

#include <stdbool.h>
#include <stddef.h>

/* Zeroed; alignment is a power of two.  NULL with errno ENOMEM. */
void *kgc__early_allocate(size_t alignment, size_t size);
/* For any value. */
bool kgc__early_owns(const void *p);
/* Of a block. */
size_t kgc__early_size(const void *p);
void kgc__early_free(void *p);

#endif
