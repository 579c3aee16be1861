/* SPDX-License-Identifier: MIT */
/* Collecting what only stale words on the stack may keep. */
#ifndef KGC_TESTS_STALE_H
#define KGC_TESTS_STALE_H

#include <kindgc/heap.h>
#include <string.h>

enum { CLEARED = 64 * 1024 };

/* Overwrites what dead frames have left on the stack, which has that much room. */
static __attribute__((noinline, unused)) void clear_stack(void)
{
    char space[CLEARED];
    memset(space, 0, sizeof space);
    __asm__ volatile("" : : "r"(space) : "memory");
}

static __attribute__((noinline, unused)) void collect(void)
{
    clear_stack();
    kgc_collect();
}

#endif
