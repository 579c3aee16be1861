/* SPDX-License-Identifier: MIT */
/*
 * libgc's mprotect: incremental mode watches writes through it.
 *
 * Passed on as it is: it may be called in libgc's SIGSEGV handler, by any
 * thread, and sections that libgc has joined are neighbours in memory, so one
 * call may cover several.  Only what others must know is noted.
 */
#include "base/message.h"
#include "os/os.h"
#include "section/section.h"
#include <errno.h>
#include <sys/mman.h>

int kgc__libgc_mprotect(void *p, size_t size, int protection)
{
    if ((protection & PROT_WRITE) == 0)
        atomic_store(&kgc__kinds_protected, true);
    int failed = kgc__os.mprotect(p, size, protection);
    if (failed != 0) {
        int error = errno;
        kgc_kind *kind = kgc_kind_of(p);
        if (kind != NULL && kind->keeps_sections)
            kgc__warn("libgc's incremental mode protects single pages, which \"%s\" cannot; libgc will give up",
                      kgc_kind_name(kind));
        errno = error;
    }
    return failed;
}
