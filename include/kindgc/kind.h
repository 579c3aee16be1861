/* SPDX-License-Identifier: MIT */
/*
 * Kinds: types of memory.
 *
 * A kind owns one reserved range of addresses and a table of jemalloc extent
 * hooks.  The same hooks feed the GC heap (kindgc/heap.h) and the kind's
 * jemalloc arenas (kindgc/arena.h).  A kind is named by a specification:
 *
 *   default                    ordinary pages
 *   thp                        transparent huge pages
 *   hugetlb[:2M|1G]            huge pages that the administrator has reserved
 *   numa:bind=NODES            pages of these memory nodes only
 *   numa:preferred=NODES       of these nodes while they have some, then of others
 *   numa:interleave=NODES      of these nodes in turn
 *   numa:local                 of the node of the CPU that first touches a page
 *   highest-bandwidth[:HOW]    pages of the nodes that are best in this respect,
 *   lowest-latency[:HOW]       chosen when the kind is opened from what the
 *   highest-capacity[:HOW]     firmware tells of the machine
 *   locked                     never swapped out and not in core dumps: for keys
 *   file:/dir                  an unlinked temporary file in a directory
 *   tier:KIND@SIZE+...+KIND    the first until SIZE is used, then the next
 *   ratio:KIND@N+...+KIND@N    from each in these proportions
 *
 * NODES is "all" or a list such as 0,2-3.  HOW is "local" (only nodes near the
 * CPU of the opening thread), "preferred" (others when these are full or
 * nothing is known) or "local,preferred".  SIZE is a number with an optional
 * K, M, G or T (powers of 1024).  Settings may follow, each after a comma:
 *
 *   limit=SIZE                 most bytes that it hands out
 *   arenas=N                   most jemalloc arenas (kgc_kind_options.arenas)
 *   scanned                    see kgc_kind_options.scanned
 *
 * Members of tiers and ratios take limit= only; the other settings stand after
 * the last member and belong to the whole.
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

/* When free explicit memory goes back to the system: see kgc_kind_set_decay(). */
typedef enum kgc_decay {
    KGC_DECAY_DEFAULT,      /* jemalloc's own times: opt.dirty_decay_ms, opt.muzzy_decay_ms */
    KGC_DECAY_CONSERVATIVE, /* at once, and threads keep no large blocks for reuse */
    KGC_DECAY_AFTER,        /* gradually, over the given time */
    KGC_DECAY_NEVER         /* not before kgc_kind_purge() */
} kgc_decay;

/* Zero-initialise, then set what you want to change: a zero keeps its default. */
typedef struct kgc_kind_options {
    size_t limit;    /* most bytes that the hooks are asked for; 0: no limit */
    unsigned arenas; /* most jemalloc arenas, made as threads come, which are spread over them; at most 64.
                        1: one for all threads.  0: as many as processors but no more than 4; 1 for kinds
                        of less than 256 MiB */
    bool scanned;    /* the collector scans its explicit memory: what lives there keeps collectable
                        objects alive.  Not for kinds of the caller's own hooks */
    kgc_decay decay;
    long decay_ms; /* for KGC_DECAY_AFTER */
} kgc_kind_options;

typedef struct kgc_kind_info {
    size_t reserved;       /* bytes of address space that belong to the kind */
    size_t committed;      /* bytes handed out by its hooks: usable memory */
    size_t resident;       /* of these, bytes in memory now */
    size_t huge;           /* of these, bytes on huge pages */
    size_t limit;          /* most bytes it hands out; SIZE_MAX: no limit */
    size_t page_size;      /* unit in which it obtains and gives back memory */
    size_t section_bytes;  /* bytes in sections of the GC heap */
    size_t explicit_bytes; /* bytes in extents of its jemalloc arenas */
    size_t allocated;      /* bytes of live explicit blocks; exact when no thread allocates meanwhile */
    size_t purged;         /* bytes given back to the system so far, in total */
    unsigned refusals;     /* requests for memory that it could not serve */
    size_t cached;         /* bytes of free blocks that threads keep for reuse */
    size_t active;         /* jemalloc: bytes of pages with live or cached blocks */
    size_t dirty;          /* jemalloc: bytes of free pages that wait to be given back */
    size_t retained;       /* jemalloc: bytes of free pages that were given back */
    unsigned arenas;       /* jemalloc arenas made so far */
    unsigned caches;       /* threads that have a cache of free blocks of the kind */
    size_t elsewhere;      /* bytes in memory on other nodes than its policy names */
    unsigned fallbacks;    /* times that a "preferred" kind took the next choice: see kgc_kind_describe() */
    size_t placed;         /* bytes of single pages of the GC heap that lie on the kind: kgc_allocate_in() */
    unsigned placement_refusals; /* objects refused near the kernel's limit of mappings */
} kgc_kind_info;

