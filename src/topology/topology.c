/* SPDX-License-Identifier: MIT */
/*
 * Chooses among memory nodes by hwloc's memory attributes; see topology.h.
 * What is done with the nodes is the affair of src/kind/.
 *
 * A description is loaded for each call and thrown away: it takes a
 * millisecond or two, is asked for when a kind is opened, and is true then
 * (memory nodes come and go).  hwloc allocates with malloc() and reads sysfs,
 * so nothing here may be called from hooks, with a lock held that an
 * allocation may need, or while threads are suspended.
 */
#include "topology/topology.h"
#include "base/message.h"
#include "topology/hwloc.h"
#include <errno.h>
#include <sched.h>
#include <stdint.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

/* The attribute in hwloc and in messages. */
static const struct {
    hwloc_memattr_id_t id;
    bool lowest;
    const char *name;
} attributes[] = {
    [KGC__BANDWIDTH] = {HWLOC_MEMATTR_ID_BANDWIDTH, false, "bandwidth"},
    [KGC__LATENCY] = {HWLOC_MEMATTR_ID_LATENCY, true, "latency"},
    [KGC__CAPACITY] = {HWLOC_MEMATTR_ID_CAPACITY, false, "capacity"},
};

/* The environment can name files for hwloc to read and plugins for it to
   load.  A program that runs with rights that its caller does not have must
   not do the caller's bidding, and a thread cannot change the environment. */
static bool is_environment_foreign(void)
{
    if (getauxval(AT_SECURE) == 0 || environ == NULL)
        return false;
    for (char **variable = environ; *variable != NULL; variable++)
        if (strncmp(*variable, "HWLOC_", 6) == 0)
            return true;
    return false;
}

/* Objects that neither hold memory nor show what is near to it are left out,
   and so is hwloc's x86 part, which moves the thread from CPU to CPU.  Nodes
   and CPUs that this process may not use stay in: an allowed node keeps its
   values also when the CPUs next to it are not allowed. */
static int load(const struct kgc__hwloc *hwloc, hwloc_topology_t topology, const char *xml)
{
    hwloc->topology_set_all_types_filter(topology, HWLOC_TYPE_FILTER_KEEP_NONE);
    hwloc->topology_set_type_filter(topology, HWLOC_OBJ_PACKAGE, HWLOC_TYPE_FILTER_KEEP_ALL);
    hwloc->topology_set_type_filter(topology, HWLOC_OBJ_GROUP, HWLOC_TYPE_FILTER_KEEP_STRUCTURE);
    hwloc->topology_set_components(topology, HWLOC_TOPOLOGY_COMPONENTS_FLAG_BLACKLIST, "x86");
    hwloc->topology_set_flags(topology, HWLOC_TOPOLOGY_FLAG_INCLUDE_DISALLOWED);
    errno = 0;
    if ((xml == NULL || hwloc->topology_set_xml(topology, xml) == 0) && hwloc->topology_load(topology) == 0)
        return 0;
    int error = errno == ENOMEM ? ENOMEM : EINVAL;
    if (xml != NULL)
        return kgc__fail(error, "%s cannot be read as a machine description in hwloc's XML", xml);
    return kgc__fail(error, "hwloc cannot read this machine's topology: %s",
                     error == ENOMEM ? "out of memory"
                                     : "look at the variables HWLOC_... of the environment");
}

/* What is asked of a loaded description. */
struct question {
    const struct kgc__hwloc *hwloc;
    hwloc_topology_t topology;
    enum kgc__attribute attribute;
    struct hwloc_location *from;      /* the CPU to be near to; NULL: look at each node from its best place */
    const struct kgc__nodes *allowed; /* NULL: the description is not of this machine */
};

static bool is_usable(const struct question *q, hwloc_obj_t node)
{
    return node->attr->numanode.local_memory != 0 && node->os_index < KGC__NODES_MAX &&
           (q->allowed == NULL || kgc__nodes_has(q->allowed, node->os_index));
}

static bool value_of(const struct question *q, hwloc_obj_t node, hwloc_uint64_t *value)
{
    hwloc_memattr_id_t id = attributes[q->attribute].id;
    struct hwloc_location best;
    if (q->attribute == KGC__CAPACITY) {
        *value = node->attr->numanode.local_memory;
        return true;
    }
    return (q->from != NULL
                ? q->hwloc->memattr_get_value(q->topology, id, node, q->from, 0, value)
                : q->hwloc->memattr_get_best_initiator(q->topology, id, node, 0, &best, value)) == 0;
}

