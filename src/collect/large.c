/* SPDX-License-Identifier: MIT */
/*
 * A kind of objects that are scanned and that libgc does not clear: see
 * large.h.  What lay in such an object before it is cleared may keep objects
 * alive for one collection, which is as it is with any conservative root.
 */
#include "collect/large.h"
#include "collect/libgc.h"
#include "collect/object_kind.h"
#include "collect/start.h"
#include "extent/placed.h"
#include "kind/kind.h"
#include "os/zero.h"
#include <stdatomic.h>
#include <string.h>

enum { NOT_YET = -2, NONE_LEFT = -1 };
static _Atomic int number = NOT_YET;

static int object_kind(void)
{
    int n = atomic_load_explicit(&number, memory_order_acquire);
    if (n != NOT_YET)
        return n;
    int made = kgc__object_kind_new(0 | GC_DS_LENGTH, true, false, "large objects");
    if (!atomic_compare_exchange_strong(&number, &n, made))
        return n; /* another thread was faster; one number is lost, and works */
    return made;
}

bool kgc__large_is_kind(int kind)
{
    return kind >= 0 && kind == atomic_load_explicit(&number, memory_order_relaxed);
}

/* Are all pages private and anonymous? */
static bool is_anonymous(const void *p, size_t size)
{
    kgc_kind *kind;
    if (kgc__kind_use_of(p, &kind) != KGC__SECTION || kind->caller_hooks != NULL ||
        kgc__placed_owner(p) != NULL)
        return false;
    size_t offset = (size_t)((const char *)p - kind->space.range.base);
    return kind->space.backing == &kgc__anonymous_backing && size <= kind->space.range.size - offset;
}

void kgc__large_zero(void *p, size_t from, size_t size)
{
    char *start = (char *)p + from;
    if (is_anonymous(p, size))
        kgc__os_zero_anonymous(start, size - from);
    else
        memset(start, 0, size - from);
}

void *kgc__large_allocate(size_t size, bool zero)
{
    int kind = object_kind();
    if (kind < 0)
        return GC_malloc(size);
    kgc__oom_object = NULL;
    void *p = GC_generic_malloc(size, kind);
    if (p == NULL || p == kgc__oom_object)
        return p; /* what the out-of-memory function returns is in use */
    kgc__large_zero(p, zero ? 0 : size, GC_size(p));
    return p;
}
