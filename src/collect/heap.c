/* SPDX-License-Identifier: MIT */
/*
 * The heap as a whole: collecting, not collecting, sizes, the limit, and what
 * happens when memory runs out.
 */
#include "base/message.h"
#include "collect/libgc.h"
#include "collect/start.h"
#include "kind/kind.h"
#include "section/callbacks.h"
#include "section/event.h"
#include "section/section.h"
#include <errno.h>
#include <kindgc/heap.h>
#include <stdatomic.h>

/* How often kgc_disable() is in force.  libgc counts too, but also for
   others. */
static _Atomic unsigned disabled;

static _Atomic(kgc_oom_fn) oom_fn; /* NULL: the default */

void kgc_collect(void)
{
    if (!kgc__enter())
        return;
    kgc__callbacks_check();
    GC_gcollect();
}

void kgc_disable(void)
{
    kgc__start(); /* first, for GC_init() sets libgc's counter; it counts whether that works or not */
    atomic_fetch_add(&disabled, 1);
    GC_disable();
}

void kgc_enable(void)
{
    unsigned n = atomic_load(&disabled);
    do {
        if (n == 0) {
            kgc__fatal("kgc_enable: called more often than kgc_disable()");
            return;
        }
    } while (!atomic_compare_exchange_weak(&disabled, &n, n - 1));
    GC_enable();
}

size_t kgc_heap_size(void)
{
    return GC_get_heap_size();
}

size_t kgc_free_bytes(void)
{
    return GC_get_free_bytes();
}

size_t kgc_bytes_since_gc(void)
{
    return GC_get_bytes_since_gc();
}

size_t kgc_total_bytes(void)
{
    return GC_get_total_bytes();
}

int kgc_heap_set_limit(size_t bytes)
{
    int error = kgc__start();
    if (error != 0)
        return error;
    kgc__section_set_limit(bytes);
    return 0;
}

static void *default_oom(size_t size)
{
    if (!atomic_load(&kgc__collector_in_use))
        return NULL;                              /* libgc's would warn of a heap that there is not */
    GC_oom_func program = kgc__callback_oom_fn(); /* or libgc's */
    return program != NULL ? program(size) : NULL;
}

__thread void *kgc__oom_object __attribute__((tls_model("initial-exec")));

void *kgc__ask_oom_function(size_t size)
{
    kgc__emit(KGC_EVENT_OUT_OF_MEMORY, size, NULL);
    kgc_oom_fn fn = atomic_load(&oom_fn);
    void *p = (fn != NULL ? fn : default_oom)(size);
    if (p == NULL)
        errno = ENOMEM;
    kgc__oom_object = p;
    return p;
}

void *kgc__out_of_memory(size_t size)
{
    void *p = kgc__ask_oom_function(size);
    if (p == NULL)
        kgc__fail(ENOMEM, "the GC heap cannot grow for an object of %zu bytes", size);
    return p;
}

static void *GC_CALLBACK on_libgc_oom(size_t size)
{
    return kgc__out_of_memory(size);
}

void kgc__heap_attach_oom(void)
{
    kgc__callback_set_oom_fn(on_libgc_oom);
}

kgc_oom_fn kgc_set_oom_fn(kgc_oom_fn fn)
{
    kgc_oom_fn old = atomic_exchange(&oom_fn, fn == default_oom ? NULL : fn);
    return old != NULL ? old : default_oom;
}
