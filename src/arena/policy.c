/* SPDX-License-Identifier: MIT */
/*
 * When free explicit memory goes back to the system: by time, by amount, when
 * asked, and all of it at once.
 */
#include "arena/explicit.h"
#include "arena/marks.h"
#include "base/message.h"
#include "os/os.h"
#include <errno.h>
#include <jemalloc/jemalloc.h>
#include <kindgc/arena.h>

#define LONGEST_DECAY ((ssize_t)1 << 43) /* ms: 279 years; jemalloc counts nanoseconds in 64 bits */

size_t kgc__explicit_limit(const kgc_kind *kind)
{
    size_t least = SIZE_MAX;
    if (kind->space.range.base != NULL)
        least = kind->space.range.limit;
    else if (kind->caller_limit != 0)
        least = kind->caller_limit;
    for (unsigned i = 0; i < kind->members; i++) {
        size_t limit = kgc__explicit_limit(kind->member[i]);
        least = limit < least ? limit : least;
    }
    return least;
}

/* Do all its ranges keep dirty pieces small? */
static bool limits_dirty(const kgc_kind *kind)
{
    bool all = kind->members != 0 || kgc__space_limits_dirty(&kind->space);
    for (unsigned i = 0; i < kind->members; i++)
        all = all && limits_dirty(kind->member[i]);
    return all;
}

/*
 * jemalloc gives free pieces of 8 MiB and more back at once
 * (opt.oversize_threshold), unless "muzzy" pages, which ours never become, may
 * stay for ever.  Every wave of allocation would fault its pages in anew, on a
 * file with disk blocks.  Where dirty pieces stay small (extent/space.h) that
 * is switched off, and kgc__explicit_took() sees to it that free memory does
 * not pile up.
 */
void kgc__explicit_set_decay(struct kgc__explicit *x, unsigned index)
{
    ssize_t dirty = 0, muzzy = 0;
    size_t size = sizeof dirty;
    switch ((kgc_decay)atomic_load(&x->decay)) {
    case KGC_DECAY_DEFAULT:
        mallctl("opt.dirty_decay_ms", &dirty, &size, NULL, 0);
        mallctl("opt.muzzy_decay_ms", &muzzy, &size, NULL, 0);
        if (limits_dirty(x->kind))
            muzzy = -1;
        break;
    case KGC_DECAY_CONSERVATIVE:
        break;
    case KGC_DECAY_AFTER:
        dirty = atomic_load(&x->decay_ms);
        if (dirty > LONGEST_DECAY)
            dirty = LONGEST_DECAY;
        break;
    case KGC_DECAY_NEVER:
        dirty = muzzy = -1;
    }
    kgc__je_control("arena.%u.muzzy_decay_ms", index, NULL, NULL, &muzzy, sizeof muzzy);
    kgc__je_control("arena.%u.dirty_decay_ms", index, NULL, NULL, &dirty, sizeof dirty);
}

/* What the hooks of its ranges have handed out. */
static size_t handed_out(kgc_kind *kind)
{
    size_t sum = atomic_load_explicit(&kind->space.bytes[KGC__HIGH], memory_order_relaxed);
    for (unsigned i = 0; i < kind->members; i++)
        sum += handed_out(kind->member[i]);
    return sum;
}

void kgc__explicit_took(struct kgc__explicit *x, size_t size)
{
    size_t held = atomic_fetch_add(&x->held, size) + size;
    if (held > atomic_load(&x->peak))
        atomic_store(&x->peak, held); /* two threads: the lower one may win, which makes little difference */
    /* The kind has grown by the slack although that much is free: jemalloc uses
       a large free piece for small requests only after it was given back
       (opt.lg_extent_max_active_fit). */
    size_t slack = atomic_load(&x->slack), handed = handed_out(x->kind), before = atomic_load(&x->handed);
    if (handed > before && handed - before > slack && handed - held > slack &&
        atomic_compare_exchange_strong(&x->handed, &before, handed))
        kgc__explicit_purge(x);
}

void kgc__explicit_gave(struct kgc__explicit *x, size_t size)
{
    size_t held = atomic_fetch_sub(&x->held, size) - size, peak = atomic_load(&x->peak);
    size_t arenas = atomic_load(&x->arenas); /* each may have the slack */
    if (peak > held && arenas != 0 && (peak - held) / arenas > atomic_load(&x->slack) &&
        atomic_compare_exchange_strong(&x->peak, &peak, held))
        kgc__explicit_purge(x);
}

