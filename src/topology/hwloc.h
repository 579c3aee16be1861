/* SPDX-License-Identifier: MIT */
/*
 * hwloc's functions, from a library that is loaded when they are first asked
 * for: few programs open a kind that is chosen by hwloc, and loading it (with
 * libudev, which it needs) takes 0.4 ms of each start and ten mappings that
 * each fork copies.
 */
#ifndef KGC_TOPOLOGY_HWLOC_H
#define KGC_TOPOLOGY_HWLOC_H

#include <hwloc.h>

#define KGC__HWLOC_FUNCTIONS(X)                                                                        \
    X(bitmap_alloc) X(bitmap_free) X(bitmap_isset) X(bitmap_only) X(get_local_numanode_objs)           \
    X(memattr_get_best_initiator) X(memattr_get_value) X(topology_destroy)                             \
    X(topology_get_topology_cpuset) X(topology_init) X(topology_is_thissystem) X(topology_load)        \
    X(topology_set_all_types_filter) X(topology_set_components) X(topology_set_flags)                  \
    X(topology_set_type_filter) X(topology_set_xml)

struct kgc__hwloc {
#define KGC__HWLOC_MEMBER(name) __typeof__(&hwloc_##name) name;
    KGC__HWLOC_FUNCTIONS(KGC__HWLOC_MEMBER)
#undef KGC__HWLOC_MEMBER
};

/* May call malloc().  NULL after kgc__fail(ENOTSUP): it cannot be loaded. */
const struct kgc__hwloc *kgc__hwloc(void);

#endif
