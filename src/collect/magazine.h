/* SPDX-License-Identifier: MIT */
/*
 * Each thread's free collectable objects, so that allocating takes no lock.
 *
 * A record is an uncollectable object of libgc's: the collector scans it, so
 * free objects in it are alive and are handed out once.  Sizes are in granules
 * of 16 bytes and count the byte behind an object that libgc adds, to which a
 * pointer keeps the object alive too.
 *
 *   scanned   chains through the first word of each object; the rest is zero
 *   shelves   arrays, one shelf for each of libgc's kinds of objects that is in
 *             use beside that: nothing would follow a chain through objects
 *             that are not scanned word by word.  Used slots are NULL
 *
 * The scanned chains are in the public header, where sizes known at compile
 * time are taken from them inline.
 */
#ifndef KGC_COLLECT_MAGAZINE_H
#define KGC_COLLECT_MAGAZINE_H

#include "base/check.h"
#include <kindgc/inline.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

enum { KGC__GRANULES = KGC_GRANULES };

/*
 * A size class up to 32 is the number of granules.  Objects of up to 2,031
 * bytes are in one of six more, by how many of them fit into libgc's blocks of
 * 4 KiB: 7 to 2.  Finer classes would not fit more.
 */
#define KGC__MAGAZINE_MAX 2031 /* bytes asked for */
enum { KGC__BLOCK_GRANULES = 256 };

static inline size_t kgc__size_class(size_t size)
{
    size_t granules = (size + 16) >> 4;
    return granules <= KGC__GRANULES ? granules : KGC__GRANULES + 8 - KGC__BLOCK_GRANULES / granules;
}

/* How many objects of a class fit into a block. */
static inline size_t kgc__class_count(size_t size_class)
{
    return size_class <= KGC__GRANULES ? KGC__BLOCK_GRANULES / size_class : KGC__GRANULES + 8 - size_class;
}

/* How many a batch of them has: from a list of its own libgc takes until they
   have 4 KiB or more together. */
static inline size_t kgc__class_slots(size_t size_class)
{
    return kgc__class_count(size_class) + 1;
}

/* libgc takes 127 granules for small still, and 128 for large. */
static inline size_t kgc__class_granules(size_t size_class)
{
    if (size_class <= KGC__GRANULES)
        return size_class;
    size_t granules = KGC__BLOCK_GRANULES / kgc__class_count(size_class);
    return granules < KGC__MAGAZINE_MAX / 16 + 1 ? granules : KGC__MAGAZINE_MAX / 16 + 1;
}

enum { KGC__OBJECT_KINDS = 16 }; /* that libgc has room for */

/* Collectable and scanned itself; its thread's record points to it. */
struct kgc__shelf {
    struct {
        void **top;           /* the slot above the last object */
        void **floor;         /* the lowest slot */
    } size[KGC_SIZE_CLASSES]; /* by size class, from 1 */
    void *slots[];
};

enum { KGC__KEPT_BLOCKS = 1024 };

struct kgc__magazines {
    struct kgc_magazines head;                   /* must be first: kgc_thread_magazines points to it */
    struct kgc__shelf *shelf[KGC__OBJECT_KINDS]; /* by libgc's number of the kind; never NULL */
    struct kgc__magazines *next;                 /* all threads' */
    unsigned batches, batches_before;            /* taken so far, and when blocks were looked at last */
    unsigned kept, let_go;                       /* so many so far */
    void *keeps[KGC__KEPT_BLOCKS];               /* see magazine.c: keep_block() */
};

/* The calling thread's; an empty record when it has none.  Never NULL. */
static inline struct kgc__magazines *kgc__magazines(void)
{
    return (struct kgc__magazines *)(void *)kgc_thread_magazines;
}

/* An object of a kind that has shelves, its first word indeterminate.  NULL when there is none. */
static inline void *kgc__shelf_take(unsigned object_kind, size_t size_class)
{
    struct kgc__shelf *s = kgc__magazines()->shelf[object_kind];
    void **top = s->size[size_class].top;
    if (kgc__unlikely(top == s->size[size_class].floor))
        return NULL;
    void *p = *--top;
    s->size[size_class].top = top;
    atomic_signal_fence(memory_order_seq_cst);
    *top = NULL; /* what is handed out is not held any more */
    return p;
}

/* Fills the thread's magazine and takes an object from it.  The thread has
   entered.  NULL when libgc has none: then its own functions say so. */
void *kgc__magazine_refill(size_t size_class);

/*
 * The same for a shelf.  prepare (or NULL) is called with libgc's lock held and
 * the batch in slots, each object free and zero but for its first word; it must
 * preserve what is in the objects' block beside them.  When it returns false
 * the batch is forgotten, and NULL returned.
 */
typedef bool (*kgc__prepare)(void **objects, size_t count, void *arg);
void *kgc__shelf_refill(unsigned object_kind, size_t size_class, kgc__prepare prepare, void *arg);

/* Forgets what all threads' shelves of one of libgc's kinds of objects hold.
   libgc's lock is held.  A thread that takes from its shelf meanwhile gets an
   object or nothing. */
void kgc__shelves_drop(unsigned object_kind);

/* Threads are suspended: blocks that a thread keeps without need may go. */
void kgc__magazines_age(void);
/* The end of the calling thread's use of the heap. */
void kgc__magazines_drop(void);
/* Other threads are gone. */
void kgc__magazines_after_fork_in_child(void);

#endif
