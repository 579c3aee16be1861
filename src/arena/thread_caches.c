/* SPDX-License-Identifier: MIT */
/*
 * Which cache a thread has of which kind: made at first use, gone at the
 * thread's end.
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
static __thread unsigned rounds KGC__INITIAL_EXEC; /* of destructors that were seen */

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
        settle(x, c);
        unlink_cache(x, c);
    }
}

/* The end of a thread, or one round of it. */
static void in_destructors(void *value)
{
    struct kgc__cache **table = value;
    kgc__caches = no_caches;
    kgc__direct_cache = NULL;
    rounds++;
    kgc__explicit_lock();
    for (size_t slot = 0; slot < KGC__SLOTS; slot++) {
        struct kgc__cache *c = table[slot];
        if (c == NULL)
            continue;
        struct kgc__explicit *x = atomic_load(&c->kind->explicit);
        kgc__cache_bequeath(c);
        kgc__cache_flush(c);
        settle(x, c);
        destroy_tcache(c);
        unlink_cache(x, c);
    }
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

static struct kgc__cache *make_cache(struct kgc__explicit *x)
{
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
    c->home = &kgc__caches[x->kind->slot];
    c->next = x->caches;
    x->caches = c;
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
