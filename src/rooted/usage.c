/* SPDX-License-Identifier: MIT */
/* Numbers of the rooted heap: see usage.h. */
#include "rooted/usage.h"
#include "arena/explicit.h"
#include "kind/kind.h"
#include <kindgc/arena.h>
#include <string.h>

static size_t cached_blocks(struct kgc__explicit *x)
{
    size_t sum = 0;
    kgc__explicit_lock();
    for (const struct kgc__cache *c = x->caches; c != NULL; c = c->next)
        for (unsigned class = 1; class <= KGC__CLASSES; class ++)
            sum += __atomic_load_n(&c->bins[class].count, __ATOMIC_RELAXED);
    for (unsigned class = 1; class <= KGC__FAST_CLASSES; class ++)
        sum += x->exchange[class].count;
    kgc__explicit_unlock();
    return sum;
}

static void add(kgc_kind *kind, void *arg)
{
    struct kgc__rooted_usage *u = arg;
    struct kgc__explicit *x = atomic_load(&kind->explicit);
    if (!kind->rooted)
        return;
    u->purged += atomic_load(&kind->space.purged); /* of members, for tiers and ratios */
    if (kind->parent != NULL || x == NULL)
        return;
    kgc_kind_info info;
    memset(&info, 0, sizeof info);
    kind->explicit_ops->add_stats(kind, &info);
    u->held += info.active + info.dirty;
    u->allocated += info.allocated;
    u->cached += info.cached;
    u->cached_blocks += cached_blocks(x);
    u->dirty += info.dirty;
    u->arenas += info.arenas;
    u->caches += info.caches;
}

void kgc__rooted_usage(struct kgc__rooted_usage *out)
{
    memset(out, 0, sizeof *out);
    kgc_kind_visit(add, out);
}

static void purge(kgc_kind *kind, void *unused)
{
    (void)unused;
    if (kind->rooted && kind->parent == NULL)
        kgc_kind_purge(kind);
}

bool kgc__rooted_purge(void)
{
    struct kgc__rooted_usage before, after;
    kgc__rooted_usage(&before);
    kgc_kind_visit(purge, NULL);
    kgc__rooted_usage(&after);
    return after.purged > before.purged;
}
