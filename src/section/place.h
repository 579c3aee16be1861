/* SPDX-License-Identifier: MIT */
/*
 * Placing: single pages of the GC heap on another kind than their section.
 *
 * place.c says which pages lie where and when they go back, place_memory.c
 * what lies behind them, place_limit.c keeps off the kernel's limit of
 * mappings, place_fork.c goes through fork(2) with them.  The records are in
 * extent/placed.h.  Why it is as it is: doc/placing.md.
 *
 * All of it runs with libgc's lock held and threads running, except where a
 * function says otherwise.  It takes no lock and allocates from os/meta.h only.
 */
#ifndef KGC_SECTION_PLACE_H
#define KGC_SECTION_PLACE_H

#include "extent/placed.h"
#include "kind/kind.h"

/* Can pages be placed on this kind at all, and the heap's kind spare any?
   Without a lock.  0, or ENOTSUP with kgc_last_error(). */
int kgc__place_check(const kgc_kind *kind, const kgc_kind *heap);

/* Do all pages of [p, p + size) lie on the kind, or on members of it?  Without a lock. */
bool kgc__place_is_on(const kgc_kind *kind, const void *p, size_t size);

/*
 * Sees to it that whole pages [p, p + size) of sections lie on a kind that no
 * other kind is part of.  `keep` is for one page: its contents stay; otherwise
 * they go, and pages that had to move, *fresh bytes, read as zero.
 * Returns 0; ENOTSUP or ENOMEM with kgc_last_error(): with `keep` nothing has
 * changed, otherwise kgc__place_restore() puts things right.
 */
int kgc__place_put(kgc_kind *kind, char *p, size_t size, bool keep, size_t *fresh);

/* Makes placed pages in [p, p + size) what their sections are.  Contents go.
   Pages that cannot be changed now are tried again after collections. */
void kgc__place_restore(char *p, size_t size);
/* A collection has ended: restores what libgc has no block in. */
void kgc__place_reclaim(void);

/* ---- between the files ---- */

/* Room for two more boundaries between mappings?  Else counts a refusal of the
   kind, warns the first time, and returns ENOMEM with kgc_last_error(). */
int kgc__place_check_mappings(kgc_kind *kind);
/* What changes when pages get this number; before they do. */
void kgc__place_count_mappings(const char *p, size_t size, unsigned number);
/* For tests: most mappings of a process; 0: as the kernel says. */
extern size_t kgc__place_mappings_max;

/* Puts fresh pages of a leaf (NULL: plain memory) at [p, p + size), inside one
   GiB.  `placed`: in the leaf's own file, else at their place in its range.
   Returns 0, with *undressed saying that pages are fresh, but not all that the
   leaf's are; or an errno value, nothing has changed. */
int kgc__place_fresh(kgc_kind *leaf, bool placed, char *p, size_t size, bool *undressed);
/* One page; its contents stay. */
int kgc__place_move(kgc_kind *from, bool from_placed, kgc_kind *to, char *p);
/* What a leaf must undo when its placed pages are not at [p, p + size) any
   more: gives the blocks of its file back. */
void kgc__place_gone(kgc_kind *leaf, char *p, size_t size);
/* Before pages go: nothing of them is left anywhere. */
void kgc__place_wipe(const kgc_kind *leaf, char *p, size_t size);

/* fork(2), in the order of pthread_atfork(3); after those of kinds in the child. */
void kgc__place_before_fork(void);
void kgc__place_after_fork_in_parent(void);
void kgc__place_after_fork_in_child(void);

#endif
