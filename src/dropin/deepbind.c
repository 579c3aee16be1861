/* SPDX-License-Identifier: MIT */
/*
 * dlopen(3) without RTLD_DEEPBIND: a library that is loaded with it looks into
 * libc first and so has glibc's malloc, whatever is preloaded.  Blocks that it
 * got from others and frees would be given to glibc's free, which crashes (PHP
 * loads its extensions like this).  Without the flag, functions that both the
 * library and the program define are the program's.
 *
 * glibc looks up RPATH and the name space by who called dlopen: by the return
 * address.  So the call must be a jump, which leaves the program's there.
 */
#include "base/next.h"
#include "dropin/dropin.h"
#include <dlfcn.h>
#include <kindgc/base.h>

#ifdef __has_attribute
#if __has_attribute(musttail)
#define MUST_TAIL __attribute__((musttail))
#endif
#endif
#ifndef MUST_TAIL
#define MUST_TAIL /* gcc before 15: a jump where it optimizes */
#endif

KGC_API void *dlopen(const char *file, int flags)
{
    void *(*next)(const char *, int) = KGC__NEXT(dlopen);
    if (kgc__server() != KGC__LIBC)
        flags &= ~RTLD_DEEPBIND;
    MUST_TAIL return next(file, flags);
}
