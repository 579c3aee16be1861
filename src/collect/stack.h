/* SPDX-License-Identifier: MIT */
/*
 * Coroutines' stacks as roots (kindgc/heap.h, doc/stacks.md): stack.c follows
 * threads from one to the next, intervals.c finds the stack that an address
 * lies on.
 */
#ifndef KGC_COLLECT_STACK_H
#define KGC_COLLECT_STACK_H

#include <stdbool.h>
#include <stdint.h>

/* A range of addresses in a tree of ranges that do not overlap. */
struct kgc__interval {
    char *lo, *hi;
    struct kgc__interval *left, *right;
    uint32_t priority;
};

/* The tree changes and is read under one lock of the caller's: libgc's. */
struct kgc__interval *kgc__interval_find(struct kgc__interval *root, const void *address);
/* False when it overlaps one that is there. */
bool kgc__interval_insert(struct kgc__interval **root, struct kgc__interval *fresh);
void kgc__interval_remove(struct kgc__interval **root, const struct kgc__interval *old);

/* Pushes what coroutines and threads have left.  During a collection's marking. */
void kgc__stacks_push(void);

/* Does the calling thread run on a coroutine's stack? */
bool kgc__stack_in_use(void);
/* The calling thread is about to be unknown to the collector. */
void kgc__stack_thread_ends(void);
void kgc__stacks_after_fork_in_child(void);

#endif
