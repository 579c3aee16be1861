/* SPDX-License-Identifier: MIT */
/*
 * Ratios: memory from each member in the proportions of their shares.
 *
 * The choice is made anew for each hand-out, by the bytes that the members
 * have handed out and not got back: the member that lacks most of its share.
 * With n members the lacking bytes sum up to the hand-out's size s, so the one
 * that lacks most lacks s/n at least, and is ahead by less than s afterwards.
 * What one member refuses, it makes up for when it can again.  The numbers are
 * read without a lock: threads at the same time may choose the same member,
 * and the next choice sees it.  The hooks are those of members.c.
 */
#include "kind/kind.h"

static size_t bytes_of(const kgc_kind *member)
{
    return atomic_load_explicit(&member->space.bytes[KGC__LOW], memory_order_relaxed) +
           atomic_load_explicit(&member->space.bytes[KGC__HIGH], memory_order_relaxed) +
           atomic_load_explicit(&member->space.range.placed, memory_order_relaxed);
}

static unsigned choose(const kgc_kind *ratio, size_t size, unsigned refused)
{
    size_t bytes[KGC__TIER_MAX];
    __int128 sum = size, shares = 0, most = 0;
    unsigned best = ratio->members;
    for (unsigned i = 0; i < ratio->members; i++) {
        bytes[i] = bytes_of(ratio->member[i]);
        sum += bytes[i];
        shares += ratio->member[i]->share;
    }
    for (unsigned i = 0; i < ratio->members; i++) {
        __int128 lacks = sum * ratio->member[i]->share - bytes[i] * shares; /* times all shares */
        if ((refused >> i & 1) == 0 && (best == ratio->members || lacks > most)) {
            best = i;
            most = lacks;
        }
    }
    return best;
}

int kgc__ratio_open(kgc_kind *kind, const struct kgc__spec *spec)
{
    kind->choose = choose;
    return kgc__members_open(kind, spec);
}
