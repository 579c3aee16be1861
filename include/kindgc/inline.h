/* SPDX-License-Identifier: MIT */
/*
 * kgc_allocate() without a call, where the size is known when the program is
 * compiled, and what a just-in-time compiler needs to emit the same.
 *
 * Each thread has chains of free, zeroed objects, one for each size; the first
 * word of a free object is the address of the next.  To take one:
 *
 *     m = kgc_thread_magazines            (never NULL)
 *     p = m->scanned[granules]            granules = (size + 16) / 16
 *     if p is NULL: call kgc_allocate(size)
 *     m->scanned[granules] = *p           in this order: the collector may stop
 *     *p = NULL                           the thread between the two
 *
 * with p in a register or on the stack all the while.  What is written here is
 * part of the library's binary interface: offsets do not change within one
 * version of the shared library's name.
 */
#ifndef KINDGC_INLINE_H
#define KINDGC_INLINE_H

#include <kindgc/base.h>
#include <stddef.h>

KGC_BEGIN_DECLS

enum {
    KGC_GRANULES = 32,                      /* of 16 bytes, in the largest object that is taken this way */
    KGC_INLINE_MAX = KGC_GRANULES * 16 - 1, /* bytes, for one byte behind each object belongs to it */
    KGC_SIZE_CLASSES = KGC_GRANULES + 7
};

/* For the calling thread only. */
struct kgc_magazines {
    void *scanned[KGC_SIZE_CLASSES]; /* by granules, from 1; the last six are larger: for kgc_allocate() alone
                                      */
};
extern KGC_API __thread struct kgc_magazines *kgc_thread_magazines __attribute__((tls_model("initial-exec")));

/* Where kgc_thread_magazines lies from the thread pointer on, in bytes: fs:offset
   on x86-64, tpidr_el0 + offset on aarch64.  The same in all threads. */
KGC_API ptrdiff_t kgc_thread_magazines_offset(void);

/* A scanned object of `granules`, or NULL: then call kgc_allocate(). */
static inline void *kgc_take(size_t granules)
{
    void **chain = &kgc_thread_magazines->scanned[granules];
    void **p = (void **)*chain;
    if (__builtin_expect(p != NULL, 1)) {
        *chain = *p;
        __asm__ volatile("" ::: "memory");
        *p = NULL;
    }
    return p;
}

KGC_END_DECLS
#endif
