/* SPDX-License-Identifier: MIT */
/*
 * Leaks: blocks of the rooted heap (kindgc/malloc.h), which malloc() gives
 * too under `kindgc run --malloc detect`, that nothing in the program leads
 * to any more.
 *
 * The settings say where reports go and what they are like: see kindgc(7).
 * Stacks are recorded with the setting malloc=detect only.
 */
#ifndef KINDGC_LEAK_H
#define KINDGC_LEAK_H

#include <kindgc/base.h>

KGC_BEGIN_DECLS

/*
 * Finds leaked blocks and writes a report to the descriptor fd; below 0: to
 * where the settings say.  All other threads stand still while blocks are
 * found, not while the report is written.  *blocks (NULL: not wanted) is how
 * many were found, before suppressions.
 * Returns 0; EAGAIN when the roots could not be proven complete, so that
 * nothing can be said (kgc_last_error() has the reason); EBUSY when a report
 * is being made; or the error of writing it.
 */
KGC_API int kgc_leak_report(int fd, size_t *blocks);

/*
 * The block at p, and what it leads to, is not reported as leaked, and not
 * reclaimed with malloc=collect, until it is freed.  NULL: nothing.
 * Returns 0, or EINVAL when no block of the rooted heap begins at p.
 */
KGC_API int kgc_leak_ignore(const void *p);

/* Blocks that the calling thread allocates between the two are as if given to
   kgc_leak_ignore().  They nest. */
KGC_API void kgc_leak_disable(void);
KGC_API void kgc_leak_enable(void);

KGC_END_DECLS
#endif
