/* SPDX-License-Identifier: MIT */
/*
 * Marking of the rooted heap's blocks, by one thread while nobody else runs.
 * Every aligned word that is an address in a live block marks that block.
 *
 * Blocks that are marked and not searched yet are on a stack that grows.
 * Where it cannot, all marked blocks are searched again, so that marking ends
 * with the right result however little memory there is.
 */
#ifndef KGC_LEAK_MARK_H
#define KGC_LEAK_MARK_H

#include "arena/blocks.h"
#include "leak/scratch.h"
#include <stdint.h>

/* A range of the rooted heap, and what is known of it: a bit for each 16 bytes. */
struct kgc__marks {
    uintptr_t lo, hi;
    uint64_t *reached;  /* marked */
    uint64_t *visited;  /* kgc__marker_classify(): not marked, searched */
    uint64_t *indirect; /* not marked, and another such block leads there */
};

/* A part of a block that cannot be read as it is: the program has taken the
   right to away (mprotect(2)). */
struct kgc__hole {
    uintptr_t lo, hi;
};

/* For functions that read the program's memory as it is: AddressSanitizer has
   poisoned parts of it. */
#define KGC__UNCHECKED __attribute__((no_sanitize("address")))

struct kgc__marker {
    struct kgc__scratch *scratch;
    uintptr_t lo, hi; /* all ranges lie within */
    struct kgc__marks *range;
    unsigned ranges;
    struct kgc__piece *stack;
    size_t depth, most;
    bool overflowed; /* marked blocks were left out of the stack */
    bool for_report; /* nothing will be freed; set before marking */
    /* Ascending; set before marking.  peek() calls kgc__mark_words_later() for what a part of one holds. */
    const struct kgc__hole *hole;
    unsigned holes;
    void (*peek)(struct kgc__marker *, uintptr_t lo, uintptr_t hi, void *);
    void *peek_arg;
    /* kgc__marker_classify() */
    bool classifying;
    uintptr_t source;
};

/* 0 or ENOMEM. */
int kgc__marker_open(struct kgc__marker *marker, struct kgc__scratch *scratch);

/* Marks what the words in [lo, hi) lead to, and all that follows.  Any
   alignment; the memory must be readable. */
void kgc__mark_words(struct kgc__marker *marker, uintptr_t lo, uintptr_t hi);
/* The same, of which what follows is left for later: for peek(). */
void kgc__mark_words_later(struct kgc__marker *marker, uintptr_t lo, uintptr_t hi);
/* The block itself. */
void kgc__mark_block(struct kgc__marker *marker, const struct kgc__block *block);

/* After the roots: whatever is still to be done. */
void kgc__marker_finish(struct kgc__marker *marker);

bool kgc__marked(const struct kgc__marker *marker, const struct kgc__block *block);

/*
 * Finds out which blocks that are not marked are led to by others of them: by
 * ascending address, each that was not visited yet is searched, with all that
 * it leads to, and these are indirect.  So of a cycle the first is direct.
 * 0 or ENOMEM.
 */
int kgc__marker_classify(struct kgc__marker *marker);
bool kgc__is_indirect(const struct kgc__marker *marker, const struct kgc__block *block);

#endif
