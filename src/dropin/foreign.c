/* SPDX-License-Identifier: MIT */
/* glibc's own malloc: see foreign.h. */
#include "dropin/foreign.h"
#include "dropin/dropin.h"
#include "os/proc.h"
#include <dlfcn.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

void *kgc__libc_function(const char *name, _Atomic(void *) *known)
{
    void *function = atomic_load_explicit(known, memory_order_relaxed);
    Dl_info info;
    if (function == NULL && dladdr((void *)__libc_free, &info) != 0) {
        void *libc = dlopen(info.dli_fname, RTLD_LAZY | RTLD_NOLOAD);
        function = libc != NULL ? dlsym(libc, name) : NULL;
        atomic_store_explicit(known, function, memory_order_relaxed);
    }
    return function;
}

size_t kgc__libc_usable_size(void *p)
{
    return KGC__LIBC_FUNCTION(malloc_usable_size)(p);
}

struct search {
    uintptr_t address, lo, hi;
};

/* "LO-HI rw-p OFFSET DEVICE INODE  NAME": private memory without a file, and no stack? */
static bool look_at(char *line, void *arg)
{
    struct search *s = arg;
    char *rest;
    uintptr_t lo = strtoul(line, &rest, 16), hi = *rest == '-' ? strtoul(rest + 1, &rest, 16) : 0;
    if (s->address < lo || s->address >= hi)
        return true;
    const char *name = strchr(rest, '/'), *stack = strstr(rest, "[stack");
    if (strncmp(rest, " rw-p ", 6) == 0 && name == NULL && stack == NULL) {
        s->lo = lo;
        s->hi = hi;
    }
    return false;
}

/*
 * glibc checks what it is given, and says so, but reads what is before it
 * first.  So p must lie in memory that can be its own.  The mapping where a
 * block was last is remembered.
 */
bool kgc__libc_may_own(const void *p)
{
    static _Atomic uintptr_t lo, hi;
    struct search s = {.address = (uintptr_t)p};
    if ((s.address & (KGC__ALIGNMENT - 1)) != 0)
        return false;
    if (s.address >= atomic_load(&lo) && s.address < atomic_load(&hi))
        return true;
    kgc__proc_visit_lines("/proc/thread-self/maps", look_at, &s);
    if (s.hi == 0)
        return false;
    atomic_store(&hi, s.lo); /* nothing, for who looks meanwhile */
    atomic_store(&lo, s.lo);
    atomic_store(&hi, s.hi);
    return true;
}
