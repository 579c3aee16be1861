/* SPDX-License-Identifier: MIT */
/*
 * Explicit huge pages, which the administrator has reserved.
 *
 * Memory is mapped when it is handed out, which makes the kernel set pages
 * aside for it: a lack of pages is a refusal and never a SIGBUS, also when a
 * forked child has used the last ones up (then it is the child that the
 * kernel takes a page from).  A page that is given back loses that promise.
 * So only arenas give theirs back, because they announce reuse (commit);
 * pages of GC sections are kept, for libgc reuses them without a word.
 *
 * Mapping is not idempotent, so a bit for each page says that it is mapped,
 * and one thread at a time maps.  Waiting is safe: nobody asks a kind for
 * memory while threads are suspended.
 */
#include "base/message.h"
#include "kind/kind.h"
#include "os/os.h"
#include "os/proc.h"
#include <errno.h>
#include <sched.h>

static struct kgc_kind *kind_of(struct kgc__space *s)
{
    return (struct kgc_kind *)s;
}

static unsigned shift_of(const struct kgc__space *s)
{
    return (unsigned)__builtin_ctzl(s->range.granule);
}

static void enter(struct kgc__hugetlb *h)
{
    while (atomic_flag_test_and_set_explicit(&h->busy, memory_order_acquire))
        sched_yield();
}

static void leave(struct kgc__hugetlb *h)
{
    atomic_flag_clear_explicit(&h->busy, memory_order_release);
}

enum { BITS = 8 * sizeof(unsigned long) };

static bool is_mapped(const struct kgc__hugetlb *h, size_t page)
{
    return (h->mapped[page / BITS] >> page % BITS & 1) != 0;
}

static void set_mapped(struct kgc__hugetlb *h, size_t page, bool mapped)
{
    unsigned long bit = 1ul << page % BITS;
    if (mapped)
        h->mapped[page / BITS] |= bit;
    else
        h->mapped[page / BITS] &= ~bit;
}

/* Maps the pages of a span that are not mapped yet, in runs. */
static int provide(struct kgc__space *s, void *p, size_t size)
{
    struct kgc__hugetlb *h = &kind_of(s)->hugetlb;
    size_t huge = s->range.granule;
    size_t page = (size_t)((char *)p - s->range.base) / huge, end = page + size / huge;
    int error = 0;
    enter(h);
    while (error == 0 && page < end) {
        size_t first = page;
        while (page < end && !is_mapped(h, page))
            page++;
        if (page != first)
            error = kgc__os_map_hugetlb(s->range.base + first * huge, (page - first) * huge, shift_of(s), true);
        for (size_t i = first; error == 0 && i < page; i++)
            set_mapped(h, i, true);
        while (page < end && is_mapped(h, page))
            page++;
    }
    leave(h);
    return error;
}

static int take_back(struct kgc__space *s, void *p, size_t size)
{
    struct kgc__hugetlb *h = &kind_of(s)->hugetlb;
    size_t huge = s->range.granule;
    enter(h);
    int error = kgc__os_map_hugetlb(p, size, shift_of(s), false);
    for (size_t i = 0; error == 0 && i < size / huge; i++)
        set_mapped(h, (size_t)((char *)p - s->range.base) / huge + i, false);
    leave(h);
    return error;
}

static const struct kgc__backing hugetlb_backing = {.provide = provide, .take_back = take_back, .hides = true};

/* Are there pages to be had, now? */
static int check_pool(unsigned shift)
{
    const char *size = shift == 30 ? "1 GiB" : "2 MiB";
    struct kgc__hugetlb_pool pool;
    if (!kgc__proc_hugetlb(shift, &pool))
        return kgc__fail(ENOTSUP, "hugetlb: this system has no %s pages", size);
    size_t surplus = pool.overcommit > pool.surplus ? pool.overcommit - pool.surplus : 0;
    if (pool.free > pool.reserved || surplus != 0)
        return 0;
    if (shift == 21)
        return kgc__fail(ENOMEM, "hugetlb: no free %s pages; as root: sysctl vm.nr_hugepages=N", size);
    return kgc__fail(ENOMEM,
                     "hugetlb: no free %s pages; as root: echo N > "
                     "/sys/kernel/mm/hugepages/hugepages-%zukB/nr_hugepages",
                     size, ((size_t)1 << shift) / 1024);
}

static size_t bitmap_size(const struct kgc__range *range)
{
    return (range->size / range->granule / BITS + 1) * sizeof(unsigned long);
}

int kgc__hugetlb_open(kgc_kind *kind, const struct kgc__spec *spec)
{
    int error = check_pool(spec->shift);
    if (error != 0)
        return error;
    error = kgc__space_open(&kind->space, &hugetlb_backing, spec->limit, (size_t)1 << spec->shift, kind);
    if (error != 0)
        return error;
    kind->hugetlb.mapped = kgc__os_map_plain(bitmap_size(&kind->space.range));
    if (kind->hugetlb.mapped == NULL) {
        kgc__space_close(&kind->space);
        return kgc__fail_errno(ENOMEM, "%s: the table of pages", spec->text);
    }
    kind->keeps_sections = true;
    return 0;
}

void kgc__hugetlb_close(kgc_kind *kind)
{
    if (kind->hugetlb.mapped != NULL)
        kgc__os_release(kind->hugetlb.mapped, bitmap_size(&kind->space.range));
}

void kgc__hugetlb_after_fork_in_child(kgc_kind *kind)
{
    if (kind->hugetlb.mapped != NULL)
        leave(&kind->hugetlb);
}
