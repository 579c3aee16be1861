/* SPDX-License-Identifier: MIT */
/* What a thread does to its partition of the graph: one random operation after the other. */
#ifndef KGC_TESTS_SOUNDNESS_OPERATIONS_H
#define KGC_TESTS_SOUNDNESS_OPERATIONS_H

#include "model.h"

void operate(struct partition *p);
/* Drops most of the roots. */
void cull(struct partition *p);
/* An edge into another partition. */
void link_across(struct partition *from, struct partition *to);

#endif
