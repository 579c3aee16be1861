/* SPDX-License-Identifier: MIT */
/*
 * The explicit memory of a kind, inside this layer: its jemalloc arenas
 * (arenas.c), the threads' caches of free blocks (cache.c) and the bytes that
 * tell a block's class from its address (marks.h).
 */
#ifndef KGC_ARENA_EXPLICIT_H
#define KGC_ARENA_EXPLICIT_H

#include "arena/classes.h"
#include "kind/kind.h"
#include <stdatomic.h>
#include <stdint.h>

enum { KGC__ARENAS_MAX = 64, KGC__SLOTS = 4096, KGC__NO_SLOT = KGC__SLOTS - 1 };

/*
 * Free blocks of one class, for one thread.  The thread alone writes; others
 * read the numbers for statistics, hence relaxed atomic accesses.
 *
 * Invariant: taken - count blocks of this class live that this thread took
 * from jemalloc, less those that it freed for other threads.  So the sum over
 * all threads is what lives, and the common path counts nothing.
 */
struct kgc__bin {
    uint16_t count;
    uint16_t fast_limit; /* the common path of free() puts in as many */
    uint16_t limit;      /* the other path; at most `slots` */
    uint16_t slots;      /* of the array, a power of two; 0: the class was not used yet */
    size_t taken;        /* from jemalloc, less given back; wraps */
    void **blocks;
};

/* One thread's free blocks of one kind. */
struct kgc__cache {
    struct kgc__bin bins[KGC__CLASSES + 1]; /* by class; 0 is unused */
    kgc_kind *kind;
    unsigned arena;        /* jemalloc's index */
    int flags;             /* for mallocx(): that arena, and the tcache */
    unsigned tcache;       /* jemalloc's index plus 1; 0: it had none left */
    bool tcache_used;      /* since it was last flushed */
    unsigned transfers;    /* between bins and jemalloc */
    size_t grown;          /* bytes of blocks by which limits were raised */
    size_t large;          /* bytes of cached blocks above KGC__FAST_MAX */
    size_t large_limit;    /* of these; its part of the kind's `large` */
    unsigned char *blocks; /* rooted kinds of one range: the byte of address 0 in arena/blocks.h; else NULL */
    bool stirred[KGC__CLASSES + 1]; /* by class: it had a transfer lately */
    struct kgc__cache *next;      /* the kind's list */
    struct kgc__cache **home;     /* the place in the thread's table; NULL: its thread has ended */
    struct kgc__cache *next_idle; /* the list of those */
};

/* Free blocks of a class between threads: see exchange.c.  Under the lock; the
   count may be read at any time. */
struct kgc__exchange {
    _Atomic unsigned count;
    void **blocks; /* NULL: none were here yet */
};

struct kgc__explicit {
    kgc_kind *kind;
    _Atomic unsigned arenas;         /* that were made */
    unsigned index[KGC__ARENAS_MAX]; /* of jemalloc, of these */
    unsigned turn;                   /* which arena the next thread gets */
    _Atomic size_t bytes;            /* live blocks that no cache counts; wraps */
    _Atomic size_t held, peak;       /* bytes that jemalloc gave us and has not back, now and at most */
    _Atomic size_t handed;           /* bytes that hooks had handed out when kgc__explicit_took() gave back */
    _Atomic size_t cache_limit;      /* bytes by which a thread's cache may grow: see cache.c */
    _Atomic size_t large;            /* bytes of blocks above KGC__FAST_MAX that all caches may hold now */
    _Atomic size_t slack;            /* free bytes that may wait to be given back: see kgc__explicit_gave() */
    _Atomic int decay;               /* kgc_decay */
    _Atomic long decay_ms;
    struct kgc__cache *caches; /* of all threads, and idle ones */
    struct kgc__cache *idle;   /* left by threads that have ended; of the rooted heap only */
    unsigned idle_count;
    struct kgc__exchange exchange[KGC__FAST_CLASSES + 1]; /* by class; of the rooted heap only */
};

/* ---- arenas.c ---- */

/* The explicit memory of a kind that a caller opened, made if needed; NULL
   with kgc_last_error() set. */
