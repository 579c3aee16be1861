/* SPDX-License-Identifier: MIT */
/*
 * Explicit memory of a kind: malloc and free from a jemalloc arena whose
 * extents come from the kind's hooks.
 *
 * The collector does not scan this memory: a collectable object that only it
 * points to is collected.  Blocks are aligned to 16 bytes at least.  A block may be freed by
 * any thread.  malloc(0) returns a unique block.
 */
#ifndef KINDGC_ARENA_H
#define KINDGC_ARENA_H

#include <kindgc/kind.h>

KGC_BEGIN_DECLS

/*
 * Return NULL and set errno: ENOMEM when the kind has no more (its limit, the
 * machine, or a size above PTRDIFF_MAX), EINVAL when kind is NULL.
 * kgc_kind_calloc() checks the product and returns zeroed memory.
 */
KGC_API KGC_MALLOC KGC_ALLOC_SIZE(2) void *kgc_kind_malloc(kgc_kind *kind, size_t size);
KGC_API KGC_MALLOC KGC_ALLOC_SIZE2(2, 3) void *kgc_kind_calloc(kgc_kind *kind, size_t count, size_t size);

/*
 * Resizes a block; it stays in its kind.  p may be NULL (then it allocates);
 * size 0 frees p and returns NULL, as glibc does.  On failure p is unchanged.
 * kind may be NULL when p is not: the kind is found.  A block of another kind
 * than the one named moves to that kind.
 */
KGC_API __attribute__((warn_unused_result)) KGC_ALLOC_SIZE(3) void *kgc_kind_realloc(kgc_kind *kind, void *p,
                                                                                     size_t size);

/*
 * As posix_memalign(3): returns 0, EINVAL (alignment not a power of two or
 * not a multiple of sizeof(void *), kind NULL) or ENOMEM; on failure *out is
 * unchanged, and errno in any case.
 */
KGC_API int kgc_kind_posix_memalign(kgc_kind *kind, void **out, size_t alignment, size_t size);

/*
 * Frees a block.  kind NULL: the kind is found.  p NULL: nothing.  A pointer
 * that does not belong to any kind's explicit memory, or to another kind's
 * than the one named, calls the fatal handler.  errno is preserved.
 */
KGC_API void kgc_kind_free(kgc_kind *kind_or_null, void *p);

/* Bytes that may be used at p, at least what was asked for; 0 for NULL and
   for what is not explicit memory of any kind. */
KGC_API size_t kgc_kind_usable_size(kgc_kind *kind_or_null, const void *p);

KGC_END_DECLS
#endif
