/* SPDX-License-Identifier: MIT */
/* Memory for one cycle: zeroed mappings of our own, which are all given back
   at its end and are never taken for roots. */
#ifndef KGC_LEAK_SCRATCH_H
#define KGC_LEAK_SCRATCH_H

#include <stddef.h>

enum { KGC__SCRATCH_PIECES = 64 };

struct kgc__scratch {
    struct {
        char *start;
        size_t size;
    } piece[KGC__SCRATCH_PIECES];
    unsigned pieces;
    char *next; /* what is left of one of them */
    size_t left;
};

/* NULL: there is no memory. */
void *kgc__scratch_take(struct kgc__scratch *scratch, size_t size);
/* A larger piece with the first `used` bytes of an old one, which stays until the end. */
void *kgc__scratch_grow(struct kgc__scratch *scratch, const void *old, size_t used, size_t size);
void kgc__scratch_give_back(struct kgc__scratch *scratch);

#endif
