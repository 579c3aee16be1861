/* SPDX-License-Identifier: MIT */
/*
 * Looks at the whole graph while nobody changes it: everything that is
 * reachable must be there, byte by byte; records of what has died are used
 * again.
 */
#ifndef KGC_TESTS_SOUNDNESS_AUDIT_H
#define KGC_TESTS_SOUNDNESS_AUDIT_H

#include "model.h"

/* Of the first so many partitions.  collected: a full collection has run since
   the graph was changed last, so what has died counts as kept or collected. */
void audit(unsigned partitions, bool collected);

/* For forked children: verifies what the roots of these partitions reach in them, and changes nothing. */
void audit_child(unsigned first, unsigned last, const char *when);

#endif
