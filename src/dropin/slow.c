/* SPDX-License-Identifier: MIT */
/* The functions of symbols.c, for whoever cannot be served by the rooted heap at once. */
#include "dropin/dropin.h"
#include "dropin/early.h"
#include "dropin/foreign.h"
#include <errno.h>
#include <stdint.h>
#include <string.h>

void *kgc__slow_aligned(size_t alignment, size_t size)
{
    switch (kgc__server()) {
    case KGC__ROOTED:
        return alignment <= KGC__ALIGNMENT ? kgc_malloc(size) : kgc_aligned_alloc(alignment, size);
    case KGC__LIBC:
        return alignment <= KGC__ALIGNMENT ? __libc_malloc(size) : __libc_memalign(alignment, size);
    default:
        return kgc__early_allocate(alignment, size);
    }
}

void *kgc__slow_malloc(size_t size)
{
    return kgc__slow_aligned(KGC__ALIGNMENT, size);
}

void *kgc__slow_calloc(size_t count, size_t size)
{
    size_t sum;
    switch (kgc__server()) {
    case KGC__ROOTED:
        return kgc_calloc(count, size);
    case KGC__LIBC:
        return __libc_calloc(count, size);
    default:
        return kgc__early_allocate(KGC__ALIGNMENT, __builtin_mul_overflow(count, size, &sum) ? SIZE_MAX : sum);
    }
}

size_t kgc__slow_usable_size(void *p)
{
    if (kgc__early_owns(p))
        return kgc__early_size(p);
    return kgc__ours(p) ? kgc_malloc_usable_size(p) : kgc__libc_usable_size(p);
}

bool kgc__free_stranger(void *p)
{
    int saved = errno;
    bool early = kgc__early_owns(p), libc = !early && !kgc__ours(p) && kgc__libc_may_own(p);
    if (early)
        kgc__early_free(p);
    else if (libc)
        __libc_free(p);
    errno = saved;
    return early || libc;
}

void kgc__slow_free(void *p)
{
    if (kgc__free_stranger(p))
        return;
    if (kgc__forking())
        kgc__free_after_fork(p);
    else
        kgc_free(p);
}

/* Can the block stay with who has it? */
static bool stays(const void *p, enum kgc__server server)
{
    if (kgc__early_owns(p))
        return false;
    return kgc__ours(p) ? server == KGC__ROOTED : server == KGC__LIBC;
}

void *kgc__slow_realloc(void *p, size_t size)
{
    enum kgc__server server = kgc__server();
    if (stays(p, server))
        return server == KGC__ROOTED ? kgc_realloc(p, size) : __libc_realloc(p, size);
    if (size == 0) {
        kgc__slow_free(p);
        return NULL;
    }
    size_t old = kgc__slow_usable_size(p);
    void *q = kgc__slow_malloc(size);
    if (q != NULL) {
        memcpy(q, p, old < size ? old : size);
        kgc__slow_free(p);
    }
    return q;
}