struct kgc__explicit *kgc__explicit_of(kgc_kind *kind);
/* An arena for one more thread.  False with kgc_last_error() set when there
   is none at all.  Caller holds the lock. */
bool kgc__explicit_arena(struct kgc__explicit *x, unsigned *index);
/* Live bytes. */
size_t kgc__explicit_live(struct kgc__explicit *x);

/* ---- arena.c, for the rooted heap ---- */

/* A block of the kind's, not counting on the thread's array of free blocks;
   NULL with errno ENOMEM and kgc_last_error() set. */
void *kgc__explicit_take(kgc_kind *kind, size_t size, bool zero);
/* The same; alignment is a power of two. */
void *kgc__explicit_take_aligned(kgc_kind *kind, size_t alignment, size_t size);
/* The block at p is free. */
void kgc__explicit_release(kgc_kind *kind, void *p);
/* Usable bytes of the block at p. */
size_t kgc__explicit_size(const void *p);
/* Changes its size where it is: at least `size` bytes after it, or false and unchanged. */
bool kgc__explicit_resize(kgc_kind *kind, void *p, size_t size);

/* Calls fn for the memory that jemalloc's records of explicit memory are in.
   Takes no lock. */
void kgc__explicit_visit_records(void (*fn)(char *lo, char *hi, void *), void *arg);

/* ---- policy.c ---- */

/* Most bytes that the kind, or the smallest member of a tier, can hold; SIZE_MAX: no limit. */
size_t kgc__explicit_limit(const kgc_kind *kind);
/* The policy's share in what caches and arenas keep: little in a small kind,
   and nothing where free memory is to go back at once. */
void kgc__explicit_set_slack(struct kgc__explicit *x);
/* Sets an arena's times. */
void kgc__explicit_set_decay(struct kgc__explicit *x, unsigned index);
/* Gives back what is free in all its arenas. */
void kgc__explicit_purge(struct kgc__explicit *x);
/* jemalloc has given us bytes, and got bytes back.  When more than the slack
   has come back, or the kind has grown by as much although it is free, free
   pages go back to the system at once, not by and by. */
void kgc__explicit_took(struct kgc__explicit *x, size_t size);
void kgc__explicit_gave(struct kgc__explicit *x, size_t size);

/* ---- jemalloc.c ---- */

/* mallocx() from the arena of the kind that flags name, at the end of threads too. */
void *kgc__je_take(kgc_kind *kind, size_t size, int flags);
/* Control of an arena or a tcache; format has one %u. */
int kgc__je_control(const char *format, unsigned index, void *old, size_t *old_size, void *new,
                    size_t new_size);
/* The same without values. */
int kgc__je_command(const char *format, unsigned index);

/* Guards making of explicit memory and arenas, and lists of caches. */
void kgc__explicit_lock(void);
void kgc__explicit_unlock(void);

/* ---- thread_caches.c and cache.c ---- */

#define KGC__INITIAL_EXEC __attribute__((tls_model("initial-exec")))

/* The calling thread's caches by the kind's slot; never NULL. */
extern __thread struct kgc__cache **kgc__caches KGC__INITIAL_EXEC;

/* Caches are made without jemalloc's behind them, which names blocks in memory
   that cannot be told from the program's.  Set before the first is made. */
extern bool kgc__caches_alone;

/* The calling thread's cache of this kind, again, for who cannot afford the
   table; NULL: none.  The kind is set once, before it is used, and never closed. */
extern __thread struct kgc__cache *kgc__direct_cache KGC__INITIAL_EXEC;
extern kgc_kind *kgc__direct_kind;

/* NULL: none yet. */
static inline struct kgc__cache *kgc__cache_of(const kgc_kind *kind)
{
    return __atomic_load_n(&kgc__caches[kind->slot], __ATOMIC_RELAXED);
}

/* The same, made if needed; NULL with kgc_last_error() set when there is no
   memory for it or the thread is ending: then things go without. */
struct kgc__cache *kgc__cache_make(struct kgc__explicit *x);
/* The same for a block that is freed, which needs no cache; none is made for a
   thread that may have ended already. */
