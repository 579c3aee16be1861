/* SPDX-License-Identifier: MIT */
/*
 * The checker's nodes as objects of the library: each sort is made in all ways
 * that there are, resized and freed.
 */
#ifndef KGC_TESTS_SOUNDNESS_OBJECTS_H
#define KGC_TESTS_SOUNDNESS_OBJECTS_H

#include "model.h"

/* Opens kinds and makes types.  After kgc_init(). */
void objects_create(void);

static inline bool is_collectable(enum sort sort)
{
    return sort != ROOTED && sort != EXPLICIT;
}

/*
 * A new object of a random sort and size, filled, all its edges NULL, entered
 * everywhere but without a root: the caller holds *object until there is one.
 * any: also one that is a root itself.
 * NULL when there is no room, or something is broken.
 */
struct node *object_new(struct partition *p, bool any, void **object);
/* Another size for a node that only the root r points to. */
void object_resize(struct partition *p, struct root *r);
/* Frees it; nothing points to it but the root r, which is cleared. */
void object_free(struct partition *p, struct root *r);

/* libgc clears n->link when it finds the object unreachable. */
void object_link(struct node *n, void *object);
void object_unlink(struct node *n);

#endif
