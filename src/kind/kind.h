/* SPDX-License-Identifier: MIT */
/*
 * What a kind is inside the library.
 *
 * A kind is a space (range, backing, standard hooks), a name and a few marks
 * that the layers above go by.  Tiers, ratios and kinds of the caller's hooks
 * own no range: they replace the hook table and leave the rest of the space empty.
 */
#ifndef KGC_KIND_KIND_H
#define KGC_KIND_KIND_H

#include "extent/space.h"
#include "kind/spec.h"
#include "os/nodes.h"
#include <kindgc/kind.h>

/* What the layer of explicit memory adds to a kind once it is used. */
struct kgc__explicit_ops {
    int (*close)(kgc_kind *);                      /* EBUSY while blocks live; else nothing of it is left */
    void (*add_stats)(kgc_kind *, kgc_kind_info *); /* allocated, cached, active, dirty, retained, arenas, caches */
};

/* Explicit memory of a kind that a caller opened: src/arena/. */
struct kgc__explicit;

/*
 * What the collector offers to the layers below it, for scanned kinds: set
 * when the library is loaded, so never NULL.
 */
struct kgc__collector {
    int (*start)(void);                          /* sees to it that scanned kinds are scanned from now on */
    void (*exclude)(void (*fn)(void *), void *); /* runs fn while no collection runs */
    void (*withdraw)(kgc_kind *);                /* tries to free the kind's placed pages */
    void (*forget)(kgc_kind *);                  /* in exclude(): the kind is about to go */
};
extern struct kgc__collector kgc__collector;
/* Has a collector heap in this process?  While it has none, what freed blocks hold keeps nothing alive. */
extern _Atomic bool kgc__collector_in_use;

/* See hugetlb.c. */
struct kgc__hugetlb {
    unsigned long *mapped; /* a bit for each huge page of the range; NULL: another family */
    atomic_flag busy;      /* somebody maps or unmaps */
};

struct kgc_kind {
    struct kgc__space space; /* must be first: hooks find the kind */
    unsigned slot;         /* place in the registry and in threads' tables; a member's: its parent's */
    char name[KGC__SPEC_MAX];

    kgc_kind *parent; /* the tier or ratio it is a member of; NULL: open in its own right */
    kgc_kind *member[KGC__TIER_MAX];
    unsigned members; /* 0: neither a tier nor a ratio */
    /* Which member is asked next for `size` bytes; `refused` has a bit for each
       that was asked.  There is one left. */
    unsigned (*choose)(const kgc_kind *, size_t size, unsigned refused);
    unsigned share; /* of a member of a ratio */

    extent_hooks_t *caller_hooks; /* NULL: ours */
    size_t caller_limit;          /* most bytes, where no range says it: caller's hooks, tiers, ratios; 0: none */
    _Atomic size_t granted;       /* tier, ratio: bytes that its own hooks have handed out */

    char directory[KGC__SPEC_MAX]; /* file kinds */
    struct kgc__hugetlb hugetlb;

    bool thp;            /* asks for transparent huge pages */
    bool slow;           /* the collector's tables do not belong here */
    bool keeps_sections; /* pages of GC sections cannot be given back: see hugetlb.c */

    bool locked;         /* see locked.c */
    _Atomic unsigned long *locked_pages; /* a bit for each page of the range; NULL: another family */
    struct kgc__span fixed; /* the caller's range: see fixed.c; its start is NULL: another family */
    bool scanned;        /* a member's: its parent's */
    bool rooted;         /* the rooted heap's own: see arena/blocks.h.  A member's: its parent's */
    unsigned arenas_max; /* most jemalloc arenas, 1 to 64; see kgc_kind_options */
    bool arenas_asked;   /* somebody wanted just as many */
    kgc_decay decay;     /* how the arenas that are made start; then the arena layer's affair */
    long decay_ms;

    kgc_policy policy;       /* where its pages are to lie */
    struct kgc__nodes nodes; /* of the policy */
    bool fell_back;          /* "preferred", and what it names is not there */
    _Atomic unsigned fallbacks;

    _Atomic unsigned pins; /* uses that forbid closing: the heap's kind, the rooted heap's */
    _Atomic(unsigned char *) blocks; /* arena/blocks.h; NULL unless rooted */

    const struct kgc__explicit_ops *explicit_ops; /* NULL until explicit memory is asked for */
    _Atomic(struct kgc__explicit *) explicit;     /* NULL until explicit memory is asked for */

    /* Single pages of the GC heap that lie on it: section/place.h.  How many
       bytes says its range.  They change with libgc's lock held. */
    unsigned placed_number;               /* in extent/placed.h; 0: none yet.  Never a tier's or a ratio's */
    struct kgc__file placed_file;         /* file kinds: what holds them; fd -1: none yet */
    unsigned placed_slots;                /* GiBs of that file in use */
    bool placed_stale;                    /* the file system cannot punch holes: old contents may be left */
    _Atomic unsigned placement_refusals;
    _Atomic unsigned char object_kind[2]; /* collect/allocate_in.c: libgc's numbers, scanned and atomic; 0: none */
    _Atomic bool placed_always;           /* collect/allocate_in.c: the heap's, but not all of the heap is on it */

    unsigned long *released; /* section/purge.c: a bit for each page of the low side; NULL: none yet */
};

