/* SPDX-License-Identifier: MIT */
/*
 * Explicit memory of a kind: malloc, free and the rest.
 *
 * Common sizes come from the thread's cache (cache.c) and go back there; what
 * is larger than 32 MiB or specially aligned comes from jemalloc at once.
 * Nothing here locks; what it calls does where it must.
 */
#include "arena/explicit.h"
#include "arena/marks.h"
#include "base/check.h"
#include "base/message.h"
#include <errno.h>
#include <jemalloc/jemalloc.h>
#include <kindgc/arena.h>
#include <string.h>

static void *fail(int error)
{
    errno = error;
    return NULL;
}

static void *out_of_memory(const kgc_kind *kind, size_t size)
{
    kgc__fail(ENOMEM, "\"%s\" has no %zu bytes more", kind->name, size);
    return fail(ENOMEM);
}

/* `size` bytes of a class were taken from jemalloc (sign 1) or given back (-1). */
static void count_block(struct kgc__explicit *x, struct kgc__cache *c, unsigned class, size_t size, int sign)
{
    if (c != NULL && class != KGC__NO_CLASS)
        kgc__bin_count(&c->bins[class], (size_t)sign);
    else
        atomic_fetch_add(&x->bytes, sign > 0 ? size : -size);
}

/* jemalloc has handed out p. */
static void *adopt(struct kgc__explicit *x, struct kgc__cache *c, void *p)
{
    size_t usable = sallocx(p, 0);
    unsigned class = kgc__class_of_any(usable);
    kgc__mark(p, usable, class);
    count_block(x, c, class, usable, 1);
    kgc__explicit_took(x, usable);
    return p;
}

/* A block straight from jemalloc.  When the thread's arena has none: what
   threads and arenas keep for later is given back first, then any arena is
   asked. */
static void *take_directly(struct kgc__explicit *x, struct kgc__cache *c, size_t size, int flags)
{
    void *p = NULL;
    if (c != NULL)
        p = kgc__je_take(x->kind, size, (int)(MALLOCX_ARENA(c->arena) | MALLOCX_TCACHE_NONE) | flags);
    if (p == NULL && c != NULL)
        kgc__cache_flush(c);
    if (p == NULL) {
        kgc__caches_flush_idle(x);
        kgc__exchange_flush(x);
    }
    if (p == NULL && c == NULL &&
        atomic_load(&x->arenas) == 0) { /* a thread that is ending, the first of all */
        unsigned index;
        kgc__explicit_lock();
        kgc__explicit_arena(x, &index);
        kgc__explicit_unlock();
    }
    unsigned arenas = atomic_load(&x->arenas);
    for (unsigned round = 0; p == NULL && round < 2; round++) {
        for (unsigned i = 0; p == NULL && i < arenas; i++)
            p = kgc__je_take(x->kind, size, (int)(MALLOCX_ARENA(x->index[i]) | MALLOCX_TCACHE_NONE) | flags);
        if (p == NULL && round == 0)
            kgc__explicit_purge(x);
    }
    return p != NULL ? adopt(x, c, p) : NULL;
}

/* kind is one that a caller opened.  flags: MALLOCX_ZERO, MALLOCX_ALIGN. */
static __attribute__((noinline)) void *allocate(kgc_kind *kind, size_t size, int flags)
{
    if (size > PTRDIFF_MAX)
        return out_of_memory(kind, size);
    struct kgc__explicit *x = kgc__explicit_of(kind);
    if (x == NULL)
        return fail(ENOMEM);
    struct kgc__cache *c = kgc__cache_make(x);
    bool zero = (flags & MALLOCX_ZERO) != 0;
    size_t usable = size < 16 ? 16 : size;
    void *p = NULL;
    if (c != NULL && size <= KGC__CLASSES_MAX && (flags & ~MALLOCX_ZERO) == 0) {
        unsigned class = kgc__class_of(size);
        /* jemalloc knows which fresh pages are zero already. */
        if (class <= KGC__FAST_CLASSES || !zero || c->bins[class].count != 0)
            p = kgc__cache_take(c, class);
        if (p != NULL && zero)
            memset(p, 0, size);
        usable = kgc__class_size(class);
    }
    if (p == NULL)
        p = take_directly(x, c, usable, flags);
    if (p == NULL && atomic_load(&x->arenas) != 0)
        return out_of_memory(kind, size);
    return p != NULL ? p : fail(ENOMEM); /* no arena: kgc_last_error() says why */
}

static __attribute__((cold, noinline)) kgc_kind *no_kind(const char *function)
{
    kgc__fail(EINVAL, "%s: the kind is NULL", function);
    errno = EINVAL;
    return NULL;
}

void *kgc__explicit_take(kgc_kind *kind, size_t size, bool zero)
{
    return allocate(kind, size, zero ? MALLOCX_ZERO : 0);
}

void *kgc__explicit_take_aligned(kgc_kind *kind, size_t alignment, size_t size)
{
    if (alignment <= 16)
        return allocate(kind, size, 0);
    if (alignment > 4096 || size > 4096)
        return allocate(kind, size, MALLOCX_ALIGN(alignment));
    /* Blocks whose class is a power of two up to a page are aligned to it. */
    size_t least = size > alignment ? size : alignment;
    return allocate(kind, (size_t)1 << (64 - __builtin_clzl(least - 1)), 0);
}

