/* SPDX-License-Identifier: MIT */
/*
 * One thread's free blocks of one kind: arrays of blocks by class over one
 * jemalloc tcache.  Taking from an array costs a third of mallocx(), and the
 * tcache makes filling and emptying arrays cheap.
 *
 * An array starts small.  It doubles when it overflows, up to 1 MiB of blocks,
 * while the whole cache has grown by less than the kind's cache_limit (4 MiB
 * mostly; for the rooted heap both are 16 MiB): then a program that allocates
 * and frees in waves gets its blocks from here.  A class without transfers for
 * a while shrinks again.  Blocks above 32 KiB, which tcaches do not hold, are
 * weighed: see has_room_for_large().
 */
#include "arena/explicit.h"
#include "arena/marks.h"
#include "os/os.h"
#include <jemalloc/jemalloc.h>
#include <string.h>

/* Arrays by size, 8 << i blocks, that are free; linked through their first element. */
enum { FEWEST_BITS = 3, MOST_BITS = 11 };
static void **spare_arrays[MOST_BITS - FEWEST_BITS + 1]; /* under the lock */

/* Arrays are cut from pieces that hold nothing else, so that who looks for
   pointers can pass over them: they name blocks that were taken out too. */
struct piece {
    struct piece *next;
    size_t used;
    char padding[48];
};
enum { PIECE = 128 * 1024 };
static struct piece *pieces; /* under the lock; the list may be read at any time */

void kgc__cache_visit_arrays(void (*fn)(char *lo, char *hi, void *), void *arg)
{
    for (struct piece *p = __atomic_load_n(&pieces, __ATOMIC_ACQUIRE); p != NULL; p = p->next)
        fn((char *)p, (char *)p + PIECE, arg);
}

static void **cut_array(size_t size)
{
    struct piece *p = pieces;
    if (p == NULL || p->used + size > PIECE) {
        p = kgc__os_map_plain(PIECE);
        if (p == NULL)
            return NULL;
        p->next = pieces;
        p->used = sizeof *p;
        __atomic_store_n(&pieces, p, __ATOMIC_RELEASE);
    }
    p->used += size;
    return (void **)(void *)((char *)p + p->used - size);
}

void **kgc__array_take(unsigned slots)
{
    void ***spares = &spare_arrays[__builtin_ctz(slots) - FEWEST_BITS], **array = *spares;
    if (array != NULL)
        *spares = (void **)array[0];
    return array != NULL ? array : cut_array(slots * sizeof(void *));
}

static void drop_array(void **array, unsigned slots)
{
    if (slots == 0)
        return;
    void ***spares = &spare_arrays[__builtin_ctz(slots) - FEWEST_BITS];
    array[0] = (void *)*spares;
    *spares = array;
}

/* Is it one whose blocks tcaches do not hold, and which are weighed? */
static bool is_large(unsigned class)
{
    return class > KGC__FAST_CLASSES;
}

/* Free blocks that a class may have at first, and at most. */
static unsigned first_limit(unsigned class)
{
    size_t size = kgc__class_size(class);
    return size <= 512 ? 32 : size <= 4096 ? 16 : 8;
}

static unsigned most(const struct kgc__cache *c, unsigned class)
{
    if (is_large(class))
        return 1u << MOST_BITS;
    size_t bytes = c->kind->rooted ? 16 * KGC_MIB : KGC_MIB; /* a program's malloc makes the larger waves */
    size_t blocks = bytes / kgc__class_size(class);
    if (blocks >= (size_t)1 << MOST_BITS)
        return 1u << MOST_BITS;
    unsigned limit = blocks != 0 ? 1u << (31 - __builtin_clz((unsigned)blocks)) : 1;
    return limit > first_limit(class) ? limit : first_limit(class);
}

static void set_limit(struct kgc__cache *c, unsigned class, unsigned limit)
{
    struct kgc__bin *bin = &c->bins[class];
    bin->limit = (uint16_t)limit;
    /* Blocks of scanned kinds are cleared first, which the rooted heap sees to itself; large ones are
     * weighed. */
    bin->fast_limit = (c->kind->scanned && !c->kind->rooted) || is_large(class) ? 0 : (uint16_t)limit;
}

/* Where free memory is to go back at once, only blocks of up to a page are kept. */
static bool keeps(const struct kgc__cache *c, unsigned class)
{
    return kgc__class_size(class) <= 4096 || atomic_load(&atomic_load(&c->kind->explicit)->cache_limit) != 0;
}

/* Room for the first blocks of a class, or for twice as many.  False when there is none. */
static bool grow(struct kgc__cache *c, unsigned class)
{
    struct kgc__bin *bin = &c->bins[class];
    if (!keeps(c, class))
        return false;
    unsigned limit = bin->limit != 0 ? bin->limit * 2u : first_limit(class);
    size_t more = is_large(class) ? 0 : bin->limit * kgc__class_size(class);
    if (bin->limit != 0 && (limit > most(c, class) ||
                            c->grown + more > atomic_load(&atomic_load(&c->kind->explicit)->cache_limit)))
        return false;
    if (limit > bin->slots) {
        kgc__explicit_lock();
        void **array = kgc__array_take(limit);
        if (array != NULL) {
            if (bin->count != 0)
                memcpy(array, bin->blocks, bin->count * sizeof(void *));
            drop_array(bin->blocks, bin->slots);
            bin->blocks = array;
            bin->slots = (uint16_t)limit;
        }
        kgc__explicit_unlock();
        if (array == NULL)
            return false;
    }
    c->grown += more;
    set_limit(c, class, limit);
    return true;
}

