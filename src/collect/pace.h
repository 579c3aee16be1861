/* SPDX-License-Identifier: MIT */
/*
 * How often libgc collects, and with how many threads.
 *
 * Growth is what may be allocated between two collections, per byte that is
 * alive after the first of them.  After each collection a new one is computed
 * from what that took, and libgc is told.  doc/pace.md has the figures that the
 * numbers here come from.
 */
#ifndef KGC_COLLECT_PACE_H
#define KGC_COLLECT_PACE_H

#include "base/check.h"
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* When the library is loaded, attached to libgc; no other thread exists. */
void kgc__pace_attach(void);
/* A share of time, KGC__PACE_OFF, or 0: nothing changes. */
void kgc__pace_set(double share);
/* The share that is aimed at; 0 or less when libgc's own rules hold. */
double kgc__pace_share(void);
void kgc__pace_after_fork_in_child(void);

/* A collection, and the time from the one before to it. */
struct kgc__pace_sample {
    uint64_t collecting, running; /* ns */
    size_t allocated;             /* since the one before, bytes */
    size_t usual;                 /* what that was at collections that libgc itself decided on */
    size_t used;                  /* bytes in blocks that hold objects: no less than are alive */
    size_t limit;                 /* of the heap; 0: none */
};

/* The next growth.  asked: the share was not the default. */
double kgc__pace_next(double growth, double share, bool asked, const struct kgc__pace_sample *sample);
/* What libgc divides twice what is alive and scanned by, for no more growth than
   this, and no more than `most`. */
size_t kgc__pace_divisor(double growth, size_t most);

/* Nanoseconds.  Waiting is no running, and four threads run no more than all
   of the time: so intervals are measured in both, and the lesser counts. */
struct kgc__pace_time {
    uint64_t wall, cpu;
};
extern struct kgc__pace_time (*kgc__pace_clock)(void); /* replaced in tests */

/* Marking threads cannot be started within a collection.  To be called where
   memory is allocated, without a lock. */
extern _Atomic bool kgc__pace_wants_markers;
void kgc__pace_start_markers(void);
static inline void kgc__pace_poll(void)
{
    if (kgc__unlikely(atomic_load_explicit(&kgc__pace_wants_markers, memory_order_relaxed)))
        kgc__pace_start_markers();
}

#endif
