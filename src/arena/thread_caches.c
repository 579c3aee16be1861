/* SPDX-License-Identifier: MIT */
/*
 * Which cache a thread has of which kind: made at first use, gone at the
 * thread's end, or left to the next thread.
 *
 * A thread finds its cache by the kind's slot in a table of its own.  The
 * table is made at first use and goes, with all that it leads to, in each
 * round of destructors; later destructors may make a new one.
 */
#include "arena/blocks.h"
#include "arena/explicit.h"
#include "base/message.h"
#include "os/meta.h"
#include "os/os.h"
#include <errno.h>
#include <jemalloc/jemalloc.h>
#include <limits.h>
#include <pthread.h>
#include <string.h>

/* For threads that have none: nothing is ever written to it. */
static struct kgc__cache *no_caches[KGC__SLOTS];

__thread struct kgc__cache **kgc__caches KGC__INITIAL_EXEC = no_caches;
__thread struct kgc__cache *kgc__direct_cache KGC__INITIAL_EXEC;
kgc_kind *kgc__direct_kind;
static __thread unsigned rounds KGC__INITIAL_EXEC;   /* of destructors that were seen */
static __thread size_t slots_used KGC__INITIAL_EXEC; /* of the thread's table: no cache is at or above */

bool kgc__caches_alone;

static pthread_key_t key;
static bool key_made;            /* under the lock */
static struct kgc__cache *spare; /* under the lock */

/* Tables of threads that have ended, empty again; linked through their last
   places.  Programs that make a thread for each task make many. */
enum { SPARE_TABLES = 16 };
static struct kgc__cache **spare_tables; /* under the lock */
static unsigned spare_table_count;       /* under the lock */

static void ***link_of(struct kgc__cache **table)
{
    return (void ***)(void *)&table[KGC__NO_SLOT];
}

/* Takes c out of its kind's list and of its thread's table.  Caller holds the lock. */
static void unlink_cache(struct kgc__explicit *x, struct kgc__cache *c)
{
    struct kgc__cache **at = &x->caches;
    while (*at != c)
        at = &(*at)->next;
    *at = c->next;
    atomic_fetch_sub(&x->large, c->large_limit);
    if (c->home != NULL)
        __atomic_store_n(c->home, NULL, __ATOMIC_RELAXED);
    kgc__cache_drop_arrays(c);
    c->next = spare;
    spare = c;
}

static void destroy_tcache(const struct kgc__cache *c)
{
    unsigned index = c->tcache - 1;
    if (c->tcache != 0)
        mallctl("tcache.destroy", NULL, NULL, &index, sizeof index);
}

void kgc__caches_forget(struct kgc__explicit *x)
{
    x->idle = NULL;
    x->idle_count = 0;
    while (x->caches != NULL) {
        destroy_tcache(x->caches);
        unlink_cache(x, x->caches);
    }
}

/* What lives that this thread has taken is the kind's to count from now on. */
static void settle(struct kgc__explicit *x, const struct kgc__cache *c)
{
    size_t bytes = 0;
    for (unsigned class = 1; class <= KGC__CLASSES; class ++)
        bytes += (c->bins[class].taken - c->bins[class].count) * kgc__class_size(class);
    atomic_fetch_add(&x->bytes, bytes);
}

/* A thread may have been in the middle of a change of its bins or its tcache,
   so neither can be emptied: jemalloc takes their blocks for allocated until
   the arenas go. */
void kgc__caches_abandon(struct kgc__explicit *x)
{
    const struct kgc__cache *own = kgc__cache_of(x->kind);
    for (struct kgc__cache *next, *c = x->caches; c != NULL; c = next) {
        next = c->next;
        if (c == own)
            continue;
        if (c->home == NULL)
            kgc__cache_bequeath(c);
        settle(x, c);
        unlink_cache(x, c);
    }
    if (x->idle == NULL)
        return; /* nothing is written: the child would get a copy of the page */
    x->idle = NULL;
    x->idle_count = 0;
}

enum { MOST_IDLE = 16 }; /* caches of a kind without a thread */

/*
 * The cache of a thread that ends waits for the next thread: then neither
 * calls jemalloc, and the new thread's blocks lie as far from those of others
 * as the old one's did.  Blocks of several threads, mixed, would have their
 * bytes (arena/blocks.h) in the same cache lines, which costs all of them
 * three times as much.  False: there are enough of them.
 */
static bool park(struct kgc__explicit *x, struct kgc__cache *c)
{
    if (!x->kind->rooted || x->idle_count == MOST_IDLE)
        return false;
    kgc__cache_shrink(c);
    __atomic_store_n(c->home, NULL, __ATOMIC_RELAXED);
    c->home = NULL;
    c->next_idle = x->idle;
    x->idle = c;
    x->idle_count++;
    return true;
}

void kgc__caches_flush_idle(struct kgc__explicit *x)
{
    kgc__explicit_lock();
    for (struct kgc__cache *c = x->idle; c != NULL; c = c->next_idle)
        kgc__cache_flush(c);
    kgc__explicit_unlock();
}

