/* SPDX-License-Identifier: MIT */
/* The object that carries the arguments of memkind_create_pmem_with_config().
   For one thread at a time. */
#include "memkind/create.h"
#include "memkind/kind.h"
#include <stdlib.h>
#include <string.h>

struct memkind_config {
    char *path;
    size_t size;
    memkind_mem_usage_policy policy;
};

struct memkind_config *memkind_config_new(void)
{
    return calloc(1, sizeof(struct memkind_config));
}

void memkind_config_delete(struct memkind_config *cfg)
{
    if (cfg == NULL)
        return;
    free(cfg->path);
    free(cfg);
}

/* Without memory for the copy there is no path, and no kind later. */
void memkind_config_set_path(struct memkind_config *cfg, const char *pmem_dir)
{
    free(cfg->path);
    cfg->path = pmem_dir != NULL ? strdup(pmem_dir) : NULL;
}

void memkind_config_set_size(struct memkind_config *cfg, size_t pmem_size)
{
    cfg->size = pmem_size;
}

void memkind_config_set_memory_usage_policy(struct memkind_config *cfg, memkind_mem_usage_policy policy)
{
    cfg->policy = policy;
}

int memkind_create_pmem_with_config(struct memkind_config *cfg, memkind_t *kind)
{
    return cfg != NULL ? memkind__create_pmem(cfg->path, cfg->size, cfg->policy, kind)
                       : MEMKIND_ERROR_INVALID;
}
