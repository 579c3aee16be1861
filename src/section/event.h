/* SPDX-License-Identifier: MIT */
/* The listeners of kindgc/heap.h.  Emitting takes no lock and allocates
   nothing: it happens with libgc's lock held and threads suspended. */
#ifndef KGC_SECTION_EVENT_H
#define KGC_SECTION_EVENT_H

#include <kindgc/heap.h>

void kgc__emit(kgc_event_type type, size_t value, kgc_kind *kind);
/* Threads that were emitting are gone. */
void kgc__events_after_fork_in_child(void);

#endif
