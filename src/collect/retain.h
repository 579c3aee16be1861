/* SPDX-License-Identifier: MIT */
/*
 * Blocks that stay on their kind from one collection to the next.
 *
 * A block of which nothing is alive goes back to libgc, its page to the heap's
 * kind; the next objects take another block, whose page has to be placed: 10
 * us and more.  So as many such blocks are kept as were used since the last
 * collection.  What is not needed any more goes at the collection after.
 */
#ifndef KGC_COLLECT_RETAIN_H
#define KGC_COLLECT_RETAIN_H

/* From now on for one of libgc's kinds of objects that nobody uses yet. */
void kgc__retain_attach(int object_kind);
/* A block's worth of such objects is about to be used.  Exact with libgc's lock held. */
void kgc__retain_count(const void *object);
/* To be called when objects are needed, without libgc's lock: what held blocks
   becomes free as well. */
void kgc__retain_use(unsigned object_kind);
/* Keeps nothing at the next collection.  libgc's lock is held. */
void kgc__retain_nothing(unsigned object_kind);

#endif
