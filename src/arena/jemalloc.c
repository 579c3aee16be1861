/* SPDX-License-Identifier: MIT */
/* Calls of jemalloc's that need more than the call. */
#include "arena/arena.h"
#include "arena/explicit.h"
#include "base/check.h"
#include <jemalloc/jemalloc.h>
#include <stdio.h>

void kgc__arena_prepare(void)
{
    const char *version;
    size_t size = sizeof version;
    mallctl("version", &version, &size, NULL, 0);
}

int kgc__je_control(const char *format, unsigned index, void *old, size_t *old_size, void *new,
                    size_t new_size)
{
    char name[64];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(name, sizeof name, format, index);
#pragma GCC diagnostic pop
    return mallctl(name, old, old_size, new, new_size);
}

/*
 * Once jemalloc's own destructor has run in a thread that is ending, mallocx()
 * serves that thread from arena 0, whatever it is told.  rallocx() still
 * obeys, so such a block moves to where it belongs; it has another class than
 * is wanted, because jemalloc leaves a block of the right one where it is.
 */
static __attribute__((cold, noinline)) void *take_by_moving(size_t size, int flags)
{
    const int tcache_bits = 0xfff << 8, no_tcache = (int)MALLOCX_TCACHE_NONE;
    void *stray = mallocx(nallocx(size, flags) == 16 ? 32 : 16, no_tcache | (flags & (int)MALLOCX_ZERO));
    void *p = stray != NULL ? rallocx(stray, size, (flags & ~tcache_bits) | no_tcache) : NULL;
    if (p == NULL && stray != NULL)
        dallocx(stray, no_tcache);
    return p;
}

static bool belongs_to(kgc_kind *kind, const void *p)
{
    kgc_kind *owner = kgc_kind_of(p);
    return owner != NULL && kgc__kind_root(owner) == kind;
}

void *kgc__je_take(kgc_kind *kind, size_t size, int flags)
{
    void *p = mallocx(size, flags);
    if (kgc__likely(p == NULL || belongs_to(kind, p)))
        return p;
    dallocx(p, MALLOCX_TCACHE_NONE);
    return take_by_moving(size, flags);
}

int kgc__je_command(const char *format, unsigned index)
{
    return kgc__je_control(format, index, NULL, NULL, NULL, 0);
}
