/* SPDX-License-Identifier: MIT */
/* Loading the library: see load.c. */
#ifndef KGC_PRELOAD_LOAD_H
#define KGC_PRELOAD_LOAD_H

#include <kindgc/base.h>
#include <stdbool.h>

/*
 * What the library's constructor does; idempotent.  For a malloc() of ours,
 * which other libraries' constructors call earlier.  False: it is running, and
 * what it calls has led here.
 */
KGC_API bool kgc__load(void);

#endif
