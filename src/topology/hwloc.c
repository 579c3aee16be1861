/* SPDX-License-Identifier: MIT */
/* Loads hwloc: see hwloc.h. */
#include "topology/hwloc.h"
#include "base/message.h"
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

/* The library that hwloc's headers of this version describe. */
#if HWLOC_API_VERSION < 0x20400 || HWLOC_API_VERSION >= 0x30000
#error "hwloc 2.4 or later, but not 3, is needed"
#endif
#define LIBRARY "libhwloc.so.15"

static struct kgc__hwloc functions;
static bool loaded;

static void load(void)
{
    static const struct {
        const char *name;
        size_t at;
    } table[] = {
#define ROW(name) {"hwloc_" #name, offsetof(struct kgc__hwloc, name)},
        KGC__HWLOC_FUNCTIONS(ROW)
#undef ROW
    };
    /* Global, because hwloc's plugins take its functions from the program. */
    void *library = dlopen(LIBRARY, RTLD_LAZY | RTLD_GLOBAL);
    loaded = library != NULL;
    for (size_t i = 0; loaded && i < sizeof table / sizeof table[0]; i++) {
        void *function = dlsym(library, table[i].name);
        *(void **)((char *)&functions + table[i].at) = function;
        loaded = function != NULL;
    }
}

const struct kgc__hwloc *kgc__hwloc(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, load);
    if (loaded)
        return &functions;
    kgc__fail(ENOTSUP, LIBRARY " (hwloc 2.4 or later) is not there, which knows the memory nodes: install it "
                               "or name the nodes: numa:bind=N");
    return NULL;
}
