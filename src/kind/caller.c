/* SPDX-License-Identifier: MIT */
/*
 * Kinds of the caller's own hooks.
 *
 * Our table forwards to the caller's and records in the address map what the
 * hooks return.  A hook that the caller left out is left out of ours too, for
 * NULL means opting out; only destroy is always there, so that the map
 * forgets what jemalloc destroys.
 */
#include "base/check.h"
#include "base/message.h"
#include "base/size.h"
#include "extent/map.h"
#include "kind/kind.h"
#include "os/os.h"
#include <errno.h>
#include <string.h>

static enum kgc__side side_of_arena(unsigned arena)
{
    return arena == KGC_ARENA_COLLECTOR ? KGC__LOW : KGC__HIGH;
}

static void *owner_of(kgc_kind *kind, unsigned arena)
{
    return (void *)((uintptr_t)kind | (arena == KGC_ARENA_COLLECTOR ? 0 : KGC__EXPLICIT_MARK));
}

static bool over_limit(kgc_kind *kind, size_t size)
{
    size_t used = atomic_load(&kind->space.bytes[KGC__LOW]) + atomic_load(&kind->space.bytes[KGC__HIGH]);
    return kind->caller_limit != 0 && (used > kind->caller_limit || size > kind->caller_limit - used);
}

static void hand_back(extent_hooks_t *theirs, void *p, size_t size, unsigned arena)
{
    if (theirs->dalloc != NULL && !theirs->dalloc(theirs, p, size, true, arena))
        return;
    if (theirs->destroy != NULL)
        theirs->destroy(theirs, p, size, true, arena);
}

static void *alloc(extent_hooks_t *hooks, void *wish, size_t size, size_t align, bool *zero, bool *commit,
                   unsigned arena)
{
    kgc_kind *kind = kgc__kind_of_hooks(hooks);
    extent_hooks_t *theirs = kind->caller_hooks;
    bool must_zero = *zero;
    void *p = over_limit(kind, size) ? NULL : theirs->alloc(theirs, wish, size, align, zero, commit, arena);
    if (p == NULL) {
        atomic_fetch_add(&kind->space.refusals, 1);
        errno = ENOMEM;
        return NULL;
    }
    if ((uintptr_t)p % align != 0 || (wish != NULL && p != wish)) {
        kgc__fatal("the alloc hook of kind \"%s\" returned %p: not aligned to %zu bytes, or not where it was asked for",
                   kind->name, p, align);
        return NULL;
    }
    if (!kgc__map_set(p, size, owner_of(kind, arena))) {
        hand_back(theirs, p, size, arena);
        atomic_fetch_add(&kind->space.refusals, 1);
        return NULL;
    }
    if (must_zero && !*zero) { /* a demand that the hook has taken back */
        memset(p, 0, size);
        *zero = true;
    }
    atomic_fetch_add(&kind->space.bytes[side_of_arena(arena)], size);
    return p;
}

static void forget(kgc_kind *kind, void *p, size_t size, unsigned arena)
{
    kgc__map_set(p, size, NULL);
    atomic_fetch_sub(&kind->space.bytes[side_of_arena(arena)], size);
}

static bool dalloc(extent_hooks_t *hooks, void *p, size_t size, bool committed, unsigned arena)
{
    kgc_kind *kind = kgc__kind_of_hooks(hooks);
    extent_hooks_t *theirs = kind->caller_hooks;
    /* Forget first: once the hook has returned, the addresses may be somebody else's. */
    forget(kind, p, size, arena);
    if (!theirs->dalloc(theirs, p, size, committed, arena))
        return false;
    kgc__map_set(p, size, owner_of(kind, arena));
    atomic_fetch_add(&kind->space.bytes[side_of_arena(arena)], size);
    return true;
}

static void destroy(extent_hooks_t *hooks, void *p, size_t size, bool committed, unsigned arena)
{
    kgc_kind *kind = kgc__kind_of_hooks(hooks);
    extent_hooks_t *theirs = kind->caller_hooks;
    forget(kind, p, size, arena);
    if (theirs->destroy != NULL)
        theirs->destroy(theirs, p, size, committed, arena);
}

static bool commit(extent_hooks_t *hooks, void *p, size_t size, size_t offset, size_t length, unsigned arena)
{
    extent_hooks_t *theirs = kgc__kind_of_hooks(hooks)->caller_hooks;
    return theirs->commit(theirs, p, size, offset, length, arena);
}

