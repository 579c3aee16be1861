/* SPDX-License-Identifier: MIT */
/*
 * What the bytes of a node are: its pointers, and a pattern elsewhere, which
 * never looks like an address, or a decoy, which always does, where the
 * collector must not look.
 */
#ifndef KGC_TESTS_SOUNDNESS_CONTENT_H
#define KGC_TESTS_SOUNDNESS_CONTENT_H

#include "model.h"

/* Writes all of it but the words of edges. */
void content_write(const struct node *n, void *object);
/* Is every byte as expected?  Otherwise it is said what is not. */
bool content_verify(const struct node *n, const void *object, const char *when);
bool is_zero(const void *object, size_t size);

#endif
