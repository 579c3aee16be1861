/* SPDX-License-Identifier: MIT */
/*
 * Staying off the kernel's limit of mappings (vm.max_map_count), beyond which
 * every mmap(2) and mprotect(2) of the process fails, and libgc aborts.
 *
 * Where neighbouring pages of the heap lie differently a mapping ends; these
 * boundaries are counted.  What else the process has mapped is looked up now
 * and then: reading 60,000 lines takes 20 ms.
 */
#include "base/message.h"
#include "os/proc.h"
#include "section/place.h"
#include <errno.h>
#include <stdatomic.h>

enum {
    PAGE = KGC__PLACED_PAGE,
    RESERVE = 4096,   /* for the rest of the process until the next look */
    LOOK_EVERY = 1024 /* boundaries, or refusals */
};

size_t kgc__place_mappings_max;

static size_t boundaries, others, boundaries_at_look, refusals_since_look, most;

static void look(void)
{
    size_t all = kgc__proc_count_mappings();
    if (most == 0)
        most = kgc__proc_number("/proc/sys/vm/max_map_count", 65530);
    others = all > boundaries ? all - boundaries : 0;
    boundaries_at_look = boundaries;
    refusals_since_look = 0;
}

int kgc__place_check_mappings(kgc_kind *kind)
{
    static bool said;
    if (most == 0 || boundaries > boundaries_at_look + LOOK_EVERY || refusals_since_look >= LOOK_EVERY)
        look();
    size_t allowed = kgc__place_mappings_max != 0 ? kgc__place_mappings_max : most;
    if (others + boundaries + 2 + RESERVE <= allowed)
        return 0;
    refusals_since_look++;
    atomic_fetch_add(&kind->placement_refusals, 1);
    if (!said)
        kgc__warn("the process nears the kernel's limit of %zu mappings: no more pages of the heap are "
                  "placed on other "
                  "kinds (as root: sysctl vm.max_map_count=N)",
                  allowed);
    said = true;
    return kgc__fail(ENOMEM,
                     "%s: the process nears the kernel's limit of %zu mappings (sysctl vm.max_map_count)",
                     kind->name, allowed);
}

void kgc__place_count_mappings(const char *p, size_t size, unsigned number)
{
    size_t before = 0;
    for (const char *at = p; at <= p + size; at += PAGE)
        before += kgc__placed_number(at - PAGE) != kgc__placed_number(at);
    size_t after = (kgc__placed_number(p - PAGE) != number) + (kgc__placed_number(p + size) != number);
    boundaries += after - before;
}
