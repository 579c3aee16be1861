/* SPDX-License-Identifier: MIT */
/*
 * The jemalloc arenas of a kind: making them as threads come, their numbers,
 * and their end.
 *
 * An arena is created with hooks for jemalloc's own records of it, which so
 * stay on plain memory, and given the kind's hooks afterwards.
 */
#include "arena/arena.h"
#include "arena/explicit.h"
#include "arena/marks.h"
#include "base/check.h"
#include "base/lock.h"
#include "base/message.h"
#include "os/meta.h"
#include "os/os.h"
#include <errno.h>
#include <jemalloc/jemalloc.h>
#include <kindgc/arena.h>

enum { INDICES = 4096 }; /* jemalloc's arena indices are 12 bits */

static kgc__lock lock = KGC__LOCK_INIT(KGC__RANK_EXPLICIT);
static struct kgc__explicit *spare; /* linked through the pointer to the kind; under the lock */
static _Atomic(kgc_kind *) kind_of_arena[INDICES];

void kgc__explicit_lock(void)
{
    kgc__lock_acquire(&lock);
}

void kgc__explicit_unlock(void)
{
    kgc__lock_release(&lock);
}

void kgc__arena_before_fork(void)
{
    kgc__explicit_lock();
}

void kgc__arena_after_fork_in_parent(void)
{
    kgc__explicit_unlock();
}

static void keep_own_cache(kgc_kind *kind, void *unused)
{
    (void)unused;
    struct kgc__explicit *x = atomic_load(&kind->explicit);
    if (x != NULL)
        kgc__caches_abandon(x);
}

void kgc__arena_after_fork_in_child(void)
{
    kgc_kind_visit(keep_own_cache, NULL);
    kgc__explicit_unlock(); /* held since before the fork */
}

/*
 * jemalloc asks for 2 MiB, then more and more at once, and only when that is
 * refused for what it needs.  In a small kind such gulps would leave nothing
 * to the GC heap; in a tier they would pass over a member that has room.  So
 * growth is bound to a sixteenth of the limit, and to 8 MiB, of which one more
 * or less does not matter.
 */
#define MOST_GROWTH  (8 * KGC_MIB)
#define RATIO_GROWTH (512 * KGC_KIB)

static void bound_growth(unsigned index, const kgc_kind *kind)
{
    size_t growth = kgc__round_down(kgc__explicit_limit(kind) / 16, 4096);
    if (growth < 64 * KGC_KIB)
        growth = 64 * KGC_KIB;
    if (growth > MOST_GROWTH)
        growth = MOST_GROWTH;
    if (kind->members != 0 && kind->member[0]->share != 0 && growth > RATIO_GROWTH)
        growth = RATIO_GROWTH; /* the unit in which a ratio chooses */
    kgc__je_control("arena.%u.retain_grow_limit", index, NULL, NULL, &growth, sizeof growth);
}

/*
 * jemalloc's records of an arena: mappings that go with it.  Its default hooks
 * never unmap (opt.retain), so each arena that was made and destroyed would
 * cost 2 MiB of address space.
 */
struct records {
    struct records *next;  /* never taken out of the list */
    _Atomic(char *) start; /* NULL: not in use */
    size_t size;
};
static _Atomic(struct records *) records;
static char taken[1]; /* for `start`: somebody fills it in */

/* Records name blocks, so who looks for pointers passes over them. */
static bool list_records(char *p, size_t size)
{
    struct records *r = atomic_load(&records);
    for (char *none = NULL; r != NULL; r = r->next, none = NULL)
        if (atomic_compare_exchange_strong(&r->start, &none, taken)) {
            r->size = size;
            atomic_store(&r->start, p);
            return true;
        }
    r = kgc__meta_allocate(sizeof *r);
    if (r == NULL)
        return false;
    r->size = size;
    atomic_init(&r->start, p);
    r->next = atomic_load(&records);
    while (!atomic_compare_exchange_weak(&records, &r->next, r))
        ;
    return true;
}

void kgc__explicit_visit_records(void (*fn)(char *lo, char *hi, void *), void *arg)
{
    for (struct records *r = atomic_load(&records); r != NULL; r = r->next) {
        char *p = atomic_load(&r->start);
        if (p != NULL && p != taken)
            fn(p, p + r->size, arg);
    }
}