static kgc_kind *root_of(kgc_kind *kind, const char *function)
{
    return kind != NULL ? kgc__kind_root(kind) : no_kind(function);
}

/* From the calling thread's array of free blocks; NULL when it is empty. */
static inline void *take_fast(const kgc_kind *kind, size_t size)
{
    if (kgc__unlikely(size > KGC__FAST_MAX))
        return NULL;
    struct kgc__cache *c = kgc__cache_of(kind);
    return kgc__likely(c != NULL) ? kgc__bin_pop(&c->bins[kgc__class_of(size)]) : NULL;
}

void *kgc_kind_malloc(kgc_kind *kind, size_t size)
{
    if (kgc__unlikely(kind == NULL))
        return no_kind("kgc_kind_malloc");
    void *p = take_fast(kind, size);
    return kgc__likely(p != NULL) ? p : allocate(kgc__kind_root(kind), size, 0);
}

void *kgc_kind_calloc(kgc_kind *kind, size_t count, size_t size)
{
    size_t sum;
    if (kgc__unlikely(kind == NULL))
        return no_kind("kgc_kind_calloc");
    if (__builtin_mul_overflow(count, size, &sum))
        return out_of_memory(kind, SIZE_MAX);
    void *p = take_fast(kind, sum);
    return kgc__likely(p != NULL) ? memset(p, 0, sum) : allocate(kgc__kind_root(kind), sum, MALLOCX_ZERO);
}

int kgc_kind_posix_memalign(kgc_kind *kind, void **out, size_t alignment, size_t size)
{
    int saved = errno, error = 0;
    if (out == NULL || !kgc__is_power_of_two(alignment) || alignment % sizeof(void *) != 0)
        return kgc__fail(EINVAL, "kgc_kind_posix_memalign: the alignment is a power of two, and at least %zu",
                         sizeof(void *));
    kind = root_of(kind, "kgc_kind_posix_memalign");
    void *p = kind != NULL ? kgc__explicit_take_aligned(kind, alignment, size) : NULL;
    if (p != NULL)
        *out = p;
    else
        error = errno;
    errno = saved;
    return error;
}

/* The kind whose explicit memory has the block at p.  NULL after calling the
   fatal handler, when there is none or it is not the one that the caller named. */
static kgc_kind *owner_of(kgc_kind *named, const void *p, const char *function)
{
    kgc_kind *kind;
    switch (kgc__kind_use_of(p, &kind)) {
    case KGC__EXPLICIT:
        kind = kgc__kind_root(kind);
        if (kind->rooted) {
            kgc__fatal("%s: %p is a block of the rooted heap; kgc_free() frees it", function, p);
            return NULL;
        }
        if (named == NULL || kgc__kind_root(named) == kind)
            return kind;
        kgc__fatal("%s: %p belongs to \"%s\", not to \"%s\"", function, p, kind->name,
                   kgc__kind_root(named)->name);
        return NULL;
    case KGC__SECTION:
        kgc__fatal("%s: %p lies in the GC heap, not in explicit memory", function, p);
        return NULL;
    default:
        kgc__fatal("%s: %p does not belong to the explicit memory of any kind", function, p);
        return NULL;
    }
}

/* What is known of the block at p, explicit memory: its class and usable size.
   Class 0: it is not from here, but from an arena of the caller's own. */
struct block {
    unsigned class;
    size_t size;
};

static struct block look(const void *p)
{
    kgc_kind *kind = kgc__ranged_kind_of(p);
    unsigned class = kind != NULL ? kgc__class_at(kind, p) : KGC__NO_CLASS;
    if (class != 0 && class != KGC__NO_CLASS)
        return (struct block){class, kgc__class_size(class)};
    size_t size = sallocx(p, 0);
    return (struct block){kind != NULL ? class : kgc__class_of_any(size), size};
}

/* Blocks of scanned kinds are cleared when they become free: nothing that they
   pointed to stays alive through them.  Very large ones by giving their pages
   back, where that can be. */
static void clear(void *p, size_t size)
{
    kgc_kind *kind = kgc__ranged_kind_of(p);
    if (kind != NULL && size > KGC__MIDDLE_MAX && kgc__space_forget(&kind->space, p, size))
        return;
    memset(p, 0, size);
}

/* Does what its blocks hold keep anything alive? */
static bool is_read(const kgc_kind *kind)
{
    return kind->scanned &&
           (!kind->rooted || atomic_load_explicit(&kgc__collector_in_use, memory_order_relaxed));
}

