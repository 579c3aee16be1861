/* SPDX-License-Identifier: MIT */
/*
 * Each thread's free collectable objects, so that allocating takes no lock.
 *
 * A record is an uncollectable object of libgc's: the collector scans it, so
 * free objects in it are alive and are handed out once.  Sizes are in granules
 * of 16 bytes and count the byte behind an object that libgc adds, to which a
 * pointer keeps the object alive too.
 *
 *   scanned  chains through the first word of each object; the rest is zero
 *   atomic   arrays, for nothing follows a chain through objects that are not
 *            scanned; used slots are NULL
 */
#ifndef KGC_COLLECT_MAGAZINE_H
#define KGC_COLLECT_MAGAZINE_H

#include "base/check.h"
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

enum { KGC__GRANULES = 32 }; /* in a cached object at most: 512 bytes, the byte behind it included */
#define KGC__MAGAZINE_MAX (KGC__GRANULES * 16 - 1) /* bytes asked for */

struct kgc__magazines {
    void *scanned[KGC__GRANULES + 1]; /* by granules, from 1 */
    void **atomic[KGC__GRANULES + 1]; /* the slot above the last object */
    void **floor[KGC__GRANULES + 1];  /* the lowest slot */
    struct kgc__magazines *next;      /* all threads' */
    void *slots[];
};

/* The calling thread's; an empty record when it has none.  Never NULL. */
extern __thread struct kgc__magazines *kgc__magazines __attribute__((tls_model("initial-exec")));

static inline size_t kgc__granules(size_t size)
{
    return (size + 16) >> 4;
}

/* NULL when there is none. */
static inline void *kgc__magazine_take(size_t granules)
{
    struct kgc__magazines *m = kgc__magazines;
    void **p = m->scanned[granules];
    if (kgc__unlikely(p == NULL))
        return NULL;
    /* In this order: a collection between the two finds the rest either through
       p, which is in a register, or through the record. */
    m->scanned[granules] = *p;
    atomic_signal_fence(memory_order_seq_cst);
    *p = NULL;
    return p;
}

static inline void *kgc__magazine_take_atomic(size_t granules)
{
    struct kgc__magazines *m = kgc__magazines;
    void **top = m->atomic[granules];
    if (kgc__unlikely(top == m->floor[granules]))
        return NULL;
    void *p = *--top;
    m->atomic[granules] = top;
    atomic_signal_fence(memory_order_seq_cst);
    *top = NULL; /* what is handed out is not held any more */
    return p;
}

/* Fills the thread's magazine and takes an object from it.  The thread has
   entered.  NULL when libgc has none: then its own functions say so. */
void *kgc__magazine_refill(size_t granules);
void *kgc__magazine_refill_atomic(size_t granules);

/* The end of the calling thread's use of the heap. */
void kgc__magazines_drop(void);
/* Other threads are gone. */
void kgc__magazines_after_fork_in_child(void);

#endif