void kgc__explicit_set_slack(struct kgc__explicit *x)
{
    const size_t most_cached = (x->kind->rooted ? 16 : 4) * KGC_MIB, most_slack = 64 * KGC_MIB;
    size_t limit = kgc__explicit_limit(x->kind);
    kgc_decay decay = (kgc_decay)atomic_load(&x->decay);
    size_t cached = limit / 32 < most_cached ? limit / 32 : most_cached;
    size_t slack = limit / 4 < most_slack ? limit / 4 : most_slack;
    atomic_store(&x->cache_limit, decay == KGC_DECAY_CONSERVATIVE ? 0 : cached);
    atomic_store(&x->slack, decay == KGC_DECAY_DEFAULT ? slack : SIZE_MAX);
}

void kgc__explicit_purge(struct kgc__explicit *x)
{
    for (unsigned i = 0, made = atomic_load(&x->arenas); i < made; i++)
        kgc__je_command("arena.%u.purge", x->index[i]);
}

static int bad_kind(const char *function)
{
    return kgc__fail(EINVAL, "%s: the kind is NULL", function);
}

int kgc_kind_set_decay(kgc_kind *kind, kgc_decay policy, long ms)
{
    if (kind == NULL)
        return bad_kind("kgc_kind_set_decay");
    if ((unsigned)policy > KGC_DECAY_NEVER || (policy == KGC_DECAY_AFTER && ms < 0))
        return kgc__fail(EINVAL,
                         "kgc_kind_set_decay: policies are KGC_DECAY_DEFAULT, _CONSERVATIVE, _AFTER (with "
                         "milliseconds from 0) and _NEVER");
    kind = kgc__kind_root(kind);
    struct kgc__explicit *x = kgc__explicit_of(kind);
    if (x == NULL)
        return ENOMEM;
    kgc__explicit_lock();
    atomic_store(&x->decay, (int)policy);
    atomic_store(&x->decay_ms, ms);
    kgc__explicit_set_slack(x);
    for (unsigned i = 0, made = atomic_load(&x->arenas); i < made; i++)
        kgc__explicit_set_decay(x, x->index[i]);
    kgc__explicit_unlock();
    if (policy == KGC_DECAY_CONSERVATIVE)
        kgc_kind_purge(kind);
    return 0;
}

int kgc_kind_purge(kgc_kind *kind)
{
    if (kind == NULL)
        return bad_kind("kgc_kind_purge");
    kind = kgc__kind_root(kind);
    struct kgc__explicit *x = atomic_load(&kind->explicit);
    if (x == NULL)
        return 0;
    struct kgc__cache *c = kgc__cache_of(kind);
    if (c != NULL)
        kgc__cache_flush(c);
    kgc__caches_flush_idle(x);
    kgc__exchange_flush(x);
    kgc__explicit_purge(x);
    return 0;
}

/* Clears the pages, and their marks, of a scanned range whose blocks are all free. */
static void clear_pages(kgc_kind *kind)
{
    struct kgc__range *range = &kind->space.range;
    unsigned char *marks = atomic_load(&kind->space.marks);
    size_t end = range->size >> KGC__MARK_SHIFT, next;
    for (size_t i = end - (kgc__range_taken(range, KGC__HIGH) >> KGC__MARK_SHIFT); marks != NULL && i < end;
         i = next) {
        next = kgc__mark_end(kind, marks, i);
        if (marks[i] != 0) {
            memset(range->base + (i << KGC__MARK_SHIFT), 0, (next - i) << KGC__MARK_SHIFT);
            memset(marks + i, 0, next - i);
        }
    }
    for (unsigned i = 0; i < kind->members; i++)
        clear_pages(kind->member[i]);
}

int kgc_kind_reset(kgc_kind *kind)
{
    if (kind == NULL)
        return bad_kind("kgc_kind_reset");
    kind = kgc__kind_root(kind);
    if (kind->rooted)
        return kgc__fail(EBUSY, "kgc_kind_reset: \"%s\" is the rooted heap's", kind->name);
    struct kgc__explicit *x = atomic_load(&kind->explicit);
    if (x == NULL)
        return 0;
    kgc__explicit_lock();
    kgc__caches_forget(x);
    if (kind->scanned)
        clear_pages(kind); /* while jemalloc takes them for allocated and gives none back */
    for (unsigned i = 0, made = atomic_load(&x->arenas); i < made; i++)
        kgc__je_command("arena.%u.reset", x->index[i]);
    atomic_store(&x->bytes, 0);
    atomic_store(&x->held, 0);
    atomic_store(&x->peak, 0);
    kgc__explicit_unlock();
    return 0;
}