struct kgc__cache *kgc__cache_to_free(struct kgc__explicit *x);
/* A block of a class for the caller: from the cache, else several from
   jemalloc.  NULL when the arena has none. */
void *kgc__cache_take(struct kgc__cache *c, unsigned class);
/* Puts a free block in; half of a bin that is full and cannot grow goes back
   to jemalloc. */
void kgc__cache_put(struct kgc__cache *c, unsigned class, void *p);
/* Gives all that it holds back, the tcache's blocks too. */
void kgc__cache_flush(struct kgc__cache *c);
/* Leaves to other threads what they may use.  Caller holds the lock. */
void kgc__cache_bequeath(struct kgc__cache *c);
/* Keeps few bytes, of the smaller classes; leaves or gives back the rest.  Caller holds the lock. */
void kgc__cache_shrink(struct kgc__cache *c);
/* Gives back what the caches of ended threads hold. */
void kgc__caches_flush_idle(struct kgc__explicit *x);
/* Room for so many blocks, a power of two from 8 to 2,048; NULL: no memory.  Caller holds the lock. */
void **kgc__array_take(unsigned slots);

/* ---- exchange.c ---- */

/* Leaves up to n free blocks for other threads; how many found room.  Caller
   holds the lock. */
unsigned kgc__exchange_put(struct kgc__explicit *x, unsigned class, void **from, unsigned n);
/* Takes up to n of them. */
unsigned kgc__exchange_take(struct kgc__explicit *x, unsigned class, void **to, unsigned n);
size_t kgc__exchange_bytes(const struct kgc__explicit *x);
/* Gives all of them back to jemalloc. */
void kgc__exchange_flush(struct kgc__explicit *x);
/* Calls fn for the memory that arrays of free blocks are in. */
void kgc__cache_visit_arrays(void (*fn)(char *lo, char *hi, void *), void *arg);
/* For a cache that is empty or forgotten.  Caller holds the lock. */
void kgc__cache_drop_arrays(struct kgc__cache *c);
/* Every thread's, forgotten without giving blocks back: for arenas that are
   reset or destroyed.  Caller holds the lock; nobody uses the kind. */
void kgc__caches_forget(struct kgc__explicit *x);
/* In a forked child: those of the threads that are not there.  Their free
   blocks are lost.  Caller holds the lock. */
void kgc__caches_abandon(struct kgc__explicit *x);

static inline void *kgc__bin_pop(struct kgc__bin *bin)
{
    unsigned n = __atomic_load_n(&bin->count, __ATOMIC_RELAXED);
    if (n == 0)
        return NULL;
    void *p = bin->blocks[n - 1];
    __atomic_store_n(&bin->count, (uint16_t)(n - 1), __ATOMIC_RELAXED);
    return p;
}

static inline bool kgc__bin_push(struct kgc__bin *bin, void *p, unsigned limit)
{
    unsigned n = __atomic_load_n(&bin->count, __ATOMIC_RELAXED);
    if (n >= limit)
        return false;
    bin->blocks[n] = p;
    __atomic_store_n(&bin->count, (uint16_t)(n + 1), __ATOMIC_RELAXED);
    return true;
}

/* The same for a class above KGC__FAST_CLASSES, whose blocks are weighed. */
static inline void *kgc__cache_pop_large(struct kgc__cache *c, unsigned class)
{
    void *p = kgc__bin_pop(&c->bins[class]);
    if (p != NULL)
        c->large -= kgc__class_size(class);
    return p;
}

static inline bool kgc__cache_push_large(struct kgc__cache *c, unsigned class, void *p)
{
    size_t size = kgc__class_size(class);
    if (c->large_limit - c->large < size || !kgc__bin_push(&c->bins[class], p, c->bins[class].limit))
        return false;
    c->large += size;
    c->stirred[class] = true;
    return true;
}

/* `n` blocks (negative: wraps) of a class were taken from jemalloc. */
static inline void kgc__bin_count(struct kgc__bin *bin, size_t n)
{
    __atomic_store_n(&bin->taken, bin->taken + n, __ATOMIC_RELAXED);
}

#endif
