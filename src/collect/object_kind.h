/* SPDX-License-Identifier: MIT */
/*
 * libgc's kinds of objects, which say how an object is scanned.
 *
 * There is room for 16, of which libgc has defined four and the program may
 * define its own; libgc ends the process when one too many is asked for.  So
 * GC_new_kind() is interposed, and counts.
 */
#ifndef KGC_COLLECT_OBJECT_KIND_H
#define KGC_COLLECT_OBJECT_KIND_H

#include <stdbool.h>

/*
 * Defines one.  descriptor: gc_mark.h; adjust: the object's size is added to
 * it; clear: libgc zeroes objects.  What for: the end of the text of an error.
 * Returns its number, or -1 with kgc_last_error() set and errno ENOTSUP.
 */
int kgc__object_kind_new(unsigned long descriptor, bool adjust, bool clear, const char *what_for);

/* Are its objects known to have no pointers?  With libgc's lock held. */
bool kgc__object_kind_is_pointer_free(int kind);

#endif
