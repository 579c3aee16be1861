/* SPDX-License-Identifier: MIT */
/*
 * The address map: which owner (a kind) an address belongs to.
 *
 * An entry for each GiB of address space holds nothing, an owner of the whole
 * GiB, or a leaf with an owner for each page.  Asking is two loads at most,
 * without locks, for any value at all.  Setting is lock-free too: it happens
 * in hooks.  Leaves are never freed.
 */
#ifndef KGC_EXTENT_MAP_H
#define KGC_EXTENT_MAP_H

#include <stdbool.h>
#include <stddef.h>

/* NULL when nobody owns the address. */
void *kgc__map_owner(const void *p);

/* Records (owner) or forgets (NULL) pages [p, p + size).  False when there is
   no memory for a leaf; then nothing is recorded.  Forgetting cannot
   fail; without memory for a leaf, a part of a GiB that was recorded whole is
   forgotten only with the rest of it. */
bool kgc__map_set(const void *p, size_t size, void *owner);

#endif
