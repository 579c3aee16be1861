/* SPDX-License-Identifier: MIT */
/*
 * Kinds that the program creates: on files, in its own memory, or by what they
 * should be; and destroying them.  Records come from malloc(3).
 */
#include "memkind/create.h"
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Takes over *record (its directory too) and the kind, which is open. */
static int publish(const struct memkind *record, kgc_kind *kind, memkind_t *out)
{
    struct memkind *k = aligned_alloc(_Alignof(struct memkind), sizeof *k);
    bool added = false;
    if (k != NULL) {
        memcpy(k, record, sizeof *k);
        atomic_store_explicit(&k->kind, kind, memory_order_relaxed);
        memkind__lock();
        added = memkind__table_add(kind, k);
        memkind__unlock();
    }
    if (added) {
        *out = k;
        return MEMKIND_SUCCESS;
    }
    int error = k != NULL ? MEMKIND_ERROR_TOOMANY : MEMKIND_ERROR_MALLOC;
    kgc_kind_close(kind);
    free(record->directory);
    free(k);
    return error;
}

/* "file:" and the absolute path, with what the grammar gives a meaning escaped. */
static bool file_specification(const char *directory, char *spec, size_t size)
{
    size_t n = (size_t)snprintf(spec, size, "file:");
    for (; *directory != '\0' && n + 2 < size; directory++) {
        if (strchr(",+@\\", *directory) != NULL)
            spec[n++] = '\\';
        spec[n++] = *directory;
    }
    spec[n] = '\0';
    return *directory == '\0';
}

int memkind__create_pmem(const char *dir, size_t max_size, memkind_mem_usage_policy policy, memkind_t *out)
{
    char spec[PATH_MAX];
    kgc_kind_options options;
    kgc_kind *kind;
    if (dir == NULL || *dir == '\0' || out == NULL || (max_size != 0 && max_size < MEMKIND_PMEM_MIN_SIZE) ||
        (unsigned)policy >= MEMKIND_MEM_USAGE_POLICY_MAX_VALUE)
        return MEMKIND_ERROR_INVALID;
    int error = memkind__options(&options, policy);
    if (error != MEMKIND_SUCCESS)
        return error;
    if (max_size > PTRDIFF_MAX)
        max_size = 0; /* more than there are addresses: no limit */
    options.limit = max_size;
    char *directory = realpath(dir, NULL);
    if (directory == NULL) {
        int reason = errno;
        memkind__debug(dir, strerror(reason));
        errno = reason;
        return reason == ENOMEM ? MEMKIND_ERROR_MALLOC : MEMKIND_ERROR_INVALID;
    }
    int reason = file_specification(directory, spec, sizeof spec) ? kgc_kind_open_with(spec, &options, &kind)
                                                                  : ENAMETOOLONG;
    if (reason != 0) {
        memkind__debug(dir, kgc_last_error());
        free(directory);
        errno = reason;
        /* A file system that has no files for this is a wrong directory. */
        return reason == ENOTSUP ? MEMKIND_ERROR_INVALID : memkind__error(reason);
    }
    struct memkind record = {.name = "memkind_pmem",
                             .source = MEMKIND__CREATED,
                             .directory = directory,
                             .capacity = max_size != 0 ? MEMKIND__BYTES : MEMKIND__DISK,
                             .bytes = max_size};
    return publish(&record, kind, out);
}

int memkind_create_pmem(const char *dir, size_t max_size, memkind_t *kind)
{
    return memkind__create_pmem(dir, max_size, MEMKIND_MEM_USAGE_POLICY_DEFAULT, kind);
}

int memkind_create_fixed(void *addr, size_t size, memkind_t *out)
{
    kgc_kind *kind;
    if (out == NULL)
        return MEMKIND_ERROR_INVALID;
    int reason = kgc_kind_create_fixed("memkind_fixed", addr, size, &kind);
    if (reason != 0) {
        memkind__debug("memkind_create_fixed", kgc_last_error());
        return memkind__error(reason);
    }
    struct memkind record = {
        .name = "memkind_fixed", .source = MEMKIND__CREATED, .capacity = MEMKIND__BYTES, .bytes = size};
    return publish(&record, kind, out);
}

/* A new kind like a static one. */
static int create_like(enum memkind_base_partition partition, memkind_t *out)
{
    char spec[MEMKIND__LIST_MAX + 32];
    const struct memkind *model = &memkind__static[partition];
    kgc_kind_options options;
    kgc_kind *kind;
    int error = memkind__specification(model, spec, sizeof spec);
    if (error == MEMKIND_SUCCESS)
        error = memkind__options(&options, MEMKIND_MEM_USAGE_POLICY_DEFAULT);
    if (error != MEMKIND_SUCCESS)
        return error;
    if (memkind_check_available((memkind_t)model) != MEMKIND_SUCCESS)
        return model->error;
    int reason = kgc_kind_open_with(spec, &options, &kind);
    if (reason != 0) {
        memkind__debug(model->name, kgc_last_error());
        return reason == ENOMEM ? MEMKIND_ERROR_MMAP : model->error;
    }
    struct memkind record = {.name = model->name, .source = MEMKIND__CREATED, .capacity = model->capacity};
    return publish(&record, kind, out);
}

