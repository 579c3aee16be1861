/* SPDX-License-Identifier: MIT */
/* The kinds on ordinary memory: default, and thp, which asks for transparent
   huge pages and works in whole ones. */
#include "base/message.h"
#include "kind/kind.h"
#include "os/os.h"
#include "os/proc.h"
#include <errno.h>

int kgc__default_open(kgc_kind *kind, const struct kgc__spec *spec)
{
    return kgc__space_open(&kind->space, &kgc__anonymous_backing, spec->limit, kgc__page_size(), kind);
}

/*
 * Usable memory grows by whole huge pages, because the kernel gives one only
 * where the mapping covers it when it is first touched.
 */
int kgc__thp_open(kgc_kind *kind, const struct kgc__spec *spec)
{
    size_t huge = kgc__proc_thp_size();
    if (huge == 0)
        return kgc__fail(ENOTSUP, "thp: this system has transparent huge pages switched off; as root: echo madvise "
                                  "> /sys/kernel/mm/transparent_hugepage/enabled");
    int error = kgc__space_open(&kind->space, &kgc__anonymous_backing, spec->limit, huge, kind);
    kind->thp = true;
    if (error == 0) {
        error = kgc__os_advise_huge(kind->space.range.base, kind->space.range.size);
        if (error != 0) {
            kgc__space_close(&kind->space);
            return kgc__fail_errno(error, "thp: madvise(MADV_HUGEPAGE)");
        }
    }
    return error;
}
