/* SPDX-License-Identifier: MIT */
/* The standard extent hooks over a range and its backing: see space.h. */
#include "extent/space.h"
#include "base/check.h"
#include "base/message.h"
#include "base/size.h"
#include "extent/map.h"
#include "os/os.h"
#include <errno.h>
#include <kindgc/kind.h>
#include <string.h>

static enum kgc__side side_of_arena(unsigned arena)
{
    return arena == KGC_ARENA_COLLECTOR ? KGC__LOW : KGC__HIGH;
}

#define MOST_DIRTY KGC_MIB

bool kgc__space_limits_dirty(const struct kgc__space *s)
{
    const struct kgc__backing *b = s->backing;
    return b != NULL && s->range.granule == kgc__page_size() && (b->discard != NULL || b->take_back != NULL);
}

/* 0 or an errno value. */
static int make_ready(struct kgc__space *s, enum kgc__side side, const struct kgc__span *span)
{
    int error = side == KGC__HIGH && s->before_use != NULL ? s->before_use(s, span) : 0;
    if (error == 0)
        error = s->backing->provide(s, span->start, span->size);
    if (error == 0)
        kgc__range_mark_ready(&s->range, side, span);
    return error;
}

static void *alloc(extent_hooks_t *hooks, void *wish, size_t size, size_t align, bool *zero, bool *commit,
                   unsigned arena)
{
    struct kgc__space *s = kgc__space_of_hooks(hooks);
    enum kgc__side side = side_of_arena(arena);
    size_t page = kgc__page_size();
    if (wish != NULL || size == 0 || size % page != 0)
        return NULL;
    /* Whole granules at their own boundary can be given back whole. */
    if (side == KGC__HIGH && size >= s->range.granule && align < s->range.granule &&
        s->range.granule <= 2 * KGC_MIB)
        align = s->range.granule;
    void *p = kgc__range_take(&s->range, side, size, align < page ? page : align);
    struct kgc__span span;
    if (p != NULL && kgc__range_unready(&s->range, side, p, size, &span) && make_ready(s, side, &span) != 0) {
        kgc__range_untake(&s->range, side, p, size);
        p = NULL;
    }
    if (p == NULL) {
        atomic_fetch_add(&s->refusals, 1);
        errno = ENOMEM;
        return NULL;
    }
    atomic_fetch_add(&s->bytes[side], size);
    *zero = true;
    /* What jemalloc does not need at once can merge with what it has given
       back only if it is not committed either. */
    *commit = *commit || side == KGC__LOW || !kgc__space_limits_dirty(s);
    return p;
}

/* Whole granules inside [p, p + size). */
static struct kgc__span whole_granules(struct kgc__space *s, char *p, size_t size)
{
    char *start = (char *)kgc__round_up((uintptr_t)p, s->range.granule);
    char *end = (char *)kgc__round_down((uintptr_t)p + size, s->range.granule);
    return (struct kgc__span){start, end > start ? (size_t)(end - start) : 0};
}

/* Gives whole granules back by `how` and zeroes the rest.  True when refused, as hooks say it. */
static bool give_back(struct kgc__space *s, char *p, size_t size,
                      int (*how)(struct kgc__space *, void *, size_t))
{
    struct kgc__span inner = whole_granules(s, p, size);
    if (how == NULL || inner.size == 0 || how(s, inner.start, inner.size) != 0)
        return true;
    memset(p, 0, (size_t)(inner.start - p));
    memset(inner.start + inner.size, 0, (size_t)(p + size - inner.start - inner.size));
    atomic_fetch_add(&s->purged, inner.size);
    return false;
}

bool kgc__space_forget(struct kgc__space *s, void *p, size_t size)
{
    return s->backing->take_back == NULL && !give_back(s, p, size, s->backing->discard);
}

/* Nothing lives in [p, p + size) any more. */
static void clear_marks(struct kgc__space *s, const void *p, size_t size)
{
    unsigned char *marks = atomic_load_explicit(&s->marks, memory_order_acquire);
    if (marks == NULL || !s->clear_marks)
        return;
    size_t i = (size_t)((const char *)p - s->range.base) >> KGC__MARK_SHIFT, end = i + (size >> KGC__MARK_SHIFT);
    for (size_t next; i < end; i = next) {
        unsigned char *group = kgc__mark_group(s, marks, i);
        next = ((i >> KGC__GROUP_SHIFT) + 1) << KGC__GROUP_SHIFT;
        if (__atomic_load_n(group, __ATOMIC_RELAXED) == 0)
            continue;
        bool whole = next <= end && i % (1 << KGC__GROUP_SHIFT) == 0;
        memset(marks + i, 0, (next < end ? next : end) - i);
        if (whole)
            __atomic_store_n(group, 0, __ATOMIC_RELAXED);
    }
}

static bool dalloc(extent_hooks_t *hooks, void *p, size_t size, bool committed, unsigned arena)
{
    (void)committed, (void)arena;
    clear_marks(kgc__space_of_hooks(hooks), p, size);
    return true;
}

static void destroy(extent_hooks_t *hooks, void *p, size_t size, bool committed, unsigned arena)
{
    struct kgc__space *s = kgc__space_of_hooks(hooks);
    (void)committed;
    clear_marks(s, p, size);
    struct kgc__span inner = whole_granules(s, p, size);
    int (*how)(struct kgc__space *, void *, size_t) = s->backing->discard;
    if (how == NULL && !(s->backing->hides && s->clear_marks))
        how = s->backing->take_back;
    if (inner.size != 0 && how != NULL && how(s, inner.start, inner.size) == 0)
        atomic_fetch_add(&s->purged, inner.size);
    atomic_fetch_sub(&s->bytes[side_of_arena(arena)], size);
}