/* On which memory nodes its pages are to lie: set_mempolicy(2). */
typedef enum kgc_policy {
    KGC_POLICY_SYSTEM, /* whatever the thread's own policy says */
    KGC_POLICY_BIND,
    KGC_POLICY_PREFERRED,
    KGC_POLICY_INTERLEAVE,
    KGC_POLICY_LOCAL
} kgc_policy;

/* What holds its pages. */
typedef enum kgc_backing {
    KGC_BACKING_ANONYMOUS, /* ordinary pages */
    KGC_BACKING_THP,
    KGC_BACKING_HUGETLB,
    KGC_BACKING_FILE,
    KGC_BACKING_FIXED,  /* the caller's range: kgc_kind_create_fixed() */
    KGC_BACKING_CALLER, /* the caller's hooks: kgc_kind_create() */
    KGC_BACKING_MEMBERS /* a tier or a ratio: ask its members */
} kgc_backing;

enum { KGC_NODES_MAX = 1024 };

typedef struct kgc_kind_description {
    kgc_backing backing;
    kgc_policy policy;
    unsigned long nodes[KGC_NODES_MAX / (8 * sizeof(unsigned long))]; /* a bit for each node of the policy */
    size_t page_size;
    size_t limit;    /* most bytes it hands out; SIZE_MAX: no limit */
    size_t capacity; /* bytes that it could hand out now: the least of its limit, free memory of its nodes,
                        free huge pages or disk; SIZE_MAX: not known */
    bool locked, scanned;
    unsigned arenas;     /* most jemalloc arenas */
    bool fell_back;      /* "preferred": what it names is not there, so memory comes from the nearest node;
                            kgc_kind_info.fallbacks counts it */
} kgc_kind_description;

/*
 * Opens a kind.  On success *out is the caller's, until kgc_kind_close().
 * Returns 0; EINVAL for a bad specification (kgc_last_error() says where and
 * what is allowed); ENOTSUP, ENOMEM, ENOENT, EACCES... when this machine
 * cannot give it (kgc_last_error() says why and what to do).
 * On failure *out is NULL.
 */
KGC_API int kgc_kind_open(const char *spec, kgc_kind **out);

/* The same with options, which may be NULL.  A setting in the specification
   goes before the same one in the options; of two limits the smaller holds.
   EINVAL also for options that are out of range. */
KGC_API int kgc_kind_open_with(const char *spec, const kgc_kind_options *options, kgc_kind **out);

/*
 * Makes a kind of memory that the caller has mapped, readable and writable:
 * [addr, addr + size), of which whole pages are used.  It stays the caller's,
 * who must keep it mapped until the kind is closed and can use its contents
 * afterwards only as undefined bytes.  Nothing is given back to the system
 * before; everything that is freed is used again.
 * `name` is copied.
 * Returns 0; EINVAL (no name, less than 64 KiB in whole pages, the range
 * overlaps another kind's or is not mapped readable and writable) or ENOMEM.
 */
KGC_API int kgc_kind_create_fixed(const char *name, void *addr, size_t size, kgc_kind **out);

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
 * while blocks of it are allocated, or objects of kgc_allocate_in() live on
 * it, after a collection; EINVAL for NULL or for a member of a
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
 * holds it, and of an object of kgc_allocate_in() with the kind that its page
 * lies on.  Lock-free, a few loads; may be called anywhere, signal handlers and
 * hooks included.
 */
KGC_API kgc_kind *kgc_kind_of(const void *p);

/* What the kind is: for programs that choose among kinds.  Fills *out.
   Returns 0 or EINVAL. */
KGC_API int kgc_kind_describe(kgc_kind *kind, kgc_kind_description *out);

/* Fills *out.  Reads /proc/self/smaps: microseconds to milliseconds.
   Returns 0 or EINVAL. */
KGC_API int kgc_kind_stats(kgc_kind *kind, kgc_kind_info *out);

/* Calls fn for every open kind, members of tiers after their tier.  The
   function must not open or close kinds. */
KGC_API void kgc_kind_visit(void (*fn)(kgc_kind *, void *), void *arg);

KGC_END_DECLS
#endif
