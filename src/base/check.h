/* SPDX-License-Identifier: MIT */
/*
 * Internal checks and the way out when something cannot go on.
 *
 * Levels, chosen by configure --enable-debug=N:
 *   0  none
 *   1  cheap: a comparison on a path that costs more anyway (the default)
 *   2  internal: state that other files should have kept true
 *   3  full: walks over whole tables
 * A failed check is a defect of this library; misuse by callers goes to
 * kgc__fatal(), which is always on.
 */
#ifndef KGC_BASE_CHECK_H
#define KGC_BASE_CHECK_H

#include "config.h"
#include <kindgc/base.h>
#include <stdbool.h>

/* Calls the fatal handler of kindgc/init.h with this text.  Returns when the
   handler does. */
KGC_API void kgc__fatal(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A failed internal check: prints and aborts, never returns. */
_Noreturn void kgc__check_failed(const char *expression, const char *file, int line);

#define KGC__CHECK_AT(level, expression)                                                                         \
    do {                                                                                                         \
        if (KGC_DEBUG >= (level) && !(expression))                                                               \
            kgc__check_failed(#expression, __FILE__, __LINE__);                                                  \
    } while (0)

#define KGC_CHECK(expression)          KGC__CHECK_AT(1, expression)
#define KGC_CHECK_INTERNAL(expression) KGC__CHECK_AT(2, expression)
#define KGC_CHECK_FULL(expression)     KGC__CHECK_AT(3, expression)

#define kgc__likely(x)   __builtin_expect(!!(x), 1)
#define kgc__unlikely(x) __builtin_expect(!!(x), 0)

#endif
