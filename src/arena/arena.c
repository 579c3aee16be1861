/* SPDX-License-Identifier: MIT */
/*
 * Explicit memory of a kind: one jemalloc arena over the kind's hooks.
 *
 * The arena is made when it is first asked for.  It is created with hooks for
 * jemalloc's own records of it, which so stay on plain memory, and given the
 * kind's hooks afterwards.  Blocks bypass jemalloc's thread caches: those of
 * one thread are shared by all arenas and would mix kinds.  Nothing here
 * locks; jemalloc does.
 */
#include "arena/arena.h"
#include "base/check.h"
#include "base/message.h"
#include "base/size.h"
#include "kind/kind.h"
#include "os/os.h"
#include <errno.h>
#include <jemalloc/jemalloc.h>
#include <kindgc/arena.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

/* The control of one arena.  `format` has one %u. */
static int control(const char *format, unsigned index, void *old, size_t *old_size, void *new,
                   size_t new_size)
{
    char name[64];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(name, sizeof name, format, index);
#pragma GCC diagnostic pop
    return mallctl(name, old, old_size, new, new_size);
}

void kgc__arena_prepare(void)
{
    const char *version;
    size_t size = sizeof version;
    mallctl("version", &version, &size, NULL, 0);
}

static size_t statistic(const char *format, unsigned index)
{
    size_t value = 0, size = sizeof value;
    return control(format, index, &value, &size, NULL, 0) == 0 ? value : 0;
}

/* Bytes of live blocks, of a kind that a caller opened. */
static size_t allocated(kgc_kind *kind)
{
    unsigned arena = atomic_load(&kind->arena);
    if (arena == 0)
        return 0;
    uint64_t epoch = 1; /* statistics are a snapshot; this takes a new one */
    size_t size = sizeof epoch;
    mallctl("epoch", &epoch, &size, &epoch, size);
    return statistic("stats.arenas.%u.small.allocated", arena - 1) +
           statistic("stats.arenas.%u.large.allocated", arena - 1);
}

static int close_arena(kgc_kind *kind)
{
    unsigned arena = atomic_load(&kind->arena);
    if (arena == 0)
        return 0;
    size_t live = allocated(kind);
    if (live != 0)
        return kgc__fail(EBUSY, "kgc_kind_close: %zu bytes of explicit memory of \"%s\" are still allocated",
                         live, kind->name);
    int error = control("arena.%u.destroy", arena - 1, NULL, NULL, NULL, 0);
    if (error != 0)
        return kgc__fail_errno(error, "kgc_kind_close: the jemalloc arena of \"%s\"", kind->name);
    atomic_store(&kind->arena, 0);
    return 0;
}

static const struct kgc__explicit_ops ops = {.close = close_arena, .allocated = allocated};

/* Most bytes that the kind, or the smallest member of a tier, can hold; SIZE_MAX: no limit. */
static size_t limit_of(const kgc_kind *kind)
{
    size_t least = SIZE_MAX;
    if (kind->space.range.base != NULL)
        least = kind->space.range.limit;
    else if (kind->caller_limit != 0)
        least = kind->caller_limit;
    for (unsigned i = 0; i < kind->members; i++) {
        size_t limit = limit_of(kind->member[i]);
        least = limit < least ? limit : least;
    }
    return least;
}

/*
 * jemalloc asks for 2 MiB, then more and more at once, and only when that is
 * refused for what it needs.  In a small kind such gulps would leave nothing
 * to the GC heap; in a tier they would pass over a member that has room.  So
 * growth is bound to a sixteenth of the limit.
 */
static void bound_growth(unsigned index, const kgc_kind *kind)
{
    size_t growth = kgc__round_down(limit_of(kind) / 16, 4096);
    if (growth < 64 * KGC_KIB)
        growth = 64 * KGC_KIB;
    control("arena.%u.retain_grow_limit", index, NULL, NULL, &growth, sizeof growth);
}

/*
 * jemalloc's records of an arena: mappings that go with it.  Its default hooks
 * never unmap (opt.retain), so each arena that was made and destroyed would
 * cost 2 MiB of address space.
 */
static void *alloc_records(extent_hooks_t *hooks, void *wish, size_t size, size_t align, bool *zero,
                           bool *commit, unsigned arena)
{
    (void)hooks, (void)arena;
    void *p = wish == NULL ? kgc__os_reserve(size, align) : NULL;
    if (p == NULL)
        return NULL;
    if (kgc__os_make_usable(p, size) != 0) {
        kgc__os_release(p, size);
        return NULL;
    }
    *zero = *commit = true;
    return p;
}

static bool free_records(extent_hooks_t *hooks, void *p, size_t size, bool committed, unsigned arena)
{
    (void)hooks, (void)committed, (void)arena;
    kgc__os_release(p, size);
    return false;
}

static extent_hooks_t record_hooks = {.alloc = alloc_records, .dalloc = free_records};

/* Makes the arena of a kind that has none.  Returns its index plus 1, or 0
   with kgc_last_error() set.  The loser of a race takes the winner's. */
