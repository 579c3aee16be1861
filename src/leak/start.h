/* SPDX-License-Identifier: MIT */
/*
 * What becomes of blocks that nothing leads to: the setting malloc=.  The
 * drop-in (src/dropin/) starts it.
 */
#ifndef KGC_LEAK_START_H
#define KGC_LEAK_START_H

#include <kindgc/base.h>

enum kgc__malloc_mode { KGC__MALLOC_OFF, KGC__MALLOC_ROOTED, KGC__MALLOC_COLLECT, KGC__MALLOC_DETECT };

/* What the setting says; rooted when there is none. */
KGC_API enum kgc__malloc_mode kgc__malloc_mode(void);

/* Starts what the mode needs, before the first block is allocated, in a
   process with one thread; malloc() works already, outside of the rooted
   heap.  Returns 0, or an errno value with kgc_last_error(). */
KGC_API int kgc__leak_start(enum kgc__malloc_mode mode);

/* Frees what nothing leads to, where the mode is to do that: for malloc_trim(). */
KGC_API void kgc__leak_trim(void);

#endif