static void release(kgc_kind *kind, void *p)
{
    int saved = errno; /* purging can set it */
    struct block b = look(p);
    struct kgc__explicit *x = atomic_load(&kind->explicit);
    if (x == NULL || b.class == 0) {
        dallocx(p, MALLOCX_TCACHE_NONE);
        errno = saved;
        return;
    }
    bool read = is_read(kind);
    if (read)
        clear(p, b.size);
    struct kgc__cache *c = kgc__cache_to_free(x);
    KGC_CHECK_INTERNAL(c == NULL || b.class == KGC__NO_CLASS || b.size == sallocx(p, 0));
    /* The collector would read what the cache keeps. */
    if (c != NULL && b.class != KGC__NO_CLASS && !(read && b.size > KGC__MIDDLE_MAX)) {
        kgc__cache_put(c, b.class, p);
    } else {
        if (kind->scanned && b.size >= KGC__MARK_LATER_FROM)
            kgc__unmark(p, b.size);
        count_block(x, c, b.class, b.size, -1);
        dallocx(p, MALLOCX_TCACHE_NONE);
        kgc__explicit_gave(x, b.size);
    }
    errno = saved;
}

static __attribute__((noinline)) void free_slowly(kgc_kind *named, void *p)
{
    kgc_kind *kind = p != NULL ? owner_of(named, p, "kgc_kind_free") : NULL;
    if (kind != NULL)
        release(kind, p);
}

void kgc_kind_free(kgc_kind *named, void *p)
{
    kgc_kind *kind = kgc__ranged_kind_of(p);
    if (kgc__likely(kind != NULL)) {
        unsigned class = kgc__class_at(kind, p);
        struct kgc__cache *c = kgc__cache_of(kind);
        if (kgc__likely(c != NULL && class - 1 < KGC__CLASSES &&
                        (named == NULL || named->slot == kind->slot) && !kind->rooted)) {
            struct kgc__bin *bin = &c->bins[class];
            KGC_CHECK_FULL(sallocx(p, 0) == kgc__class_size(class));
            if (kgc__likely(kgc__bin_push(bin, p, bin->fast_limit)))
                return;
        }
    }
    free_slowly(named, p);
}

/* p, of another place, moves to a new block of this kind. */
static void *move(kgc_kind *to, kgc_kind *from, void *p, size_t old, size_t size)
{
    void *q = kgc_kind_malloc(to, size);
    if (q == NULL)
        return NULL;
    memcpy(q, p, old < size ? old : size);
    release(from, p);
    return q;
}

/* Blocks of jemalloc's that are extents of their own, which can change their size. */
enum { LARGE = 16 * KGC_KIB };

/* In place; false when it cannot be.  What is gained in a scanned kind is
   zeroed before it is scanned. */
static bool resize_in_place(kgc_kind *kind, void *p, struct block old, size_t size)
{
    if (old.class == 0 || old.size < LARGE || size < LARGE)
        return false;
    size_t now = xallocx(p, size, 0, MALLOCX_TCACHE_NONE | (is_read(kind) ? MALLOCX_ZERO : 0));
    if (now == old.size)
        return nallocx(size, 0) == now;
    unsigned class = kgc__class_of_any(now);
    struct kgc__explicit *x = atomic_load(&kind->explicit);
    struct kgc__cache *c = kgc__cache_make(x);
    if (kind->scanned && now < old.size)
        kgc__unmark((char *)p + now, old.size - now);
    kgc__mark(p, now, class);
    if (kind->scanned && class == KGC__NO_CLASS && old.class != class)
        kgc__unmark((char *)p + 4096, old.size - 4096); /* such a block has one mark */
    count_block(x, c, old.class, old.size, -1);
    count_block(x, c, class, now, 1);
    kgc__explicit_took(x, now);
    kgc__explicit_gave(x, old.size);
    return now >= size;
}

void kgc__explicit_release(kgc_kind *kind, void *p)
{
    release(kind, p);
}

size_t kgc__explicit_size(const void *p)
{
    return look(p).size;
}

bool kgc__explicit_resize(kgc_kind *kind, void *p, size_t size)
{
    struct block old = look(p);
    if (old.class != KGC__NO_CLASS && old.class == kgc__class_of_any(size))
        return true;
    return resize_in_place(kind, p, old, size);
}

void *kgc_kind_realloc(kgc_kind *kind, void *p, size_t size)
{
    if (p == NULL) {
        kind = root_of(kind, "kgc_kind_realloc");
        return kind != NULL ? kgc_kind_malloc(kind, size) : NULL;
    }
    kgc_kind *owner = owner_of(NULL, p, "kgc_kind_realloc");
    if (owner == NULL)
        return fail(EINVAL);
    if (size == 0) {
        release(owner, p);
        return NULL;
    }
    kind = kind != NULL ? kgc__kind_root(kind) : owner;
    if (size > PTRDIFF_MAX)
        return out_of_memory(kind, size);
    struct block old = look(p);
    if (kind == owner && kgc__explicit_resize(kind, p, size))
        return p;
    void *q = move(kind, owner, p, old.size, size);
    return q == NULL && kind == owner && size <= old.size ? p : q; /* shrinking does not fail */
}

size_t kgc_kind_usable_size(kgc_kind *kind, const void *p)
{
    (void)kind; /* the address tells */
    return p != NULL && kgc__kind_use_of(p, &kind) == KGC__EXPLICIT ? look(p).size : 0;
}