static bool decommit(extent_hooks_t *hooks, void *p, size_t size, size_t offset, size_t length, unsigned arena)
{
    extent_hooks_t *theirs = kgc__kind_of_hooks(hooks)->caller_hooks;
    return theirs->decommit(theirs, p, size, offset, length, arena);
}

static bool count_purged(kgc_kind *kind, size_t length, bool refused)
{
    if (!refused)
        atomic_fetch_add(&kind->space.purged, length);
    return refused;
}

static bool purge_lazy(extent_hooks_t *hooks, void *p, size_t size, size_t offset, size_t length, unsigned arena)
{
    kgc_kind *kind = kgc__kind_of_hooks(hooks);
    extent_hooks_t *theirs = kind->caller_hooks;
    return count_purged(kind, length, theirs->purge_lazy(theirs, p, size, offset, length, arena));
}

static bool purge_forced(extent_hooks_t *hooks, void *p, size_t size, size_t offset, size_t length, unsigned arena)
{
    kgc_kind *kind = kgc__kind_of_hooks(hooks);
    extent_hooks_t *theirs = kind->caller_hooks;
    return count_purged(kind, length, theirs->purge_forced(theirs, p, size, offset, length, arena));
}

static bool split(extent_hooks_t *hooks, void *p, size_t size, size_t a, size_t b, bool committed, unsigned arena)
{
    extent_hooks_t *theirs = kgc__kind_of_hooks(hooks)->caller_hooks;
    return theirs->split(theirs, p, size, a, b, committed, arena);
}

static bool merge(extent_hooks_t *hooks, void *a, size_t size_a, void *b, size_t size_b, bool committed,
                  unsigned arena)
{
    extent_hooks_t *theirs = kgc__kind_of_hooks(hooks)->caller_hooks;
    return theirs->merge(theirs, a, size_a, b, size_b, committed, arena);
}

/* An extent that it could not split jemalloc abandons without a word to any
   hook; the map must not name a kind that is gone. */
void kgc__caller_close(kgc_kind *kind)
{
    if (kind->caller_hooks != NULL && atomic_load(&kind->space.bytes[KGC__HIGH]) != 0)
        kgc__map_forget(owner_of(kind, 0));
}

int kgc_kind_create(const char *name, extent_hooks_t *hooks, const kgc_kind_options *options, kgc_kind **out)
{
    if (out == NULL)
        return kgc__fail(EINVAL, "kgc_kind_create: out is NULL");
    *out = NULL;
    if (name == NULL || *name == '\0' || strlen(name) >= KGC__SPEC_MAX)
        return kgc__fail(EINVAL, "kgc_kind_create: a name of 1 to %d bytes is needed", KGC__SPEC_MAX - 1);
    if (hooks == NULL || hooks->alloc == NULL)
        return kgc__fail(EINVAL, "kgc_kind_create: hooks with at least an alloc hook are needed");
    int error = kgc__kind_options_check(options, "kgc_kind_create");
    if (error != 0)
        return error;
    if (options != NULL && options->scanned)
        return kgc__fail(ENOTSUP,
                         "kgc_kind_create: \"%s\" cannot be scanned: the collector would read memory while the "
                         "caller's hooks may unmap it; open a kind by a specification",
                         name);
    kgc_kind *kind = kgc__kind_record(name);
    if (kind == NULL)
        return ENOMEM;
    kind->caller_hooks = hooks;
    if (options != NULL) {
        kind->caller_limit = options->limit;
        kind->decay = options->decay;
        kind->decay_ms = options->decay_ms;
    }
    kgc__kind_set_arenas(kind, options != NULL ? options->arenas : 0);
    kind->space.hooks = (extent_hooks_t){
        .alloc = alloc,
        .dalloc = hooks->dalloc != NULL ? dalloc : NULL,
        .destroy = destroy,
        .commit = hooks->commit != NULL ? commit : NULL,
        .decommit = hooks->decommit != NULL ? decommit : NULL,
        .purge_lazy = hooks->purge_lazy != NULL ? purge_lazy : NULL,
        .purge_forced = hooks->purge_forced != NULL ? purge_forced : NULL,
        .split = hooks->split != NULL ? split : NULL,
        .merge = hooks->merge != NULL ? merge : NULL,
    };
    error = kgc__kind_register(kind);
    if (error != 0) {
        kgc__kind_record_free(kind);
        return error;
    }
    *out = kind;
    return 0;
}
