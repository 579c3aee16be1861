/* SPDX-License-Identifier: MIT */
/*
 * Unique stacks, numbered.  A stack is a list of sites, the innermost first;
 * it is known by a hash of 64 bits, which the caller computes: two stacks of
 * one hash would be taken for one (with a million stacks, a chance of 1 in
 * 10^7).  Never freed, so numbers are good for ever; bounded.
 *
 * Lock-free; memory comes from kgc__meta_allocate().
 */
#ifndef KGC_LEAK_DEPOT_H
#define KGC_LEAK_DEPOT_H

#include <stddef.h>
#include <stdint.h>

/* The number of the stack with this hash, from 1; 0: it is not there. */
uint32_t kgc__depot_find(uint64_t hash);
/* The same, and it is there now; 0: there is no more memory for stacks, which is counted. */
uint32_t kgc__depot_put(uint64_t hash, const uint32_t *sites, unsigned count);

/* The sites of a stack; *count 0: there is no such stack. */
const uint32_t *kgc__depot_stack(uint32_t number, unsigned *count);

struct kgc__depot_stats {
    uint32_t stacks; /* the highest number */
    size_t bytes, refusals;
};
void kgc__depot_stats(struct kgc__depot_stats *out);

/* Lowers the bound on memory (for tests). */
void kgc__depot_set_most(size_t bytes);

#endif
