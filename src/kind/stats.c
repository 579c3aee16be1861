/* SPDX-License-Identifier: MIT */
/* What a kind holds, in numbers. */
#include "base/message.h"
#include "extent/placed.h"
#include "kind/kind.h"
#include "os/nodes.h"
#include "os/os.h"
#include "os/proc.h"
#include <errno.h>
#include <string.h>

/* Does its policy name nodes? */
static bool has_nodes(const kgc_kind *kind)
{
    return kind->policy == KGC_POLICY_BIND || kind->policy == KGC_POLICY_PREFERRED ||
           kind->policy == KGC_POLICY_INTERLEAVE;
}

static void add_range(kgc_kind *kind, kgc_kind_info *out)
{
    struct kgc__range *range = &kind->space.range;
    for (enum kgc__side side = KGC__LOW; side <= KGC__HIGH; side++) {
        struct kgc__span ready = kgc__range_ready(range, side);
        if (ready.size == 0)
            continue;
        struct kgc__residency r = kgc__proc_residency(ready.start, ready.size);
        /* Page by page where possible: the system joins neighbouring mappings,
           and a share of such a one says little of a small range. */
        size_t resident = kgc__proc_resident(ready.start, ready.size);
        out->resident += resident != SIZE_MAX ? resident : r.resident;
        out->huge += r.huge;
        if (has_nodes(kind))
            out->elsewhere += kgc__os_elsewhere(ready.start, ready.size, &kind->nodes);
    }
    out->reserved += range->size;
    if (range->granule > out->page_size)
        out->page_size = range->granule;
}

static size_t resident_in(const struct kgc__placed_run *run)
{
    size_t resident = kgc__proc_resident(run->start, run->size);
    return resident != SIZE_MAX ? resident : 0;
}

static void take_off(size_t *sum, size_t bytes)
{
    *sum -= bytes < *sum ? bytes : *sum;
}

/* Pages of the GC heap that lie on the kind elsewhere, and pages in its range
   that do not lie on it. */
static void add_placed(kgc_kind *kind, kgc_kind_info *out)
{
    const struct kgc__range *range = &kind->space.range;
    struct kgc__placed_run run;
    for (char *at = NULL; kgc__placed_next(at, &run); at = run.start + run.size) {
        bool here = atomic_load(&kgc__placed_owners[run.number]) == kind,
             away = !here && kgc__range_contains(range, run.start);
        size_t resident = here || away ? resident_in(&run) : 0;
        size_t elsewhere =
            (here || away) && has_nodes(kind) ? kgc__os_elsewhere(run.start, run.size, &kind->nodes) : 0;
        if (here && !kgc__range_contains(range, run.start)) {
            out->resident += resident;
            out->elsewhere += elsewhere;
        } else if (away) {
            take_off(&out->resident, resident);
            take_off(&out->elsewhere, elsewhere);
        }
    }
}

struct huge {
    const kgc_kind *kind;
    size_t more, less;
};

/* A mapping ends where pages lie differently. */
static bool add_huge(const struct kgc__mapping *m, void *arg)
{
    struct huge *h = arg;
    const void *start = (const void *)m->start, *owner = m->huge != 0 ? kgc__placed_owner(start) : NULL;
    bool inside = kgc__range_contains(&h->kind->space.range, start);
    if (owner == h->kind && !inside)
        h->more += m->huge;
    else if (owner != NULL && owner != h->kind && inside)
        h->less += m->huge;
    return true;
}

static void add_placed_huge(const kgc_kind *kind, kgc_kind_info *out)
{
    struct huge h = {.kind = kind};
    kgc__proc_visit_mappings(add_huge, &h);
    out->huge += h.more;
    take_off(&out->huge, h.less);
}

static void add(kgc_kind *kind, kgc_kind_info *out)
{
    out->placed += atomic_load(&kind->space.range.placed);
    out->placement_refusals += atomic_load(&kind->placement_refusals);
    out->section_bytes += atomic_load(&kind->space.bytes[KGC__LOW]);
    out->explicit_bytes += atomic_load(&kind->space.bytes[KGC__HIGH]);
    out->purged += atomic_load(&kind->space.purged);
    out->refusals += atomic_load(&kind->space.refusals);
    out->fallbacks += atomic_load(&kind->fallbacks);
    if (kind->space.range.base != NULL)
        add_range(kind, out);
    if (kind->space.range.base != NULL && atomic_load(&kgc__placed_pages) != 0) {
        add_placed(kind, out);
        add_placed_huge(kind, out);
    }
    for (unsigned i = 0; i < kind->members; i++)
        add(kind->member[i], out);
}

int kgc_kind_stats(kgc_kind *kind, kgc_kind_info *out)
{
    if (kind == NULL || out == NULL)
        return kgc__fail(EINVAL, "kgc_kind_stats: the kind or the result is NULL");
    memset(out, 0, sizeof *out);
    out->page_size = kgc__page_size();
    add(kind, out);
    out->limit = kgc__kind_limit(kind);
    out->committed = out->section_bytes + out->explicit_bytes;
    if (kind->caller_hooks != NULL) /* spread over the caller's addresses: we know what we were given */
        out->reserved = out->committed;
    if (atomic_load_explicit(&kind->explicit, memory_order_acquire) != NULL) /* stored after explicit_ops */
        kind->explicit_ops->add_stats(kind, out);
    return 0;
}
