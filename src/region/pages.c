/* SPDX-License-Identifier: MIT */
/*
 * Access to the pages of a region.
 *
 * The rule that callers see: a block that is taken is readable and writable,
 * whatever was done to its pages before.  So `usable` is lowered where pages
 * are protected, or released by a backing that gives up its promise with them,
 * and what is taken next is made usable again first.  Pages of blocks that are
 * there are left alone.
 */
#include "base/check.h"
#include "base/message.h"
#include "base/size.h"
#include "kind/kind.h"
#include "os/os.h"
#include "region/region.h"
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

/* Whole pages.  0 or an errno value. */
static int provide(kgc_region *r, size_t from, size_t to)
{
    if (r->promises)
        return r->space->backing->provide(r->space, r->base + from, to - from);
    return kgc__os_make_usable(r->base + from, to - from);
}

static int no_pages(const kgc_region *r, int error, size_t size)
{
    return kgc__fail(ENOMEM, "the region at %p: %zu bytes cannot be made usable: %s", (void *)r->base, size,
                     strerrordesc_np(error));
}

int kgc__region_reach(kgc_region *r, size_t end)
{
    size_t need = kgc__round_up(end, r->page);
    size_t ahead = end <= r->size - r->size % r->step ? kgc__round_up(end, r->step) : r->size;
    int error = ahead > need ? provide(r, r->usable, ahead) : ENOMEM;
    if (error == 0)
        need = ahead;
    else
        error = provide(r, r->usable, need);
    if (error != 0)
        return no_pages(r, error, need - r->usable);
    r->usable = need;
    return 0;
}

/* Pages of [from, to) may not be usable any more. */
static void lose(kgc_region *r, size_t from, size_t to)
{
    size_t first = kgc__round_down(r->at, r->page);
    r->watched = true;
    if (from < first)
        r->holes = true;
    if (from < first && to > first)
        from = first;
    if (from >= first && from < r->usable)
        r->usable = from;
}

/* Bytes in front of `end` may be written to before they are part of a block. */
static void stain(kgc_region *r, size_t end)
{
    if (end > r->dirty)
        r->dirty = end;
}

void kgc__region_lower(kgc_region *r, size_t at)
{
    stain(r, r->at);
    r->at = at;
    size_t first = kgc__round_down(at, r->page);
    if (r->holes && first < r->usable)
        r->usable = first;
    if (at == 0)
        r->holes = false;
}

bool kgc__region_restore(kgc_region *r, bool *purge)
{
    if (r->protected && kgc__os_make_usable(r->base, r->size) != 0)
        return false;
    *purge = r->released && provide(r, 0, r->size) != 0;
    return true;
}

/* Is [p, p + size) a part of the region? */
static bool is_inside(const kgc_region *r, const void *p, size_t size)
{
    uintptr_t offset = (uintptr_t)p - (uintptr_t)r->base;
    return r->base != NULL && offset <= r->size && size <= r->size - offset;
}

static int not_inside(const kgc_region *r, const void *p, size_t size, const char *function)
{
    if (r == NULL)
        return kgc__fail(EINVAL, "%s: the region is NULL", function);
    return kgc__fail(EINVAL, "%s: %zu bytes at %p are not inside the region at %p of %zu bytes", function,
                     size, p, (void *)r->base, r->size);
}

int kgc_region_commit(kgc_region *r, size_t offset, size_t size)
{
    if (r == NULL)
        return not_inside(r, NULL, size, "kgc_region_commit");
    if (offset > r->size || size > r->size - offset)
        return kgc__fail(
            EINVAL, "kgc_region_commit: %zu bytes from offset %zu on are not inside a region of %zu bytes",
            size, offset, r->size);
    if (size == 0)
        return 0;
    size_t from = kgc__round_down(offset, r->page), to = kgc__round_up(offset + size, r->page);
    if (r->watched) {
        int error = provide(r, from, to);
        if (error != 0)
            return no_pages(r, error, to - from);
        if (from <= r->usable && to > r->usable)
            r->usable = to;
    }
    stain(r, to);
    return 0;
}

