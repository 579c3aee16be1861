/* SPDX-License-Identifier: MIT */
/*
 * kindgc - the Boehm collector in front of typed memory kinds.
 *
 * Umbrella header: includes every public header of the library.  Read these
 * caveats before the functions:
 *
 *  - Linux with glibc only; link with `pkg-config --cflags --libs kindgc`.
 *    The library must be loaded when the program starts (linked or by
 *    LD_PRELOAD): jemalloc's thread-local storage does not fit into what
 *    dlopen(3) has to spare.  It is never unloaded.
 *  - The program must use the shared libgc.  A libgc that is linked
 *    statically cannot be given memory; every function that needs it says so.
 *  - Threads made by pthread_create(3) and thrd_create(3) are registered with
 *    the collector at their start, all others when they first call an
 *    allocating function.  Until then their stacks are not roots.
 *  - Memory from malloc(3) is not scanned.  A collectable object that only
 *    such memory points to is collected; use kindgc/malloc.h for memory that
 *    keeps objects alive.
 *  - Nothing here may be called from a signal handler, from an extent hook
 *    or from a listener, except where a function says that it may.
 *
 * Everything initialises itself on first use; kgc_init() is for settings.
 * Functions that can fail for a reason return 0 or an errno value and leave
 * the reason and the remedy in kgc_last_error().  Allocating functions return
 * NULL and set errno.  All sizes are in bytes.  Everything is thread-safe
 * unless it says otherwise.
 */
#ifndef KINDGC_H
#define KINDGC_H

#include <kindgc/allocate.h>
#include <kindgc/arena.h>
#include <kindgc/finalize.h>
#include <kindgc/heap.h>
#include <kindgc/init.h>
#include <kindgc/kind.h>
#include <kindgc/layout.h>
#include <kindgc/malloc.h>
#include <kindgc/region.h>
#include <kindgc/weak.h>

#endif
