/* SPDX-License-Identifier: MIT */
/*
 * Objects on a kind of the caller's choice: what other files must know of them.
 */
#ifndef KGC_COLLECT_ALLOCATE_IN_H
#define KGC_COLLECT_ALLOCATE_IN_H

#include "kind/kind.h"

/* The kind that the collectable object at p was asked for in, by the number of
   its libgc's kind of objects; NULL: it is an ordinary object.  *scanned: is it? */
kgc_kind *kgc__placed_kind_of(const void *p, int object_kind, bool *scanned);

/* For kgc__collector: see kind/kind.h. */
void kgc__placed_withdraw(kgc_kind *kind);
void kgc__placed_forget(kgc_kind *kind);

#endif
