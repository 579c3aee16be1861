/* SPDX-License-Identifier: MIT */
/*
 * Tiers: the first member until its amount is used, then the next.
 *
 * Members are kinds of their own with their own ranges, so every address
 * belongs to one of them and all hooks but alloc go there.
 */
#include "base/check.h"
#include "base/message.h"
#include "extent/map.h"
#include "kind/kind.h"
#include <errno.h>

static void *alloc(extent_hooks_t *hooks, void *wish, size_t size, size_t align, bool *zero, bool *commit,
                   unsigned arena)
{
    kgc_kind *tier = kgc__kind_of_hooks(hooks);
    for (unsigned i = 0; i < tier->members; i++) {
        extent_hooks_t *h = &tier->member[i]->space.hooks;
        void *p = h->alloc(h, wish, size, align, zero, commit, arena);
        if (p != NULL)
            return p;
    }
    atomic_fetch_add(&tier->space.refusals, 1);
    errno = ENOMEM;
    return NULL;
}

static extent_hooks_t *hooks_of(void *p)
{
    kgc_kind *member = kgc__map_owner(p);
    KGC_CHECK(member != NULL);
    return &member->space.hooks;
}

static bool dalloc(extent_hooks_t *hooks, void *p, size_t size, bool committed, unsigned arena)
{
    (void)hooks;
    extent_hooks_t *h = hooks_of(p);
    return h->dalloc(h, p, size, committed, arena);
}

static void destroy(extent_hooks_t *hooks, void *p, size_t size, bool committed, unsigned arena)
{
    (void)hooks;
    extent_hooks_t *h = hooks_of(p);
    h->destroy(h, p, size, committed, arena);
}

static bool commit(extent_hooks_t *hooks, void *p, size_t size, size_t offset, size_t length, unsigned arena)
{
    (void)hooks;
    extent_hooks_t *h = hooks_of(p);
    return h->commit(h, p, size, offset, length, arena);
}

static bool decommit(extent_hooks_t *hooks, void *p, size_t size, size_t offset, size_t length, unsigned arena)
{
    (void)hooks;
    extent_hooks_t *h = hooks_of(p);
    return h->decommit(h, p, size, offset, length, arena);
}

static bool purge_lazy(extent_hooks_t *hooks, void *p, size_t size, size_t offset, size_t length, unsigned arena)
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

static bool split(extent_hooks_t *hooks, void *p, size_t size, size_t a, size_t b, bool committed, unsigned arena)
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

static const extent_hooks_t tier_hooks = {
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

int kgc__tier_open(kgc_kind *kind, const struct kgc__spec *spec)
{
    kind->space.hooks = tier_hooks;
    kind->space.file.fd = -1;
    for (unsigned i = 0; i < spec->members; i++) {
        int error = kgc__kind_open_spec(&spec->member[i], kind, &kind->member[i]);
        if (error != 0) {
            kgc__tier_close(kind);
            return kgc__fail_prefix(error, "%s: ", spec->text);
        }
        kind->members++;
    }
    return 0;
}

void kgc__tier_close(kgc_kind *kind)
{
    while (kind->members != 0)
        kgc__kind_dispose(kind->member[--kind->members]);
}
