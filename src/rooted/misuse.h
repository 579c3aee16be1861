/* SPDX-License-Identifier: MIT */
/* What is wrong with a pointer that is no live block of the rooted heap. */
#ifndef KGC_ROOTED_MISUSE_H
#define KGC_ROOTED_MISUSE_H

/* Calls the fatal handler: p, given to `function`, is none. */
void kgc__misused(const char *function, const void *p);

#endif
