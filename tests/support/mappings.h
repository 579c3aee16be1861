/* SPDX-License-Identifier: MIT */
/* What the system says of the mappings that objects lie in. */
#ifndef KGC_TESTS_SUPPORT_MAPPINGS_H
#define KGC_TESTS_SUPPORT_MAPPINGS_H

#include <stdbool.h>
#include <stddef.h>

struct mapping {
    size_t start, end;
    bool shared;
    char path[128]; /* "" for anonymous memory */
    bool locked, huge_advised, not_dumped;
};

/* Reads /proc/self/smaps; what was read before is gone.  The number of mappings. */
size_t read_mappings(void);
/* As read last; NULL: nothing is mapped there. */
const struct mapping *mapping_of(const void *p);

/* Does the page at p lie on what a kind of this specification gives: on a file
   in this directory, with this policy and on node 0, locked, advised?  As read
   last, except for nodes. */
bool lies_as(const char *spec, const void *p);

/* The specification of a file kind in memory where possible: quicker than on a disk. */
const char *quick_file_kind(void);

#endif
