/* SPDX-License-Identifier: MIT */
/*
 * malloc(3)'s interface over the rooted heap.
 *
 * The common paths take a block from the calling thread's array of free blocks
 * (arena/explicit.h) and store its byte (arena/blocks.h), or check the byte,
 * clear it and put the block back.  Everything else goes to the arena layer.
 * Nothing here locks.
 */
#include "arena/blocks.h"
#include "arena/marks.h"
#include "base/check.h"
#include "base/message.h"
#include "collect/start.h"
#include "rooted/kind.h"
#include "rooted/misuse.h"
#include "rooted/rooted.h"
#include <errno.h>
#include <kindgc/malloc.h>
#include <stdint.h>
#include <string.h>

enum { ALIGNMENT = 16, MOST_EXTRA = 8 };

static struct kgc__rooted_tail tail;
void (*kgc__rooted_took)(void);
static bool (*release_stranger)(void *p);

void kgc__rooted_set_stranger(bool (*release)(void *p))
{
    release_stranger = release;
}

void kgc__rooted_set_tail(const struct kgc__rooted_tail *wanted)
{
    KGC_CHECK(wanted->extra <= MOST_EXTRA && (wanted->born == NULL || wanted->extra == MOST_EXTRA));
    tail = *wanted;
    kgc__rooted.extra = wanted->extra;
    if (wanted->born != NULL)
        kgc__rooted_go_long();
}

bool kgc__rooted_owns(const void *p)
{
    if ((uintptr_t)p - kgc__rooted.base < atomic_load_explicit(&kgc__rooted.units, memory_order_relaxed)
                                              << KGC__BLOCK_SHIFT)
        return true;
    kgc_kind *kind;
    return kgc__kind_use_of(p, &kind) == KGC__EXPLICIT && kind->rooted;
}

static void *too_large(const char *function, size_t size)
{
    kgc__fail(ENOMEM, "%s: %zu bytes, or what was multiplied to them, are more than any block can have",
              function, size);
    return kgc__ask_oom_function(size);
}

static void *fail(int error)
{
    errno = error;
    return NULL;
}

/* A block of a size below `end` from the calling thread's free ones, not
   cleared; NULL: the long way. */
static inline void *take_from(size_t end, size_t size)
{
    struct kgc__cache *c = kgc__direct_cache;
    if (kgc__unlikely(size >= end || c == NULL))
        return NULL;
    unsigned class = kgc__rooted.class_of[(size + kgc__rooted.extra + 15) >> 4];
    struct kgc__bin *bin = &c->bins[class];
    unsigned n = __atomic_load_n(&bin->count, __ATOMIC_RELAXED);
    if (kgc__unlikely(n == 0))
        return NULL;
    char *p = bin->blocks[n - 1];
    __atomic_store_n(&bin->count, (uint16_t)(n - 1), __ATOMIC_RELAXED);
    c->blocks[(uintptr_t)p >> KGC__BLOCK_SHIFT] = (unsigned char)class;
    return p;
}

static inline void *take_fast(size_t size)
{
    return take_from(atomic_load_explicit(&kgc__rooted.plain_end, memory_order_relaxed), size);
}

/* The same for a block that somebody must see. */
static inline void *take_seen(size_t size)
{
    void *p = take_from(atomic_load_explicit(&kgc__rooted.seen_end, memory_order_relaxed), size);
    if (kgc__unlikely(p == NULL))
        return NULL;
    tail.born(p, size, kgc__tail_of(p, kgc__class_size(kgc__class_of(size + kgc__rooted.extra))));
    return p;
}

/* The same for a block of the larger classes, where nobody must see it. */
static inline void *take_large(size_t size)
{
    struct kgc__cache *c = kgc__direct_cache;
    if (atomic_load_explicit(&kgc__rooted.plain_end, memory_order_relaxed) == 0 || c == NULL ||
        size <= KGC__FAST_MAX || size > KGC__CLASSES_MAX - MOST_EXTRA)
        return NULL;
    unsigned class = kgc__class_of(size + kgc__rooted.extra);
    char *p = kgc__cache_pop_large(c, class);
    if (p != NULL)
        c->blocks[(uintptr_t)p >> KGC__BLOCK_SHIFT] = (unsigned char)class;
    return p;
}

/* The block is the caller's, who asked for `size` bytes. */
static void *hand_out(void *p, size_t size)
{
    if (p == NULL)
        return kgc__ask_oom_function(size); /* the arena layer has said why */
    kgc__block_born(p);
    if (tail.born != NULL)
        tail.born(p, size, kgc__tail_of(p, kgc__explicit_size(p)));
    if (kgc__rooted_took != NULL)
        kgc__rooted_took();
    return p;
}