static inline kgc_kind *kgc__kind_of_hooks(extent_hooks_t *hooks)
{
    return (kgc_kind *)kgc__space_of_hooks(hooks);
}

/* The kind that a caller opened: the tier or ratio for a member, else itself. */
static inline kgc_kind *kgc__kind_root(kgc_kind *kind)
{
    return kind->parent != NULL ? kind->parent : kind;
}

/*
 * What the address map names: the kind and, for explicit memory of a kind of
 * the caller's hooks, a mark: there the address itself does not tell a
 * section from an arena's extent.  Records are aligned to 64 bytes; bit 0 is
 * the map's own.
 */
#define KGC__EXPLICIT_MARK ((uintptr_t)2)

static inline kgc_kind *kgc__kind_of_owner(const void *owner)
{
    return (kgc_kind *)((uintptr_t)owner & ~KGC__EXPLICIT_MARK);
}

/* What an address of a kind is used for.  *kind is the kind of the address, a
   tier's member, or NULL.  Lock-free, for any value at all. */
enum kgc__use { KGC__UNUSED, KGC__SECTION, KGC__EXPLICIT };
enum kgc__use kgc__kind_use_of(const void *p, kgc_kind **kind);

/* Opens what a specification says; registered when parent is NULL.  As kgc_kind_open(). */
int kgc__kind_open_spec(const struct kgc__spec *spec, kgc_kind *parent, kgc_kind **out);
/* Closes a member, or a kind that nobody uses. */
void kgc__kind_dispose(kgc_kind *kind);

/* A zeroed record from the registry's stock, and back. */
kgc_kind *kgc__kind_record(const char *name);
void kgc__kind_record_free(kgc_kind *kind);
int kgc__kind_register(kgc_kind *kind);

/* Records that [p, p + size) belongs to a kind; EEXIST when a part of it is
   another's, ENOMEM. */
int kgc__kind_claim(kgc_kind *kind, void *p, size_t size);

/* The families: each opens its sort of kind into a fresh record. */
int kgc__default_open(kgc_kind *kind, const struct kgc__spec *spec);
int kgc__thp_open(kgc_kind *kind, const struct kgc__spec *spec);
int kgc__hugetlb_open(kgc_kind *kind, const struct kgc__spec *spec);
int kgc__numa_open(kgc_kind *kind, const struct kgc__spec *spec);
int kgc__best_open(kgc_kind *kind, const struct kgc__spec *spec);
int kgc__locked_open(kgc_kind *kind, const struct kgc__spec *spec);
int kgc__file_open_kind(kgc_kind *kind, const struct kgc__spec *spec);
int kgc__tier_open(kgc_kind *kind, const struct kgc__spec *spec);
int kgc__ratio_open(kgc_kind *kind, const struct kgc__spec *spec);
/* What a family must undo beside its space; called for every kind. */
void kgc__file_close_kind(kgc_kind *kind);
void kgc__hugetlb_close(kgc_kind *kind);
void kgc__locked_close(kgc_kind *kind);
void kgc__fixed_close(kgc_kind *kind);
void kgc__members_close(kgc_kind *kind);
void kgc__caller_close(kgc_kind *kind);

/* For tiers and ratios: the hooks, and the members.  0 or an errno value, with
   no member open. */
int kgc__members_open(kgc_kind *kind, const struct kgc__spec *spec);
/* Counts what is handed out in a member's name; false: beyond the limit. */
bool kgc__members_grant(kgc_kind *kind, size_t size);

/* Gives a range of ordinary pages the kind's policy, for pages that are touched later. */
int kgc__numa_dress(const kgc_kind *kind, void *p, size_t size);
/* Records that pages of a locked kind's range are locked, or are not. */
void kgc__locked_note(kgc_kind *kind, char *p, size_t size, bool locked);
/* Promises blocks of a file of the kind's; warns once where that cannot be. */
int kgc__file_kind_promise(const kgc_kind *kind, const struct kgc__file *file, off_t offset, size_t size);
/* What RLIMIT_FSIZE allows: a larger file would raise SIGXFSZ. */
size_t kgc__file_size_limit(void);

/* options.c: are they in range?  0, or EINVAL with the function named. */
int kgc__kind_options_check(const kgc_kind_options *options, const char *function);
/* Most bytes that a kind hands out; SIZE_MAX: no limit. */
size_t kgc__kind_limit(const kgc_kind *kind);
/* Sets the most arenas of a kind and its members; 0: what is sensible. */
void kgc__kind_set_arenas(kgc_kind *kind, unsigned wanted);
/* More of them, unless somebody wanted a number: threads that share an arena
   are in each other's way in this kind.  Before it has explicit memory. */
void kgc__kind_add_arenas(kgc_kind *kind);

/* Only the calling thread is left: the registry's lock is free. */
void kgc__registry_after_fork_in_child(void);

/* Only the calling thread is left: nobody maps. */
void kgc__hugetlb_after_fork_in_child(kgc_kind *kind);
/* Locks of memory are not inherited: locks the child's copy, or warns. */
void kgc__locked_after_fork_in_child(kgc_kind *kind);

/* fork(2), in the order of pthread_atfork(3): see kind/fork.c. */
void kgc__kinds_before_fork(void);
void kgc__kinds_after_fork_in_parent(void);
void kgc__kinds_after_fork_in_child(void);
/* libgc has write-protected shared pages: a child's copy must be too. */
extern _Atomic bool kgc__kinds_protected;

#endif
