/* SPDX-License-Identifier: MIT */
/* Memory tiers: what the builder, the choice of a tier and the thresholds share. */
#ifndef KGC_MEMKIND_MEMTIER_H
#define KGC_MEMKIND_MEMTIER_H

#include "memkind/kind.h"
#include <memkind_memtier.h>

struct memkind__tier {
    memkind_t kind;
    unsigned weight; /* > 0 */
};

/* Between a tier and the next: sizes from `value` belong to the next.
   least <= value <= most; most <= least of the following threshold. */
struct memkind__threshold {
    _Atomic size_t value;
    size_t least, most;
};

struct memkind__tuning {
    unsigned interval; /* allocations between two looks at the ratio */
    float trigger;     /* difference of ratios from which a threshold moves, >= 0 */
    float degree;      /* by which part of its value it moves, >= 0 */
};

struct memtier_memory {
    memtier_policy_t policy;
    unsigned tiers; /* >= 1; with thresholds >= 2 */
    struct memkind__tier *tier;
    struct memkind__threshold *threshold; /* tiers - 1, or NULL */
    struct memkind__tuning tuning;
    _Alignas(64) _Atomic unsigned allocations;
    _Alignas(64) atomic_flag adjusting;
};

/* The tier for a block of this size. */
memkind__hidden memkind_t memkind__choose_tier(struct memtier_memory *memory, size_t size);

#endif
