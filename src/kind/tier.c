/* SPDX-License-Identifier: MIT */
/* Tiers: the first member until its amount is used, then the next.  The hooks
   are those of members.c. */
#include "kind/kind.h"

static unsigned choose(const kgc_kind *tier, size_t size, unsigned refused)
{
    (void)tier, (void)size;
    return (unsigned)__builtin_ctz(~refused);
}

int kgc__tier_open(kgc_kind *kind, const struct kgc__spec *spec)
{
    kind->choose = choose;
    return kgc__members_open(kind, spec);
}
