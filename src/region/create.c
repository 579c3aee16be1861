/* SPDX-License-Identifier: MIT */
/*
 * Where a region's memory comes from and goes to, and the records of regions.
 *
 * Records come from os/meta.h and live as long as the process, so they are
 * used again.  That also makes a region that is destroyed twice a message
 * instead of a crash, as long as its record has no new owner.
 */
#include "base/check.h"
#include "base/message.h"
#include "base/size.h"
#include "kind/kind.h"
#include "os/meta.h"
#include "os/os.h"
#include "os/proc.h"
#include "region/region.h"
#include <errno.h>
#include <kindgc/arena.h>
#include <stdatomic.h>
#include <string.h>

/*
 * How far a lazy region reaches ahead.  A system call for each MiB costs
 * little beside the 256 page faults of that MiB.
 */
enum { STEP = 1024 * 1024 };

static _Atomic(kgc_region *) spare; /* linked through `next` */

/* A list of records is not in use. */
static void give_back(kgc_region *list)
{
    kgc_region *head = NULL, *last = list;
    if (list == NULL || atomic_compare_exchange_strong(&spare, &head, list))
        return;
    while (last->next != NULL)
        last = last->next;
    do
        last->next = head;
    while (!atomic_compare_exchange_weak(&spare, &head, list));
}

/* Takes the whole list and puts the rest back: a list from which single
   records are taken would mistake one that went and came back in between. */
static kgc_region *new_record(void)
{
    kgc_region *r = atomic_exchange(&spare, NULL);
    if (r == NULL)
        return kgc__meta_allocate(sizeof *r);
    give_back(r->next);
    memset(r, 0, sizeof *r);
    return r;
}

static void free_record(kgc_region *r)
{
    memset(r, 0, sizeof *r);
    give_back(r);
}

static kgc_region *fail(kgc_region *r, int error)
{
    if (r != NULL) {
        if (r->guard != 0)
            kgc__guards_close(r);
        free_record(r);
    }
    errno = error;
    return NULL;
}

/* Rounded up to pages of up to 1 GiB it still fits. */
#define SIZE_MOST ((size_t)PTRDIFF_MAX - KGC_GIB)

static bool check_arguments(const char *function, size_t size, unsigned flags, unsigned allowed)
{
    if (size != 0 && size <= SIZE_MOST && (flags & ~allowed) == 0)
        return true;
    if (size == 0 || size > SIZE_MOST)
        errno = kgc__fail(EINVAL, "%s: the size is 1 to %zu, not %zu", function, SIZE_MOST, size);
    else
        errno = kgc__fail(EINVAL, "%s: flags 0x%x are not known, or not allowed here", function,
                          flags & ~allowed);
    return false;
}

/* A record, with its table in the checking mode. */
static kgc_region *prepare(size_t size, size_t page, size_t granule, unsigned flags)
{
    kgc_region *r = new_record();
    if (r == NULL || ((flags & KGC_REGION_CHECKED) != 0 && kgc__guards_open(r) != 0)) {
        kgc__fail(ENOMEM, "no memory for a region's record");
        return fail(r, ENOMEM);
    }
    r->size = size;
    r->last = SIZE_MAX;
    r->page = page;
    r->granule = granule;
    r->step = page;
    r->whole_pages = true;
    return r;
}

static int map(kgc_region *r, unsigned flags)
{
    char *base = kgc__os_reserve(r->size, r->granule);
    if (base == NULL)
        return kgc__fail_errno(ENOMEM, "kgc_region_create: %zu bytes of addresses", r->size);
    int error = 0;
    if ((flags & KGC_REGION_HUGE) != 0) {
        error = kgc__os_advise_huge(base, r->size);
        if (error == EINVAL)
            error = kgc__fail(ENOTSUP, "kgc_region_create: this kernel has no transparent huge pages; leave "
                                       "KGC_REGION_HUGE out");
        else if (error != 0)
            kgc__fail_errno(error, "kgc_region_create: madvise(MADV_HUGEPAGE)");
    }
    if (error == 0 && (flags & KGC_REGION_LAZY) == 0) {
        error = kgc__os_make_usable(base, r->size);
        if (error != 0)
            error = kgc__fail_errno(ENOMEM, "kgc_region_create: %zu bytes", r->size);
    }
    if (error != 0) {
        kgc__os_release(base, r->size);
        return error;
    }
    r->base = base;
    return 0;
}

