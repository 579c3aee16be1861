/* SPDX-License-Identifier: MIT */
/*
 * dlclose(3), for programs that use the library: no collection runs while a
 * module is unmapped.
 *
 * libgc notes the data of all modules as roots before it suspends threads.  A
 * thread that unmaps one in between makes the marking threads read unmapped
 * memory (seen with libgc 8.2.2: a crash in one of four runs of the stress
 * test).  Nor may a collection wait for the loader's lock while a module's
 * destructor waits for libgc's.  dlopen(3) needs no help.
 */
#include "collect/unload.h"
#include "base/next.h"
#include "collect/libgc.h"
#include "collect/start.h"
#include <dlfcn.h>
#include <stdbool.h>

void (*kgc__after_dlclose)(void);

__attribute__((visibility("default"))) int dlclose(void *module)
{
    bool in_use = kgc__started();
    if (in_use)
        GC_disable(); /* takes libgc's lock: a collection that runs ends first */
    int result = KGC__NEXT(dlclose)(module);
    if (in_use)
        GC_enable();
    if (kgc__after_dlclose != NULL)
        kgc__after_dlclose();
    return result;
}
