/* SPDX-License-Identifier: MIT */
/*
 * Which pages of a private mapping hold something: those that were written to,
 * be they in memory or in swap.  Pages that were never touched, and those of a
 * mapped file as it is on disk, do not.
 */
#ifndef KGC_LEAK_PAGES_H
#define KGC_LEAK_PAGES_H

#include <stdbool.h>
#include <stdint.h>

/* In swap: or a page that cannot be read at all (a guard, a broken one), which
   looks like it. */
typedef void kgc__pages_fn(uintptr_t lo, uintptr_t hi, bool swapped, void *arg);

/* The kernel is older than 6.7: each page costs some time, touched or not.
   Known after the first call. */
extern bool kgc__pages_old_kernel;

/* fd: of /proc/self/pagemap.  0 or an errno value. */
int kgc__pages_visit(int fd, uintptr_t lo, uintptr_t hi, kgc__pages_fn *fn, void *arg);

#endif
