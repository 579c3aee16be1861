/* SPDX-License-Identifier: MIT */
/*
 * memkind's memory tiers (libmemtier(3)) on kinds of kindgc: allocations are
 * spread over several kinds so that the bytes in them keep a given ratio.
 * Link with -lkindgc-memkind.
 */
#ifndef KINDGC_COMPAT_MEMKIND_MEMTIER_H
#define KINDGC_COMPAT_MEMKIND_MEMTIER_H

#include <memkind.h>
#include <stdlib.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

typedef enum memtier_policy_t {
    MEMTIER_POLICY_STATIC_RATIO,      /* each block goes to the tier that lags most behind its share */
    MEMTIER_POLICY_DYNAMIC_THRESHOLD, /* by size, with thresholds that move so that the ratio is kept */
    MEMTIER_POLICY_MAX_VALUE
} memtier_policy_t;

struct memtier_builder; /* collects tiers and settings; for one thread at a time */
struct memtier_memory;  /* what was built: for all threads */

/* NULL: no such policy, or no memory. */
struct memtier_builder *memtier_builder_new(memtier_policy_t policy);
void memtier_builder_delete(struct memtier_builder *builder);

/* Adds a tier with its weight, from 1.  0; -1 when kind is NULL or a tier already, or the weight is 0. */
int memtier_builder_add_tier(struct memtier_builder *builder, memkind_t kind, unsigned kind_ratio);

/*
 * A setting of the dynamic threshold policy (libmemtier(3) lists the names).
 * `val` points at the text of a number, or at the number itself: a size_t for
 * thresholds, an unsigned for check_cnt, a float for trigger and degree.  Bytes
 * that are digits up to a zero are text.
 * 0; -1 when there is no such setting, or no such threshold yet.
 */
int memtier_ctl_set(struct memtier_builder *builder, const char *name, const void *val);

/* NULL: no tiers (for dynamic thresholds: fewer than two), settings that
   contradict each other, or no memory.  The builder can be deleted or used again. */
struct memtier_memory *memtier_builder_construct_memtier_memory(struct memtier_builder *builder);
/* Blocks stay valid. */
void memtier_delete_memtier_memory(struct memtier_memory *memory);

/* As their namesakes in memkind.h, on a tier that the policy chooses. */
void *memtier_malloc(struct memtier_memory *memory, size_t size);
void *memtier_calloc(struct memtier_memory *memory, size_t num, size_t size);
int memtier_posix_memalign(struct memtier_memory *memory, void **memptr, size_t alignment, size_t size);
/* A block stays in its tier. */
void *memtier_realloc(struct memtier_memory *memory, void *ptr, size_t size);

/* The same on a kind that the caller chooses, counted like the others. */
void *memtier_kind_malloc(memkind_t kind, size_t size);
void *memtier_kind_calloc(memkind_t kind, size_t num, size_t size);
int memtier_kind_posix_memalign(memkind_t kind, void **memptr, size_t alignment, size_t size);
void *memtier_kind_realloc(memkind_t kind, void *ptr, size_t size);

size_t memtier_usable_size(void *ptr);

/* kind NULL: it is found. */
void memtier_kind_free(memkind_t kind, void *ptr);
static inline void memtier_free(void *ptr)
{
    memtier_kind_free(NULL, ptr);
}

/* Usable bytes of all live blocks of a kind that these functions have allocated. */
size_t memtier_kind_allocated_size(memkind_t kind);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