/* What a combination means, best first: a policy that only prefers has ordinary
   memory behind it. */
static const struct combination {
    unsigned types;
    memkind_policy_t policy;
    unsigned flags;
    bool fallback; /* to MEMKIND_DEFAULT */
    enum memkind_base_partition partition;
} combinations[] = {
#define ANY  MEMKIND_MEMTYPE_DEFAULT
#define FAST MEMKIND_MEMTYPE_HIGH_BANDWIDTH
#define HUGE MEMKIND_MASK_PAGE_SIZE_2MB
    {ANY, MEMKIND_POLICY_PREFERRED_LOCAL, 0, false, MEMKIND_PARTITION_DEFAULT},
    {ANY, MEMKIND_POLICY_PREFERRED_LOCAL, HUGE, true, MEMKIND_PARTITION_HUGETLB},
    {FAST, MEMKIND_POLICY_BIND_LOCAL, 0, false, MEMKIND_PARTITION_HBW},
    {FAST, MEMKIND_POLICY_BIND_LOCAL, HUGE, false, MEMKIND_PARTITION_HBW_HUGETLB},
    {FAST, MEMKIND_POLICY_BIND_ALL, 0, false, MEMKIND_PARTITION_HBW_ALL},
    {FAST, MEMKIND_POLICY_BIND_ALL, HUGE, false, MEMKIND_PARTITION_HBW_ALL_HUGETLB},
    {FAST, MEMKIND_POLICY_PREFERRED_LOCAL, 0, true, MEMKIND_PARTITION_HBW_PREFERRED},
    {FAST, MEMKIND_POLICY_PREFERRED_LOCAL, HUGE, true, MEMKIND_PARTITION_HBW_PREFERRED_HUGETLB},
    {FAST, MEMKIND_POLICY_INTERLEAVE_ALL, 0, false, MEMKIND_PARTITION_HBW_INTERLEAVE},
    {ANY | FAST, MEMKIND_POLICY_INTERLEAVE_ALL, 0, false, MEMKIND_PARTITION_INTERLEAVE},
#undef ANY
#undef FAST
#undef HUGE
};

int memkind_create_kind(memkind_memtype_t types, memkind_policy_t policy, memkind_bits_t flags,
                        memkind_t *kind)
{
    if (kind == NULL)
        return MEMKIND_ERROR_INVALID;
    for (unsigned i = 0; i < sizeof combinations / sizeof combinations[0]; i++) {
        const struct combination *c = &combinations[i];
        if (c->types != (unsigned)types || c->policy != policy || c->flags != (unsigned)flags)
            continue;
        int error = create_like(c->partition, kind);
        return error != MEMKIND_SUCCESS && error != MEMKIND_ERROR_ENVIRON && c->fallback
                   ? create_like(MEMKIND_PARTITION_DEFAULT, kind)
                   : error;
    }
    return MEMKIND_ERROR_INVALID;
}

int memkind_destroy_kind(memkind_t k)
{
    if (k == NULL)
        return MEMKIND_ERROR_INVALID;
    if (memkind__is_static(k))
        return MEMKIND_SUCCESS;
    kgc_kind *kind = atomic_load_explicit(&k->kind, memory_order_acquire);
    /* Out of the table first: once closed, another kind may have its place. */
    memkind__lock();
    memkind__table_remove(kind);
    kgc_kind_reset(kind);
    int reason = kgc_kind_close(kind);
    if (reason != 0)
        memkind__table_add(kind, k);
    memkind__unlock();
    if (reason != 0) {
        memkind__debug(k->name, kgc_last_error());
        return memkind__error(reason);
    }
    free(k->directory);
    free(k);
    return MEMKIND_SUCCESS;
}

int memkind_update_memory_usage_policy(memkind_t k, memkind_mem_usage_policy policy)
{
    if (k == NULL || (unsigned)policy >= MEMKIND_MEM_USAGE_POLICY_MAX_VALUE)
        return MEMKIND_ERROR_INVALID;
    kgc_kind *kind = memkind__kind(k);
    if (kind == NULL)
        return k->error;
    return memkind__error(kgc_kind_set_decay(
        kind, policy == MEMKIND_MEM_USAGE_POLICY_CONSERVATIVE ? KGC_DECAY_CONSERVATIVE : KGC_DECAY_DEFAULT,
        0));
}

/* Only a file system on memory that keeps what is written can map it this way. */
int memkind_check_dax_path(const char *pmem_dir)
{
    enum { SIZE = 4096 };
    if (pmem_dir == NULL)
        return MEMKIND_ERROR_INVALID;
    int fd = open(pmem_dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0)
        return MEMKIND_ERROR_RUNTIME;
    int result = MEMKIND_ERROR_RUNTIME;
    if (ftruncate(fd, SIZE) == 0) {
        void *p = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED_VALIDATE | MAP_SYNC, fd, 0);
        result = p != MAP_FAILED ? MEMKIND_SUCCESS : MEMKIND_ERROR_MMAP;
        if (p != MAP_FAILED)
            munmap(p, SIZE);
    }
    close(fd);
    return result;
}