kgc_region *kgc_region_create(size_t size, unsigned flags)
{
    if (!check_arguments("kgc_region_create", size, flags,
                         KGC_REGION_HUGE | KGC_REGION_LAZY | KGC_REGION_CHECKED))
        return NULL;
    size_t page = kgc__page_size(), granule = page;
    if ((flags & KGC_REGION_HUGE) != 0) {
        granule = kgc__proc_thp_size();
        if (granule == 0) {
            errno = kgc__fail(
                ENOTSUP, "kgc_region_create: this system has transparent huge pages switched off; as root: "
                         "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled");
            return NULL;
        }
    }
    kgc_region *r = prepare(kgc__round_up(size, granule), page, granule, flags);
    if (r == NULL)
        return NULL;
    int error = map(r, flags);
    if (error != 0)
        return fail(r, error);
    if ((flags & KGC_REGION_LAZY) != 0) {
        r->watched = true;
        r->step = granule > STEP ? granule : STEP;
    } else {
        r->usable = r->size;
    }
    return r;
}

kgc_region *kgc_region_create_huge(size_t size)
{
    return kgc_region_create(size, KGC_REGION_HUGE);
}

kgc_region *kgc_region_create_lazy(size_t size)
{
    return kgc_region_create(size, KGC_REGION_LAZY);
}

/*
 * In kinds of huge pages a region that holds one is made of whole ones, so
 * that they can be released.  Not in those of 1 GiB pages: it would take up
 * to twice the memory.
 */
static size_t alignment_in(const kgc_kind *kind, size_t size)
{
    size_t granule = kind->space.range.granule, page = kgc__page_size();
    return granule > page && granule <= 2 * KGC_MIB && size >= granule ? granule : page;
}

/* What the memory that the kind has given is made of. */
static void know_space(kgc_region *r)
{
    size_t page = kgc__page_size();
    kgc_kind *kind = kgc_kind_of(r->base); /* of a tier: the member */
    const struct kgc__backing *backing = kind->space.backing;
    r->space = &kind->space;
    r->granule = kind->space.range.granule > page ? kind->space.range.granule : page;
    r->promises = backing != NULL && backing->discard != NULL && backing->take_back != NULL;
    if (kind->hugetlb.mapped != NULL) { /* access changes by whole huge pages only */
        r->whole_pages = (uintptr_t)r->base % r->granule == 0 && r->size % r->granule == 0;
        r->page = r->step = r->whole_pages ? r->granule : page;
    }
}

kgc_region *kgc_region_create_in(kgc_kind *kind, size_t size, unsigned flags)
{
    if (kind == NULL) {
        errno = kgc__fail(EINVAL, "kgc_region_create_in: the kind is NULL");
        return NULL;
    }
    if (!check_arguments("kgc_region_create_in", size, flags, KGC_REGION_CHECKED))
        return NULL;
    kind = kgc__kind_root(kind);
    size_t page = kgc__page_size(), align = alignment_in(kind, size);
    kgc_region *r = prepare(kgc__round_up(size, align), page, page, flags);
    if (r == NULL)
        return NULL;
    void *base = NULL;
    int error = kgc_kind_posix_memalign(kind, &base, align, r->size);
    if (error != 0) {
        kgc__fail_prefix(error, "kgc_region_create_in: ");
        return fail(r, error);
    }
    r->base = base;
    r->kind = kind;
    r->usable = r->dirty = r->size;
    know_space(r);
    return r;
}

static void give_back_to_kind(kgc_region *r)
{
    bool purge;
    if (!kgc__region_restore(r, &purge)) {
        kgc__warn("kgc_region_destroy: the protection of %zu bytes of \"%s\" cannot be changed back: they "
                  "stay allocated",
                  r->size, r->kind->name);
        return;
    }
    kgc_kind_free(r->kind, r->base);
    /* No disk blocks can be promised for what was released.  Purged, jemalloc
       asks for them before it uses the pages again. */
    if (purge)
        kgc_kind_purge(r->kind);
}

void kgc_region_destroy(kgc_region *r)
{
    if (r == NULL)
        return;
    if (r->base == NULL) {
        kgc__fatal("kgc_region_destroy: the region %p was destroyed already", (void *)r);
        return;
    }
    int saved = errno;
    if (r->guard != 0)
        kgc__guards_close(r);
    if (r->kind != NULL)
        give_back_to_kind(r);
    else
        kgc__os_release(r->base, r->size);
    free_record(r);
    errno = saved;
}
