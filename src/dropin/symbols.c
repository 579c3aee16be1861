/* SPDX-License-Identifier: MIT */
/* The functions that programs call instead of glibc's. */
#include "base/size.h"
#include "dropin/dropin.h"
#include <errno.h>
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#define PUBLIC __attribute__((visibility("default")))

static void *fail(int error)
{
    errno = error;
    return NULL;
}

PUBLIC void *malloc(size_t size)
{
    return kgc__fast() ? kgc_malloc(size) : kgc__slow_malloc(size);
}

PUBLIC void *calloc(size_t count, size_t size)
{
    return kgc__fast() ? kgc_calloc(count, size) : kgc__slow_calloc(count, size);
}

PUBLIC void free(void *p)
{
    if (kgc__fast())
        kgc_free(p); /* which asks kgc__free_stranger() for what is not its own */
    else if (p != NULL)
        kgc__slow_free(p);
}

PUBLIC void *realloc(void *p, size_t size)
{
    if (p == NULL)
        return malloc(size);
    return kgc__fast() && kgc__ours(p) ? kgc_realloc(p, size) : kgc__slow_realloc(p, size);
}

PUBLIC void *reallocarray(void *p, size_t count, size_t size)
{
    size_t sum;
    return __builtin_mul_overflow(count, size, &sum) ? fail(ENOMEM) : realloc(p, sum);
}

/* alignment is a power of two. */
static void *aligned(size_t alignment, size_t size)
{
    if (alignment <= KGC__ALIGNMENT)
        return malloc(size);
    return kgc__fast() ? kgc_aligned_alloc(alignment, size) : kgc__slow_aligned(alignment, size);
}

/* As in glibc 2.38 and later, and in C17. */
PUBLIC void *aligned_alloc(size_t alignment, size_t size)
{
    return kgc__is_power_of_two(alignment) ? aligned(alignment, size) : fail(EINVAL);
}

/* As in glibc: the next power of two. */
PUBLIC void *memalign(size_t alignment, size_t size)
{
    if (alignment > SIZE_MAX / 2 + 1)
        return fail(EINVAL);
    size_t power = KGC__ALIGNMENT;
    while (power < alignment)
        power *= 2;
    return aligned(power, size);
}

PUBLIC int posix_memalign(void **out, size_t alignment, size_t size)
{
    if (alignment % sizeof(void *) != 0 || !kgc__is_power_of_two(alignment))
        return EINVAL;
    int saved = errno;
    void *p = aligned(alignment, size);
    errno = saved;
    if (p == NULL)
        return ENOMEM;
    *out = p;
    return 0;
}

static size_t page_size(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

PUBLIC void *valloc(size_t size)
{
    return aligned(page_size(), size);
}

PUBLIC void *pvalloc(size_t size)
{
    size_t sum;
    if (__builtin_add_overflow(size, page_size() - 1, &sum))
        return fail(ENOMEM);
    return aligned(page_size(), kgc__round_down(sum, page_size()));
}

PUBLIC size_t malloc_usable_size(void *p)
{
    if (p == NULL)
        return 0;
    return kgc__fast() && kgc__ours(p) ? kgc_malloc_usable_size(p) : kgc__slow_usable_size(p);
}

/* Of old programs. */
PUBLIC void cfree(void *p);
PUBLIC void cfree(void *p)
{
    free(p);
}

/* C23. */
PUBLIC void free_sized(void *p, size_t size);
PUBLIC void free_sized(void *p, size_t size)
{
    if (kgc__fast() && kgc__ours(p))
        kgc_free_sized(p, size);
    else
        free(p);
}

PUBLIC void free_aligned_sized(void *p, size_t alignment, size_t size);
PUBLIC void free_aligned_sized(void *p, size_t alignment, size_t size)
{
    if (((uintptr_t)p & (alignment - 1)) != 0)
        kgc__fatal("free_aligned_sized: the block at %p is not aligned to %zu", p, alignment);
    else
        free_sized(p, size);
}
