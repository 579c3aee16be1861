/* SPDX-License-Identifier: MIT */
/*
 * The rooted heap: memory with malloc(3)'s interface that is never collected
 * and always scanned.  What it points to stays alive until it is freed.
 *
 * Memory comes from a kind like the GC heap's, and goes back to the system as
 * kgc_kind_set_decay() says.  It is not cleared, except by kgc_calloc().
 * Alignment is 16 bytes.  Sizes above PTRDIFF_MAX fail with ENOMEM.
 * A program that allocates nothing collectable does not start the collector.
 *
 * All functions may be called by any thread, and free any thread's blocks.
 * Freeing a block twice, a pointer into a block, a collectable object or a
 * foreign pointer calls the fatal handler (kindgc/init.h) and changes nothing.
 * Not noticed: two threads that free one block at the same moment, and a
 * pointer to a block that was freed and has been handed out again since.
 */
#ifndef KINDGC_MALLOC_H
#define KINDGC_MALLOC_H

#include <kindgc/base.h>
#include <stdbool.h>

KGC_BEGIN_DECLS

/* As malloc(3), calloc(3), reallocarray(3): NULL with errno ENOMEM on
   failure, or what kgc_set_oom_fn()'s function returned; or with the error of
   opening the heap's kind.  kgc_malloc(0) is a unique block. */
KGC_API KGC_MALLOC KGC_ALLOC_SIZE(1) void *kgc_malloc(size_t size);
KGC_API KGC_MALLOC KGC_ALLOC_SIZE2(1, 2) void *kgc_calloc(size_t count, size_t size);
/* As realloc(3) in glibc: p NULL allocates, size 0 frees p and returns NULL. */
KGC_API __attribute__((warn_unused_result)) KGC_ALLOC_SIZE(2) void *kgc_realloc(void *p, size_t size);
KGC_API __attribute__((warn_unused_result)) KGC_ALLOC_SIZE2(2, 3) void *kgc_reallocarray(void *p, size_t count,
                                                                                         size_t size);

/* As free(3).  NULL: nothing.  errno is preserved. */
KGC_API void kgc_free(void *p);
/* As free_sized() of C23: size is what was asked for; a size that cannot be the block's calls the
   fatal handler. */
KGC_API void kgc_free_sized(void *p, size_t size);

/* As aligned_alloc(3); size need not be a multiple of alignment.  NULL with
   errno EINVAL when alignment is not a power of two, else ENOMEM. */
KGC_API KGC_MALLOC KGC_ALLOC_SIZE(2) void *kgc_aligned_alloc(size_t alignment, size_t size);
/* As posix_memalign(3): 0, EINVAL or ENOMEM; *out and errno are untouched on failure. */
KGC_API int kgc_posix_memalign(void **out, size_t alignment, size_t size);

/* Usable bytes at p, at least what was asked for; 0 for NULL and for what is
   not an allocated block. */
KGC_API size_t kgc_malloc_usable_size(const void *p);
/* True when the block now holds size bytes where it is; never moves it.  Blocks
   of 16 KiB and more can grow, if what follows them is free.  False for NULL. */
KGC_API bool kgc_realloc_in_place(void *p, size_t size);

KGC_END_DECLS
#endif
