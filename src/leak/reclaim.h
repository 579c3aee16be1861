/* SPDX-License-Identifier: MIT */
/*
 * malloc=collect: blocks that nothing leads to are freed.
 *
 * A cycle is started by malloc() when the heap has grown enough since the last
 * one.  It reclaims nothing unless it was complete: all threads stood still,
 * all roots were read, and the kernel cannot hold pointers that nobody sees.
 */
#ifndef KGC_LEAK_RECLAIM_H
#define KGC_LEAK_RECLAIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Before the first block is allocated. */
void kgc__reclaim_start(void);

/* A cycle now.  Returns 0 or what kgc__leaks_find() does; EAGAIN also when
   what was found may not be freed. */
int kgc__reclaim(void);

struct kgc__reclaim_stats {
    bool started;
    size_t cycles;                  /* that were complete */
    size_t blocks, bytes;           /* freed */
    size_t suspects, suspect_bytes; /* found by the last cycle, freed if the next finds them too */
    size_t live_blocks, live_bytes; /* reached by the last cycle */
    size_t unproven;                /* cycles that were not complete */
    uint64_t longest_ns, total_ns;  /* pauses */
    char reason[160];               /* why the last of these was not; "" */
};
/* Numbers of a moment, without a lock. */
void kgc__reclaim_stats(struct kgc__reclaim_stats *out);

void kgc__reclaim_after_fork_in_child(void);

#endif