/* 0 or an errno value. */
static int discard(kgc_region *r, size_t from, size_t size)
{
    if (r->kind == NULL)
        return kgc__os_discard(r->base + from, size);
    int error = r->space->backing->discard(r->space, r->base + from, size);
    if (error == 0)
        atomic_fetch_add(&r->space->purged, size);
    return error;
}

int kgc_region_release_pages(kgc_region *r, void *p, size_t size)
{
    if (r == NULL || !is_inside(r, p, size))
        return not_inside(r, p, size, "kgc_region_release_pages");
    if (r->kind != NULL && (r->space->backing == NULL || r->space->backing->discard == NULL))
        return kgc__fail(ENOTSUP,
                         "kgc_region_release_pages: \"%s\" cannot give back pages of live memory; destroy "
                         "the region",
                         kgc_kind_name((kgc_kind *)r->space));
    uintptr_t start = kgc__round_up((uintptr_t)p, r->granule),
              end = kgc__round_down((uintptr_t)p + size, r->granule);
    if (start >= end)
        return 0; /* no whole page */
    size_t from = start - (uintptr_t)r->base, to = end - (uintptr_t)r->base;
    if (r->guard != 0)
        kgc__guards_look_between(r, from, to);
    int error = discard(r, from, to - from);
    if (error != 0)
        return kgc__fail_errno(error, "kgc_region_release_pages: %zu bytes", to - from);
    if (r->guard != 0)
        kgc__guards_give_up_between(r, from, to);
    if (r->promises) {
        r->released = true;
        lose(r, from, to);
    }
    size_t clean = from > r->at ? from : r->at;
    if (to >= r->dirty && clean < r->dirty)
        r->dirty = clean;
    return 0;
}

static int check_protection(const kgc_region *r, int protection)
{
    const int known = PROT_READ | PROT_WRITE | PROT_EXEC;
    if ((protection & ~known) != 0)
        return kgc__fail(EINVAL,
                         "kgc_region_protect: 0x%x is not PROT_NONE or made of PROT_READ, PROT_WRITE and "
                         "PROT_EXEC",
                         (unsigned)protection);
    if (r->kind != NULL && kgc__kind_root(r->kind)->scanned && (protection & PROT_READ) == 0)
        return kgc__fail(
            ENOTSUP,
            "kgc_region_protect: the collector reads the memory of \"%s\", which was opened with "
            "\"scanned\"; leave PROT_READ in",
            r->kind->name);
    if (!r->whole_pages)
        return kgc__fail(
            ENOTSUP,
            "kgc_region_protect: the region shares pages of %zu bytes with other memory of \"%s\"; "
            "make it of a multiple of them",
            r->granule, r->kind->name);
    return 0;
}

int kgc_region_protect(kgc_region *r, void *p, size_t size, int protection)
{
    if (r == NULL || !is_inside(r, p, size))
        return not_inside(r, p, size, "kgc_region_protect");
    int error = check_protection(r, protection);
    if (error != 0 || size == 0)
        return error;
    size_t offset = (uintptr_t)p - (uintptr_t)r->base;
    size_t from = kgc__round_down(offset, r->page), to = kgc__round_up(offset + size, r->page);
    bool hides = (protection & PROT_READ) == 0;
    if (r->guard != 0 && hides)
        kgc__guards_look_between(r, from, to);
    error = kgc__os_protect(r->base + from, to - from, protection);
    if (error != 0)
        return kgc__fail_errno(error, "kgc_region_protect: %zu bytes", to - from);
    if (r->guard != 0 && hides)
        kgc__guards_give_up_between(r, from, to);
    if ((protection & PROT_WRITE) != 0)
        stain(r, to);
    if ((protection & (PROT_READ | PROT_WRITE)) != (PROT_READ | PROT_WRITE)) {
        lose(r, from, to);
        r->step = r->page; /* pages that the caller has closed stay so until a block reaches them */
    }
    r->protected = true;
    return 0;
}
