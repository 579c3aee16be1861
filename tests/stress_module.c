/* SPDX-License-Identifier: MIT */
/* A module with static data that points into the heap: a root as long as it is loaded. */
#include <kindgc/base.h>

KGC_API void *stress_module_slot(void *new_value);

static void *slot;

void *stress_module_slot(void *new_value)
{
    void *old = slot;
    slot = new_value;
    return old;
}
