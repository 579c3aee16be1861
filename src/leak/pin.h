/* SPDX-License-Identifier: MIT */
/* Pointers that are handed to the kernel, where no search sees them. */
#ifndef KGC_LEAK_PIN_H
#define KGC_LEAK_PIN_H

#include <kindgc/base.h>

/*
 * The block that p points to or into, if it does so, is reachable until it is
 * freed, with all that it leads to.  For any value; nothing is done unless
 * malloc= is collect or detect.  Async-signal-safe.
 */
KGC_API void kgc__pin(const void *p);

#endif
