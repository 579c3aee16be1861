/* SPDX-License-Identifier: MIT */
/*
 * Which single pages of GC sections lie on another kind than their section.
 *
 * A byte for each 4 KiB, in pieces for a GiB of addresses that are made when a
 * page of it is first placed: 0 says that nothing is special, other numbers
 * name an owner (a kind).  Bytes change with libgc's lock held and are read
 * without a lock; pieces are never freed.
 */
#ifndef KGC_EXTENT_PLACED_H
#define KGC_EXTENT_PLACED_H

#include "extent/map.h"

enum {
    KGC__PLACED_NUMBERS = 256,
    KGC__PLACED_PENDING = KGC__PLACED_NUMBERS - 1 /* nobody's, but not yet what the section's pages are */
};
enum { KGC__PLACED_PAGE = 1 << KGC__MAP_PAGE_BITS };

struct kgc__placed {
    unsigned char number[KGC__LEAF_PAGES];
    unsigned short
        slot[KGC__PLACED_NUMBERS]; /* section/place_memory.c: place of this GiB in the owner's file, from 1 */
    _Atomic size_t pages;          /* that are not 0 */
};

extern _Atomic(struct kgc__placed *) kgc__placed_pieces[KGC__MAP_ENTRIES];
extern _Atomic(void *) kgc__placed_owners[KGC__PLACED_NUMBERS];
extern _Atomic size_t kgc__placed_pages; /* in all pieces */

/* Of any address at all; 0: not placed. */
static inline unsigned kgc__placed_number(const void *p)
{
    uintptr_t address = (uintptr_t)p;
    if (kgc__likely(atomic_load_explicit(&kgc__placed_pages, memory_order_relaxed) == 0) ||
        kgc__unlikely(address >> KGC__ADDRESS_BITS != 0))
        return 0;
    const struct kgc__placed *piece =
        atomic_load_explicit(&kgc__placed_pieces[address >> KGC__GIB_BITS], memory_order_acquire);
    if (piece == NULL)
        return 0;
    return __atomic_load_n(&piece->number[address >> KGC__MAP_PAGE_BITS & (KGC__LEAF_PAGES - 1)],
                           __ATOMIC_ACQUIRE);
}

/* NULL: the owner of the address is the one that the address map names. */
static inline void *kgc__placed_owner(const void *p)
{
    unsigned number = kgc__placed_number(p);
    return kgc__likely(number == 0) ? NULL
                                    : atomic_load_explicit(&kgc__placed_owners[number], memory_order_acquire);
}

/* A number for an owner, from 1, and back.  0: all are in use.  Nothing of a
   number that goes back is placed any more. */
unsigned kgc__placed_claim(void *owner);
void kgc__placed_disclaim(unsigned number);

/* libgc's lock is held.  The piece that an address is in, made if needed; NULL
   when there is no memory. */
struct kgc__placed *kgc__placed_piece(const void *p);
/* libgc's lock is held.  Records whole pages; the pieces were made. */
void kgc__placed_set(const void *p, size_t size, unsigned number);

/* A run of pages with one number. */
struct kgc__placed_run {
    char *start;
    size_t size;
    unsigned number;
};
/* The first run at or behind an address; ends at a GiB.  False: none. */
bool kgc__placed_next(const void *from, struct kgc__placed_run *out);

#endif
