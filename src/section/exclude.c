/* SPDX-License-Identifier: MIT */
/*
 * Keeps libgc from scanning static variables that hold no pointers into its
 * heap: this library's own (5 MiB of tables by address) and jemalloc's (2 MiB).
 * libgc takes the data of every shared library for roots; these made the first
 * collection of a small program, and each later one, 4 ms longer.
 *
 * What the library itself must keep alive is pushed in collect/roots.c or lies
 * in libgc's own tables, never in a static variable.  Unit tests that have the
 * library linked into the program keep all of their data as roots.
 */
#include "section/section.h"
#include <gc/gc.h>
#include <link.h>
#include <string.h>

static bool holds_no_roots(const char *path)
{
    const char *slash = strrchr(path, '/'), *name = slash != NULL ? slash + 1 : path;
    return strncmp(name, "libkindgc.so", 12) == 0 || strncmp(name, "libjemalloc.so", 14) == 0;
}

static int exclude(struct dl_phdr_info *info, size_t size, void *arg)
{
    (void)size, (void)arg;
    if (info->dlpi_name == NULL || !holds_no_roots(info->dlpi_name))
        return 0;
    for (unsigned i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *h = &info->dlpi_phdr[i];
        char *start = (char *)(info->dlpi_addr + h->p_vaddr);
        if (h->p_type == PT_LOAD && (h->p_flags & PF_W) != 0)
            GC_exclude_static_roots(start, start + h->p_memsz);
    }
    return 0;
}

void kgc__section_exclude_own_data(void)
{
    dl_iterate_phdr(exclude, NULL);
}
