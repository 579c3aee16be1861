/* SPDX-License-Identifier: MIT */
/*
 * The roots of the rooted heap's blocks: all memory of the process that the
 * program may have written to, except these blocks themselves and what belongs
 * to the cycle; the registers of all threads; of threads' stacks only what is
 * in use.
 */
#ifndef KGC_LEAK_ROOTS_H
#define KGC_LEAK_ROOTS_H

#include "leak/mark.h"
#include "leak/stop.h"

/*
 * Marks all that they lead to.  The caller's own registers have been put on
 * its stack, at `sp` or above.  Returns 0; ENOMEM; or EAGAIN with the reason,
 * when something that may hold pointers cannot be read.  `doubt` is set when
 * the kernel may hold pointers that nobody else has: "" if not.
 */
int kgc__roots_mark(struct kgc__marker *marker, const struct kgc__stop *stop, uintptr_t sp,
                    char reason[KGC__REASON], char doubt[KGC__REASON]);

#endif
