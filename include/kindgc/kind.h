/* SPDX-License-Identifier: MIT */
/*
 * Kinds: types of memory.
 *
 * A kind owns one reserved range of addresses and a table of jemalloc extent
 * hooks.  The same hooks feed the GC heap (kindgc/heap.h) and the kind's
 * jemalloc arena (kindgc/arena.h).  A kind is named by a specification:
 *
 *   default                 ordinary pages
 *   thp                     transparent huge pages
 *   hugetlb[:2M|1G]         huge pages that the administrator has reserved
 *   file:/dir[,limit=SIZE]  an unlinked temporary file in a directory
 *   tier:KIND@SIZE+...+KIND the first until SIZE is used, then the next
 *
 * SIZE is a number with an optional K, M, G or T (powers of 1024).
 * Every kgc_kind_open() makes a new kind with its own range and counters.
 */
#ifndef KINDGC_KIND_H
#define KINDGC_KIND_H

#include <kindgc/base.h>
#include <stdbool.h>

KGC_BEGIN_DECLS

typedef struct kgc_kind kgc_kind;

/* jemalloc's table; who writes own hooks includes <jemalloc/jemalloc.h>. */
typedef struct extent_hooks_s extent_hooks_t;

/*
 * The arena index that a kind's hooks are given when the caller is the
 * collector and not a jemalloc arena: a section of the GC heap.
 */
#define KGC_ARENA_COLLECTOR ((unsigned)-1)

typedef struct kgc_kind_options {
    size_t limit; /* most bytes that the hooks are asked for; 0: no limit */
} kgc_kind_options;

typedef struct kgc_kind_info {
    size_t reserved;       /* bytes of address space that belong to the kind */
    size_t committed;      /* bytes handed out by its hooks: usable memory */
    size_t resident;       /* of these, bytes in memory now */
    size_t huge;           /* of these, bytes on huge pages */
    size_t limit;          /* most bytes it hands out; SIZE_MAX: no limit */
    size_t page_size;      /* unit in which it obtains and gives back memory */
    size_t section_bytes;  /* bytes in sections of the GC heap */
    size_t explicit_bytes; /* bytes in extents of its jemalloc arena */
    size_t allocated;      /* bytes of live explicit blocks */
    size_t purged;         /* bytes given back to the system so far, in total */
    unsigned refusals;     /* requests for memory that it could not serve */
} kgc_kind_info;

/*
 * Opens a kind.  On success *out is the caller's, until kgc_kind_close().
 * Returns 0; EINVAL for a bad specification (kgc_last_error() says where and
 * what is allowed); ENOTSUP, ENOMEM, ENOENT, EACCES... when this machine
 * cannot give it (kgc_last_error() says why and what to do).
 * On failure *out is NULL.
 */
KGC_API int kgc_kind_open(const char *spec, kgc_kind **out);

/*
 * Makes a kind of the caller's own hooks, with jemalloc's contract
 * (jemalloc(3), "arena.<i>.extent_hooks"): bool hooks return false for
 * success, only `alloc` is mandatory, NULL opts out.  The table and what it
 * needs must live until the kind is closed.
 *
 * The hooks are called concurrently.  They must not call this library,
 * jemalloc's public functions or any GC_ function.  For a section of the GC heap the arena index
 * is KGC_ARENA_COLLECTOR, *zero and *commit are true on entry, and libgc's
 * lock is held; they are never called while threads are suspended.  Pages of
 * a section are given back through purge_forced, then purge_lazy only: libgc
 * uses such pages again without a word, so dalloc and decommit are not asked
 * (doc/giving-back.md).
 *
 * Leave `split` in if the kind has explicit memory: what jemalloc cannot
 * split off an extent is lost to it, 2 MiB the first time.
 *
 * `name` is copied.  `options` may be NULL.
 * Returns 0, EINVAL (no name, no hooks, no alloc hook) or ENOMEM.
 */
KGC_API int kgc_kind_create(const char *name, extent_hooks_t *hooks, const kgc_kind_options *options,
                            kgc_kind **out);

/*
 * Closes a kind and gives its memory and addresses back.
 * Returns 0; EBUSY while the GC heap has sections of it or is set to it, or
 * while blocks of it are allocated; EINVAL for NULL or for a member of a
 * tier.  After 0 the pointer is invalid.
 */
KGC_API int kgc_kind_close(kgc_kind *kind);

/*
 * Can this machine give such a kind now?  Opens nothing that lasts.
 * Returns what kgc_kind_open() would, with the same text in kgc_last_error().
 */
KGC_API int kgc_kind_check(const char *spec);

/* The specification it was opened with, or the name it was created with.
   Lives as long as the kind.  "" for NULL. */
KGC_API const char *kgc_kind_name(const kgc_kind *kind);

/*
 * The kind's table of extent hooks, for arenas of the caller's own.  It
 * belongs to the kind and lives as long.  For a kind of the caller's hooks it
 * is a table that forwards to them and records what they return.  NULL for NULL.
 */
KGC_API const extent_hooks_t *kgc_kind_hooks(const kgc_kind *kind);

/*
 * The kind that an address belongs to; NULL for addresses that are not ours.
 * Any value may be asked for.  Memory of a tier answers with the member that
 * holds it.  Lock-free, two loads; may be called anywhere, signal handlers and
 * hooks included.
 */
KGC_API kgc_kind *kgc_kind_of(const void *p);

/* Fills *out.  Reads /proc/self/smaps: microseconds to milliseconds.
   Returns 0 or EINVAL. */
KGC_API int kgc_kind_stats(kgc_kind *kind, kgc_kind_info *out);

/* Calls fn for every open kind, members of tiers after their tier.  The
   function must not open or close kinds. */
KGC_API void kgc_kind_visit(void (*fn)(kgc_kind *, void *), void *arg);

KGC_END_DECLS
#endif
