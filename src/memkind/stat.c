/* SPDX-License-Identifier: MIT */
/* Availability, capacity and statistics of kinds. */
#include "memkind/kind.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

int memkind_check_available(memkind_t k)
{
    char spec[MEMKIND__LIST_MAX + 32];
    kgc_kind_options options;
    if (k == NULL)
        return MEMKIND_ERROR_INVALID;
    if (atomic_load_explicit(&k->kind, memory_order_acquire) != NULL)
        return MEMKIND_SUCCESS;
    int error = memkind__specification(k, spec, sizeof spec);
    if (error == MEMKIND_SUCCESS)
        error = memkind__options(&options, MEMKIND_MEM_USAGE_POLICY_DEFAULT);
    if (error != MEMKIND_SUCCESS)
        return error;
    if (kgc_kind_check(spec) == 0)
        return MEMKIND_SUCCESS;
    memkind__debug(k->name, kgc_last_error());
    return k->error;
}

/* Bytes of huge pages that the system has reserved. */
static ssize_t huge_bytes(size_t page)
{
    char path[96], text[32];
    snprintf(path, sizeof path, "/sys/kernel/mm/hugepages/hugepages-%zukB/nr_hugepages", page / 1024);
    return memkind__read(path, text, sizeof text) ? (ssize_t)(strtoull(text, NULL, 10) * page) : -1;
}

static ssize_t disk_bytes(const char *directory)
{
    struct statvfs fs;
    return statvfs(directory, &fs) == 0 ? (ssize_t)(fs.f_blocks * fs.f_frsize) : -1;
}

/* Bytes of the nodes that a kind names, or of all when its policy names none. */
static ssize_t node_bytes(struct memkind *k)
{
    kgc_kind_description description;
    char list[MEMKIND__LIST_MAX];
    kgc_kind *kind = memkind__kind(k);
    if (kind == NULL || kgc_kind_describe(kind, &description) != 0)
        return -1;
    return memkind__nodes_bytes(memkind__nodes_format(description.nodes, list, sizeof list) ? list : NULL);
}

ssize_t memkind_get_capacity(memkind_t k)
{
    if (k == NULL)
        return -1;
    switch (k->capacity) {
    case MEMKIND__NODES:
        return node_bytes(k);
    case MEMKIND__HUGE_2M:
        return huge_bytes((size_t)2 << 20);
    case MEMKIND__HUGE_1G:
        return huge_bytes((size_t)1 << 30);
    case MEMKIND__BYTES:
        return (ssize_t)k->bytes;
    case MEMKIND__DISK:
        return disk_bytes(k->directory);
    default:
        return -1;
    }
}

int memkind_update_cached_stats(void)
{
    return MEMKIND_SUCCESS;
}

/* Adds a figure of one kind; one that was never used has none. */
static int add_stat(struct memkind *k, memkind_stat_type stat, size_t *sum)
{
    kgc_kind_info info;
    kgc_kind *kind = atomic_load_explicit(&k->kind, memory_order_acquire);
    if (kind == NULL)
        return MEMKIND_SUCCESS;
    int error = kgc_kind_stats(kind, &info);
    if (error != 0)
        return memkind__error(error);
    *sum += stat == MEMKIND_STAT_TYPE_RESIDENT ? info.resident
            : stat == MEMKIND_STAT_TYPE_ACTIVE ? info.active
                                               : info.allocated;
    return MEMKIND_SUCCESS;
}

int memkind_get_stat(memkind_t k, memkind_stat_type stat, size_t *value)
{
    size_t sum = 0;
    int error = MEMKIND_SUCCESS;
    if ((unsigned)stat >= MEMKIND_STAT_TYPE_MAX_VALUE || value == NULL)
        return MEMKIND_ERROR_INVALID;
    if (k != NULL) {
        error = add_stat(k, stat, &sum);
    } else {
        memkind__lock();
        struct memkind *each;
        for (unsigned i = 0; error == MEMKIND_SUCCESS && (each = memkind__table_next(&i)) != NULL;)
            error = add_stat(each, stat, &sum);
        memkind__unlock();
    }
    if (error == MEMKIND_SUCCESS)
        *value = sum;
    return error;
}
