/* SPDX-License-Identifier: MIT */
/*
 * Memory of this layer's own that outlives a search and is never taken for
 * roots, so that it may name blocks.  Zeroed mappings.  Lock-free.
 */
#ifndef KGC_LEAK_HIDDEN_H
#define KGC_LEAK_HIDDEN_H

#include <stddef.h>

/* NULL: there is no memory. */
void *kgc__hidden_take(size_t size);
void kgc__hidden_give_back(void *p, size_t size);

void kgc__hidden_visit(void (*fn)(char *lo, char *hi, void *), void *arg);

#endif
