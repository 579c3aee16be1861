/* SPDX-License-Identifier: MIT */
/*
 * Layouts, allocator objects, and one global allocator, after Rust's
 * std::alloc.
 *
 * A layout is a size and an alignment that fit together.  An allocator is a
 * table of functions that take layouts: there is one for each sort of memory
 * of this library and one for the system's malloc(3), and programs make their
 * own.  Whoever frees or resizes a block says its layout again.
 *
 * In this header "a bad layout" is one that kgc_layout_make() would refuse.
 * Functions that return a block return NULL for it, with errno EINVAL and
 * kgc_last_error(); kgc_dealloc() calls the fatal handler (kindgc/init.h).
 *
 * Blocks of 0 bytes take no memory: they are an aligned address, which is not
 * to be dereferenced, and never reach an allocator's own functions.
 *
 * Everything may be called by any thread; an allocator is as safe to use from
 * several threads as the memory behind it.
 */
#ifndef KINDGC_LAYOUT_H
#define KINDGC_LAYOUT_H

#include <kindgc/region.h>

KGC_BEGIN_DECLS

/*
 * In bytes.  align is a power of two, and size, rounded up to a multiple of
 * align, is at most PTRDIFF_MAX.  Read the fields as you like; write them by
 * the functions below.
 */
typedef struct kgc_layout {
    size_t size;
    size_t align;
} kgc_layout;

/* The layout of a type, and of what an expression has. */
#ifdef __cplusplus
#define KGC_LAYOUT_OF(type)             (kgc_layout{sizeof(type), alignof(type)})
#define KGC_LAYOUT_OF_VALUE(expression) (kgc_layout{sizeof(expression), alignof(__typeof__(expression))})
#else
#define KGC_LAYOUT_OF(type)             ((kgc_layout){sizeof(type), _Alignof(type)})
#define KGC_LAYOUT_OF_VALUE(expression) ((kgc_layout){sizeof(expression), _Alignof(__typeof__(expression))})
#endif

/*
 * These check: they return 0, or EINVAL with kgc_last_error() when the result
 * would be a bad layout or an argument is one; *out is unchanged then.
 */
KGC_API int kgc_layout_make(size_t size, size_t align, kgc_layout *out);
/* `count` elements, each behind the padded one before it, and padded itself. */
KGC_API int kgc_layout_array(kgc_layout element, size_t count, kgc_layout *out);
/*
 * A record of what has layout `first` and then `next`, at *offset (which may
 * be NULL): field after field this makes what a C compiler makes of a struct,
 * but for the padding at its end.
 */
KGC_API int kgc_layout_extend(kgc_layout first, kgc_layout next, kgc_layout *out, size_t *offset);
/* The same size, aligned to `align` at least. */
KGC_API int kgc_layout_align_to(kgc_layout layout, size_t align, kgc_layout *out);
/* The size rounded up to a multiple of the alignment; cannot fail.  A bad
   layout is returned as it is. */
KGC_API kgc_layout kgc_layout_pad_to_align(kgc_layout layout);

/*
 * An allocator.  `self` is handed to each function.  alloc and dealloc must be
 * there; the others may be NULL, and are then made of these two.  The functions
 * get layouts that are not bad and whose size is not 0, and blocks with the
 * layouts that they were made with; they return NULL with errno ENOMEM when
 * there is no memory.
 */
typedef struct kgc_allocator {
    void *(*alloc)(void *self, kgc_layout layout);        /* contents indeterminate */
    void *(*alloc_zeroed)(void *self, kgc_layout layout); /* contents zero */
    void (*dealloc)(void *self, void *p, kgc_layout layout);
    /* A block of new_size bytes (not 0, and not bad with the old alignment) with
       the contents of the old one, as far as they fit; NULL: p is unchanged. */
    void *(*realloc)(void *self, void *p, kgc_layout layout, size_t new_size);
    /* Bytes that may be used at p: layout.size at least. */
    size_t (*usable_size)(void *self, const void *p, kgc_layout layout);
    void *self;
} kgc_allocator;

/*
 * The rooted heap (kindgc/malloc.h): never collected, always scanned.  dealloc
 * checks the size as kgc_free_sized() does.
 */
extern KGC_API const kgc_allocator kgc_rooted_allocator;
#define KGC_ROOTED (&kgc_rooted_allocator)

/*
 * Collectable objects (kindgc/allocate.h), scanned and atomic.  A block lives
 * as long as something points to or into it, or until dealloc, which frees it
 * at once as kgc_release() does: so dealloc is sound only when nothing uses
 * the block any more, and never needed.  Blocks aligned to more than 16 bytes
 * lie inside a larger object, and kgc_base() tells which.
 */
extern KGC_API const kgc_allocator kgc_collectable_allocator, kgc_atomic_allocator;
#define KGC_COLLECTABLE        (&kgc_collectable_allocator)
#define KGC_COLLECTABLE_ATOMIC (&kgc_atomic_allocator)

