/* SPDX-License-Identifier: MIT */
/* Zeroing memory that may be zero already. */
#ifndef KGC_OS_ZERO_H
#define KGC_OS_ZERO_H

#include <stddef.h>

/*
 * Makes [p, p + size) read as zero.  The pages must be private and anonymous:
 * those that are neither in memory nor in swap are zero and are not touched.
 * Nobody else writes there meanwhile.
 */
void kgc__os_zero_anonymous(void *p, size_t size);

#endif
