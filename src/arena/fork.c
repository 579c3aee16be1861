/* SPDX-License-Identifier: MIT */
/*
 * jemalloc's handlers of fork(2), in a process with one thread: not called.
 *
 * They lock and unlock all of its mutexes, which lie in twenty pages for two
 * arenas; parent and child get a copy of each.  That is a third of what a fork
 * costs, for nothing where nobody else can hold a lock: glibc spares its own
 * malloc's locks then, too.  jemalloc registers them when it is initialised,
 * and its name for the function is answered here.
 */
#include "base/next.h"
#include <dlfcn.h>
#include <jemalloc/jemalloc.h>
#include <stdbool.h>
#include <sys/single_threaded.h>

#ifndef __has_feature
#define __has_feature(x) 0
#endif
/* ThreadSanitizer registers handlers before it can watch the function that is
   called for it.  There jemalloc's handlers are called as glibc has it. */
#if !defined __SANITIZE_THREAD__ && !__has_feature(thread_sanitizer)

typedef void (*handler_fn)(void);

static struct {
    handler_fn before, in_parent, in_child;
} jemalloc;

static __thread bool called __attribute__((tls_model("initial-exec")));

static void before(void)
{
    called = !__libc_single_threaded;
    if (called)
        jemalloc.before();
}

static void in_parent(void)
{
    if (called)
        jemalloc.in_parent();
}

static void in_child(void)
{
    if (called)
        jemalloc.in_child();
}

static bool is_jemallocs(handler_fn handler)
{
    Dl_info one, other;
    return handler != NULL && dladdr((void *)handler, &one) != 0 && dladdr((void *)mallctl, &other) != 0 &&
           one.dli_fbase == other.dli_fbase;
}

/* What pthread_atfork(3) calls; `library` is the caller's. */
int __register_atfork(handler_fn first, handler_fn second, handler_fn third, void *library);
__attribute__((visibility("default"))) int __register_atfork(handler_fn first, handler_fn second,
                                                             handler_fn third, void *library)
{
    if (jemalloc.before != NULL || second == NULL || third == NULL || !is_jemallocs(first))
        return KGC__NEXT(__register_atfork)(first, second, third, library);
    jemalloc.before = first;
    jemalloc.in_parent = second;
    jemalloc.in_child = third;
    return KGC__NEXT(__register_atfork)(before, in_parent, in_child, library);
}

#endif
