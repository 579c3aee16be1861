/* SPDX-License-Identifier: MIT */
/*
 * Kinds on memory that the caller has mapped.
 *
 * The hooks are the standard ones over the caller's addresses, which are
 * neither made usable nor given back: all giving back is refused, so jemalloc
 * keeps what is freed and uses it again.  What was there before is unknown, so
 * a piece is zeroed when it is handed out and zeroed memory was asked for;
 * addresses are handed out once.
 */
#include "base/message.h"
#include "base/size.h"
#include "extent/map.h"
#include "kind/kind.h"
#include "os/os.h"
#include "os/proc.h"
#include <errno.h>
#include <string.h>

#define SMALLEST (64 * KGC_KIB)

static int provide(struct kgc__space *s, void *p, size_t size)
{
    (void)s, (void)p, (void)size;
    return 0;
}

static const struct kgc__backing fixed_backing = {.provide = provide};

static void *alloc(extent_hooks_t *hooks, void *wish, size_t size, size_t align, bool *zero, bool *commit,
                   unsigned arena)
{
    bool must_zero = *zero;
    void *p = kgc__standard_hooks.alloc(hooks, wish, size, align, zero, commit, arena);
    if (p == NULL)
        return NULL;
    if (must_zero)
        memset(p, 0, size);
    *zero = must_zero;
    return p;
}

/* The whole pages in [addr, addr + size).  0 or EINVAL. */
static int whole_pages(const char *name, void *addr, size_t size, struct kgc__span *out)
{
    size_t page = kgc__page_size();
    uintptr_t start = (uintptr_t)addr, end = start + size;
    if (addr == NULL || end < start)
        return kgc__fail(EINVAL, "kgc_kind_create_fixed: \"%s\": %p and %zu bytes are no range of addresses",
                         name, addr, size);
    start = kgc__round_up(start, page);
    end = kgc__round_down(end, page);
    if (end < start || end - start < SMALLEST)
        return kgc__fail(EINVAL, "kgc_kind_create_fixed: \"%s\": whole pages of 64K or more are needed",
                         name);
    *out = (struct kgc__span){(char *)start, end - start};
    return 0;
}

static int check_mapped(const char *name, const struct kgc__span *span)
{
    int error = kgc__proc_check_writable(span->start, span->size);
    if (error == EFAULT)
        return kgc__fail(EINVAL,
                         "kgc_kind_create_fixed: \"%s\": not all of %p to %p is mapped readable and writable",
                         name, (void *)span->start, (void *)(span->start + span->size));
    if (error != 0)
        return kgc__fail_errno(
            error, "kgc_kind_create_fixed: \"%s\": the range cannot be checked: /proc/thread-self/maps", name);
    return 0;
}

static int claim(kgc_kind *kind, const struct kgc__span *span)
{
    int error = kgc__kind_claim(kind, span->start, span->size);
    if (error == EEXIST)
        return kgc__fail(EINVAL, "kgc_kind_create_fixed: \"%s\": a part of the range belongs to another kind",
                         kind->name);
    if (error != 0)
        return kgc__fail_errno(error, "kgc_kind_create_fixed: \"%s\": the address map", kind->name);
    kind->fixed = *span;
    kind->space.hooks = kgc__standard_hooks;
    kind->space.hooks.alloc = alloc;
    kind->space.backing = &fixed_backing;
    kind->space.owner = kind;
    kind->space.range.granule = kgc__page_size();
    kind->space.range.limit = span->size;
    kind->space.range.size = span->size;
    kind->space.range.base = span->start;
    return 0;
}

int kgc_kind_create_fixed(const char *name, void *addr, size_t size, kgc_kind **out)
{
    struct kgc__span span;
    if (out == NULL)
        return kgc__fail(EINVAL, "kgc_kind_create_fixed: out is NULL");
    *out = NULL;
    if (name == NULL || *name == '\0' || strlen(name) >= KGC__SPEC_MAX)
        return kgc__fail(EINVAL, "kgc_kind_create_fixed: a name of 1 to %d bytes is needed",
                         KGC__SPEC_MAX - 1);
    int error = whole_pages(name, addr, size, &span);
    if (error == 0)
        error = check_mapped(name, &span);
    if (error != 0)
        return error;
    kgc_kind *kind = kgc__kind_record(name);
    if (kind == NULL)
        return ENOMEM;
    error = claim(kind, &span);
    if (error != 0) {
        kgc__kind_record_free(kind);
        return error;
    }
    kgc__kind_set_arenas(kind, 0);
    error = kgc__kind_register(kind);
    if (error != 0) {
        kgc__kind_dispose(kind);
        return error;
    }
    *out = kind;
    return 0;
}

/* Leaves the memory to the caller: the space must not unmap it. */
void kgc__fixed_close(kgc_kind *kind)
{
    if (kind->fixed.start == NULL)
        return;
    kgc__map_set(kind->fixed.start, kind->fixed.size, NULL);
    kgc__space_drop_marks(&kind->space);
    kind->space.range.base = NULL;
}
