/* SPDX-License-Identifier: MIT */
/*
 * malloc(3)'s interface over libgc's uncollectable objects.
 *
 * A block is an uncollectable object, or lies inside one when its alignment
 * asks for it: then the object's first words name the block.  live.c knows
 * the blocks that are allocated; everything else that is given to kgc_free()
 * is misuse, and is told apart here.  libgc locks; nothing here does.
 */
#include "base/check.h"
#include "base/message.h"
#include "base/size.h"
#include "collect/libgc.h"
#include "collect/start.h"
#include "kind/kind.h"
#include "rooted/live.h"
#include <errno.h>
#include <kindgc/malloc.h>
#include <stdint.h>
#include <string.h>

enum { ALIGNMENT = 16 };

static void *fail(int error)
{
    errno = error;
    return NULL;
}

/* An uncollectable object, zeroed.  size at most PTRDIFF_MAX. */
static void *new_object(size_t size)
{
    void *p = GC_malloc_uncollectable(size);
    return p != NULL ? p : fail(ENOMEM);
}

/* The block at p, in the object at base, is the caller's. */
static void *hand_out(void *p, void *base)
{
    if (kgc__live_set(p))
        return p;
    GC_free(base);
    return fail(ENOMEM);
}

void *kgc_malloc(size_t size)
{
    if (kgc__unlikely(!kgc__enter()))
        return NULL;
    if (kgc__unlikely(size > PTRDIFF_MAX))
        return kgc__out_of_memory(size);
    void *p = new_object(size);
    return p != NULL ? hand_out(p, p) : NULL;
}

void *kgc_calloc(size_t count, size_t size)
{
    size_t sum;
    return kgc_malloc(__builtin_mul_overflow(count, size, &sum) ? SIZE_MAX : sum);
}

/* What the object of an aligned block begins with. */
struct aligned {
    uintptr_t check;
    void *block;
};
#define ALIGNED_CHECK ((uintptr_t)0xa11e9ed0b10c5eedu)
_Static_assert(sizeof(struct aligned) <= ALIGNMENT, "it lies before the first place for a block");

/* alignment is a power of two above 16. */
static void *new_aligned(size_t alignment, size_t size)
{
    size_t sum;
    if (__builtin_add_overflow(size, alignment, &sum) || sum > PTRDIFF_MAX)
        return kgc__out_of_memory(SIZE_MAX);
    struct aligned *base = new_object(sum);
    if (base == NULL)
        return NULL;
    void *p = (void *)kgc__round_up((uintptr_t)(base + 1), alignment);
    base->check = ALIGNED_CHECK ^ (uintptr_t)p;
    base->block = p;
    return hand_out(p, base);
}

static void *allocate_aligned(size_t alignment, size_t size)
{
    if (alignment <= ALIGNMENT)
        return kgc_malloc(size);
    return kgc__enter() ? new_aligned(alignment, size) : NULL;
}

void *kgc_aligned_alloc(size_t alignment, size_t size)
{
    if (!kgc__is_power_of_two(alignment)) {
        kgc__fail(EINVAL, "kgc_aligned_alloc: the alignment is a power of two, not %zu", alignment);
        return fail(EINVAL);
    }
    return allocate_aligned(alignment, size);
}

int kgc_posix_memalign(void **out, size_t alignment, size_t size)
{
    if (out == NULL || !kgc__is_power_of_two(alignment) || alignment % sizeof(void *) != 0)
        return kgc__fail(EINVAL, "kgc_posix_memalign: the alignment is a power of two, and at least %zu",
                         sizeof(void *));
    int saved = errno, error = 0;
    void *p = allocate_aligned(alignment, size);
    if (p != NULL)
        *out = p;
    else
        error = errno;
    errno = saved;
    return error;
}

/* Does the object at base hold an aligned block at p? */
static bool is_aligned_block(const struct aligned *base, const void *p)
{
    return base->block == p && base->check == (ALIGNED_CHECK ^ (uintptr_t)p);
}

/* The object of an allocated block. */
static void *object_of(const void *p)
{
    void *base = GC_base((void *)p);
    KGC_CHECK(base != NULL && (base == p || is_aligned_block(base, p)));
    return base;
}

/* Calls the fatal handler: p is no allocated block. */
static void misused(const char *function, const void *p)
{
    void *base = GC_base((void *)p);
    size_t size;
    int kind = base != NULL ? GC_get_kind_and_size(base, &size) : -1;
    kgc_kind *unused;
    if (base == NULL && (GC_is_heap_ptr(p) || kgc__kind_use_of(p, &unused) == KGC__SECTION))
        kgc__fatal("%s: %p was freed already, or was never allocated", function, p);
    else if (base == NULL)
        kgc__fatal("%s: %p does not belong to the rooted heap", function, p);
    else if (kind != KGC__ROOTED)
        kgc__fatal("%s: %p is a collectable object, or points into one", function, p);
    else if (base == p || is_aligned_block(base, p))
        kgc__fatal("%s: %p was freed already", function, p);
    else
        kgc__fatal("%s: %p points into a block, not at its start", function, p);
}

static size_t usable_size(const void *p)
{
    char *base = object_of(p);
    return GC_size(base) - (size_t)((char *)p - base);
}

static void release(void *p)
{
    int saved = errno;
    GC_free(object_of(p));
    errno = saved;
}

void kgc_free(void *p)
{
    if (p == NULL)
        return;
    if (kgc__unlikely(!kgc__live_clear(p)))
        misused("kgc_free", p);
    else
        release(p);
}

void kgc_free_sized(void *p, size_t size)
{
    if (p == NULL)
        return;
    if (!kgc__live(p)) {
        misused("kgc_free_sized", p);
        return;
    }
    size_t most = usable_size(p);
    if (size > most)
        kgc__fatal("kgc_free_sized: the block at %p has %zu bytes, not %zu", p, most, size);
    else
        kgc_free(p);
}

/* Another block with the old one's contents; it is 16-aligned, as with realloc(3). */
static void *move(void *p, size_t old, size_t size)
{
    void *q = kgc_malloc(size);
    if (q == NULL)
        return NULL;
    memcpy(q, p, old < size ? old : size);
    kgc_free(p);
    return q;
}

void *kgc_realloc(void *p, size_t size)
{
    if (p == NULL)
        return kgc_malloc(size);
    if (!kgc__live(p)) {
        misused("kgc_realloc", p);
        return fail(EINVAL);
    }
    if (size == 0) {
        kgc_free(p);
        return NULL;
    }
    size_t old = usable_size(p);
    if (size <= old && size >= old / 2)
        return p;
    void *q = move(p, old, size);
    return q == NULL && size <= old ? p : q; /* that is large enough, at least */
}

void *kgc_reallocarray(void *p, size_t count, size_t size)
{
    size_t sum;
    if (__builtin_mul_overflow(count, size, &sum)) {
        kgc__fail(ENOMEM, "kgc_reallocarray: %zu times %zu bytes overflow", count, size);
        return fail(ENOMEM);
    }
    return kgc_realloc(p, sum);
}

size_t kgc_malloc_usable_size(const void *p)
{
    return p != NULL && kgc__live(p) ? usable_size(p) : 0;
}

bool kgc_realloc_in_place(void *p, size_t size)
{
    if (p == NULL)
        return false;
    if (!kgc__live(p)) {
        misused("kgc_realloc_in_place", p);
        return false;
    }
    return size <= usable_size(p);
}
