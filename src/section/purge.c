/* SPDX-License-Identifier: MIT */
/*
 * Giving back: libgc's madvise calls become purges of the kind.
 *
 * libgc gives back blocks that were unused for some collections, in pages of
 * 4 KiB, and uses them again without a word: they must stay accessible, and
 * need not read as zero.  So of jemalloc's cascade only purge_forced and
 * purge_lazy can be asked; dalloc and decommit would take pages away that
 * libgc touches later (doc/giving-back.md).
 *
 * A kind whose pages are larger (thp) gathers: a bit for each 4 KiB page says
 * that libgc has given it back at some time.  When all bits of a huge page
 * are set, libgc is asked for each of its pages whether it is still free
 * (GC_base() knows no object there; it takes no lock, and libgc's lock is
 * held, so no block can change hands meanwhile).  Only then the huge page
 * goes.
 *
 * Called with libgc's lock held.
 */
#include "base/size.h"
#include "os/meta.h"
#include "os/os.h"
#include "section/event.h"
#include "section/place.h"
#include "section/section.h"
#include "section/table.h"
#include <gc/gc.h>
#include <stdatomic.h>
#include <sys/mman.h>

enum { BITS = 8 * sizeof(unsigned long) };

static size_t cascade(kgc_kind *kind, char *base, size_t section_size, char *p, size_t size)
{
    extent_hooks_t *h = &kind->space.hooks;
    size_t offset = (size_t)(p - base);
    if (h->purge_forced != NULL && !h->purge_forced(h, base, section_size, offset, size, KGC_ARENA_COLLECTOR))
        return size;
    if (h->purge_lazy != NULL && !h->purge_lazy(h, base, section_size, offset, size, KGC_ARENA_COLLECTOR))
        return size;
    return 0;
}

static bool is_released(const kgc_kind *kind, size_t page)
{
    return (kind->released[page / BITS] >> page % BITS & 1) != 0;
}

static void set_released(kgc_kind *kind, size_t page, bool released)
{
    unsigned long bit = 1ul << page % BITS;
    if (released)
        kind->released[page / BITS] |= bit;
    else
        kind->released[page / BITS] &= ~bit;
}

/* Are all pages of this huge page given back and free still?  Pages that are
   in use again lose their bit. */
static bool is_wholly_free(kgc_kind *kind, size_t first, size_t pages, size_t page_size)
{
    for (size_t i = first; i < first + pages; i++)
        if (!is_released(kind, i))
            return false;
    bool free = true;
    for (size_t i = first; i < first + pages; i++) {
        if (GC_base(kind->space.range.base + i * page_size) != NULL) {
            set_released(kind, i, false);
            free = false;
        }
    }
    return free;
}

static bool have_bits(kgc_kind *kind)
{
    if (kind->released == NULL) {
        size_t pages = kind->space.range.size / kgc__page_size();
        kind->released = kgc__meta_allocate((pages + BITS - 1) / BITS * sizeof(unsigned long));
    }
    return kind->released != NULL; /* without bits pages are kept: a refusal like any other */
}

static size_t gather(kgc_kind *kind, char *p, size_t size)
{
    if (!have_bits(kind))
        return 0;
    struct kgc__range *range = &kind->space.range;
    size_t page = kgc__page_size(), granule = range->granule, purged = 0;
    size_t offset = (size_t)(p - range->base);
    for (size_t i = offset / page; i < (offset + size) / page; i++)
        set_released(kind, i, true);
    for (size_t at = kgc__round_down(offset, granule); at < offset + size; at += granule) {
        if (!is_wholly_free(kind, at / page, granule / page, page))
            continue;
        /* The bits stay: what is used again loses its own when it is next looked at. */
        purged += cascade(kind, range->base + at, granule, range->base + at, granule);
    }
    return purged;
}

size_t kgc__section_purge(kgc_kind *kind, char *base, size_t section_size, char *p, size_t size)
{
    if (kind == NULL)
        return kgc__os_discard(p, size) == 0 ? size : 0;
    if (kind->keeps_sections)
        return 0;
    if (kind->caller_hooks == NULL && kind->space.range.granule > kgc__page_size())
        return gather(kind, p, size);
    return cascade(kind, base, section_size, p, size);
}

int kgc__libgc_madvise(void *start, size_t size, int advice)
{
    if (advice != MADV_DONTNEED)
        return kgc__os.madvise(start, size, advice);
    char *p = start, *end = p + size;
    kgc__place_restore(p, size);
    while (p < end) {
        struct kgc__section_record *s = kgc__table_find(p);
        char *known = s != NULL && s->base < end ? s->base : end;
        if (p < known) { /* older than our interception */
            if (kgc__os.madvise(p, (size_t)(known - p), advice) != 0)
                return -1;
            p = known;
            continue;
        }
        char *stop = s->base + s->size < end ? s->base + s->size : end;
        size_t purged = kgc__section_purge(s->kind, s->base, s->size, p, (size_t)(stop - p));
        if (purged != 0) {
            atomic_fetch_add(&s->purged, purged);
            kgc__emit(KGC_EVENT_PURGE, purged, s->kind);
        }
        p = stop;
    }
    return 0;
}