/* How many nodes have the best value; *usable: how many could have. */
static unsigned choose(const struct question *q, hwloc_obj_t *nodes, unsigned count, struct kgc__nodes *out,
                       unsigned *usable)
{
    unsigned chosen = 0;
    hwloc_uint64_t best = 0, value;
    *usable = 0;
    for (unsigned i = 0; i < count; i++) {
        if (!is_usable(q, nodes[i]))
            continue;
        ++*usable;
        if (!value_of(q, nodes[i], &value))
            continue;
        if (chosen == 0 || (attributes[q->attribute].lowest ? value < best : value > best)) {
            memset(out, 0, sizeof *out);
            chosen = 0;
            best = value;
        }
        if (value == best) {
            kgc__nodes_add(out, nodes[i]->os_index);
            chosen++;
        }
    }
    return chosen;
}

static int fail_untold(enum kgc__attribute attribute, const char *of)
{
    return kgc__fail(
        ENOTSUP,
        "this machine does not tell the %s of %s (no HMAT from the firmware, or a kernel before 5.2 "
        "or without CONFIG_ACPI_HMAT); name the nodes: numa:bind=N",
        attributes[attribute].name, of);
}

/* As kgc__topology_best(), of a loaded description.  `set` is an empty set of
   CPUs for `local`, else NULL. */
static int best_of(const struct kgc__hwloc *hwloc, hwloc_topology_t topology, enum kgc__attribute attribute,
                   hwloc_cpuset_t set, int cpu, struct kgc__nodes *out)
{
    hwloc_obj_t nodes[KGC__NODES_MAX];
    unsigned count = KGC__NODES_MAX, usable;
    struct hwloc_location here = {.type = HWLOC_LOCATION_TYPE_CPUSET, .location = {.cpuset = set}};
    struct kgc__node_sets sets;
    struct question question = {hwloc, topology, attribute, set != NULL ? &here : NULL, NULL};
    if (hwloc->topology_is_thissystem(topology)) {
        kgc__node_sets_read(&sets);
        question.allowed = &sets.allowed;
    }
    if (set != NULL) {
        if (!hwloc->bitmap_isset(hwloc->topology_get_topology_cpuset(topology), (unsigned)cpu))
            return kgc__fail(ENOTSUP, "the description of the machine has no CPU %d", cpu);
        hwloc->bitmap_only(set, (unsigned)cpu);
    }
    if (hwloc->get_local_numanode_objs(topology, question.from, &count, nodes,
                                       set != NULL ? HWLOC_LOCAL_NUMANODE_FLAG_LARGER_LOCALITY
                                                   : HWLOC_LOCAL_NUMANODE_FLAG_ALL) != 0)
        count = 0;
    if (choose(&question, nodes, count < KGC__NODES_MAX ? count : KGC__NODES_MAX, out, &usable) != 0)
        return 0;
    if (usable != 0)
        return fail_untold(attribute, set != NULL ? "the memory nodes near this CPU" : "its memory nodes");
    if (set == NULL)
        return kgc__fail(ENOTSUP, "there is no memory node with memory that this process may use");
    return kgc__fail(ENOTSUP,
                     "near CPU %d there is no memory node with memory that this process may use; "
                     "leave out \"local\" or name the nodes: numa:bind=N",
                     cpu);
}

static int best(const char *xml, enum kgc__attribute attribute, bool local, int cpu, struct kgc__nodes *out)
{
    if (is_environment_foreign())
        return kgc__fail(ENOTSUP,
                         "this program has more rights than its caller, so the variables HWLOC_... of the "
                         "environment cannot be trusted: unset them or name the nodes: numa:bind=N");
    const struct kgc__hwloc *hwloc = kgc__hwloc();
    if (hwloc == NULL)
        return ENOTSUP;
    hwloc_topology_t topology;
    if (hwloc->topology_init(&topology) != 0)
        return kgc__fail(ENOMEM, "out of memory");
    hwloc_cpuset_t set = local ? hwloc->bitmap_alloc() : NULL;
    int error = local && set == NULL ? kgc__fail(ENOMEM, "out of memory") : load(hwloc, topology, xml);
    if (error == 0)
        error = best_of(hwloc, topology, attribute, set, cpu >= 0 ? cpu : sched_getcpu(), out);
    hwloc->bitmap_free(set);
    hwloc->topology_destroy(topology);
    return error;
}

int kgc__topology_best(const char *xml, enum kgc__attribute attribute, bool local, int cpu,
                       struct kgc__nodes *out)
{
    int saved = errno;
    memset(out, 0, sizeof *out);
    int error = best(xml, attribute, local, cpu, out);
    errno = saved;
    return error;
}
