/* SPDX-License-Identifier: MIT */
/*
 * Regions: one mapping, from which blocks are taken one behind the other.
 *
 * A block costs an addition.  Only the last block can grow in place or become
 * free; all others are free when the region is reset or destroyed.  Blocks that
 * are freed in the reverse order of their allocation are the last one in
 * turn.  The size of a region is rounded up to whole pages of its memory and
 * never changes; the library's own records are elsewhere.
 *
 * A region is not for use by several threads at once, but may be handed from
 * one to another.  The collector does not scan it, except in a kind that was
 * opened with `scanned`.  After fork(2) the child has its own copy, as of all
 * memory; in a file kind that was protected, with full access.
 *
 * Memory outside of blocks may be used too, by address: [base, base + size).
 * Call kgc_region_commit() before writing there, without KGC_REGION_LAZY too:
 * kgc_region_allocate_zeroed() relies on it.
 */
#ifndef KINDGC_REGION_H
#define KINDGC_REGION_H

#include <kindgc/kind.h>

KGC_BEGIN_DECLS

typedef struct kgc_region kgc_region;

/* Flags of kgc_region_create(). */
enum {
    KGC_REGION_HUGE = 1,   /* transparent huge pages: the region is aligned to them and made of whole ones */
    KGC_REGION_LAZY = 2,   /* no access, and no claim on memory, until commit or a block reaches a page */
    KGC_REGION_CHECKED = 4 /* guards around blocks: see kgc_region_corruption_events() */
};

/*
 * A region of at least `size` bytes over memory of the operating system; the
 * caller's, until kgc_region_destroy().
 * NULL with errno and kgc_last_error(): EINVAL (size 0 or too large, unknown
 * flags), ENOMEM, ENOTSUP (KGC_REGION_HUGE where transparent huge pages are
 * switched off).
 * Without KGC_REGION_LAZY pages are usable at once; memory is used when it is
 * touched in any case.
 */
KGC_API kgc_region *kgc_region_create(size_t size, unsigned flags);
KGC_API kgc_region *kgc_region_create_huge(size_t size); /* KGC_REGION_HUGE */
KGC_API kgc_region *kgc_region_create_lazy(size_t size); /* KGC_REGION_LAZY */
/*
 * A region in explicit memory of a kind: one block of it, so it keeps the
 * kind from being closed, and kgc_kind_reset() must not be called while the
 * region exists.  `flags`: 0 or KGC_REGION_CHECKED.  NULL with errno as
 * above; ENOMEM also when the kind has no more.
 */
KGC_API kgc_region *kgc_region_create_in(kgc_kind *kind, size_t size, unsigned flags);
/* Frees all of it.  NULL: nothing.  Twice: the fatal handler, unless a new
   region has taken the place of the old one.  errno is preserved. */
KGC_API void kgc_region_destroy(kgc_region *region);

/*
 * A block of at least `size` bytes (0: a unique address) aligned to `align`, a
 * power of two from 1 on.  Contents are undefined, and zero with _zeroed, which
 * writes only where blocks have been before.
 * NULL with errno and kgc_last_error(): ENOMEM when the region is full or its
 * pages cannot be made usable, EINVAL for NULL or a bad alignment.
 */
KGC_API KGC_MALLOC void *kgc_region_allocate(kgc_region *region, size_t size, size_t align);
KGC_API KGC_MALLOC void *kgc_region_allocate_zeroed(kgc_region *region, size_t size, size_t align);

/*
 * Changes the size of a block: in place when it is the last one or shrinks,
 * else a larger copy is made and the old block stays lost until reset.  What
 * growing adds is undefined; what shrinking takes off a block that is not the
 * last is lost until reset.
 * `old_size` and `align` are those that it was allocated with (or resized to).
 * NULL with errno, the block unchanged: ENOMEM; EINVAL when it is not a block
 * of this region, which KGC_REGION_CHECKED knows of every block, and the
 * region otherwise of the last one only; or when the new size is on the wrong
 * side of the old one.
 */
KGC_API void *kgc_region_grow(kgc_region *region, void *p, size_t old_size, size_t new_size, size_t align);
KGC_API void *kgc_region_shrink(kgc_region *region, void *p, size_t old_size, size_t new_size, size_t align);
/* The last block becomes free; any other stays lost until reset.  NULL:
   nothing.  What is not a block (known as above): the fatal handler. */
KGC_API void kgc_region_deallocate(kgc_region *region, void *p, size_t size);

/* All blocks become free.  Pages stay in memory: see kgc_region_release_pages(). */
KGC_API void kgc_region_reset(kgc_region *region);

/* Of NULL: NULL, 0 or false. */
KGC_API void *kgc_region_base(const kgc_region *region);       /* aligned to a page */
KGC_API size_t kgc_region_size(const kgc_region *region);      /* bytes of the mapping, whole pages */
KGC_API size_t kgc_region_capacity(const kgc_region *region);  /* bytes for blocks: as size */
KGC_API size_t kgc_region_allocated(const kgc_region *region); /* bytes of blocks, gaps and guards */
KGC_API size_t kgc_region_remaining(const kgc_region *region); /* capacity - allocated */
KGC_API bool kgc_region_contains(const kgc_region *region, const void *p);
/* Bytes that may be used at p, a block of the region allocated with this size;
   0 for what is not one (known as in kgc_region_grow()). */
KGC_API size_t kgc_region_usable_size(const kgc_region *region, const void *p, size_t size);

/*
 * Makes the pages that hold [offset, offset + size), in bytes from the base,
 * readable and writable, whatever was done to them before.
 * Returns 0, EINVAL (not inside the region) or ENOMEM.
 */
KGC_API int kgc_region_commit(kgc_region *region, size_t offset, size_t size);
/*
 * Gives the whole pages inside [p, p + size) back to the system, huge pages in
 * regions and kinds of them; they read as zero afterwards and stay usable.
 * Nothing happens when there is no whole page.  In a file kind disk blocks go
 * with the pages: before writing to them, other than to blocks taken later,
 * call kgc_region_commit(), or a full disk is a SIGBUS.
 * Returns 0, EINVAL (not inside the region), ENOTSUP when the kind cannot, or
 * what the system said; pages then keep their contents.
 */
KGC_API int kgc_region_release_pages(kgc_region *region, void *p, size_t size);
/*
 * Access to the pages that hold [p, p + size): PROT_NONE, PROT_READ,
 * PROT_READ | PROT_WRITE and so on (mprotect(2)).  It ends with
 * kgc_region_commit(), and where a block that is taken later reaches a page:
 * that is always readable and writable.  So give blocks that are to be
 * protected pages of their own.
 * Returns 0; EINVAL (not inside the region, unknown bits); ENOTSUP (without
 * PROT_READ in a kind opened with `scanned`; in a hugetlb kind unless the
 * region is aligned to its pages, as from 2 MiB on with 2 MiB pages); or what
 * the system said.
 */
KGC_API int kgc_region_protect(kgc_region *region, void *p, size_t size, int protection);

/*
 * How many guards were found damaged since the region was made; 0 without
 * KGC_REGION_CHECKED, which puts 16 bytes in front of each block and 16
 * directly behind its last byte.  This call and resetting look at all guards,
 * resizing and freeing at those of the block; each damaged one counts once.
 * Destroying does not look.  Guards on pages that are released, or protected
 * from reading, are looked at a last time before that.  Blocks on pages that
 * cannot be written to must not be resized.
 */
KGC_API uint64_t kgc_region_corruption_events(kgc_region *region);

KGC_END_DECLS
#endif