/* The end of a thread, or one round of it. */
static void in_destructors(void *value)
{
    struct kgc__cache **table = value;
    kgc__caches = no_caches;
    kgc__direct_cache = NULL;
    rounds++;
    kgc__explicit_lock();
    for (size_t slot = 0; slot < slots_used; slot++) {
        struct kgc__cache *c = table[slot];
        if (c == NULL)
            continue;
        struct kgc__explicit *x = atomic_load(&c->kind->explicit);
        if (park(x, c))
            continue;
        kgc__cache_bequeath(c);
        kgc__cache_flush(c);
        settle(x, c);
        destroy_tcache(c);
        unlink_cache(x, c);
    }
    slots_used = 0;
    bool keep = spare_table_count < SPARE_TABLES;
    if (keep) {
        *link_of(table) = (void **)spare_tables;
        spare_tables = table;
        spare_table_count++;
    }
    kgc__explicit_unlock();
    if (!keep)
        kgc__os_release(table, KGC__SLOTS * sizeof *table);
}

/* An empty table. */
static struct kgc__cache **take_table(void)
{
    kgc__explicit_lock();
    struct kgc__cache **table = spare_tables;
    if (table != NULL) {
        spare_tables = (struct kgc__cache **)*link_of(table);
        spare_table_count--;
        *link_of(table) = NULL;
    }
    kgc__explicit_unlock();
    return table != NULL ? table : kgc__os_map_plain(KGC__SLOTS * sizeof *table);
}

static bool make_key(void)
{
    kgc__explicit_lock();
    bool made = key_made || pthread_key_create(&key, in_destructors) == 0;
    key_made = made;
    kgc__explicit_unlock();
    return made;
}

/*
 * A table for the calling thread.  Without the lock: pthread_setspecific() may
 * call calloc(), and where that is ours it comes back to here and goes without.
 */
static bool make_table(void)
{
    static __thread bool busy KGC__INITIAL_EXEC;
    if (kgc__caches != no_caches)
        return true;
    /* In the last round nobody would clean up any more. */
    if (busy || rounds >= PTHREAD_DESTRUCTOR_ITERATIONS - 1)
        return false;
    busy = true;
    struct kgc__cache **table = make_key() ? take_table() : NULL;
    if (table != NULL && pthread_setspecific(key, table) == 0)
        kgc__caches = table;
    else if (table != NULL)
        kgc__os_release(table, KGC__SLOTS * sizeof *table);
    busy = false;
    return kgc__caches != no_caches;
}

/* A cache that belongs to no thread yet, with what an ended one left in it or new. */
static struct kgc__cache *find_cache(struct kgc__explicit *x)
{
    struct kgc__cache *idle = x->idle;
    if (idle != NULL) {
        x->idle = idle->next_idle;
        x->idle_count--;
        return idle;
    }
    unsigned arena, tcache;
    size_t size = sizeof tcache;
    if (!kgc__explicit_arena(x, &arena))
        return NULL;
    struct kgc__cache *c = spare;
    if (c != NULL)
        spare = c->next;
    else
        c = kgc__meta_allocate(sizeof *c);
    if (c == NULL)
        return NULL;
    memset(c, 0, sizeof *c);
    c->kind = x->kind;
    c->arena = arena;
    c->flags = (int)(MALLOCX_ARENA(arena) | MALLOCX_TCACHE_NONE);
    if (!kgc__caches_alone &&
        mallctl("tcache.create", &tcache, &size, NULL, 0) == 0) { /* jemalloc has 4,093 */
        c->tcache = tcache + 1;
        c->flags = (int)(MALLOCX_ARENA(arena) | MALLOCX_TCACHE(tcache));
    }
    unsigned char *blocks = atomic_load(&x->kind->blocks);
    if (blocks != NULL && x->kind->rooted)
        c->blocks = blocks - ((uintptr_t)x->kind->space.range.base >> KGC__BLOCK_SHIFT);
    c->next = x->caches;
    x->caches = c;
    return c;
}

static struct kgc__cache *make_cache(struct kgc__explicit *x)
{
    struct kgc__cache *c = find_cache(x);
    if (c == NULL)
        return NULL;
    c->home = &kgc__caches[x->kind->slot];
    if (slots_used <= x->kind->slot)
        slots_used = x->kind->slot + (size_t)1;
    __atomic_store_n(c->home, c, __ATOMIC_RELAXED);
    if (x->kind == kgc__direct_kind)
        kgc__direct_cache = c;
    return c;
}

struct kgc__cache *kgc__cache_make(struct kgc__explicit *x)
{
    struct kgc__cache *c = kgc__cache_of(x->kind);
    if (c != NULL)
        return c;
    if (!make_table()) {
        kgc__fail(ENOMEM, "\"%s\": no cache for this thread: it is ending, or memory is short",
                  x->kind->name);
        return NULL;
    }
    kgc__explicit_lock();
    c = make_cache(x);
    kgc__explicit_unlock();
    return c;
}

/*
 * glibc frees the thread-local storage of threads that have ended in whatever
 * detached thread ends next, behind that one's last destructor.  What is made
 * for a thread then is never cleaned up: our cache is lost, and jemalloc's
 * lists lead into a stack that will be unmapped.  So a thread that only frees
 * gets a cache late, and one that has had destructors no other.  (jemalloc's
 * own free() waits for 128 in the same way.)
 */
enum { FREES_WITHOUT = 100 };

struct kgc__cache *kgc__cache_to_free(struct kgc__explicit *x)
{
    static __thread unsigned frees KGC__INITIAL_EXEC;
    if (kgc__caches == no_caches && (rounds != 0 || frees++ < FREES_WITHOUT))
        return NULL;
    return kgc__cache_make(x);
}
