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
 *   decommit      whole granules are given back: taken back where the backing
 *                 has promised them (file, hugetlb, locked), else discarded;
 *                 refused when there is no whole granule
 *   commit        promises them again
 *   purge_forced  whole granules are discarded, the rest is zeroed; refused
 *                 when it holds no whole granule
 *   purge_lazy    as the backing can; refused otherwise, and to arenas where
 *                 dirty pieces stay small: they decommit in one step
 *   split         always
 *   merge         inside one space; see kgc__space_limits_dirty()
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
    int (*take_back)(struct kgc__space *, void *, size_t); /* as discard, and provide() comes before reuse */
    bool hides; /* what was taken back cannot even be read: not done where a collector may read at any time */
};

/* Marks are a byte for each 4 KiB, in groups of 2 MiB. */
enum { KGC__MARK_SHIFT = 12, KGC__GROUP_SHIFT = 9 };

struct kgc__space {
    extent_hooks_t hooks; /* must be first */
    struct kgc__range range;
    const struct kgc__backing *backing;
    void *owner; /* whom the address map names; NULL: nobody */
    /* A byte for each 4 KiB of the range, which belongs to the layer of
       explicit memory; NULL: none yet.  Where `clear_marks` is set, hooks
       clear those of pages that they are told to give back, and a byte for each
       group follows: 0 where no mark is set.  Then comes what else that layer keeps. */
    _Atomic(unsigned char *) marks;
    size_t marks_size; /* of all that */
    bool clear_marks;
    /* Before memory of arenas becomes usable: sees to what that layer keeps
       about it.  0 or an errno value; idempotent.  NULL: nothing is kept. */
    int (*before_use)(struct kgc__space *, const struct kgc__span *);
    struct kgc__file file;     /* of the file backing */
    _Atomic size_t bytes[2];   /* handed out, by enum kgc__side */
    _Atomic size_t purged;     /* given back so far, in total */
    _Atomic unsigned refusals; /* requests that could not be served */
};

static inline unsigned char *kgc__mark_group(const struct kgc__space *s, unsigned char *marks, size_t mark)
{
    return marks + (s->range.size >> KGC__MARK_SHIFT) + (mark >> KGC__GROUP_SHIFT);
}

extern const extent_hooks_t kgc__standard_hooks;

static inline struct kgc__space *kgc__space_of_hooks(extent_hooks_t *hooks)
{
    return (struct kgc__space *)hooks;
}

/*
 * Reserves a range and records it in the address map.  The struct must be
 * zeroed.  Returns 0 or ENOMEM with kgc_last_error() set.
 */
int kgc__space_open(struct kgc__space *space, const struct kgc__backing *backing, size_t limit,
                    size_t granule, void *owner);
void kgc__space_close(struct kgc__space *space);
/* The part of it that a range of the caller's own needs too. */
void kgc__space_drop_marks(struct kgc__space *space);

/*
 * jemalloc uses a free piece that it has not given back yet again only for
 * requests of a 64th of its size and more (opt.lg_extent_max_active_fit), and
 * so that pieces do not grow out of use, gives those of 8 MiB and more back at
 * once.  Where pages can be given back one by one, merging refuses instead to
 * make such a piece larger than 1 MiB out of smaller ones; then nothing has to
 * go for its size.  What was given back is not committed any more and merges
 * freely.  The switch in jemalloc also lets muzzy pages stay for ever
 * (arena/policy.c), so purge_lazy makes none.
 */
bool kgc__space_limits_dirty(const struct kgc__space *space);

/* Makes a piece that is in use read as zero by giving its pages back, where
   the backing can and does not have to promise them again; else false, and
   nothing is done. */
bool kgc__space_forget(struct kgc__space *space, void *p, size_t size);

/* Ordinary pages. */
extern const struct kgc__backing kgc__anonymous_backing;

#endif
