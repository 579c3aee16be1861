/* SPDX-License-Identifier: MIT */
/*
 * What this process's control groups (cgroups(7), version 1 and 2) allow it.
 *
 * A group's limits hold for all groups below it, so the least on the way up
 * counts.  Found once; the numbers are read anew each time, for they can be
 * changed.  A few reads of small files with a buffer on the stack: no lock, no
 * allocation, so libgc's lock may be held.
 */
#ifndef KGC_OS_CGROUP_H
#define KGC_OS_CGROUP_H

#include <stddef.h>

enum { KGC__CGROUP_PATH = 512 };

/* Where a controller's files are. */
struct kgc__cgroup_place {
    unsigned version;            /* 1 or 2; 0: none was found */
    size_t top;                  /* length of the mount point: the files above it are not seen */
    char path[KGC__CGROUP_PATH]; /* of the process's group, without a slash at its end */
};

struct kgc__cgroup {
    struct kgc__cgroup_place memory, cpu;
};

/* prefix comes before all paths: "" but in tests. */
void kgc__cgroup_find(struct kgc__cgroup *group, const char *prefix);

/* What the library goes by: found when it is first asked for, below the prefix. */
const struct kgc__cgroup *kgc__cgroup(void);
extern const char *kgc__cgroup_root;

/* The least of the memory limits in bytes, memory.high included: beyond that
   the kernel all but stops the process.  SIZE_MAX: none. */
size_t kgc__cgroup_memory(const struct kgc__cgroup *group);

/* How many CPUs the quotas amount to, rounded up.  UINT_MAX: no quota. */
unsigned kgc__cgroup_cpus(const struct kgc__cgroup *group);

#endif