static void *alloc_records(extent_hooks_t *hooks, void *wish, size_t size, size_t align, bool *zero,
                           bool *commit, unsigned arena)
{
    (void)hooks, (void)arena;
    void *p = wish == NULL ? kgc__os_reserve(size, align) : NULL;
    if (p == NULL)
        return NULL;
    if (kgc__os_make_usable(p, size) != 0 || !list_records(p, size)) {
        kgc__os_release(p, size);
        return NULL;
    }
    *zero = *commit = true;
    return p;
}

static bool free_records(extent_hooks_t *hooks, void *p, size_t size, bool committed, unsigned arena)
{
    (void)hooks, (void)committed, (void)arena;
    for (struct records *r = atomic_load(&records); r != NULL; r = r->next)
        if (atomic_load(&r->start) == p)
            atomic_store(&r->start, NULL);
    kgc__os_release(p, size);
    return false;
}

static extent_hooks_t record_hooks = {.alloc = alloc_records, .dalloc = free_records};

static bool make_arena(struct kgc__explicit *x)
{
    kgc_kind *kind = x->kind;
    unsigned index, made = atomic_load(&x->arenas);
    size_t size = sizeof index;
    extent_hooks_t *hooks = &record_hooks;
    if (mallctl("arenas.create", &index, &size, &hooks, sizeof hooks) != 0) {
        kgc__fail(
            ENOMEM,
            "no jemalloc arena for \"%s\": memory is short, or there are 4095, which is the most; close "
            "kinds that have explicit memory",
            kind->name);
        return false;
    }
    hooks = &kind->space.hooks;
    int error = kgc__je_control("arena.%u.extent_hooks", index, NULL, NULL, &hooks, sizeof hooks);
    if (error != 0) {
        kgc__je_command("arena.%u.destroy", index);
        kgc__fail_errno(error, "the hooks of \"%s\" cannot be given to its jemalloc arena", kind->name);
        return false;
    }
    bound_growth(index, kind);
    kgc__explicit_set_decay(x, index);
    atomic_store(&kind_of_arena[index], kind);
    x->index[made] = index;
    atomic_store(&x->arenas, made + 1);
    return true;
}

bool kgc__explicit_arena(struct kgc__explicit *x, unsigned *index)
{
    unsigned place = x->turn++ % x->kind->arenas_max;
    unsigned made = atomic_load(&x->arenas);
    if (place >= made && make_arena(x))
        made++;
    if (made == 0)
        return false;
    *index = x->index[place % made];
    return true;
}

size_t kgc__explicit_live(struct kgc__explicit *x)
{
    size_t sum = atomic_load(&x->bytes);
    for (struct kgc__cache *c = x->caches; c != NULL; c = c->next)
        for (unsigned class = 1; class <= KGC__CLASSES; class ++)
            sum += (__atomic_load_n(&c->bins[class].taken, __ATOMIC_RELAXED) -
                    __atomic_load_n(&c->bins[class].count, __ATOMIC_RELAXED)) *
                   kgc__class_size(class);
    return sum;
}

/* Destroys the arenas of a kind without live blocks. */
static int close_explicit(kgc_kind *kind)
{
    struct kgc__explicit *x = atomic_load(&kind->explicit);
    kgc__explicit_lock();
    size_t live = kgc__explicit_live(x);
    if (live != 0) {
        kgc__explicit_unlock();
        return kgc__fail(EBUSY, "kgc_kind_close: %zu bytes of explicit memory of \"%s\" are still allocated",
                         live, kind->name);
    }
    kgc__caches_forget(x);
    for (unsigned made = atomic_load(&x->arenas); made != 0; made--) {
        unsigned index = x->index[made - 1];
        atomic_store(&kind_of_arena[index], NULL);
        kgc__je_command("arena.%u.destroy", index);
    }
    atomic_store(&kind->explicit, NULL);
    kind->explicit_ops = NULL;
    x->kind = (kgc_kind *)spare;
    spare = x;
    kgc__explicit_unlock();
    return 0;
}

static size_t number(const char *format, unsigned index)
{
    size_t value = 0, size = sizeof value;
    return kgc__je_control(format, index, &value, &size, NULL, 0) == 0 ? value : 0;
}

