/* SPDX-License-Identifier: MIT */
/*
 * Collectable memory: objects that the collector frees when nothing points to
 * them any more.
 *
 * Scanned objects are searched for pointers conservatively, at every aligned
 * word; atomic objects are not searched.  A pointer anywhere into an object
 * keeps it alive.  Pointers are looked for in registers, stacks, thread-local
 * and static variables, scanned objects and rooted memory (kindgc/malloc.h),
 * not in malloc(3)'s memory.  Objects of GC_malloc() and these live in one
 * heap and may point at each other.
 *
 * An allocating function may run a collection, and finalizers in the calling
 * thread (kindgc/finalize.h).
 */
#ifndef KINDGC_ALLOCATE_H
#define KINDGC_ALLOCATE_H

#include <kindgc/inline.h>
#include <kindgc/kind.h>
#include <stdint.h>

KGC_BEGIN_DECLS

/*
 * A scanned object, zeroed, aligned to 16 bytes, in the heap's kind.  size 0
 * gives a unique object.  NULL with errno ENOMEM when the heap cannot grow
 * any more: after the out-of-memory function (kindgc/heap.h) was asked.
 * Semantics of GC_malloc().
 */
KGC_API KGC_MALLOC KGC_ALLOC_SIZE(1) void *kgc_allocate(size_t size);

/* Small sizes known at compile time are taken without a call; define
   KGC_NO_INLINE before the header to have calls only. */
#if defined __OPTIMIZE__ && !defined KGC_NO_INLINE
static inline KGC_MALLOC KGC_ALLOC_SIZE(1) __attribute__((always_inline)) void *kgc_allocate_inline(size_t size)
{
    void *p = kgc_take((size + 16) / 16);
    return __builtin_expect(p != NULL, 1) ? p : kgc_allocate(size);
}
#define kgc_allocate(size) \
    (__builtin_constant_p(size) && (size_t)(size) <= (size_t)KGC_INLINE_MAX ? kgc_allocate_inline(size) : kgc_allocate(size))
#endif

/* The same for objects without pointers: never scanned, contents
   indeterminate.  Semantics of GC_malloc_atomic(). */
KGC_API KGC_MALLOC KGC_ALLOC_SIZE(1) void *kgc_allocate_atomic(size_t size);

/* How kgc_allocate_in() makes an object: a sum of these. */
enum {
    KGC_ATOMIC = 1, /* without pointers: never scanned, contents indeterminate */
    KGC_NOZERO = 2  /* scanned, but contents indeterminate: for objects that are written whole at once.
                       What lay there before keeps objects alive until it is overwritten */
};

/*
 * A collectable object whose pages lie on a kind, whatever the heap's own kind
 * is.  It is like any other object otherwise: it may point at all objects and
 * all may point at it, it is scanned and collected.  kgc_kind_of() tells the
 * kind; kgc_reallocate() keeps to it.
 *
 * Each such kind takes pages of 4 KiB for itself, which it shares with nobody,
 * so a single small object costs a page.  Pages of objects of 2 KiB and more
 * leave the kind when they are released or collected; those of small ones when
 * all objects in them are dead and the kind needs no more.  On thp only
 * objects of several MiB can have huge pages.
 *
 * The first scanned and the first atomic object below 2 KiB cost a kind one
 * each of the 12 kinds of objects that libgc has room for, so about five kinds
 * can have small objects in one process at a time, beside the heap's own.
 *
 * kind NULL: the heap's own.  Returns NULL with errno:
 *   ENOTSUP  the kind cannot hold single pages of the heap (hugetlb, fixed
 *            memory, the caller's own hooks), libgc is in incremental mode, or
 *            libgc has no kinds of objects left; kgc_last_error() says which
 *   ENOMEM   the heap cannot grow, the kind is full, or the process is near
 *            the kernel's limit of mappings (vm.max_map_count): counted in
 *            kgc_kind_info.placement_refusals, with a warning the first time
 *   EINVAL   unknown flags, or the kind is a member of a tier or a ratio
 */
KGC_API KGC_MALLOC KGC_ALLOC_SIZE(2) void *kgc_allocate_in(kgc_kind *kind, size_t size, unsigned flags);

/* Where the pointers of a sort of objects are. */
typedef struct kgc_type kgc_type;

/*
 * A type: `size` bytes, of which the words that have their bit in `pointers`
 * hold pointers, or NULL.  Bit i of the bitmap (bit i % 64 of element i / 64)
 * is the word at offset i * sizeof(void *); it has a bit for each whole word of
 * size.  pointers NULL: none is a pointer.  The bitmap is copied.
 * Types live as long as the process; equal ones are the same type.
 * May be called by several threads at once.  Returns 0, or with
 * kgc_last_error() saying what is allowed:
 *   EINVAL   a size of 0 or above 1 MiB; pointers in a size that is not a
 *            multiple of the word: their array would not be aligned
 *   ENOMEM   no memory, or 262,144 types that have pointers and other words
 *   ENOTSUP  libgc has no kinds of objects left, of which all types together
 *            need one; or what kgc_init() returns
 */
KGC_API int kgc_type_create(size_t size, const uint64_t *pointers, kgc_type **out);
/* What was said at its creation, in bytes. */
KGC_API size_t kgc_type_size(const kgc_type *type);

/*
 * An object of `count` elements of a type in a row, zeroed.  Only the words
 * that the type names are read as pointers, so numbers that look like
 * addresses keep nothing alive; a pointer anywhere into the object, or to the
 * byte behind it, keeps it alive, as with all objects.
 * When all words of a type are pointers, its objects are scanned objects like
 * those of kgc_allocate(); when none is, atomic ones, but zeroed.  All others
 * have one hidden word behind their last usable byte, and kgc_reallocate()
 * refuses them.
 * NULL with errno ENOMEM (also when the product overflows) or EINVAL (type NULL).
 */
KGC_API KGC_MALLOC void *kgc_allocate_typed(const kgc_type *type, size_t count);

/*
 * Resizes a collectable object, which may move; scanned stays scanned and
 * atomic atomic.  p NULL allocates a scanned object; size 0 releases p and
 * returns NULL.  An object that moves leaves its finalizer behind, which does
 * not run any more.  On failure NULL with errno ENOMEM, p unchanged; EINVAL
 * when p is not the start of a collectable object, or is of a type with
 * pointers and other words.
 */
KGC_API __attribute__((warn_unused_result)) KGC_ALLOC_SIZE(2) void *kgc_reallocate(void *p, size_t size);

/*
 * Frees an object now.  Never needed; sound only when nothing uses it any
 * more.  Its finalizer does not run.  NULL: nothing.  A pointer that is not
 * the start of a collectable object calls the fatal handler; that a small
 * object was released already cannot be noticed.
 */
KGC_API void kgc_release(void *p);

/* Start of the object that an address lies in; NULL when it lies in none.
   Any value may be asked for. */
KGC_API void *kgc_base(const void *p);

/* Usable bytes of the object that starts at p, at least what was asked for;
   0 when none starts there. */
KGC_API size_t kgc_size(const void *p);

/* A copy of a string in an atomic object.  NULL with errno ENOMEM, or EINVAL for NULL. */
KGC_API KGC_MALLOC char *kgc_strdup(const char *string);

KGC_END_DECLS
#endif
