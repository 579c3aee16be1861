/* SPDX-License-Identifier: MIT */
/*
 * The sections: every piece of memory that libgc obtained.
 *
 * Records are only ever added, by one thread at a time (libgc's lock), and
 * read without locks.  An index sorted by address serves look-ups by the
 * thread that holds libgc's lock.
 */
#ifndef KGC_SECTION_TABLE_H
#define KGC_SECTION_TABLE_H

#include "kind/kind.h"

struct kgc__section_record {
    char *base;
    size_t size;
    kgc_kind *kind; /* NULL: plain memory for libgc's tables */
    _Atomic size_t purged;
};

/* Room for one more: false when there is no memory.  libgc's lock is held. */
bool kgc__table_prepare(void);
/* After kgc__table_prepare(): cannot fail. */
void kgc__table_add(char *base, size_t size, kgc_kind *kind);
/* The section that holds p, or else the first behind it; NULL when none.  libgc's lock is held. */
struct kgc__section_record *kgc__table_find(const char *p);

size_t kgc__table_count(void);
/* i < kgc__table_count(), in order of age. */
struct kgc__section_record *kgc__table_get(size_t i);

#endif
