/* SPDX-License-Identifier: MIT */
/*
 * Blocks of a region: one behind the other, and the last one in place.
 *
 * The usual path is an addition and a comparison.  A block is the last one
 * when it ends where everything that is taken ends; so blocks that are freed
 * in the reverse order of their allocation are all found, without a list.
 * Without the checking mode that, and what the caller says of a block, is all
 * that is known of it.
 */
#include "region/region.h"
#include "base/check.h"
#include "base/message.h"
#include "base/size.h"
#include <errno.h>
#include <string.h>

static void *fail(int error)
{
    errno = error;
    return NULL;
}

/* A block of size 0 takes a byte: its address is its own. */
static size_t taken(size_t size)
{
    return size != 0 ? size : 1;
}

static void *full(const kgc_region *r, size_t size, size_t align)
{
    if (r->base == NULL) {
        kgc__fatal("the region %p was destroyed", (const void *)r);
        return fail(EINVAL);
    }
    return fail(kgc__fail(
        ENOMEM,
        "the region at %p is full: %zu of %zu bytes are taken, and %zu more, aligned to %zu, do not fit; "
        "reset it or make a larger one",
        (void *)r->base, r->at, r->size, size, align));
}

/* Where a block and its second guard would end; SIZE_MAX: nowhere. */
static size_t end_of(const kgc_region *r, size_t start, size_t size)
{
    size_t end;
    return __builtin_add_overflow(start, size, &end) || __builtin_add_overflow(end, r->guard, &end) ? SIZE_MAX
                                                                                                    : end;
}

/* Sees to it that what lies in front of `end` can be used, and can be recorded. */
static __attribute__((noinline)) bool prepare(kgc_region *r, size_t end, size_t size, size_t align)
{
    if (end > r->size)
        return full(r, size, align) != NULL;
    if (r->guard != 0 && kgc__guards_make_room(r) != 0) {
        errno = kgc__fail(ENOMEM, "no memory for the table of %zu blocks of the region at %p", r->room,
                          (void *)r->base);
        return false;
    }
    if (end > r->usable && kgc__region_reach(r, end) != 0) {
        errno = ENOMEM;
        return false;
    }
    return true;
}

/* size is at least 1, align a power of two. */
static inline void *take(kgc_region *r, size_t size, size_t align)
{
    uintptr_t base = (uintptr_t)r->base;
    size_t start = kgc__round_up(base + r->at + r->guard, align) - base;
    size_t end = end_of(r, start, size);
    if (kgc__unlikely(end > r->usable || r->guard != 0) && !prepare(r, end, size, align))
        return NULL;
    if (kgc__unlikely(r->guard != 0))
        kgc__guards_add(r, start, size);
    r->before = r->at;
    r->last = start;
    r->at = end;
    return r->base + start;
}

static __attribute__((noinline)) void *bad_arguments(const kgc_region *r, size_t align, const char *function)
{
    if (r == NULL)
        return fail(kgc__fail(EINVAL, "%s: the region is NULL", function));
    return fail(kgc__fail(EINVAL, "%s: the alignment is a power of two, not %zu", function, align));
}

void *kgc_region_allocate(kgc_region *r, size_t size, size_t align)
{
    if (kgc__unlikely(r == NULL || !kgc__is_power_of_two(align)))
        return bad_arguments(r, align, "kgc_region_allocate");
    return take(r, taken(size), align);
}

void *kgc_region_allocate_zeroed(kgc_region *r, size_t size, size_t align)
{
    if (kgc__unlikely(r == NULL || !kgc__is_power_of_two(align)))
        return bad_arguments(r, align, "kgc_region_allocate_zeroed");
    size = taken(size);
    char *p = take(r, size, align);
    if (p != NULL && r->last < r->dirty)
        memset(p, 0, r->dirty - r->last < size ? r->dirty - r->last : size);
    return p;
}

/*
 * Can p be a block of this size?  Exactly known in the checking mode;
 * otherwise it must lie in what is taken, and agree with the last block where
 * that is known.
 */
static bool can_be_block(const kgc_region *r, const void *p, size_t size)
{
    size_t start = (uintptr_t)p - (uintptr_t)r->base;
    if (start >= r->at)
        return false;
    if (r->guard != 0) {
        const struct kgc__block *block = kgc__guards_find(r, start);
        return block != NULL && block->size == size;
    }
    if (size > r->at - start || (r->last != SIZE_MAX && start > r->last))
        return false;
    return start == r->last ? start + size == r->at : r->last == SIZE_MAX || start + size <= r->last;
}

static bool is_last(const kgc_region *r, size_t start, size_t size)
{
    return end_of(r, start, size) == r->at;
}

