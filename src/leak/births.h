/* SPDX-License-Identifier: MIT */
/*
 * What is recorded of each block when it is allocated: its stack, and how
 * many bytes were asked for.  It lies at the block's end (rooted/rooted.h).
 */
#ifndef KGC_LEAK_BIRTHS_H
#define KGC_LEAK_BIRTHS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Records every block from now on, before the first is allocated.  frames: of
 * a stack, at most; sample: 0, or bytes of which, on average, one gets its
 * stack recorded.  Idempotent.
 */
void kgc__births_start(unsigned frames, size_t sample);
bool kgc__births_are_recorded(void);

struct kgc__birth {
    uint32_t stack; /* 0: not recorded */
    size_t asked;   /* bytes */
};
/* Of a live block of `size` usable bytes, counted with the extra ones. */
struct kgc__birth kgc__birth_of(char *start, size_t size);

#endif
