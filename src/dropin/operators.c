/* SPDX-License-Identifier: MIT */
/*
 * C++'s operators new and delete.  libstdc++'s would call our malloc(); but a
 * program may be linked to another allocator, whose operators would not, and
 * a call is saved.  Names are those of the C++ ABI.
 */
#include "dropin/dropin.h"
#include <dlfcn.h>
#include <stdlib.h>

#define OPERATOR(name, symbol) __attribute__((visibility("default"))) name __asm__(symbol)

/* libstdc++'s.  It is not there only where this jemalloc has no operators. */
typedef void (*handler_fn)(void);
extern handler_fn get_new_handler(void) __asm__("_ZSt15get_new_handlerv") __attribute__((weak));
extern _Noreturn void throw_bad_alloc(void) __asm__("_ZSt17__throw_bad_allocv") __attribute__((weak));

static void *get(size_t alignment, size_t size)
{
    return alignment <= KGC__ALIGNMENT ? malloc(size) : aligned_alloc(alignment, size);
}

/* As the standard has it: the new-handler makes room, or throws. */
static __attribute__((cold, noinline)) void *try_again(size_t alignment, size_t size)
{
    void *p = NULL;
    while (p == NULL) {
        handler_fn handler = get_new_handler != NULL ? get_new_handler() : NULL;
        if (handler != NULL)
            handler();
        else if (throw_bad_alloc != NULL)
            throw_bad_alloc();
        else
            abort();
        p = get(alignment, size);
    }
    return p;
}

static inline void *new(size_t alignment, size_t size)
{
    void *p = get(alignment, size);
    return kgc__likely(p != NULL) ? p : try_again(alignment, size);
}

/* A handler may throw, which only C++ can catch: libstdc++'s own function does. */
static __attribute__((cold, noinline)) void *ask_libstdcxx(const char *symbol, size_t alignment, size_t size,
                                                           const void *nothrow)
{
    void *library = dlopen("libstdc++.so.6", RTLD_LAZY | RTLD_NOLOAD), *p = NULL;
    void *function = library != NULL ? dlsym(library, symbol) : NULL;
    if (function != NULL && alignment != 0)
        p = ((void *(*)(size_t, size_t, const void *))function)(size, alignment, nothrow);
    else if (function != NULL)
        p = ((void *(*)(size_t, const void *))function)(size, nothrow);
    if (library != NULL)
        dlclose(library);
    return p;
}

static inline void *new_nothrow(const char *symbol, size_t alignment, size_t size, const void *nothrow)
{
    void *p = get(alignment, size);
    if (kgc__likely(p != NULL) || get_new_handler == NULL || get_new_handler() == NULL)
        return p;
    return ask_libstdcxx(symbol, alignment, size, nothrow);
}

OPERATOR(void *new_one(size_t), "_Znwm");
void *new_one(size_t size)
{
    return new (0, size);
}

OPERATOR(void *new_array(size_t), "_Znam");
void *new_array(size_t size)
{
    return new (0, size);
}

OPERATOR(void *new_one_aligned(size_t, size_t), "_ZnwmSt11align_val_t");
void *new_one_aligned(size_t size, size_t alignment)
{
    return new (alignment, size);
}

OPERATOR(void *new_array_aligned(size_t, size_t), "_ZnamSt11align_val_t");
void *new_array_aligned(size_t size, size_t alignment)
{
    return new (alignment, size);
}

OPERATOR(void *new_one_nothrow(size_t, const void *), "_ZnwmRKSt9nothrow_t");
void *new_one_nothrow(size_t size, const void *nothrow)
{
    return new_nothrow("_ZnwmRKSt9nothrow_t", 0, size, nothrow);
}

OPERATOR(void *new_array_nothrow(size_t, const void *), "_ZnamRKSt9nothrow_t");
void *new_array_nothrow(size_t size, const void *nothrow)
{
    return new_nothrow("_ZnamRKSt9nothrow_t", 0, size, nothrow);
}

OPERATOR(void *new_one_aligned_nothrow(size_t, size_t, const void *), "_ZnwmSt11align_val_tRKSt9nothrow_t");
void *new_one_aligned_nothrow(size_t size, size_t alignment, const void *nothrow)
{
    return new_nothrow("_ZnwmSt11align_val_tRKSt9nothrow_t", alignment, size, nothrow);
}

OPERATOR(void *new_array_aligned_nothrow(size_t, size_t, const void *), "_ZnamSt11align_val_tRKSt9nothrow_t");
void *new_array_aligned_nothrow(size_t size, size_t alignment, const void *nothrow)
{
    return new_nothrow("_ZnamSt11align_val_tRKSt9nothrow_t", alignment, size, nothrow);
}

/* All the same: one pointer, and more that is not needed. */
#define DELETE(name, symbol)            \
    OPERATOR(void name(void *), symbol); \
    void name(void *p)                  \
    {                                   \
        free(p);                        \
    }
DELETE(delete_one, "_ZdlPv")
DELETE(delete_array, "_ZdaPv")
DELETE(delete_one_sized, "_ZdlPvm")
DELETE(delete_array_sized, "_ZdaPvm")
DELETE(delete_one_nothrow, "_ZdlPvRKSt9nothrow_t")
DELETE(delete_array_nothrow, "_ZdaPvRKSt9nothrow_t")
DELETE(delete_one_aligned, "_ZdlPvSt11align_val_t")
DELETE(delete_array_aligned, "_ZdaPvSt11align_val_t")
DELETE(delete_one_sized_aligned, "_ZdlPvmSt11align_val_t")
DELETE(delete_array_sized_aligned, "_ZdaPvmSt11align_val_t")
DELETE(delete_one_aligned_nothrow, "_ZdlPvSt11align_val_tRKSt9nothrow_t")
DELETE(delete_array_aligned_nothrow, "_ZdaPvSt11align_val_tRKSt9nothrow_t")
