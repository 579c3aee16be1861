/* SPDX-License-Identifier: MIT */
/*
 * A space: a range, the backing that fills it, and the standard extent hooks
 * over both.
 *
 * The hook table is the first member, so a hook finds its space from the
 * pointer that it is given: hooks run before jemalloc has told anybody the
 * index of the arena.  Hooks are lock-free, allocate nothing and run
 * concurrently, with threads suspended too.
 *
 * The standard hooks, by jemalloc's contract:
 *   alloc         a zeroed, usable piece; never at a wished address
 *   dalloc        refuses: addresses are reused by whoever freed them
 *   destroy       gives the pages back for good
 *   commit/decommit  only where the backing can take a promise back (file,
 *                 hugetlb); refused elsewhere
 *   purge_forced  whole granules are discarded, the rest is zeroed; refused
 *                 when it holds no whole granule
 *   purge_lazy    as the backing can; refused otherwise
 *   split         always; merge: inside one space
 */
#ifndef KGC_EXTENT_SPACE_H
#define KGC_EXTENT_SPACE_H

#include "extent/range.h"
#include "os/file.h"
#include <jemalloc/jemalloc.h>

struct kgc__space;

/* What fills a range.  Sizes are multiples of the range's granule; functions
   return 0 or an errno value.  NULL: the backing cannot do it. */
struct kgc__backing {
    int (*provide)(struct kgc__space *, void *, size_t);        /* zeroed and usable; idempotent */
    int (*discard)(struct kgc__space *, void *, size_t);        /* give pages back, read as zero after */
    int (*discard_lazily)(struct kgc__space *, void *, size_t); /* may be taken later */
    int (*take_back)(struct kgc__space *, void *, size_t);      /* as discard, and provide() comes before reuse */
};

struct kgc__space {
    extent_hooks_t hooks; /* must be first */
    struct kgc__range range;
    const struct kgc__backing *backing;
    void *owner;           /* whom the address map names; NULL: nobody */
    struct kgc__file file; /* of the file backing */
    _Atomic size_t bytes[2];   /* handed out, by enum kgc__side */
    _Atomic size_t purged;     /* given back so far, in total */
    _Atomic unsigned refusals; /* requests that could not be served */
};

extern const extent_hooks_t kgc__standard_hooks;

static inline struct kgc__space *kgc__space_of_hooks(extent_hooks_t *hooks)
{
    return (struct kgc__space *)hooks;
}

/*
 * Reserves a range and records it in the address map.  The struct must be
 * zeroed.  Returns 0 or ENOMEM with kgc_last_error() set.
 */
int kgc__space_open(struct kgc__space *space, const struct kgc__backing *backing, size_t limit, size_t granule,
                    void *owner);
void kgc__space_close(struct kgc__space *space);

/* Ordinary pages. */
extern const struct kgc__backing kgc__anonymous_backing;

#endif
