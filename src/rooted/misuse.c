/* SPDX-License-Identifier: MIT */
/* Telling apart the ways to free what cannot be freed: see misuse.h. */
#include "rooted/misuse.h"
#include "arena/blocks.h"
#include "base/check.h"
#include "collect/libgc.h"
#include "rooted/rooted.h"

void kgc__misused(const char *function, const void *p)
{
    struct kgc__block block;
    kgc_kind *unused;
    if (kgc__block_find(p, &block))
        kgc__fatal("%s: %p points into a block, not at its start", function, p);
    else if (kgc__rooted_owns(p))
        kgc__fatal("%s: %p was freed already, or was never allocated", function, p);
    else if (GC_is_init_called() && GC_base((void *)p) != NULL)
        kgc__fatal("%s: %p is a collectable object, or points into one", function, p);
    else if (kgc__kind_use_of(p, &unused) == KGC__SECTION)
        kgc__fatal("%s: %p lies in the GC heap, where no object is", function, p);
    else
        kgc__fatal("%s: %p does not belong to the rooted heap", function, p);
}
