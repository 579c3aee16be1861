/* SPDX-License-Identifier: MIT */
/* Pinning: see pin.h. */
#include "leak/pin.h"
#include "arena/blocks.h"
#include "leak/start.h"

void kgc__pin(const void *p)
{
    struct kgc__block b;
    if (kgc__malloc_mode() < KGC__MALLOC_COLLECT)
        return;
    /* One past the end too: mode detect has eight bytes there, of the block. */
    if (kgc__block_find(p, &b))
        kgc__block_pin(b.start, true);
}