static void add_stats(kgc_kind *kind, kgc_kind_info *info)
{
    struct kgc__explicit *x = atomic_load(&kind->explicit);
    uint64_t epoch = 1; /* statistics are a snapshot; this takes a new one */
    size_t page = kgc__page_size(), size = sizeof epoch;
    mallctl("epoch", &epoch, &size, &epoch, size);
    kgc__explicit_lock();
    size_t live = kgc__explicit_live(x);
    info->allocated = live <= PTRDIFF_MAX ? live : 0; /* threads that work meanwhile can take it below 0 */
    info->arenas = atomic_load(&x->arenas);
    info->cached += kgc__exchange_bytes(x);
    for (const struct kgc__cache *c = x->caches; c != NULL; c = c->next) {
        info->caches += c->home != NULL;
        for (unsigned class = 1; class <= KGC__CLASSES; class ++)
            info->cached += __atomic_load_n(&c->bins[class].count, __ATOMIC_RELAXED) * kgc__class_size(class);
    }
    for (unsigned i = 0; i < info->arenas; i++) {
        info->active += page * number("stats.arenas.%u.pactive", x->index[i]);
        info->dirty += page * number("stats.arenas.%u.pdirty", x->index[i]) +
                       page * number("stats.arenas.%u.pmuzzy", x->index[i]);
        info->retained += number("stats.arenas.%u.retained", x->index[i]);
    }
    kgc__explicit_unlock();
}

static const struct kgc__explicit_ops ops = {.close = close_explicit, .add_stats = add_stats};

static struct kgc__explicit *make_explicit(kgc_kind *kind)
{
    struct kgc__explicit *x = atomic_load(&kind->explicit);
    if (x != NULL)
        return x;
    if (kgc__marks_make(kind) != 0)
        return NULL;
    x = spare;
    if (x != NULL) {
        spare = (struct kgc__explicit *)x->kind;
        memset(x, 0, sizeof *x);
    } else {
        x = kgc__meta_allocate(sizeof *x);
    }
    if (x == NULL) {
        kgc__fail(ENOMEM, "no memory for the record of the explicit memory of \"%s\"", kind->name);
        return NULL;
    }
    x->kind = kind;
    atomic_store(&x->decay, kind->decay);
    atomic_store(&x->decay_ms, kind->decay_ms);
    kgc__explicit_set_slack(x);
    kind->explicit_ops = &ops;
    atomic_store(&kind->explicit, x);
    return x;
}

struct kgc__explicit *kgc__explicit_of(kgc_kind *kind)
{
    struct kgc__explicit *x = atomic_load_explicit(&kind->explicit, memory_order_acquire);
    if (x != NULL)
        return x;
    /* The rooted heap does not start the collector: should there be one, it asks. */
    if (kind->scanned && !kind->rooted && kgc__collector.start() != 0)
        return NULL;
    kgc__explicit_lock();
    x = make_explicit(kind);
    kgc__explicit_unlock();
    return x;
}

int kgc_kind_arena_of_thread(kgc_kind *kind, unsigned *arena)
{
    if (kind == NULL || arena == NULL)
        return kgc__fail(EINVAL, "kgc_kind_arena_of_thread: the kind or the result is NULL");
    kind = kgc__kind_root(kind);
    struct kgc__explicit *x = kgc__explicit_of(kind);
    struct kgc__cache *c = x != NULL ? kgc__cache_make(x) : NULL;
    if (c == NULL)
        return ENOMEM;
    *arena = c->arena;
    return 0;
}

unsigned kgc_kind_arenas(kgc_kind *kind, unsigned *arenas, unsigned count)
{
    struct kgc__explicit *x = kind != NULL ? atomic_load(&kgc__kind_root(kind)->explicit) : NULL;
    unsigned made = x != NULL ? atomic_load(&x->arenas) : 0;
    for (unsigned i = 0; arenas != NULL && i < made && i < count; i++)
        arenas[i] = x->index[i];
    return made;
}

kgc_kind *kgc_kind_of_arena(unsigned arena)
{
    return arena < INDICES ? atomic_load(&kind_of_arena[arena]) : NULL;
}
