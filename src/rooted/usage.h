/* SPDX-License-Identifier: MIT */
/* What the rooted heap holds, in numbers, over all its kinds. */
#ifndef KGC_ROOTED_USAGE_H
#define KGC_ROOTED_USAGE_H

#include <kindgc/base.h>
#include <stdbool.h>

struct kgc__rooted_usage {
    size_t held; /* bytes of pages with live or cached blocks, and of free pages that were not given back */
    size_t allocated;     /* bytes of live blocks */
    size_t cached;        /* bytes of free blocks that threads keep */
    size_t cached_blocks; /* how many these are */
    size_t dirty;         /* bytes of free pages that wait to be given back */
    size_t purged;        /* bytes given back so far */
    unsigned arenas, caches;
};
KGC_API void kgc__rooted_usage(struct kgc__rooted_usage *out);

/* Gives what is free back to the system, the calling thread's cached blocks
   too.  True: there was some. */
KGC_API bool kgc__rooted_purge(void);

#endif
