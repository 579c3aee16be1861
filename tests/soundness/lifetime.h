/* SPDX-License-Identifier: MIT */
/* Finalizers, weak references and ephemerons of the checker's nodes. */
#ifndef KGC_TESTS_SOUNDNESS_LIFETIME_H
#define KGC_TESTS_SOUNDNESS_LIFETIME_H

#include "model.h"

/* Rooted memory for a partition's references. */
void lifetime_create(struct partition *p);

void finalizer_register(struct partition *p, struct node *n);
void finalizer_remove(struct node *n);

/* In a child that was forked in a round: other partitions' threads were in the
   midst of something, so finalizers say nothing about their nodes. */
void lifetime_only(const struct partition *p);

/* In a round: make one, read one, drop one. */
void weak_operation(struct partition *p);
void ephemeron_operation(struct partition *p);

/* In an audit, which has marked what is reachable; before dead nodes' records are used again. */
void lifetime_audit(struct partition *p);

#endif