/*
 * A thread may keep large blocks of twice the kind's cache_limit (the rooted
 * heap: four times), all threads together of eight times that limit.  A cache
 * claims its part in steps.
 */
static bool has_room_for_large(struct kgc__cache *c, size_t size)
{
    struct kgc__explicit *x = atomic_load(&c->kind->explicit);
    size_t limit = atomic_load(&x->cache_limit), most_here = limit * (c->kind->rooted ? 4 : 2);
    size_t needed = c->large + size, wanted = needed + limit / 4;
    if (!c->kind->rooted && size > KGC__MIDDLE_MAX)
        return false;
    if (needed <= c->large_limit || needed > most_here)
        return needed <= most_here;
    size_t more = (wanted < most_here ? wanted : most_here) - c->large_limit;
    if (atomic_fetch_add(&x->large, more) + more > 8 * limit) {
        atomic_fetch_sub(&x->large, more);
        return false;
    }
    c->large_limit += more;
    return true;
}

/* Other threads may have what is not in use of its part. */
static void trim_large_limit(struct kgc__cache *c)
{
    atomic_fetch_sub(&atomic_load(&c->kind->explicit)->large, c->large_limit - c->large);
    c->large_limit = c->large;
}

/* The first n blocks of a bin are gone; no thread counts them any more. */
static void drop_first(struct kgc__bin *bin, unsigned n)
{
    unsigned left = bin->count - n;
    if (left != 0)
        memmove(bin->blocks, bin->blocks + n, left * sizeof(void *));
    __atomic_store_n(&bin->count, (uint16_t)left, __ATOMIC_RELAXED);
    kgc__bin_count(bin, -(size_t)n);
}

/* Gives the first n blocks of a bin back. */
static void give_back(struct kgc__cache *c, unsigned class, unsigned n)
{
    struct kgc__bin *bin = &c->bins[class];
    size_t size = kgc__class_size(class);
    bool large = is_large(class);
    int flags = !large && c->tcache != 0 ? (int)MALLOCX_TCACHE(c->tcache - 1) : (int)MALLOCX_TCACHE_NONE;
    for (unsigned i = 0; i < n; i++) {
        if (size >= KGC__MARK_LATER_FROM && c->kind->scanned)
            kgc__unmark(bin->blocks[i], size);
        dallocx(bin->blocks[i], flags);
    }
    c->tcache_used = true;
    if (large)
        c->large -= n * size;
    drop_first(bin, n);
    kgc__explicit_gave(atomic_load(&c->kind->explicit), n * size);
}

static void flush_tcache(struct kgc__cache *c)
{
    unsigned index = c->tcache - 1;
    if (c->tcache != 0 && c->tcache_used)
        mallctl("tcache.flush", NULL, NULL, &index, sizeof index);
    c->tcache_used = false;
}

/* Leaves the first n blocks of a small class to other threads, as far as these
   want them.  How many they were.  Caller holds the lock. */
static unsigned bequeath(struct kgc__cache *c, unsigned class, unsigned n)
{
    struct kgc__bin *bin = &c->bins[class];
    n = kgc__exchange_put(atomic_load(&c->kind->explicit), class, bin->blocks, n);
    if (n != 0)
        drop_first(bin, n);
    return n;
}

void kgc__cache_bequeath(struct kgc__cache *c)
{
    for (unsigned class = 1; class <= KGC__FAST_CLASSES && c->kind->rooted; class ++)
        if (c->bins[class].count != 0)
            bequeath(c, class, c->bins[class].count);
}

/* For which unused caches share `cache_limit`: each may keep a 64th of it. */
enum { IDLE_SHARE = 64 };

void kgc__cache_shrink(struct kgc__cache *c)
{
    size_t kept = 0, most_kept = atomic_load(&atomic_load(&c->kind->explicit)->cache_limit) / IDLE_SHARE;
    for (unsigned class = 1; class <= KGC__CLASSES; class ++) {
        struct kgc__bin *bin = &c->bins[class];
        size_t bytes = bin->count * kgc__class_size(class);
        if (kept + bytes <= most_kept) {
            kept += bytes;
            continue;
        }
        if (class <= KGC__FAST_CLASSES)
            bequeath(c, class, bin->count);
        if (bin->count != 0)
            give_back(c, class, bin->count);
    }
    trim_large_limit(c);
    flush_tcache(c);
}

/* Classes that were quiet go back to their first size.  jemalloc's own caches
   do the same, by time too; we have no clock on this path. */