static __attribute__((noinline)) void *take_slowly(size_t size, size_t alignment, bool zero)
{
    void *p = NULL;
    if (alignment <= ALIGNMENT)
        p = tail.born != NULL ? take_seen(size) : take_large(size);
    if (p != NULL)
        return zero ? memset(p, 0, size) : p;
    if (size > PTRDIFF_MAX)
        return too_large("kgc_malloc", size);
    kgc_kind *kind = kgc__rooted_kind();
    if (kind == NULL)
        return NULL; /* errno is set */
    size_t sum = size + kgc__rooted.extra;
    if (alignment <= ALIGNMENT)
        return hand_out(kgc__explicit_take(kind, sum, zero), size);
    return hand_out(kgc__explicit_take_aligned(kind, alignment, sum), size);
}

void *kgc_malloc(size_t size)
{
    void *p = take_fast(size);
    return kgc__likely(p != NULL) ? p : take_slowly(size, ALIGNMENT, false);
}

void *kgc_calloc(size_t count, size_t size)
{
    size_t sum;
    if (__builtin_mul_overflow(count, size, &sum))
        return too_large("kgc_calloc", SIZE_MAX);
    void *p = take_fast(sum);
    return kgc__likely(p != NULL) ? memset(p, 0, sum) : take_slowly(sum, ALIGNMENT, true);
}

void *kgc_aligned_alloc(size_t alignment, size_t size)
{
    if (!kgc__is_power_of_two(alignment)) {
        kgc__fail(EINVAL, "kgc_aligned_alloc: the alignment is a power of two, not %zu", alignment);
        return fail(EINVAL);
    }
    return alignment <= ALIGNMENT ? kgc_malloc(size) : take_slowly(size, alignment, false);
}

int kgc_posix_memalign(void **out, size_t alignment, size_t size)
{
    if (out == NULL || !kgc__is_power_of_two(alignment) || alignment % sizeof(void *) != 0)
        return kgc__fail(EINVAL, "kgc_posix_memalign: the alignment is a power of two, and at least %zu",
                         sizeof(void *));
    int saved = errno, error = 0;
    void *p = alignment <= ALIGNMENT ? kgc_malloc(size) : take_slowly(size, alignment, false);
    if (p != NULL)
        *out = p;
    else
        error = errno;
    errno = saved;
    return error;
}

/* p is a live block, whose byte is cleared already. */
static void release(void *p)
{
    kgc__explicit_release(kgc__kind_root(kgc__ranged_kind_of(p)), p);
}

/* The number of p's unit in the range; one beyond all units when it is not aligned. */
static inline size_t unit_of(const void *p)
{
    uintptr_t offset = (uintptr_t)p - kgc__rooted.base;
    return offset >> KGC__BLOCK_SHIFT | offset << (64 - KGC__BLOCK_SHIFT);
}

static inline bool is_unit(size_t unit)
{
    return unit < atomic_load_explicit(&kgc__rooted.units, memory_order_relaxed);
}

/* Puts a block of the larger classes back; no collector reads it. */
static inline bool put_large(void *p)
{
    const struct kgc__rooted *r = &kgc__rooted;
    size_t unit = unit_of(p);
    struct kgc__cache *c = kgc__direct_cache;
    unsigned class = is_unit(unit) && c != NULL ? r->bytes[unit] : 0;
    if (class <= KGC__FAST_CLASSES || class > KGC__CLASSES || !kgc__cache_push_large(c, class, p))
        return false;
    r->bytes[unit] = 0;
    return true;
}

static __attribute__((noinline)) void free_slowly(void *p)
{
    if (p == NULL || (!atomic_load_explicit(&kgc__collector_in_use, memory_order_relaxed) && put_large(p)))
        return;
    if (kgc__unlikely(kgc__block_byte(p) == 0)) {
        if (release_stranger == NULL || kgc__rooted_owns(p) || !release_stranger(p))
            kgc__misused("kgc_free", p);
        return;
    }
    kgc__block_died(p);
    release(p);
}

/*
 * Puts the block at p, live and of a small class, back.  `read`: a collector
 * reads its page, so it is cleared first.  False: the long way.
 */
