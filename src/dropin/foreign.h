/* SPDX-License-Identifier: MIT */
/*
 * glibc's own malloc: for blocks that came from it (__libc_malloc()), and for
 * everything with malloc=off.
 */
#ifndef KGC_DROPIN_FOREIGN_H
#define KGC_DROPIN_FOREIGN_H

#include <stdbool.h>
#include <stddef.h>

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);
extern void __libc_free(void *);

/* glibc's function of this name, which ours hides; NULL: it has none.  Looked
   up once, into *known. */
void *kgc__libc_function(const char *name, _Atomic(void *) *known);
#define KGC__LIBC_FUNCTION(name)                              \
    ({                                                        \
        static _Atomic(void *) known;                         \
        (__typeof__(&name))kgc__libc_function(#name, &known); \
    })

size_t kgc__libc_usable_size(void *p);
/* False: p cannot be a block of glibc's. */
bool kgc__libc_may_own(const void *p);

#endif