static unsigned make_arena(kgc_kind *kind)
{
    unsigned index, none = 0;
    size_t size = sizeof index;
    extent_hooks_t *hooks = &record_hooks;
    int error = mallctl("arenas.create", &index, &size, &hooks, sizeof hooks);
    if (error != 0) {
        kgc__fail(ENOMEM,
                  "no jemalloc arena for \"%s\": memory is short, or there are 4095, which is the most; "
                  "close kinds that have "
                  "explicit memory",
                  kind->name);
        return 0;
    }
    hooks = &kind->space.hooks;
    error = control("arena.%u.extent_hooks", index, NULL, NULL, &hooks, sizeof hooks);
    if (error != 0) {
        control("arena.%u.destroy", index, NULL, NULL, NULL, 0);
        kgc__fail_errno(error, "the hooks of \"%s\" cannot be given to its jemalloc arena", kind->name);
        return 0;
    }
    bound_growth(index, kind);
    __atomic_store_n(&kind->explicit_ops, &ops, __ATOMIC_RELAXED);
    if (atomic_compare_exchange_strong(&kind->arena, &none, index + 1))
        return index + 1;
    control("arena.%u.destroy", index, NULL, NULL, NULL, 0);
    return none;
}

/* jemalloc's flags for the arena of a kind; 0 (no arena has it) on failure. */
static int flags_of(kgc_kind *kind)
{
    unsigned arena = atomic_load_explicit(&kind->arena, memory_order_acquire);
    if (kgc__unlikely(arena == 0)) {
        arena = make_arena(kind);
        if (arena == 0)
            return 0;
    }
    return (int)(MALLOCX_ARENA(arena - 1) | MALLOCX_TCACHE_NONE);
}

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

/* jemalloc aligns blocks of 8 bytes to 8; and it knows no size 0. */
enum { SMALLEST = 16 };

/* kind is one that a caller opened. */
static void *allocate(kgc_kind *kind, size_t size, int extra_flags)
{
    if (size < SMALLEST)
        size = SMALLEST;
    if (size > PTRDIFF_MAX)
        return out_of_memory(kind, size);
    int flags = flags_of(kind);
    if (flags == 0)
        return fail(ENOMEM);
    void *p = mallocx(size, flags | extra_flags);
    return p != NULL ? p : out_of_memory(kind, size);
}

static kgc_kind *root_of(kgc_kind *kind, const char *function)
{
    if (kind != NULL)
        return kgc__kind_root(kind);
    kgc__fail(EINVAL, "%s: the kind is NULL", function);
    errno = EINVAL;
    return NULL;
}

void *kgc_kind_malloc(kgc_kind *kind, size_t size)
{
    kind = root_of(kind, "kgc_kind_malloc");
    return kind != NULL ? allocate(kind, size, 0) : NULL;
}

void *kgc_kind_calloc(kgc_kind *kind, size_t count, size_t size)
{
    size_t sum;
    kind = root_of(kind, "kgc_kind_calloc");
    if (kind == NULL)
        return NULL;
    if (__builtin_mul_overflow(count, size, &sum))
        return out_of_memory(kind, SIZE_MAX);
    return allocate(kind, sum, MALLOCX_ZERO);
}

int kgc_kind_posix_memalign(kgc_kind *kind, void **out, size_t alignment, size_t size)
{
    int saved = errno, error = 0;
    if (out == NULL || !kgc__is_power_of_two(alignment) || alignment % sizeof(void *) != 0)
        return kgc__fail(EINVAL, "kgc_kind_posix_memalign: the alignment is a power of two, and at least %zu",
                         sizeof(void *));
    kind = root_of(kind, "kgc_kind_posix_memalign");
    void *p = kind != NULL ? allocate(kind, size, MALLOCX_ALIGN(alignment)) : NULL;
    if (p != NULL)
        *out = p;
    else
        error = errno;
    errno = saved;
    return error;
}

/* The kind whose arena has the block at p.  NULL after calling the fatal
   handler, when there is none or it is not the one that the caller named. */
static kgc_kind *owner_of(kgc_kind *named, const void *p, const char *function)
{
    kgc_kind *kind;
    switch (kgc__kind_use_of(p, &kind)) {
    case KGC__EXPLICIT:
        kind = kgc__kind_root(kind);
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

/* dallocx() finds the arena itself; purging, which it may do, can set errno. */
static void release(void *p)
{
    int saved = errno;
    dallocx(p, MALLOCX_TCACHE_NONE);
    errno = saved;
}

void kgc_kind_free(kgc_kind *kind, void *p)
{
    if (p != NULL && owner_of(kind, p, "kgc_kind_free") != NULL)
        release(p);
}

/* p, of another kind, moves to this one. */
static void *move(kgc_kind *to, void *p, size_t size)
{
    void *q = allocate(to, size, 0);
    if (q == NULL)
        return NULL;
    size_t old = sallocx(p, 0);
    memcpy(q, p, old < size ? old : size);
    release(p);
    return q;
}

void *kgc_kind_realloc(kgc_kind *kind, void *p, size_t size)
{
    if (p == NULL) {
        kind = root_of(kind, "kgc_kind_realloc");
        return kind != NULL ? allocate(kind, size, 0) : NULL;
    }
    kgc_kind *owner = owner_of(NULL, p, "kgc_kind_realloc");
    if (owner == NULL)
        return fail(EINVAL);
    if (size == 0) {
        release(p);
        return NULL;
    }
    kind = kind != NULL ? kgc__kind_root(kind) : owner;
    if (kind != owner)
        return move(kind, p, size);
    if (size > PTRDIFF_MAX)
        return out_of_memory(kind, size);
    int flags = flags_of(kind);
    if (flags == 0)
        return fail(ENOMEM);
    void *q = rallocx(p, size < SMALLEST ? SMALLEST : size, flags);
    return q != NULL ? q : out_of_memory(kind, size);
}

size_t kgc_kind_usable_size(kgc_kind *kind, const void *p)
{
    (void)kind; /* the address tells */
    return p != NULL && kgc__kind_use_of(p, &kind) == KGC__EXPLICIT ? sallocx((void *)p, 0) : 0;
}
