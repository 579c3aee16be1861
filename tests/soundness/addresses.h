/* SPDX-License-Identifier: MIT */
/*
 * Which node an address was last handed out to: finds objects that overlap.
 * Lock-free; says nothing wrong when two threads ask at once.
 */
#ifndef KGC_TESTS_SOUNDNESS_ADDRESSES_H
#define KGC_TESTS_SOUNDNESS_ADDRESSES_H

#include "model.h"

void addresses_create(void);

/* The node's memory is new: nodes that overlap it get their mark `reused`.
   The node's address and size are set.  Returns how many there were. */
unsigned addresses_claim(const struct node *n);

#endif