/* malloc(3) and its family, whichever the process has: not scanned. */
extern KGC_API const kgc_allocator kgc_system_allocator;
#define KGC_SYSTEM (&kgc_system_allocator)

/* Explicit memory of a kind (kindgc/arena.h), which must stay open.  With kind
   NULL its functions fail with EINVAL. */
KGC_API kgc_allocator kgc_allocator_of_kind(kgc_kind *kind);
/* A region (kindgc/region.h), for one thread at a time.  dealloc frees the last
   block only, and realloc resizes it in place. */
KGC_API kgc_allocator kgc_allocator_of_region(kgc_region *region);

/*
 * Memory from any allocator, with what it lacks made of alloc and dealloc.
 * NULL with errno ENOMEM when there is none, EINVAL for a bad layout or an
 * allocator that is NULL or lacks alloc or dealloc.
 */
KGC_API KGC_USE_RESULT void *kgc_allocator_alloc(const kgc_allocator *a, kgc_layout layout);
KGC_API KGC_USE_RESULT void *kgc_allocator_alloc_zeroed(const kgc_allocator *a, kgc_layout layout);
/*
 * Frees a block with its layout.  NULL: nothing.  What cannot be a block of
 * this layout calls the fatal handler, as far as the allocator knows.  errno
 * is preserved.
 */
KGC_API void kgc_allocator_dealloc(const kgc_allocator *a, void *p, kgc_layout layout);
/*
 * Another size and alignment for a block; it may move, and the old one is then
 * freed.  NULL with errno as above, the block unchanged; EINVAL also when
 * grow gets a smaller size or shrink a larger one.  What growing adds is
 * indeterminate, and zero with _zeroed.  Shrinking to the same alignment
 * fails only for want of sense in its arguments.
 */
KGC_API KGC_USE_RESULT void *kgc_allocator_grow(const kgc_allocator *a, void *p, kgc_layout old_layout,
                                                kgc_layout new_layout);
KGC_API KGC_USE_RESULT void *kgc_allocator_grow_zeroed(const kgc_allocator *a, void *p, kgc_layout old_layout,
                                                       kgc_layout new_layout);
KGC_API KGC_USE_RESULT void *kgc_allocator_shrink(const kgc_allocator *a, void *p, kgc_layout old_layout,
                                                  kgc_layout new_layout);
/* Either way, with the alignment that it has. */
KGC_API KGC_USE_RESULT void *kgc_allocator_resize(const kgc_allocator *a, void *p, kgc_layout layout,
                                                  size_t new_size);
/* Bytes that may be used at p, a block of this layout: layout.size at least. */
KGC_API size_t kgc_allocator_usable_size(const kgc_allocator *a, const void *p, kgc_layout layout);

/*
 * The global allocator: the rooted heap, unless the program sets another one
 * before it is used for the first time.  The table is copied; what its self
 * points to must live as long as the process.
 * Returns 0; EBUSY when it was set or used already; EINVAL when allocator is
 * NULL or lacks alloc or dealloc; ENOMEM.
 */
KGC_API int kgc_set_global_allocator(const kgc_allocator *allocator);
/* The one in force; asking is using. */
KGC_API const kgc_allocator *kgc_global_allocator(void);

/* The functions above, of the global allocator. */
KGC_API KGC_USE_RESULT void *kgc_alloc(kgc_layout layout);
KGC_API KGC_USE_RESULT void *kgc_alloc_zeroed(kgc_layout layout);
KGC_API void kgc_dealloc(void *p, kgc_layout layout);
KGC_API KGC_USE_RESULT void *kgc_grow(void *p, kgc_layout old_layout, kgc_layout new_layout);
KGC_API KGC_USE_RESULT void *kgc_grow_zeroed(void *p, kgc_layout old_layout, kgc_layout new_layout);
KGC_API KGC_USE_RESULT void *kgc_shrink(void *p, kgc_layout old_layout, kgc_layout new_layout);
KGC_API KGC_USE_RESULT void *kgc_resize(void *p, kgc_layout layout, size_t new_size);

/*
 * For callers that cannot go on without the block: calls the hook with the
 * layout, then abort(3).  The hook of this library writes "memory allocation
 * of N bytes failed" to standard error; a hook may end the process or the
 * thread in its own way, or jump.
 */
KGC_API __attribute__((noreturn)) void kgc_handle_alloc_error(kgc_layout layout);

/* Replaces the hook; NULL: the library's own. */
typedef void (*kgc_alloc_error_hook)(kgc_layout layout);
KGC_API void kgc_set_alloc_error_hook(kgc_alloc_error_hook hook);
/* The hook in force, never NULL; the library's own takes its place. */
KGC_API kgc_alloc_error_hook kgc_take_alloc_error_hook(void);

KGC_END_DECLS
#endif
