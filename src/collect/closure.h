/* SPDX-License-Identifier: MIT */
/*
 * Marking on, after libgc has ended its own marking: whatever an object
 * reaches becomes alive too.
 *
 * libgc's marker cannot be started again from outside, so this is one of ours,
 * over its mark bits.  It reads each object word by word, which finds at least
 * what libgc finds by an object's descriptor; objects of kinds that are known
 * to have no pointers are not read.  An embedder's own marking procedures are
 * not called.
 *
 * All of it but the first with libgc's lock held and threads suspended.
 */
#ifndef KGC_COLLECT_CLOSURE_H
#define KGC_COLLECT_CLOSURE_H

#include <stdbool.h>

/* Makes ready.  With libgc's lock held; false when there is no memory. */
bool kgc__closure_prepare(void);
/* The object that a word points to or into, if it points to any, is alive. */
void kgc__closure_mark(void *word);
/*
 * Marks what is reached from there.  Calls fn at least once for each object
 * that has become alive since kgc__closure_mark() was called first; it may call
 * that again.
 */
void kgc__closure_run(void (*fn)(void *object));

#endif
