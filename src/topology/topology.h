/* SPDX-License-Identifier: MIT */
/*
 * Which memory nodes of the machine are best in one respect, by what the
 * firmware tells (ACPI HMAT, through hwloc's memory attributes).
 */
#ifndef KGC_TOPOLOGY_TOPOLOGY_H
#define KGC_TOPOLOGY_TOPOLOGY_H

#include "os/nodes.h"

enum kgc__attribute { KGC__BANDWIDTH, KGC__LATENCY, KGC__CAPACITY };

/*
 * The nodes that are best: all of those that share the best value.  Without
 * `local` each node counts by its value from the CPUs that reach it best; with
 * `local` only nodes that are near the CPU count, by their value from there.
 * Nodes without memory, or of this machine and forbidden to this process,
 * never count.
 *   xml  a file with a machine description in hwloc's XML; NULL: this machine
 *        (or what hwloc's own variables say, such as HWLOC_XMLFILE; where they
 *        cannot be trusted, in setuid programs, they are an error)
 *   cpu  the CPU to be near to (its index in the system); -1: the one that
 *        runs the calling thread
 * Returns 0; ENOTSUP when the machine does not tell (bandwidth or latency
 * without HMAT) or when there is nothing to choose; ENOMEM or EINVAL when the
 * description cannot be read.  kgc_last_error() says why; the caller
 * puts the specification in front.  On failure *out is empty.  errno is kept.
 */
int kgc__topology_best(const char *xml, enum kgc__attribute attribute, bool local, int cpu,
                       struct kgc__nodes *out);

#endif
