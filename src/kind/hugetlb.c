/* SPDX-License-Identifier: MIT */
/*
 * Explicit huge pages, which the administrator has reserved.
 *
 * The whole range is mapped without reserving pages; pages are taken when
 * memory is handed out (MADV_POPULATE_WRITE), so that a lack of them is a
 * refusal and never a SIGBUS.  For the same reason pages of GC sections are
 * kept: libgc reuses a page it has given back without saying so, and by then
 * another process may have the last one.  Arenas announce reuse (commit), so
 * theirs go back.
 */
#include "base/message.h"
#include "kind/kind.h"
#include "os/os.h"
#include "os/proc.h"
#include <errno.h>

static int provide(struct kgc__space *s, void *p, size_t size)
{
    (void)s;
    int error = kgc__os_make_usable(p, size);
    return error != 0 ? error : kgc__os_populate(p, size);
}

static int discard(struct kgc__space *s, void *p, size_t size)
{
    (void)s;
    return kgc__os_discard(p, size);
}

static const struct kgc__backing hugetlb_backing = {.provide = provide, .discard = discard, .take_back = discard};

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

int kgc__hugetlb_open(kgc_kind *kind, const struct kgc__spec *spec)
{
    int error = check_pool(spec->shift);
    if (error != 0)
        return error;
    error = kgc__space_open(&kind->space, &hugetlb_backing, spec->limit, (size_t)1 << spec->shift, kind);
    if (error != 0)
        return error;
    kind->keeps_sections = true;
    struct kgc__range *range = &kind->space.range;
    error = kgc__os_map_hugetlb(range->base, range->size, spec->shift);
    if (error != 0) {
        kgc__space_close(&kind->space);
        return kgc__fail_errno(error, "%s: mmap(MAP_HUGETLB)", spec->text);
    }
    return 0;
}
