/* SPDX-License-Identifier: MIT */
/*
 * The malloc family of memkind.h: size 0 as memkind has it, decorators, and for
 * the rest kgc_kind_malloc() and its like.
 *
 * The common way is the load of an open kind and a jump.  Blocks are freed by
 * their address, whatever kind the caller names: memkind's programs may name
 * another one.
 */
#include "memkind/kind.h"
#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* Decorators: NULL unless the program defines them. */
#define DECORATOR __attribute__((weak))
DECORATOR void memkind_malloc_pre(memkind_t *kind, size_t *size);
DECORATOR void memkind_malloc_post(memkind_t kind, size_t size, void **result);
DECORATOR void memkind_calloc_pre(memkind_t *kind, size_t *nmemb, size_t *size);
DECORATOR void memkind_calloc_post(memkind_t kind, size_t nmemb, size_t size, void **result);
DECORATOR void memkind_posix_memalign_pre(memkind_t *kind, void **memptr, size_t *alignment, size_t *size);
DECORATOR void memkind_posix_memalign_post(memkind_t kind, void **memptr, size_t alignment, size_t size,
                                           int *err);
DECORATOR void memkind_realloc_pre(memkind_t *kind, void **ptr, size_t *size);
DECORATOR void memkind_realloc_post(memkind_t kind, void *ptr, size_t size, void **result);
DECORATOR void memkind_free_pre(memkind_t *kind, void **ptr);
DECORATOR void memkind_free_post(memkind_t kind, void *ptr);

#define DECORATED(function) \
    (!memkind__likely(((uintptr_t)memkind_##function##_pre | (uintptr_t)memkind_##function##_post) == 0))
#define SLOW __attribute__((noinline, cold))

/* The result for size 0: memkind's NULL, or a block when the user wants one. */
static SLOW void *zero_size(struct memkind *k)
{
    const char *setting = secure_getenv("MEMKIND_ZERO_SIZE");
    if (setting == NULL || strcmp(setting, "unique") != 0)
        return NULL;
    kgc_kind *kind = memkind__kind(k);
    return kind != NULL ? kgc_kind_malloc(kind, 0) : NULL;
}

static inline void *allocate(memkind_t k, size_t size)
{
    if (!memkind__likely(size != 0))
        return zero_size(k);
    kgc_kind *kind = memkind__kind(k);
    return memkind__likely(kind != NULL) ? kgc_kind_malloc(kind, size) : NULL;
}

static SLOW void *malloc_decorated(memkind_t k, size_t size)
{
    if (memkind_malloc_pre != NULL)
        memkind_malloc_pre(&k, &size);
    void *p = allocate(k, size);
    if (memkind_malloc_post != NULL)
        memkind_malloc_post(k, size, &p);
    return p;
}

void *memkind_malloc(memkind_t k, size_t size)
{
    return DECORATED(malloc) ? malloc_decorated(k, size) : allocate(k, size);
}

static inline void *allocate_zeroed(memkind_t k, size_t num, size_t size)
{
    if (!memkind__likely(num != 0 && size != 0))
        return zero_size(k);
    kgc_kind *kind = memkind__kind(k);
    return memkind__likely(kind != NULL) ? kgc_kind_calloc(kind, num, size) : NULL;
}

static SLOW void *calloc_decorated(memkind_t k, size_t num, size_t size)
{
    if (memkind_calloc_pre != NULL)
        memkind_calloc_pre(&k, &num, &size);
    void *p = allocate_zeroed(k, num, size);
    if (memkind_calloc_post != NULL)
        memkind_calloc_post(k, num, size, &p);
    return p;
}

void *memkind_calloc(memkind_t k, size_t num, size_t size)
{
    return DECORATED(calloc) ? calloc_decorated(k, num, size) : allocate_zeroed(k, num, size);
}

static inline int allocate_aligned(memkind_t k, void **memptr, size_t alignment, size_t size)
{
    int saved = errno, error = 0;
    if (memptr == NULL || alignment < sizeof(void *) || (alignment & (alignment - 1)) != 0)
        return EINVAL;
    if (size == 0) {
        *memptr = zero_size(k);
    } else {
        kgc_kind *kind = memkind__kind(k);
        error = kind != NULL ? kgc_kind_posix_memalign(kind, memptr, alignment, size) : errno;
    }
    errno = saved;
    return error;
}

static SLOW int posix_memalign_decorated(memkind_t k, void **memptr, size_t alignment, size_t size)
{
    if (memkind_posix_memalign_pre != NULL)
        memkind_posix_memalign_pre(&k, memptr, &alignment, &size);
    int error = allocate_aligned(k, memptr, alignment, size);
    if (memkind_posix_memalign_post != NULL)
        memkind_posix_memalign_post(k, memptr, alignment, size, &error);
    return error;
}

int memkind_posix_memalign(memkind_t k, void **memptr, size_t alignment, size_t size)
{
    return DECORATED(posix_memalign) ? posix_memalign_decorated(k, memptr, alignment, size)
                                     : allocate_aligned(k, memptr, alignment, size);
}

static inline void *reallocate(memkind_t k, void *ptr, size_t size)
{
    if (ptr == NULL) {
        if (k != NULL)
            return allocate(k, size);
        errno = EINVAL;
        return NULL;
    }
    if (size == 0) {
        kgc_kind_free(NULL, ptr);
        return NULL;
    }
    if (k == NULL)
        return kgc_kind_realloc(NULL, ptr, size);
    kgc_kind *kind = memkind__kind(k);
    return kind != NULL ? kgc_kind_realloc(kind, ptr, size) : NULL;
}

static SLOW void *realloc_decorated(memkind_t k, void *ptr, size_t size)
{
    if (memkind_realloc_pre != NULL)
        memkind_realloc_pre(&k, &ptr, &size);
    void *p = reallocate(k, ptr, size);
    if (memkind_realloc_post != NULL)
        memkind_realloc_post(k, ptr, size, &p);
    return p;
}

void *memkind_realloc(memkind_t k, void *ptr, size_t size)
{
    return DECORATED(realloc) ? realloc_decorated(k, ptr, size) : reallocate(k, ptr, size);
}

static SLOW void free_decorated(memkind_t k, void *ptr)
{
    if (memkind_free_pre != NULL)
        memkind_free_pre(&k, &ptr);
    kgc_kind_free(NULL, ptr);
    if (memkind_free_post != NULL)
        memkind_free_post(k, ptr);
}

void memkind_free(memkind_t k, void *ptr)
{
    if (DECORATED(free))
        free_decorated(k, ptr);
    else
        kgc_kind_free(NULL, ptr);
}

size_t memkind_malloc_usable_size(memkind_t k, MEMKIND_MALLOC_USABLE_SIZE_CONST void *ptr)
{
    (void)k; /* the address tells */
    return kgc_kind_usable_size(NULL, ptr);
}

memkind_t memkind_detect_kind(void *ptr)
{
    kgc_kind *kind = kgc_kind_of(ptr);
    return kind != NULL ? memkind__table_find(kind) : NULL;
}
