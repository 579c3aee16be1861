/* SPDX-License-Identifier: MIT */
/* What a kind is, and how much it could give now: for programs that choose
   among kinds.  Capacities are a look at a machine that goes on working. */
#include "base/message.h"
#include "kind/kind.h"
#include "os/nodes.h"
#include "os/os.h"
#include "os/proc.h"
#include <errno.h>
#include <string.h>
#include <sys/statvfs.h>

_Static_assert((int)KGC_NODES_MAX == (int)KGC__NODES_MAX, "node sets inside and outside are the same");

static kgc_backing backing_of(const kgc_kind *kind)
{
    return kind->members != 0             ? KGC_BACKING_MEMBERS
           : kind->caller_hooks != NULL   ? KGC_BACKING_CALLER
           : kind->fixed.start != NULL    ? KGC_BACKING_FIXED
           : kind->hugetlb.mapped != NULL ? KGC_BACKING_HUGETLB
           : kind->directory[0] != '\0'   ? KGC_BACKING_FILE
           : kind->thp                    ? KGC_BACKING_THP
                                          : KGC_BACKING_ANONYMOUS;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t add_up(size_t a, size_t b)
{
    size_t sum;
    return __builtin_add_overflow(a, b, &sum) ? SIZE_MAX : sum;
}

/* What its limit leaves.  Addresses are handed out once. */
static size_t left_of_limit(kgc_kind *kind)
{
    struct kgc__range *range = &kind->space.range;
    size_t limit = range->base != NULL ? range->limit : kind->caller_limit,
           used = atomic_load(&kind->granted);
    if (range->base != NULL)
        used = kgc__range_taken(range, KGC__LOW) + kgc__range_taken(range, KGC__HIGH) +
               atomic_load(&range->placed);
    else if (limit == 0)
        return SIZE_MAX;
    else if (kind->members == 0)
        used = atomic_load(&kind->space.bytes[KGC__LOW]) + atomic_load(&kind->space.bytes[KGC__HIGH]);
    return limit > used ? limit - used : 0;
}

static size_t free_huge_pages(size_t page)
{
    struct kgc__hugetlb_pool pool;
    if (!kgc__proc_hugetlb((unsigned)__builtin_ctzl(page), &pool))
        return 0;
    size_t pages = pool.free > pool.reserved ? pool.free - pool.reserved : 0;
    return (pages + (pool.overcommit > pool.surplus ? pool.overcommit - pool.surplus : 0)) * page;
}

static size_t free_disk(const char *directory)
{
    struct statvfs fs;
    return statvfs(directory, &fs) == 0 ? (size_t)fs.f_bavail * fs.f_frsize : SIZE_MAX;
}

/* Ordinary pages: of the nodes that its policy keeps to, else of the machine. */
static size_t free_memory(const kgc_kind *kind)
{
    size_t sum = 0;
    if (kind->policy != KGC_POLICY_BIND && kind->policy != KGC_POLICY_INTERLEAVE)
        return kgc__proc_kilobytes("/proc/meminfo", "MemAvailable");
    for (unsigned node = 0; node < KGC__NODES_MAX; node++)
        if (kgc__nodes_has(&kind->nodes, node))
            sum += kgc__node_free(node);
    return sum;
}

/* What RLIMIT_MEMLOCK leaves. */
static size_t free_to_lock(void)
{
    size_t lockable = kgc__os_lockable(), used = kgc__proc_kilobytes("/proc/thread-self/status", "VmLck");
    return lockable == SIZE_MAX || used == SIZE_MAX ? lockable : lockable > used ? lockable - used : 0;
}

static bool is_ordinary_memory(const kgc_kind *kind)
{
    kgc_backing backing = backing_of(kind);
    return backing == KGC_BACKING_ANONYMOUS || backing == KGC_BACKING_THP;
}

static size_t capacity_of(kgc_kind *kind)
{
    size_t left = left_of_limit(kind), memory = 0, others = 0;
    switch (backing_of(kind)) {
    case KGC_BACKING_ANONYMOUS:
    case KGC_BACKING_THP:
        left = least(left, free_memory(kind));
        return kind->locked ? least(left, free_to_lock()) : left;
    case KGC_BACKING_HUGETLB:
        return least(left, free_huge_pages(kind->space.range.granule));
    case KGC_BACKING_FILE:
        return least(left, free_disk(kind->directory));
    case KGC_BACKING_MEMBERS:
        for (unsigned i = 0; i < kind->members; i++) {
            size_t *sum = is_ordinary_memory(kind->member[i]) ? &memory : &others;
            *sum = add_up(*sum, capacity_of(kind->member[i]));
        }
        /* They may draw on the same memory. */
        memory = least(memory, kgc__proc_kilobytes("/proc/meminfo", "MemAvailable"));
        return least(left, add_up(memory, others));
    default: /* the caller's: only the limit is known */
        return left;
    }
}

static size_t page_size_of(const kgc_kind *kind)
{
    size_t most = kind->space.range.base != NULL ? kind->space.range.granule : kgc__page_size();
    for (unsigned i = 0; i < kind->members; i++) {
        size_t size = page_size_of(kind->member[i]);
        most = size > most ? size : most;
    }
    return most;
}

int kgc_kind_describe(kgc_kind *kind, kgc_kind_description *out)
{
    if (kind == NULL || out == NULL)
        return kgc__fail(EINVAL, "kgc_kind_describe: the kind or the result is NULL");
    *out = (kgc_kind_description){
        .backing = backing_of(kind),
        .policy = kind->policy,
        .page_size = page_size_of(kind),
        .limit = kgc__kind_limit(kind),
        .capacity = capacity_of(kind),
        .locked = kind->members != 0 || kind->locked,
        .scanned = kind->scanned,
        .arenas = kind->arenas_max,
        .fell_back = kind->fell_back,
    };
    memcpy(out->nodes, kind->nodes.bits, sizeof out->nodes);
    for (unsigned i = 0; i < kind->members; i++) {
        out->locked = out->locked && kind->member[i]->locked;
        out->fell_back = out->fell_back || kind->member[i]->fell_back;
    }
    return 0;
}
