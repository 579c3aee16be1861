/* SPDX-License-Identifier: MIT */
/* Where a partition's roots lie: memory of all sorts that the collector must look at. */
#ifndef KGC_TESTS_SOUNDNESS_ROOTS_H
#define KGC_TESTS_SOUNDNESS_ROOTS_H

#include "model.h"

enum { ROOTS_ON_STACK = 16 };

/* Places that a partition always has. */
void roots_create(struct partition *p);

/*
 * Places of the calling thread, which has these words on its stack.  What the
 * partition's last thread has left in `baton` moves there.
 */
void roots_enter(struct partition *p, void *volatile stack[ROOTS_ON_STACK], void **baton);
/* Moves them to a collectable object, which the thread returns. */
void **roots_leave(struct partition *p);

/* In a child: the roots of threads that it does not have are no more. */
void roots_forget_threads(struct partition *p);

/* Moves or adds again one of the places. */
void roots_operation(struct partition *p);

/* Calls fn(p) on a coroutine's stack, where it has roots too. */
void roots_on_coroutine(struct partition *p, void (*fn)(struct partition *));

#endif
