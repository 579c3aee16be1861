/* SPDX-License-Identifier: MIT */
/*
 * Explicit memory of a kind: malloc and free from jemalloc arenas whose
 * extents come from the kind's hooks.
 *
 * The collector does not scan this memory, unless the kind was opened with
 * `scanned`: a collectable object that only it points to is collected.
 * Blocks are aligned to 16 bytes at least.  A block may be freed by any
 * thread.  malloc(0) returns a unique block.
 *
 * A kind's arenas are made as threads come.  Each thread keeps free blocks of
 * a kind for reuse, some in arrays of its own (blocks of up to 2 MiB) and
 * some in a jemalloc tcache; they go back when the thread ends.  jemalloc has
 * 4,095 arenas and 4,093 tcaches in all; without a tcache things go on, more
 * slowly.
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

/*
 * When free explicit memory goes back to the system: kgc_decay in
 * kindgc/kind.h.  For the arenas that exist and those to come; ms counts for
 * KGC_DECAY_AFTER only, from 0.
 * Returns 0, or EINVAL (kind NULL, no such policy, ms out of range).
 */
KGC_API int kgc_kind_set_decay(kgc_kind *kind, kgc_decay policy, long ms);

/*
 * Gives back to the system what of the kind's explicit memory is free, the
 * calling thread's cache included.  Returns 0 or EINVAL.
 */
KGC_API int kgc_kind_purge(kgc_kind *kind);

/*
 * Frees all explicit blocks of the kind at once.  No thread may use one
 * afterwards, or call a function on the kind meanwhile.  Returns 0 or EINVAL.
 */
KGC_API int kgc_kind_reset(kgc_kind *kind);

/*
 * The jemalloc arena that serves the calling thread, made if there is none
 * yet; for mallocx(3) with MALLOCX_ARENA(*arena) | MALLOCX_TCACHE_NONE.  What
 * mallocx() returned must be freed by dallocx(), and must be before the kind
 * is closed or reset.  Not in destructors of a thread (pthread_key_create(3)):
 * jemalloc serves a thread that is ending from an arena of its own.
 * Returns 0, EINVAL, or ENOMEM when no arena can be made.
 */
KGC_API int kgc_kind_arena_of_thread(kgc_kind *kind, unsigned *arena);

/* The indices of the arenas made so far: fills at most `count` of them, and
   returns how many there are. */
KGC_API unsigned kgc_kind_arenas(kgc_kind *kind, unsigned *arenas, unsigned count);

/* The kind that a jemalloc arena belongs to; NULL when it is not one of ours.
   Lock-free. */
KGC_API kgc_kind *kgc_kind_of_arena(unsigned arena);

KGC_END_DECLS
#endif
