/* SPDX-License-Identifier: MIT */
/*
 * What a region is inside the library, and what its files offer each other:
 *
 *   region.c  blocks: taking, resizing, freeing
 *   create.c  where the memory comes from and goes to; records
 *   pages.c   access to pages: reaching, committing, releasing, protecting
 *   guard.c   the checking mode: a table of blocks and the guards around them
 *
 * Nothing here locks, except that records are shared among threads, without
 * a lock.  One region belongs to one thread at a time.
 *
 * The record is not in the region's own memory: base() is then the start of
 * the mapping, every byte is for blocks, and no block that is written past
 * its end, and no page that is protected or released, takes the record with
 * it.
 */
#ifndef KGC_REGION_REGION_H
#define KGC_REGION_REGION_H

#include "extent/space.h"
#include <kindgc/region.h>

/* A block, in the checking mode. */
struct kgc__block {
    size_t start;                           /* bytes from the base */
    size_t size : 62;                       /* bytes, at least 1 */
    size_t before_done : 1, after_done : 1; /* the guard was counted or given up: not looked at any more */
};

/*
 * Offsets are in bytes from the base.
 *
 *   round_down(at, page) <= usable <= size, where a block is taken: at <= usable
 *   pages in [round_down(at, page), usable) are readable and writable, and so
 *   is each page below that was not protected or released by the caller
 *   bytes from max(at, dirty) on are zero
 */
struct kgc_region {
    char *base;               /* NULL: a record that is not in use */
    size_t size;              /* whole pages */
    size_t at;                /* end of what is taken */
    size_t usable;            /* see above */
    size_t dirty;             /* see above */
    size_t last;              /* start of the last block, where it is known; else SIZE_MAX */
    size_t before;            /* what `at` was before the last block was taken */
    size_t guard;             /* bytes of a guard; 0: not in the checking mode */
    size_t page;              /* unit of access: kgc_region_protect(), commit */
    size_t granule;           /* unit of giving back: kgc_region_release_pages() */
    size_t step;              /* unit of reaching ahead: fewer system calls */
    bool watched;             /* some pages may not be usable, or were not once */
    bool holes;               /* among them pages in front of `at` */
    bool protected;           /* kgc_region_protect() was called */
    bool released;            /* pages were released that must be promised again: `promises` */
    bool promises;            /* the backing gives up a promise with a page, as files do */
    bool whole_pages;         /* base and size are multiples of `page` */
    kgc_kind *kind;           /* NULL: memory of the system */
    struct kgc__space *space; /* that the memory lies in; NULL without a kind */

    struct kgc__block *blocks; /* in order of their addresses; NULL: not in the checking mode */
    size_t count, room;        /* blocks */
    uint64_t damaged;          /* guards */

    kgc_region *next; /* of the records that are not in use */
};

/* pages.c */

/* Makes what lies in front of `end` usable; end <= size.  0 or ENOMEM with kgc_last_error(). */
int kgc__region_reach(kgc_region *r, size_t end);
/* Back to a lower `at`. */
void kgc__region_lower(kgc_region *r, size_t at);
/* Before the memory goes back to its kind: as the kind gave it.  False when it
   cannot be; *purge: its kind must purge it before it uses it again. */
bool kgc__region_restore(kgc_region *r, bool *purge);

/* guard.c; all for regions in the checking mode only */

/* 0 or ENOMEM. */
int kgc__guards_open(kgc_region *r);
void kgc__guards_close(kgc_region *r);
/* Room for one more block.  0 or ENOMEM. */
int kgc__guards_make_room(kgc_region *r);
/* Records a new last block, for which there is room, and sets its guards. */
void kgc__guards_add(kgc_region *r, size_t start, size_t size);
/* The block that starts there; NULL. */
struct kgc__block *kgc__guards_find(const kgc_region *r, size_t start);
/* Looks at the guards of a block, or of all. */
void kgc__guards_look(kgc_region *r, struct kgc__block *block);
void kgc__guards_look_at_all(kgc_region *r);
/* A block has another size in place. */
void kgc__guards_resize(kgc_region *r, struct kgc__block *block, size_t size);
/* The last block is gone, or all.  Returns the end of what is taken now. */
size_t kgc__guards_drop_last(kgc_region *r);
void kgc__guards_drop_all(kgc_region *r);
/* Looks at the guards in [from, to), or gives them up. */
void kgc__guards_look_between(kgc_region *r, size_t from, size_t to);
void kgc__guards_give_up_between(kgc_region *r, size_t from, size_t to);

#endif