static bool commit(extent_hooks_t *hooks, void *p, size_t size, size_t offset, size_t length, unsigned arena)
{
    struct kgc__space *s = kgc__space_of_hooks(hooks);
    (void)size, (void)arena;
    if (s->backing->take_back == NULL)
        return false; /* the pages are there when they are touched */
    /* Outwards: a part of what was decommitted may come back alone. */
    uintptr_t start = kgc__round_down((uintptr_t)p + offset, s->range.granule);
    uintptr_t end = kgc__round_up((uintptr_t)p + offset + length, s->range.granule);
    if (s->backing->provide(s, (void *)start, end - start) != 0) {
        atomic_fetch_add(&s->refusals, 1);
        return true;
    }
    return false;
}

static bool decommit(extent_hooks_t *hooks, void *p, size_t size, size_t offset, size_t length,
                     unsigned arena)
{
    struct kgc__space *s = kgc__space_of_hooks(hooks);
    (void)size, (void)arena;
    clear_marks(s, (char *)p + offset, length);
    if (s->backing->hides && s->clear_marks)
        return true;
    return give_back(s, (char *)p + offset, length,
                     s->backing->take_back != NULL ? s->backing->take_back : s->backing->discard);
}

static bool purge_forced(extent_hooks_t *hooks, void *p, size_t size, size_t offset, size_t length,
                         unsigned arena)
{
    struct kgc__space *s = kgc__space_of_hooks(hooks);
    (void)size, (void)arena;
    clear_marks(s, (char *)p + offset, length);
    return give_back(s, (char *)p + offset, length, s->backing->discard);
}

static bool purge_lazy(extent_hooks_t *hooks, void *p, size_t size, size_t offset, size_t length,
                       unsigned arena)
{
    struct kgc__space *s = kgc__space_of_hooks(hooks);
    (void)size;
    /* An arena would keep such pages for ever: see kgc__space_limits_dirty(). */
    if (arena != KGC_ARENA_COLLECTOR && kgc__space_limits_dirty(s))
        return true;
    clear_marks(s, (char *)p + offset, length);
    struct kgc__span inner = whole_granules(s, (char *)p + offset, length);
    if (s->backing->discard_lazily == NULL || inner.size == 0)
        return true;
    return s->backing->discard_lazily(s, inner.start, inner.size) != 0;
}

static bool split(extent_hooks_t *hooks, void *p, size_t size, size_t a, size_t b, bool committed,
                  unsigned arena)
{
    (void)hooks, (void)p, (void)size, (void)a, (void)b, (void)committed, (void)arena;
    return false;
}

static bool merge(extent_hooks_t *hooks, void *a, size_t size_a, void *b, size_t size_b, bool committed,
                  unsigned arena)
{
    struct kgc__space *s = kgc__space_of_hooks(hooks);
    if (committed && arena != KGC_ARENA_COLLECTOR && kgc__space_limits_dirty(s) && size_a <= MOST_DIRTY &&
        size_b <= MOST_DIRTY && size_a + size_b > MOST_DIRTY)
        return true;
    return !kgc__range_contains(&s->range, a) || !kgc__range_contains(&s->range, b);
}

const extent_hooks_t kgc__standard_hooks = {
    .alloc = alloc,
    .dalloc = dalloc,
    .destroy = destroy,
    .commit = commit,
    .decommit = decommit,
    .purge_lazy = purge_lazy,
    .purge_forced = purge_forced,
    .split = split,
    .merge = merge,
};

int kgc__space_open(struct kgc__space *space, const struct kgc__backing *backing, size_t limit,
                    size_t granule, void *owner)
{
    int error = kgc__range_reserve(&space->range, limit, granule);
    if (error != 0)
        return error;
    space->hooks = kgc__standard_hooks;
    space->backing = backing;
    space->owner = owner;
    space->file.fd = -1;
    if (owner != NULL && !kgc__map_set(space->range.base, space->range.size, owner)) {
        kgc__range_release(&space->range);
        return kgc__fail(ENOMEM, "no memory for the address map");
    }
    return 0;
}

void kgc__space_drop_marks(struct kgc__space *space)
{
    unsigned char *marks = atomic_exchange(&space->marks, NULL);
    if (marks != NULL)
        kgc__os_release(marks, space->marks_size);
}

void kgc__space_close(struct kgc__space *space)
{
    if (space->range.base == NULL)
        return;
    if (space->owner != NULL)
        kgc__map_set(space->range.base, space->range.size, NULL);
    kgc__space_drop_marks(space);
    kgc__range_release(&space->range);
}

static int provide_anonymous(struct kgc__space *s, void *p, size_t size)
{
    (void)s;
    return kgc__os_make_usable(p, size);
}

static int discard_anonymous(struct kgc__space *s, void *p, size_t size)
{
    (void)s;
    return kgc__os_discard(p, size);
}

static int discard_anonymous_lazily(struct kgc__space *s, void *p, size_t size)
{
    (void)s;
    return kgc__os_discard_lazily(p, size);
}

const struct kgc__backing kgc__anonymous_backing = {
    .provide = provide_anonymous,
    .discard = discard_anonymous,
    .discard_lazily = discard_anonymous_lazily,
};