static inline bool put_fast(void *p, size_t unit, bool read)
{
    const struct kgc__rooted *r = &kgc__rooted;
    unsigned class = r->bytes[unit];
    struct kgc__cache *c = kgc__direct_cache;
    if (kgc__unlikely(class - 1 >= KGC__FAST_CLASSES || c == NULL))
        return false;
    struct kgc__bin *bin = &c->bins[class];
    unsigned n = __atomic_load_n(&bin->count, __ATOMIC_RELAXED);
    if (kgc__unlikely(n >= bin->fast_limit))
        return false;
    if (read)
        memset(p, 0, kgc__class_size(class));
    r->bytes[unit] = 0;
    bin->blocks[n] = p;
    __atomic_store_n(&bin->count, (uint16_t)(n + 1), __ATOMIC_RELAXED);
    return true;
}

static __attribute__((noinline)) void free_read(void *p, size_t unit)
{
    if (!put_fast(p, unit, true))
        free_slowly(p);
}

void kgc_free(void *p)
{
    size_t unit = unit_of(p);
    if (kgc__unlikely(!is_unit(unit)))
        free_slowly(p);
    else if (kgc__unlikely(atomic_load_explicit(&kgc__collector_in_use, memory_order_relaxed)))
        free_read(p, unit);
    else if (kgc__unlikely(!put_fast(p, unit, false)))
        free_slowly(p);
}

/* Usable bytes of a live block. */
static size_t usable_size(const void *p)
{
    return kgc__explicit_size(p) - kgc__rooted.extra;
}

void kgc_free_sized(void *p, size_t size)
{
    if (p == NULL)
        return;
    if (kgc__block_byte(p) == 0) {
        kgc__misused("kgc_free_sized", p);
        return;
    }
    size_t most = usable_size(p);
    if (size > most)
        kgc__fatal("kgc_free_sized: the block at %p has %zu bytes, not %zu", p, most, size);
    else
        kgc_free(p);
}

/* In place; what comes with the block moves to its new end. */
static bool resize(void *p, size_t size)
{
    unsigned byte = kgc__block_byte(p);
    if (!kgc__explicit_resize(kgc__kind_root(kgc__ranged_kind_of(p)), p, size + kgc__rooted.extra))
        return false;
    kgc__block_born(p);
    if ((byte & KGC__BLOCK_PINNED) != 0)
        kgc__block_pin(p, true);
    if (tail.born != NULL)
        tail.born(p, size, kgc__tail_of(p, kgc__explicit_size(p)));
    return true;
}

/* Another block with the old one's contents; it is 16-aligned, as with realloc(3). */
static void *move(void *p, size_t size)
{
    size_t old = usable_size(p);
    bool pinned = (kgc__block_byte(p) & KGC__BLOCK_PINNED) != 0;
    void *q = kgc_malloc(size);
    if (q == NULL)
        return size <= old ? p : NULL; /* that is large enough, at least */
    memcpy(q, p, old < size ? old : size);
    if (pinned)
        kgc__block_pin(q, true);
    kgc_free(p);
    return q;
}

static __attribute__((noinline)) void *realloc_slowly(void *p, size_t size)
{
    if (p == NULL)
        return kgc_malloc(size);
    if (kgc__block_byte(p) == 0) {
        kgc__misused("kgc_realloc", p);
        return fail(EINVAL);
    }
    if (size == 0) {
        kgc_free(p);
        return NULL;
    }
    if (size > PTRDIFF_MAX)
        return too_large("kgc_realloc", size);
    return resize(p, size) ? p : move(p, size);
}

void *kgc_realloc(void *p, size_t size)
{
    const struct kgc__rooted *r = &kgc__rooted;
    size_t unit = unit_of(p);
    bool small = size != 0 && size < atomic_load_explicit(&r->plain_end, memory_order_relaxed);
    unsigned class = kgc__likely(small && is_unit(unit)) ? r->bytes[unit] : 0;
    if (kgc__unlikely(class - 1 >= KGC__FAST_CLASSES))
        return realloc_slowly(p, size);
    if (class == r->class_of[(size + r->extra + 15) >> 4])
        return p;
    size_t old = kgc__class_size(class) - r->extra;
    void *q = kgc_malloc(size);
    if (kgc__unlikely(q == NULL))
        return size <= old ? p : NULL; /* shrinking does not fail */
    memcpy(q, p, old < size ? old : size);
    kgc_free(p);
    return q;
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
    return p != NULL && kgc__block_byte(p) != 0 ? usable_size(p) : 0;
}

bool kgc_realloc_in_place(void *p, size_t size)
{
    if (p == NULL)
        return false;
    if (kgc__block_byte(p) == 0) {
        kgc__misused("kgc_realloc_in_place", p);
        return false;
    }
    if (size > usable_size(p))
        return size <= PTRDIFF_MAX && resize(p, size);
    if (tail.born != NULL)
        tail.born(p, size, kgc__tail_of(p, kgc__explicit_size(p)));
    return true;
}
