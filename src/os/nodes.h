/* SPDX-License-Identifier: MIT */
/*
 * Memory nodes: sets of them, which of them this process may use, memory
 * policies (mbind(2)), and where pages lie.  Nothing allocates or locks.
 */
#ifndef KGC_OS_NODES_H
#define KGC_OS_NODES_H

#include <stdbool.h>
#include <stddef.h>

/* The most that kernels are built for. */
enum { KGC__NODES_MAX = 1024, KGC__NODE_BITS = 8 * sizeof(unsigned long) };

struct kgc__nodes {
    unsigned long bits[KGC__NODES_MAX / KGC__NODE_BITS];
};

static inline bool kgc__nodes_has(const struct kgc__nodes *nodes, unsigned node)
{
    return node < KGC__NODES_MAX && (nodes->bits[node / KGC__NODE_BITS] >> node % KGC__NODE_BITS & 1) != 0;
}

static inline void kgc__nodes_add(struct kgc__nodes *nodes, unsigned node)
{
    nodes->bits[node / KGC__NODE_BITS] |= 1ul << node % KGC__NODE_BITS;
}

unsigned kgc__nodes_count(const struct kgc__nodes *nodes);
/* Those that are in both. */
struct kgc__nodes kgc__nodes_common(const struct kgc__nodes *a, const struct kgc__nodes *b);

/*
 * Adds a list such as "0,2-3" to a set.  *text moves behind the list; a comma
 * that no number follows is not part of it.  False, *text at the mistake, when
 * a number is missing or above 1023, or a range runs downwards.
 */
bool kgc__nodes_parse(const char **text, struct kgc__nodes *out);
#define KGC__NODES_SYNTAX "nodes are \"all\" or a list such as 0,2-3"

/* The same list as text, "none" for the empty set; a long one ends in "...". */
enum { KGC__NODES_TEXT = 128 };
const char *kgc__nodes_format(const struct kgc__nodes *nodes, char text[KGC__NODES_TEXT]);

/* What the system says of the nodes of this machine.  Where it tells nothing,
   there is node 0. */
struct kgc__node_sets {
    struct kgc__nodes possible, online, memory; /* memory: have some */
    struct kgc__nodes allowed;                  /* have some that this process may use (cpuset(7)) */
};
void kgc__node_sets_read(struct kgc__node_sets *out);

/* Why a node cannot be used: "does not exist", "is offline", "has no memory"
   or "is forbidden to this process"; NULL: it can be. */
const char *kgc__node_obstacle(const struct kgc__node_sets *sets, unsigned node);

/* Bytes of free memory of a node; 0 when it does not tell. */
size_t kgc__node_free(unsigned node);

/* Memory policies, with the kernel's numbers. */
enum kgc__placement {
    KGC__PLACE_PREFERRED = 1,
    KGC__PLACE_BIND = 2,
    KGC__PLACE_INTERLEAVE = 3,
    KGC__PLACE_LOCAL = 4,         /* nodes are not looked at */
    KGC__PLACE_PREFERRED_MANY = 5 /* Linux 5.15; EINVAL before */
};

/* Sets the policy of a mapped range, for pages that are touched later; it
   survives mprotect() and fork().  0 or an errno value: ENOSYS, or EPERM in
   containers that forbid the call. */
int kgc__os_place(void *p, size_t size, enum kgc__placement placement, const struct kgc__nodes *nodes);

/* Bytes of the range that are in memory on nodes outside the set; 0 when the
   system does not tell. */
size_t kgc__os_elsewhere(void *p, size_t size, const struct kgc__nodes *nodes);

#endif
