/* SPDX-License-Identifier: MIT */
/* A reserved range that hands out pieces from both ends: see range.h. */
#include "extent/range.h"
#include "base/check.h"
#include "base/message.h"
#include "base/size.h"
#include "os/os.h"
#include <errno.h>

enum { PAGE_BITS = 12 }; /* unit of `taken`: 2^32 units are 16 TiB */

/* Four times the memory of the machine, so that a heap that spills has room,
   and hundreds of kinds still fit into 2^47 bytes. */
static size_t sensible_size(void)
{
    size_t size = 64 * KGC_GIB, wanted = 4 * kgc__os_memory_size();
    while (size < wanted && size < 4096 * KGC_GIB)
        size *= 2;
    return size;
}

int kgc__range_reserve(struct kgc__range *range, size_t limit, size_t granule)
{
    size_t size = sensible_size();
    if (limit < size)
        size = kgc__round_up(limit, granule);
    size_t left = kgc__os_address_space_left();
    if (left != SIZE_MAX && size > left / 4 * 3) /* the program needs addresses too */
        size = kgc__round_down(left / 4 * 3, granule);
    char *base = NULL;
    for (; size >= granule && size != 0; size = kgc__round_down(size / 2, granule)) {
        /* Whole GiBs make the address map's entries direct. */
        base = kgc__os_reserve(size, size >= KGC_GIB || granule > KGC_GIB ? KGC_GIB : granule);
        if (base != NULL)
            break;
    }
    if (base == NULL)
        return kgc__fail(ENOMEM, "no address space is left for a kind (RLIMIT_AS: ulimit -v); close kinds or raise it");
    range->base = base;
    range->size = size;
    range->granule = granule;
    range->limit = limit < size ? limit : size;
    atomic_init(&range->taken, 0);
    atomic_init(&range->ready[KGC__LOW], 0);
    atomic_init(&range->ready[KGC__HIGH], 0);
    atomic_init(&range->placed, 0);
    return 0;
}

void kgc__range_release(struct kgc__range *range)
{
    if (range->base != NULL)
        kgc__os_release(range->base, range->size);
    range->base = NULL;
}

static size_t low_bytes(uint64_t taken)
{
    return (size_t)(taken & UINT32_MAX) << PAGE_BITS;
}

static size_t high_bytes(uint64_t taken)
{
    return (size_t)(taken >> 32) << PAGE_BITS;
}

static uint64_t pack(size_t low, size_t high)
{
    return (uint64_t)(high >> PAGE_BITS) << 32 | low >> PAGE_BITS;
}

void *kgc__range_take(struct kgc__range *range, enum kgc__side side, size_t size, size_t align)
{
    uint64_t old = atomic_load(&range->taken);
    size_t limit = range->limit, placed = atomic_load_explicit(&range->placed, memory_order_relaxed);
    limit = limit > placed ? limit - placed : 0;
    for (;;) {
        size_t low = low_bytes(old), high = high_bytes(old);
        if (range->base == NULL || size > limit || low + high > limit - size)
            return NULL;
        char *p;
        if (side == KGC__LOW) {
            p = (char *)kgc__round_up((uintptr_t)range->base + low, align);
            low = (size_t)(p - range->base) + size;
        } else {
            p = (char *)kgc__round_down((uintptr_t)range->base + range->size - high - size, align);
            if (p < range->base + low)
                return NULL;
            high = (size_t)(range->base + range->size - p);
        }
        if (low + high > limit)
            return NULL; /* alignment does not fit any more */
        if (atomic_compare_exchange_weak(&range->taken, &old, pack(low, high)))
            return p;
    }
}

bool kgc__range_untake(struct kgc__range *range, enum kgc__side side, void *p, size_t size)
{
    uint64_t old = atomic_load(&range->taken);
    for (;;) {
        size_t low = low_bytes(old), high = high_bytes(old);
        if (side == KGC__LOW) {
            if ((char *)p + size != range->base + low)
                return false;
            low -= size;
        } else {
            if ((char *)p != range->base + range->size - high)
                return false;
            high -= size;
        }
        if (atomic_compare_exchange_weak(&range->taken, &old, pack(low, high)))
            return true;
    }
}

bool kgc__range_unready(struct kgc__range *range, enum kgc__side side, void *p, size_t size, struct kgc__span *out)
{
    size_t ready = atomic_load(&range->ready[side]);
    size_t needed = side == KGC__LOW ? (size_t)((char *)p + size - range->base)
                                     : (size_t)(range->base + range->size - (char *)p);
    if (needed <= ready)
        return false;
    size_t length = kgc__round_up(needed, range->granule) - ready;
    out->start = side == KGC__LOW ? range->base + ready : range->base + range->size - ready - length;
    out->size = length;
    return true;
}

void kgc__range_mark_ready(struct kgc__range *range, enum kgc__side side, const struct kgc__span *span)
{
    size_t ready = side == KGC__LOW ? (size_t)(span->start + span->size - range->base)
                                    : (size_t)(range->base + range->size - span->start);
    size_t old = atomic_load(&range->ready[side]);
    while (old < ready && !atomic_compare_exchange_weak(&range->ready[side], &old, ready))
        ;
}

struct kgc__span kgc__range_ready(struct kgc__range *range, enum kgc__side side)
{
    size_t ready = atomic_load(&range->ready[side]);
    char *start = side == KGC__LOW ? range->base : range->base + range->size - ready;
    return (struct kgc__span){range->base != NULL ? start : NULL, ready};
}

size_t kgc__range_taken(struct kgc__range *range, enum kgc__side side)
{
    uint64_t taken = atomic_load(&range->taken);
    return side == KGC__LOW ? low_bytes(taken) : high_bytes(taken);
}

bool kgc__range_place(struct kgc__range *range, size_t size)
{
    size_t placed = atomic_fetch_add(&range->placed, size) + size;
    uint64_t taken = atomic_load(&range->taken);
    if (placed <= range->limit && low_bytes(taken) + high_bytes(taken) <= range->limit - placed)
        return true;
    kgc__range_unplace(range, size);
    return false;
}

void kgc__range_unplace(struct kgc__range *range, size_t size)
{
    atomic_fetch_sub(&range->placed, size);
}

bool kgc__range_contains(const struct kgc__range *range, const void *p)
{
    return range->base != NULL && (uintptr_t)p - (uintptr_t)range->base < range->size;
}
