/* SPDX-License-Identifier: MIT */
/*
 * Which allocator is the global one, and the hook for allocations that fail.
 *
 * The choice is one pointer, which goes from NULL to a table once: to a copy
 * of the program's, or to the default at the first use, whichever thread comes
 * first.  Nobody waits for anybody.
 */
#include "base/check.h"
#include "base/message.h"
#include "layout/layout.h"
#include "os/meta.h"
#include <errno.h>
#include <stdlib.h>

_Atomic(const kgc_allocator *) kgc__global;

const kgc_allocator *kgc__global_first_use(void)
{
    const kgc_allocator *present = NULL;
    return atomic_compare_exchange_strong(&kgc__global, &present, KGC_ROOTED) ? KGC_ROOTED : present;
}

const kgc_allocator *kgc_global_allocator(void)
{
    return kgc__global_allocator();
}

static int too_late(const kgc_allocator *present)
{
    return kgc__fail(
        EBUSY,
        "kgc_set_global_allocator: the global allocator was %s already; set it once, before the first "
        "allocation",
        present == KGC_ROOTED ? "used" : "set");
}

int kgc_set_global_allocator(const kgc_allocator *allocator)
{
    if (!kgc__allocator_is_complete("kgc_set_global_allocator", allocator))
        return EINVAL;
    const kgc_allocator *present = atomic_load(&kgc__global);
    if (present != NULL)
        return too_late(present);
    int saved = errno;
    kgc_allocator *copy = kgc__meta_allocate(sizeof *copy);
    errno = saved;
    if (copy == NULL)
        return kgc__fail(ENOMEM, "kgc_set_global_allocator: no memory for a copy of the table");
    *copy = *allocator;
    if (atomic_compare_exchange_strong(&kgc__global, &present, copy))
        return 0;
    kgc__meta_free(copy, sizeof *copy);
    return too_late(present);
}

static void default_hook(kgc_layout layout)
{
    kgc__warn("memory allocation of %zu bytes failed", layout.size);
}

static _Atomic(kgc_alloc_error_hook) hook = default_hook;

void kgc_set_alloc_error_hook(kgc_alloc_error_hook new_hook)
{
    atomic_store(&hook, new_hook != NULL ? new_hook : default_hook);
}

kgc_alloc_error_hook kgc_take_alloc_error_hook(void)
{
    return atomic_exchange(&hook, default_hook);
}

void kgc_handle_alloc_error(kgc_layout layout)
{
    atomic_load (&hook)(layout);
    abort();
}
