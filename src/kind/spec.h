/* SPDX-License-Identifier: MIT */
/* Specifications of kinds, parsed: "tier:default@512M+file:/dir,limit=8G". */
#ifndef KGC_KIND_SPEC_H
#define KGC_KIND_SPEC_H

#include "os/nodes.h"
#include "topology/topology.h"
#include <kindgc/kind.h>
#include <stddef.h>
#include <stdint.h>

enum { KGC__SPEC_MAX = 1024, KGC__TIER_MAX = 8, KGC__ARENAS_MOST = 64 };

enum kgc__family {
    KGC__DEFAULT,
    KGC__THP,
    KGC__HUGETLB,
    KGC__NUMA,
    KGC__BEST, /* highest-bandwidth, lowest-latency, highest-capacity */
    KGC__LOCKED,
    KGC__FILE,
    KGC__TIER,
    KGC__RATIO
};

struct kgc__spec {
    enum kgc__family family;
    char text[KGC__SPEC_MAX];      /* as it was written, without an amount */
    char directory[KGC__SPEC_MAX]; /* file: unescaped */
    size_t limit;                  /* bytes; SIZE_MAX: none.  In a tier the smaller of amount and own limit */
    unsigned shift;                /* hugetlb: pages of 2^shift bytes */

    kgc_policy policy;       /* numa; best: bind or preferred */
    struct kgc__nodes nodes; /* numa */
    bool all_nodes;
    enum kgc__attribute attribute; /* best */
    bool local;

    struct kgc__spec *member; /* tier, ratio: an array in the storage given to kgc__spec_parse() */
    unsigned members;
    unsigned share; /* member of a ratio */

    unsigned arenas; /* 0: not said */
    bool scanned;
    kgc_decay decay; /* not part of the text: see kgc__spec_take_options() */
    long decay_ms;
    bool quiet; /* opened to see whether it can be: no warning */
};

/*
 * Parses a whole specification.  `members` is storage for a tier's or a ratio's.
 * Returns 0, or EINVAL with kgc_last_error() saying where and what is allowed.
 */
int kgc__spec_parse(const char *text, struct kgc__spec *out, struct kgc__spec members[KGC__TIER_MAX]);

/*
 * Adds options, which may be NULL, to what the text has said: a setting in the
 * text goes before, of two limits the smaller holds.  `function` is for the
 * text of an error.  Returns 0 or EINVAL.
 */
int kgc__spec_take_options(struct kgc__spec *spec, const kgc_kind_options *options, const char *function);

/* ---- between spec.c and spec_kinds.c ---- */

struct kgc__parser {
    const char *text, *at;
};
/* An error at the present place: "tier:default@x: at 14 ("x"): a size is ...". */
int kgc__parse_wrong(const struct kgc__parser *p, const char *allowed);
/* Moves over a word, if it is there. */
bool kgc__parse_accept(struct kgc__parser *p, const char *word);
/* Everything but tiers and ratios, without settings.  `group`: "tier" or
   "ratio" for a member, else NULL. */
int kgc__parse_kind(struct kgc__parser *p, const char *group, struct kgc__spec *out);

/* The forms, for messages and help. */
#define KGC__SPEC_MEMBERS                                                               \
    "default, thp, hugetlb[:2M|1G], numa:bind|preferred|interleave=NODES, numa:local, " \
    "highest-bandwidth|lowest-latency|highest-capacity[:HOW], locked, file:/dir"
#define KGC__SPEC_FORMS KGC__SPEC_MEMBERS ", tier:KIND@SIZE+...+KIND, ratio:KIND@N+...+KIND@N"

#endif
