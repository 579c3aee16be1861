/* SPDX-License-Identifier: MIT */
/* The function that one of ours stands in front of. */
#ifndef KGC_BASE_NEXT_H
#define KGC_BASE_NEXT_H

#include <dlfcn.h>
#include <stdatomic.h>
#include <stddef.h>

/* Looked up once; any thread may do so. */
static inline void *kgc__next_function(const char *name, _Atomic(void *) *known)
{
    void *function = atomic_load_explicit(known, memory_order_relaxed);
    if (function == NULL) {
        function = dlsym(RTLD_NEXT, name);
        atomic_store_explicit(known, function, memory_order_relaxed);
    }
    return function;
}

/* KGC__NEXT(pthread_create)(...): with the type that the header gives it. */
#define KGC__NEXT(name)                                       \
    ({                                                        \
        static _Atomic(void *) known;                         \
        (__typeof__(&name))kgc__next_function(#name, &known); \
    })

#endif
