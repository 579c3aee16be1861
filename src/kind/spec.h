/* SPDX-License-Identifier: MIT */
/* Specifications of kinds, parsed: "tier:default@512M+file:/dir,limit=8G". */
#ifndef KGC_KIND_SPEC_H
#define KGC_KIND_SPEC_H

#include <stddef.h>
#include <stdint.h>

enum { KGC__SPEC_MAX = 1024, KGC__TIER_MAX = 8 };

enum kgc__family { KGC__DEFAULT, KGC__THP, KGC__HUGETLB, KGC__FILE, KGC__TIER };

struct kgc__spec {
    enum kgc__family family;
    char text[KGC__SPEC_MAX];      /* as it was written, without an amount */
    char directory[KGC__SPEC_MAX]; /* file: unescaped */
    size_t limit;                  /* bytes; SIZE_MAX: none.  In a tier the smaller of amount and own limit */
    unsigned shift;                /* hugetlb: pages of 2^shift bytes */
    struct kgc__spec *member;      /* tier: an array in the storage given to kgc__spec_parse() */
    unsigned members;
};

/*
 * Parses a whole specification.  `members` is storage for a tier's.
 * Returns 0, or EINVAL with kgc_last_error() saying where and what is allowed.
 */
int kgc__spec_parse(const char *text, struct kgc__spec *out, struct kgc__spec members[KGC__TIER_MAX]);

/* The forms, for messages and help. */
#define KGC__SPEC_FORMS "default, thp, hugetlb[:2M|1G], file:/dir[,limit=SIZE], tier:KIND@SIZE+...+KIND"

#endif
