/* SPDX-License-Identifier: MIT */
/*
 * The static kinds: what each is in kindgc's grammar, and opening them when
 * they are used first.
 *
 * One lock is held while kinds are opened, created and destroyed; kindgc's own
 * locks are taken inside it.  A fork takes it first.
 */
#include "memkind/kind.h"
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TYPE MEMKIND_ERROR_MEMTYPE_NOT_AVAILABLE

struct memkind memkind__static[MEMKIND_NUM_BASE_KIND] = {
#define KIND(part, label, from, spec, otherwise, size)       \
    [MEMKIND_PARTITION_##part] = {.name = "memkind_" label,  \
                                  .source = MEMKIND__##from, \
                                  .text = spec,              \
                                  .error = otherwise,        \
                                  .capacity = MEMKIND__##size}
    KIND(DEFAULT, "default", TEXT, "default", MEMKIND_ERROR_UNAVAILABLE, NODES),
    KIND(REGULAR, "regular", REGULAR, NULL, MEMKIND_ERROR_UNAVAILABLE, NODES),
    KIND(INTERLEAVE, "interleave", TEXT, "numa:interleave=all", MEMKIND_ERROR_UNAVAILABLE, NODES),
    KIND(HUGETLB, "hugetlb", TEXT, "hugetlb:2M", MEMKIND_ERROR_HUGETLB, HUGE_2M),
    KIND(GBTLB, "gbtlb", TEXT, "hugetlb:1G", MEMKIND_ERROR_HUGETLB, HUGE_1G),
    KIND(HBW, "hbw", HBW, "bind", TYPE, NODES),
    KIND(HBW_ALL, "hbw_all", HBW, "bind", TYPE, NODES),
    KIND(HBW_PREFERRED, "hbw_preferred", HBW, "preferred", TYPE, UNBOUNDED),
    KIND(HBW_INTERLEAVE, "hbw_interleave", HBW, "interleave", TYPE, NODES),
    KIND(HBW_HUGETLB, "hbw_hugetlb", NEVER, NULL, TYPE, UNBOUNDED),
    KIND(HBW_ALL_HUGETLB, "hbw_all_hugetlb", NEVER, NULL, TYPE, UNBOUNDED),
    KIND(HBW_PREFERRED_HUGETLB, "hbw_preferred_hugetlb", NEVER, NULL, TYPE, UNBOUNDED),
    KIND(HBW_GBTLB, "hbw_gbtlb", NEVER, NULL, MEMKIND_ERROR_HUGETLB, UNBOUNDED),
    KIND(HBW_PREFERRED_GBTLB, "hbw_preferred_gbtlb", NEVER, NULL, MEMKIND_ERROR_HUGETLB, UNBOUNDED),
    KIND(DAX_KMEM, "dax_kmem", KMEM, "bind", MEMKIND_ERROR_UNAVAILABLE, NODES),
    KIND(DAX_KMEM_ALL, "dax_kmem_all", KMEM, "bind", MEMKIND_ERROR_UNAVAILABLE, NODES),
    KIND(DAX_KMEM_PREFERRED, "dax_kmem_preferred", KMEM, "preferred", MEMKIND_ERROR_UNAVAILABLE, UNBOUNDED),
    KIND(DAX_KMEM_INTERLEAVE, "dax_kmem_interleave", KMEM, "interleave", MEMKIND_ERROR_UNAVAILABLE, NODES),
    KIND(HIGHEST_CAPACITY, "highest_capacity", TEXT, "highest-capacity", TYPE, NODES),
    KIND(HIGHEST_CAPACITY_PREFERRED, "highest_capacity_preferred", TEXT, "highest-capacity:preferred", TYPE,
         UNBOUNDED),
    KIND(HIGHEST_CAPACITY_LOCAL, "highest_capacity_local", TEXT, "highest-capacity:local", TYPE, NODES),
    KIND(HIGHEST_CAPACITY_LOCAL_PREFERRED, "highest_capacity_local_preferred", TEXT,
         "highest-capacity:local,preferred", TYPE, UNBOUNDED),
    KIND(LOWEST_LATENCY_LOCAL, "lowest_latency_local", TEXT, "lowest-latency:local", TYPE, NODES),
    KIND(LOWEST_LATENCY_LOCAL_PREFERRED, "lowest_latency_local_preferred", TEXT,
         "lowest-latency:local,preferred", TYPE, UNBOUNDED),
    KIND(HIGHEST_BANDWIDTH_LOCAL, "highest_bandwidth_local", TEXT, "highest-bandwidth:local", TYPE, NODES),
    KIND(HIGHEST_BANDWIDTH_LOCAL_PREFERRED, "highest_bandwidth_local_preferred", TEXT,
         "highest-bandwidth:local,preferred", TYPE, UNBOUNDED),
#undef KIND
};

#define NAME(part) memkind_t MEMKIND_##part = &memkind__static[MEMKIND_PARTITION_##part];
NAME(DEFAULT)
NAME(REGULAR)
NAME(INTERLEAVE)
NAME(HUGETLB)
NAME(GBTLB)
NAME(HBW)
NAME(HBW_ALL)
NAME(HBW_PREFERRED)
NAME(HBW_INTERLEAVE)
NAME(HBW_HUGETLB)
NAME(HBW_ALL_HUGETLB)
NAME(HBW_PREFERRED_HUGETLB)
NAME(HBW_GBTLB)
NAME(HBW_PREFERRED_GBTLB)
NAME(DAX_KMEM)
NAME(DAX_KMEM_ALL)
NAME(DAX_KMEM_PREFERRED)
NAME(DAX_KMEM_INTERLEAVE)
NAME(HIGHEST_CAPACITY)
NAME(HIGHEST_CAPACITY_PREFERRED)
NAME(HIGHEST_CAPACITY_LOCAL)
NAME(HIGHEST_CAPACITY_LOCAL_PREFERRED)
NAME(LOWEST_LATENCY_LOCAL)
NAME(LOWEST_LATENCY_LOCAL_PREFERRED)
NAME(HIGHEST_BANDWIDTH_LOCAL)
NAME(HIGHEST_BANDWIDTH_LOCAL_PREFERRED)
#undef NAME

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

void memkind__lock(void)
{
    pthread_mutex_lock(&mutex);
}

void memkind__unlock(void)
{
    pthread_mutex_unlock(&mutex);
}

/* This library is initialised after libkindgc, so fork calls this handler before
   libkindgc's: the order in which the locks are taken. */
static __attribute__((constructor)) void register_fork_handlers(void)
{
    pthread_atfork(memkind__lock, memkind__unlock, memkind__unlock);
}

bool memkind__is_static(const struct memkind *k)
{
    return k >= memkind__static && k < memkind__static + MEMKIND_NUM_BASE_KIND;
}

static int nodes_specification(const struct memkind *k, char *spec, size_t size)
{
    char list[MEMKIND__LIST_MAX];
    int error = k->source == MEMKIND__HBW ? memkind__nodes_hbw(list, sizeof list)
                                          : memkind__nodes_kmem(list, sizeof list);
    if (error == MEMKIND_SUCCESS)
        snprintf(spec, size, "numa:%s=%s", k->text, list);
    else if (error != MEMKIND_ERROR_ENVIRON)
        memkind__debug(k->name,
                       k->source == MEMKIND__HBW
                           ? "no memory is faster than the rest; MEMKIND_HBW_NODES can name its nodes"
                           : "no memory devices are in use as system memory; "
                             "MEMKIND_DAX_KMEM_NODES can name their nodes");
    return error;
}

int memkind__specification(const struct memkind *k, char *spec, size_t size)
{
    char list[MEMKIND__LIST_MAX];
    switch (k->source) {
    case MEMKIND__TEXT:
        snprintf(spec, size, "%s", k->text);
        return MEMKIND_SUCCESS;
    case MEMKIND__REGULAR:
        /* Without tables of nodes there is one node. */
        if (memkind__nodes_regular(list, sizeof list))
            snprintf(spec, size, "numa:bind=%s", list);
        else
            snprintf(spec, size, "default");
        return MEMKIND_SUCCESS;
    case MEMKIND__HBW:
    case MEMKIND__KMEM:
        return nodes_specification(k, spec, size);
    default:
        return k->error;
    }
}

/* The number of a variable of the environment: false when it is not set. */
static bool number_of(const char *variable, long *value, bool *valid)
{
    const char *text = secure_getenv(variable);
    char *end;
    if (text == NULL)
        return false;
    errno = 0;
    *value = strtol(text, &end, 10);
    *valid = end != text && *end == '\0' && errno == 0;
    return true;
}

/* Heaps of TBB's sort do not exist here: said once. */
static void check_heap_manager(void)
{
    static bool said;
    const char *manager = secure_getenv("MEMKIND_HEAP_MANAGER");
    if (said || manager == NULL || strcmp(manager, "TBB") != 0)
        return;
    said = true;
    fputs("kindgc: MEMKIND_HEAP_MANAGER=TBB has no effect: jemalloc manages the memory\n", stderr);
}

int memkind__options(kgc_kind_options *options, memkind_mem_usage_policy policy)
{
    enum { ARENAS_MAX = 64 };
    long value;
    bool valid;
    *options =
        (kgc_kind_options){.decay = policy == MEMKIND_MEM_USAGE_POLICY_CONSERVATIVE ? KGC_DECAY_CONSERVATIVE
                                                                                    : KGC_DECAY_DEFAULT};
    check_heap_manager();
    if (number_of("MEMKIND_ARENA_NUM_PER_KIND", &value, &valid)) {
        if (!valid || value <= 0 || value > INT_MAX) {
            memkind__debug("MEMKIND_ARENA_NUM_PER_KIND", "not a number from 1 to INT_MAX");
            return MEMKIND_ERROR_ENVIRON;
        }
        options->arenas = value < ARENAS_MAX ? (unsigned)value : ARENAS_MAX;
    }
    if (number_of("MEMKIND_HOG_MEMORY", &value, &valid) && valid && value == 1)
        options->decay = KGC_DECAY_NEVER;
    return memkind__background_threads();
}

/* For the holder of the lock: opens a kind that is not open. */
static kgc_kind *open_locked(struct memkind *k, int *error)
{
    char spec[MEMKIND__LIST_MAX + 32];
    kgc_kind_options options;
    kgc_kind *kind;
    *error = memkind__specification(k, spec, sizeof spec);
    if (*error == MEMKIND_SUCCESS)
        *error = memkind__options(&options, MEMKIND_MEM_USAGE_POLICY_DEFAULT);
    if (*error != MEMKIND_SUCCESS)
        return NULL;
    int reason = kgc_kind_open_with(spec, &options, &kind);
    if (reason != 0) {
        memkind__debug(k->name, kgc_last_error());
        *error = reason == ENOMEM && k->error != MEMKIND_ERROR_HUGETLB ? MEMKIND_ERROR_MMAP : k->error;
        return NULL;
    }
    if (!memkind__table_add(kind, k)) {
        kgc_kind_close(kind);
        *error = MEMKIND_ERROR_TOOMANY;
        return NULL;
    }
    atomic_store_explicit(&k->kind, kind, memory_order_release);
    return kind;
}

kgc_kind *memkind__open_static(struct memkind *k, int *error)
{
    int ignored;
    memkind__lock();
    kgc_kind *kind = atomic_load_explicit(&k->kind, memory_order_relaxed);
    if (kind == NULL)
        kind = open_locked(k, error != NULL ? error : &ignored);
    memkind__unlock();
    return kind;
}

kgc_kind *memkind__open_slowly(struct memkind *k)
{
    kgc_kind *kind = k != NULL ? memkind__open_static(k, NULL) : NULL;
    if (kind == NULL)
        errno = k != NULL ? ENOMEM : EINVAL;
    return kind;
}

int memkind_get_kind_by_partition(int partition, memkind_t *kind)
{
    if (partition < 0 || partition >= MEMKIND_NUM_BASE_KIND || kind == NULL)
        return MEMKIND_ERROR_INVALID;
    *kind = &memkind__static[partition];
    return MEMKIND_SUCCESS;
}
