/* SPDX-License-Identifier: MIT */
/*
 * What tiers and ratios have in common: kinds that consist of other kinds.
 *
 * Members are kinds of their own with their own ranges, so every address
 * belongs to one of them and all hooks but alloc go there.  Which member is
 * asked for memory is the family's choice: tier.c, ratio.c.  Lock-free, as
 * all hooks are.
 */
#include "base/check.h"
#include "base/message.h"
#include "extent/map.h"
#include "kind/kind.h"
#include <errno.h>

/* Counts before asking a member, so that the limit holds with many threads. */
bool kgc__members_grant(kgc_kind *kind, size_t size)
{
    size_t before = atomic_fetch_add(&kind->granted, size);
    if (kind->caller_limit == 0 || (before <= kind->caller_limit && size <= kind->caller_limit - before))
        return true;
    atomic_fetch_sub(&kind->granted, size);
    return false;
}

static void *ask_members(kgc_kind *kind, void *wish, size_t size, size_t align, bool *zero, bool *commit,
                         unsigned arena)
{
    unsigned refused = 0;
    for (unsigned asked = 0; asked < kind->members; asked++) {
        unsigned i = kind->choose(kind, size, refused);
        extent_hooks_t *h = &kind->member[i]->space.hooks;
        void *p = h->alloc(h, wish, size, align, zero, commit, arena);
        if (p != NULL) {
            if (asked != 0 && kind->member[0]->share != 0) /* going on is what a tier is for */
                atomic_fetch_add(&kind->fallbacks, 1);
            return p;
        }
        refused |= 1u << i;
    }
    return NULL;
}

static void *alloc(extent_hooks_t *hooks, void *wish, size_t size, size_t align, bool *zero, bool *commit,
                   unsigned arena)
{
    kgc_kind *kind = kgc__kind_of_hooks(hooks);
    if (kgc__members_grant(kind, size)) {
        void *p = ask_members(kind, wish, size, align, zero, commit, arena);
        if (p != NULL)
            return p;
        atomic_fetch_sub(&kind->granted, size);
    }
    atomic_fetch_add(&kind->space.refusals, 1);
    errno = ENOMEM;
    return NULL;
}

static extent_hooks_t *hooks_of(void *p)
{
    kgc_kind *member = kgc__kind_of_owner(kgc__map_owner(p));
    KGC_CHECK(member != NULL);
    return &member->space.hooks;
}

static bool dalloc(extent_hooks_t *hooks, void *p, size_t size, bool committed, unsigned arena)
{
    extent_hooks_t *h = hooks_of(p);
    bool refused = h->dalloc(h, p, size, committed, arena);
    if (!refused)
        atomic_fetch_sub(&kgc__kind_of_hooks(hooks)->granted, size);
    return refused;
}

static void destroy(extent_hooks_t *hooks, void *p, size_t size, bool committed, unsigned arena)
{
    extent_hooks_t *h = hooks_of(p);
    h->destroy(h, p, size, committed, arena);
    atomic_fetch_sub(&kgc__kind_of_hooks(hooks)->granted, size);
}

static bool commit(extent_hooks_t *hooks, void *p, size_t size, size_t offset, size_t length, unsigned arena)
{
    (void)hooks;
    extent_hooks_t *h = hooks_of(p);
    return h->commit(h, p, size, offset, length, arena);
}

static bool decommit(extent_hooks_t *hooks, void *p, size_t size, size_t offset, size_t length,
                     unsigned arena)
{
    (void)hooks;
    extent_hooks_t *h = hooks_of(p);
    return h->decommit(h, p, size, offset, length, arena);
}

static bool purge_lazy(extent_hooks_t *hooks, void *p, size_t size, size_t offset, size_t length,
                       unsigned arena)
{
    (void)hooks;
    extent_hooks_t *h = hooks_of(p);
    return h->purge_lazy(h, p, size, offset, length, arena);
}

static bool purge_forced(extent_hooks_t *hooks, void *p, size_t size, size_t offset, size_t length,
                         unsigned arena)
{
    (void)hooks;
    extent_hooks_t *h = hooks_of(p);
    return h->purge_forced(h, p, size, offset, length, arena);
}

static bool split(extent_hooks_t *hooks, void *p, size_t size, size_t a, size_t b, bool committed,
                  unsigned arena)
{
    (void)hooks;
    extent_hooks_t *h = hooks_of(p);
    return h->split(h, p, size, a, b, committed, arena);
}

static bool merge(extent_hooks_t *hooks, void *a, size_t size_a, void *b, size_t size_b, bool committed,
                  unsigned arena)
{
    (void)hooks;
    extent_hooks_t *h = hooks_of(a);
    return h->merge(h, a, size_a, b, size_b, committed, arena);
}

static const extent_hooks_t hooks_of_members = {
    .alloc = alloc,
    .dalloc = dalloc,
    .destroy = destroy,
    .commit = commit,
    .decommit = decommit,
    .purge_lazy = purge_lazy,
    .purge_forced = purge_forced,
    .split = split,
    .merge = merge,
};

int kgc__members_open(kgc_kind *kind, const struct kgc__spec *spec)
{
    kind->space.hooks = hooks_of_members;
    kind->caller_limit = spec->limit != SIZE_MAX ? spec->limit : 0;
    for (unsigned i = 0; i < spec->members; i++) {
        int error = kgc__kind_open_spec(&spec->member[i], kind, &kind->member[i]);
        if (error != 0) {
            kgc__members_close(kind);
            return kgc__fail_prefix(error, "%s: ", spec->text);
        }
        kind->members++;
    }
    return 0;
}

void kgc__members_close(kgc_kind *kind)
{
    while (kind->members != 0)
        kgc__kind_dispose(kind->member[--kind->members]);
}
