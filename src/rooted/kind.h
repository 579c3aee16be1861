/* SPDX-License-Identifier: MIT */
/*
 * Where the rooted heap's memory comes from: a kind of the same specification
 * as the GC heap's, whose explicit memory the collector scans.
 *
 * It is opened at the first allocation, and another one when the program gives
 * the GC heap another kind.  They are never closed: blocks may live in all.
 */
#ifndef KGC_ROOTED_KIND_H
#define KGC_ROOTED_KIND_H

#include "arena/explicit.h"

/* A byte for each 16 bytes up to KGC__FAST_MAX. */
enum { KGC__CLASS_TABLE = KGC__FAST_MAX / 16 + 1 };

/*
 * What the common paths read.  They serve one kind, the first with a range of
 * its own, from kgc__direct_cache; blocks of others, and of tiers, take the
 * longer way.
 */
struct kgc__rooted {
    _Atomic size_t plain_end; /* sizes below it are served by the common path; 0: none are */
    _Atomic size_t seen_end;  /* the same, for who must see each block: one of the two is 0 */
    size_t extra;             /* bytes that come with every block: see rooted.h */
    uintptr_t base;           /* the range, and its size in units of 16 bytes; 0: none */
    _Atomic size_t units;
    unsigned char *bytes;                     /* arena/blocks.h, of the range */
    unsigned char class_of[KGC__CLASS_TABLE]; /* by size in units of 16 bytes, rounded up */
};
extern struct kgc__rooted kgc__rooted;

/* In a forked child, where only the calling thread is left. */
void kgc__rooted_after_fork_in_child(void);

/* The kind that new blocks come from, opened if needed; NULL with
   errno and kgc_last_error() set. */
kgc_kind *kgc__rooted_kind(void);

/* Makes the common path of allocation go the long way, for who must see each block. */
void kgc__rooted_go_long(void);

#endif