/* What growing and shrinking ask of their arguments; errno is set where it is not so. */
static bool check_block(const kgc_region *r, const void *p, size_t size, size_t align, const char *function)
{
    if (r == NULL || !kgc__is_power_of_two(align)) {
        bad_arguments(r, align, function);
        return false;
    }
    if ((uintptr_t)p % align == 0 && can_be_block(r, p, taken(size)))
        return true;
    errno = kgc__fail(EINVAL, "%s: %p is not a block of %zu bytes, aligned to %zu, of the region at %p",
                      function, p, size, align, (void *)r->base);
    return false;
}

/* The last block ends elsewhere. */
static void *resize_last(kgc_region *r, size_t start, size_t size, size_t align)
{
    size_t end = end_of(r, start, size);
    if (end > r->usable && !prepare(r, end, size, align))
        return NULL;
    if (end < r->at)
        kgc__region_lower(r, end);
    else
        r->at = end;
    return r->base + start;
}

void *kgc_region_grow(kgc_region *r, void *p, size_t old_size, size_t new_size, size_t align)
{
    if (!check_block(r, p, old_size, align, "kgc_region_grow"))
        return NULL;
    if (new_size < old_size)
        return fail(
            kgc__fail(EINVAL, "kgc_region_grow: from %zu to %zu bytes is not growing", old_size, new_size));
    size_t start = (size_t)((char *)p - r->base), size = taken(old_size);
    struct kgc__block *block = r->guard != 0 ? kgc__guards_find(r, start) : NULL;
    if (block != NULL)
        kgc__guards_look(r, block);
    if (taken(new_size) == size)
        return p;
    if (!is_last(r, start, size)) {
        void *q = take(r, new_size, align);
        return q != NULL ? memcpy(q, p, old_size) : NULL;
    }
    if (resize_last(r, start, new_size, align) == NULL)
        return NULL;
    if (block != NULL)
        kgc__guards_resize(r, &r->blocks[r->count - 1], new_size);
    return p;
}

void *kgc_region_shrink(kgc_region *r, void *p, size_t old_size, size_t new_size, size_t align)
{
    if (!check_block(r, p, old_size, align, "kgc_region_shrink"))
        return NULL;
    if (new_size > old_size)
        return fail(kgc__fail(EINVAL, "kgc_region_shrink: from %zu to %zu bytes is not shrinking", old_size,
                              new_size));
    size_t start = (size_t)((char *)p - r->base), size = taken(new_size);
    bool last = is_last(r, start, taken(old_size));
    if (r->guard != 0) {
        struct kgc__block *block = kgc__guards_find(r, start);
        kgc__guards_look(r, block);
        if (size != block->size)
            kgc__guards_resize(r, block, size);
    }
    if (last)
        resize_last(r, start, size, align);
    return p;
}

void kgc_region_deallocate(kgc_region *r, void *p, size_t size)
{
    if (p == NULL)
        return;
    if (r == NULL || !can_be_block(r, p, taken(size))) {
        kgc__fatal("kgc_region_deallocate: %p is not a block of %zu bytes of the region at %p", p, size,
                   r != NULL ? (void *)r->base : NULL);
        return;
    }
    size_t start = (size_t)((char *)p - r->base);
    bool last = is_last(r, start, taken(size));
    if (r->guard != 0)
        kgc__guards_look(r, kgc__guards_find(r, start));
    if (!last)
        return;
    if (r->guard != 0)
        kgc__region_lower(r, kgc__guards_drop_last(r));
    else
        kgc__region_lower(r, start == r->last ? r->before : start);
    r->last = SIZE_MAX;
}

void kgc_region_reset(kgc_region *r)
{
    if (r == NULL)
        return;
    if (r->guard != 0) {
        kgc__guards_look_at_all(r);
        kgc__guards_drop_all(r);
    }
    kgc__region_lower(r, 0);
    r->last = SIZE_MAX;
}

void *kgc_region_base(const kgc_region *r)
{
    return r != NULL ? r->base : NULL;
}

size_t kgc_region_size(const kgc_region *r)
{
    return r != NULL ? r->size : 0;
}

size_t kgc_region_capacity(const kgc_region *r)
{
    return kgc_region_size(r);
}

size_t kgc_region_allocated(const kgc_region *r)
{
    return r != NULL ? r->at : 0;
}

size_t kgc_region_remaining(const kgc_region *r)
{
    return r != NULL ? r->size - r->at : 0;
}

bool kgc_region_contains(const kgc_region *r, const void *p)
{
    return r != NULL && (uintptr_t)p - (uintptr_t)r->base < r->size;
}

size_t kgc_region_usable_size(const kgc_region *r, const void *p, size_t size)
{
    return r != NULL && can_be_block(r, p, taken(size)) ? taken(size) : 0;
}

uint64_t kgc_region_corruption_events(kgc_region *r)
{
    if (r == NULL || r->guard == 0)
        return r != NULL ? r->damaged : 0;
    kgc__guards_look_at_all(r);
    return r->damaged;
}