static void age(struct kgc__cache *c)
{
    for (unsigned class = 1; class <= KGC__CLASSES; class ++) {
        struct kgc__bin *bin = &c->bins[class];
        unsigned first = first_limit(class), kept = is_large(class) ? 0 : first;
        if (c->stirred[class])
            continue;
        if (bin->count > kept)
            give_back(c, class, bin->count - kept);
        if (bin->limit > first) {
            c->grown -= is_large(class) ? 0 : (bin->limit - first) * kgc__class_size(class);
            set_limit(c, class, first);
        }
    }
    memset(c->stirred, 0, sizeof c->stirred);
    trim_large_limit(c);
}

enum { AGE = 256 }; /* transfers */

static void note_transfer(struct kgc__cache *c, unsigned class)
{
    c->stirred[class] = true;
    if (++c->transfers % AGE == 0)
        age(c);
}

/* Does a thread free what others allocate?  Its bins stay small, so that the
   blocks are back with the others while they are in their processors' caches. */
static bool passes_on(const struct kgc__cache *c, unsigned class)
{
    const struct kgc__bin *bin = &c->bins[class];
    bool holds_others = bin->taken - bin->count > SIZE_MAX / 2; /* below 0 */
    return c->kind->rooted && class <= KGC__FAST_CLASSES && holds_others &&
           bin->limit >= 4 * first_limit(class);
}

void kgc__cache_put(struct kgc__cache *c, unsigned class, void *p)
{
    struct kgc__bin *bin = &c->bins[class];
    size_t size = kgc__class_size(class);
    bool large = is_large(class);
    bool fits = (!large || has_room_for_large(c, size)) &&
                (bin->count < bin->limit || (!passes_on(c, class) && grow(c, class)));
    if (!fits && bin->limit > 1 && !large) {
        unsigned half = bin->limit / 2u;
        if (c->kind->rooted) {
            kgc__explicit_lock();
            half -= bequeath(c, class, half);
            kgc__explicit_unlock();
        }
        if (half != 0)
            give_back(c, class, half);
        fits = true;
    }
    if (fits) {
        kgc__bin_push(bin, p, bin->limit);
        c->large += large ? size : 0;
    } else {
        if (size >= KGC__MARK_LATER_FROM && c->kind->scanned)
            kgc__unmark(p, size);
        kgc__bin_count(bin, (size_t)-1);
        dallocx(p, MALLOCX_TCACHE_NONE);
        kgc__explicit_gave(atomic_load(&c->kind->explicit), size);
    }
    if (bin->count == 1 || !fits)
        note_transfer(c, class);
}

static void *take_one(struct kgc__cache *c, unsigned class)
{
    size_t size = kgc__class_size(class);
    int direct = (int)(MALLOCX_ARENA(c->arena) | MALLOCX_TCACHE_NONE);
    c->tcache_used = true;
    void *p = kgc__je_take(c->kind, size, class <= KGC__FAST_CLASSES && keeps(c, class) ? c->flags : direct);
    if (p != NULL) {
        kgc__mark(p, size, class);
        kgc__bin_count(&c->bins[class], 1);
    }
    return p;
}

void *kgc__cache_take(struct kgc__cache *c, unsigned class)
{
    struct kgc__bin *bin = &c->bins[class];
    void *p = is_large(class) ? kgc__cache_pop_large(c, class) : kgc__bin_pop(bin);
    if (p != NULL)
        return p;
    note_transfer(c, class);
    unsigned wanted =
        class <= KGC__FAST_CLASSES && (bin->limit != 0 || grow(c, class)) ? first_limit(class) / 2 : 1;
    if (c->kind->rooted && class <= KGC__FAST_CLASSES && bin->limit != 0) {
        unsigned got = kgc__exchange_take(atomic_load(&c->kind->explicit), class, bin->blocks, bin->limit);
        __atomic_store_n(&bin->count, (uint16_t)got, __ATOMIC_RELAXED);
        kgc__bin_count(bin, got);
        if (got != 0)
            return kgc__bin_pop(bin);
    }
    p = take_one(c, class);
    for (void *q; p != NULL && bin->count + 1u < wanted && (q = take_one(c, class)) != NULL;)
        kgc__bin_push(bin, q, bin->limit);
    kgc__explicit_took(atomic_load(&c->kind->explicit), (bin->count + (p != NULL)) * kgc__class_size(class));
    /* jemalloc's blocks ascend; handed out the other way round, a sequence of
       new blocks would run against the processor's prefetching. */
    for (unsigned low = 0, high = bin->count; low + 1 < high; low++) {
        void *last = bin->blocks[--high];
        bin->blocks[high] = bin->blocks[low];
        bin->blocks[low] = last;
    }
    return p;
}

void kgc__cache_flush(struct kgc__cache *c)
{
    for (unsigned class = 1; class <= KGC__CLASSES; class ++)
        if (c->bins[class].count != 0)
            give_back(c, class, c->bins[class].count);
    trim_large_limit(c);
    flush_tcache(c);
}

void kgc__cache_drop_arrays(struct kgc__cache *c)
{
    for (unsigned class = 1; class <= KGC__CLASSES; class ++)
        drop_array(c->bins[class].blocks, c->bins[class].slots);
}
