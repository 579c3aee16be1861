/* SPDX-License-Identifier: MIT */
/*
 * Ordinary pages on chosen memory nodes: numa:*, and highest-bandwidth and
 * the like, where the machine's description chooses the nodes.
 *
 * The policy is set on the whole range when the kind is opened, before any
 * page is there; it stays with the addresses when pieces are made usable, and
 * in a forked child.  What cannot be had is an error, except with "preferred":
 * then memory comes from the node of the CPU that touches it, which is said in
 * one line and counted.
 */
#include "base/message.h"
#include "kind/kind.h"
#include "os/nodes.h"
#include "os/os.h"
#include <errno.h>
#include <kindgc/init.h>

static enum kgc__placement placement_of(kgc_policy policy, const struct kgc__nodes *nodes)
{
    return policy == KGC_POLICY_BIND                      ? KGC__PLACE_BIND
           : policy == KGC_POLICY_INTERLEAVE              ? KGC__PLACE_INTERLEAVE
           : policy == KGC_POLICY_LOCAL                   ? KGC__PLACE_LOCAL
           : nodes != NULL && kgc__nodes_count(nodes) > 1 ? KGC__PLACE_PREFERRED_MANY
                                                          : KGC__PLACE_PREFERRED;
}

int kgc__numa_dress(const kgc_kind *kind, void *p, size_t size)
{
    return kind->policy == KGC_POLICY_SYSTEM
               ? 0
               : kgc__os_place(p, size, placement_of(kind->policy, &kind->nodes), &kind->nodes);
}

static int place(kgc_kind *kind, kgc_policy policy, const struct kgc__nodes *nodes)
{
    int error =
        kgc__os_place(kind->space.range.base, kind->space.range.size, placement_of(policy, nodes), nodes);
    if (error != 0)
        return error;
    kind->policy = policy;
    if (nodes != NULL)
        kind->nodes = *nodes;
    return 0;
}

/* The reason is the text of kgc_last_error(), which begins with the kind. */
static void fall_back(kgc_kind *kind, const struct kgc__spec *spec)
{
    if (!spec->quiet)
        kgc__warn("%s; memory comes from the local node", kgc_last_error());
    kind->fell_back = true;
    atomic_fetch_add(&kind->fallbacks, 1);
    /* Where this fails too the thread's own policy holds, which says the same
       unless somebody has changed it. */
    place(kind, KGC_POLICY_LOCAL, NULL);
}

static int why_not(int error, const struct kgc__spec *spec)
{
    switch (error) {
    case ENOSYS:
        return kgc__fail(ENOTSUP, "%s: this kernel does not know memory nodes (CONFIG_NUMA)", spec->text);
    case EPERM:
        return kgc__fail(
            EPERM, "%s: mbind(2) is forbidden here, as containers do; give CAP_SYS_NICE or allow the call",
            spec->text);
    case EINVAL:
        if (spec->policy == KGC_POLICY_PREFERRED)
            return kgc__fail(ENOTSUP, "%s: preferring several nodes needs Linux 5.15; name one node",
                             spec->text);
        break;
    }
    return kgc__fail_errno(error, "%s: mbind(2)", spec->text);
}

/* Opens the kind with memory of these nodes.  `tells`: 0, or why there are
   none, with kgc_last_error() set. */
static int open_on(kgc_kind *kind, const struct kgc__spec *spec, const struct kgc__nodes *nodes, int tells)
{
    bool preferred = spec->policy == KGC_POLICY_PREFERRED;
    if (tells != 0 && !preferred)
        return tells;
    int error = kgc__space_open(&kind->space, &kgc__anonymous_backing, spec->limit, kgc__page_size(), kind);
    if (error != 0)
        return error;
    if (tells != 0) {
        fall_back(kind, spec);
        return 0;
    }
    error = place(kind, spec->policy, spec->policy == KGC_POLICY_LOCAL ? NULL : nodes);
    if (error == 0)
        return 0;
    bool too_old = error == EINVAL && preferred && kgc__nodes_count(nodes) > 1;
    error = why_not(error, spec);
    if (preferred && !too_old) {
        fall_back(kind, spec);
        return 0;
    }
    kgc__space_close(&kind->space);
    return error;
}

/* The first node that is wanted and cannot be had: an error that names it and
   those that can be. */
static int check_nodes(const struct kgc__spec *spec, const struct kgc__node_sets *sets,
                       const struct kgc__nodes *wanted)
{
    char usable[KGC__NODES_TEXT];
    for (unsigned node = 0; node < KGC__NODES_MAX; node++) {
        const char *obstacle = kgc__nodes_has(wanted, node) ? kgc__node_obstacle(sets, node) : NULL;
        if (obstacle != NULL)
            return kgc__fail(ENOTSUP, "%s: node %u %s; nodes that this process may use: %s", spec->text, node,
                             obstacle, kgc__nodes_format(&sets->allowed, usable));
    }
    return 0;
}

int kgc__numa_open(kgc_kind *kind, const struct kgc__spec *spec)
{
    struct kgc__node_sets sets;
    kgc__node_sets_read(&sets);
    struct kgc__nodes nodes = spec->all_nodes ? sets.allowed : spec->nodes;
    int tells = check_nodes(spec, &sets, &nodes);
    if (tells != 0 && spec->policy == KGC_POLICY_PREFERRED) {
        struct kgc__nodes there = kgc__nodes_common(&nodes, &sets.allowed);
        if (kgc__nodes_count(&there) != 0) { /* of several some: these are preferred */
            if (!spec->quiet)
                kgc__warn("%s; the others are preferred", kgc_last_error());
            atomic_fetch_add(&kind->fallbacks, 1);
            nodes = there;
            tells = 0;
        }
    }
    return open_on(kind, spec, &nodes, tells);
}

int kgc__best_open(kgc_kind *kind, const struct kgc__spec *spec)
{
    struct kgc__node_sets sets;
    struct kgc__nodes best = {{0}};
    int error = kgc__topology_best(NULL, spec->attribute, spec->local, -1, &best);
    if (error != 0)
        kgc__fail_prefix(error, "%s: ", spec->text);
    if (error != 0 && error != ENOTSUP)
        return error;
    if (error == 0) {
        kgc__node_sets_read(&sets);
        error = check_nodes(spec, &sets, &best);
    }
    return open_on(kind, spec, &best, error);
}
