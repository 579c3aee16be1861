/* SPDX-License-Identifier: MIT */
/* Live blocks of the rooted heap by their addresses: see blocks.h. */
#include "arena/blocks.h"
#include "arena/explicit.h"
#include "arena/marks.h"
#include "base/message.h"
#include "base/size.h"
#include "os/os.h"
#include <errno.h>
#include <string.h>

enum { UNIT = 1 << KGC__MARK_SHIFT, BYTES_OF_UNIT = UNIT >> KGC__BLOCK_SHIFT };

static size_t table_size(const kgc_kind *kind)
{
    return kind->space.range.size >> KGC__BLOCK_SHIFT;
}

/* Steps in which the table becomes writable: a huge page of it. */
enum { STEP = 2 * KGC_MIB };

/*
 * All of the table can be read, for any address may be asked for.  It can be
 * written to where there may be blocks only: what is writable counts as data
 * (RLIMIT_DATA), and must be promised with vm.overcommit_memory=2, where a
 * sixteenth of the range would be more than there is.
 */
static int make_writable(struct kgc__space *s, const struct kgc__span *span)
{
    const kgc_kind *kind = (const kgc_kind *)(const void *)((char *)s - offsetof(kgc_kind, space));
    unsigned char *table = atomic_load_explicit(&kind->blocks, memory_order_relaxed);
    size_t offset = (size_t)(span->start - s->range.base), all = table_size(kind);
    size_t from = kgc__round_down(offset >> KGC__BLOCK_SHIFT, STEP);
    size_t to = kgc__round_up((offset + span->size) >> KGC__BLOCK_SHIFT, STEP);
    return kgc__os_make_usable(table + from, (to < all ? to : all) - from);
}

static int make_table(kgc_kind *kind)
{
    struct kgc__space *s = &kind->space;
    if (s->range.base == NULL || atomic_load(&kind->blocks) != NULL)
        return 0;
    size_t size = table_size(kind);
    unsigned char *table = kgc__os_reserve(size, kgc__page_size());
    if (table != NULL && kgc__os_make_read_only(table, size) != 0) {
        kgc__os_release(table, size);
        table = NULL;
    }
    if (table == NULL)
        return kgc__fail(ENOMEM, "no memory for the table of blocks of \"%s\"", kind->name);
    atomic_store_explicit(&kind->blocks, table, memory_order_release);
    s->before_use = make_writable; /* nothing is usable yet: no block was allocated before */
    return 0;
}

int kgc__blocks_make(kgc_kind *kind)
{
    int error = make_table(kind);
    for (unsigned i = 0; error == 0 && i < kind->members; i++)
        error = make_table(kind->member[i]);
    if (error != 0)
        return error;
    kind->rooted = true;
    for (unsigned i = 0; i < kind->members; i++)
        kind->member[i]->rooted = true;
    return 0;
}

/* The byte for p, which lies in the kind's range. */
static unsigned char *byte_of(kgc_kind *kind, const void *p)
{
    unsigned char *table = atomic_load_explicit(&kind->blocks, memory_order_relaxed);
    return table + ((size_t)((const char *)p - kind->space.range.base) >> KGC__BLOCK_SHIFT);
}

/* The rooted kind whose range p lies in; NULL: none. */
static kgc_kind *rooted_kind_of(const void *p)
{
    kgc_kind *kind = kgc__ranged_kind_of(p);
    return kind != NULL && kind->rooted ? kind : NULL;
}

static bool is_aligned(const void *p)
{
    return ((uintptr_t)p & (((uintptr_t)1 << KGC__BLOCK_SHIFT) - 1)) == 0;
}

void kgc__block_born(void *p)
{
    kgc_kind *kind = rooted_kind_of(p);
    unsigned class = kind != NULL ? kgc__class_at(kind, p) : 0;
    KGC_CHECK(class != 0 && is_aligned(p));
    *byte_of(kind, p) = (unsigned char)(class == KGC__NO_CLASS ? KGC__BLOCK_LARGE : class);
}

unsigned kgc__block_byte(const void *p)
{
    kgc_kind *kind = is_aligned(p) ? rooted_kind_of(p) : NULL;
    return kind != NULL ? *byte_of(kind, p) : 0;
}

void kgc__block_died(void *p)
{
    *byte_of(rooted_kind_of(p), p) = 0;
}

bool kgc__block_pins;

bool kgc__block_pin(void *p, bool pinned)
{
    unsigned byte = kgc__block_byte(p);
    if (byte == 0)
        return false;
    if (pinned)
        __atomic_store_n(&kgc__block_pins, true, __ATOMIC_RELAXED);
    *byte_of(rooted_kind_of(p), p) =
        (unsigned char)(pinned ? byte | KGC__BLOCK_PINNED : byte & ~(unsigned)KGC__BLOCK_PINNED);
    return true;
}

/* The range's part where blocks may be: its upper end. */
static char *first_address(const kgc_kind *kind)
{
    const struct kgc__range *r = &kind->space.range;
    return r->base + r->size - kgc__range_taken((struct kgc__range *)r, KGC__HIGH);
}

/* The unit in which the block begins that touches a unit. */
static size_t first_unit(const kgc_kind *kind, const unsigned char *marks, size_t unit)
{
    const struct kgc__long *longs = kgc__longs(kind, marks), *here = &longs[unit >> KGC__LONG_SHIFT];
    if (kgc__long_has(here, marks, unit))
        return atomic_load_explicit(&here->first, memory_order_relaxed);
    here = &longs[atomic_load_explicit(&here->begun, memory_order_relaxed)];
    if (kgc__long_has(here, marks, unit))
        return atomic_load_explicit(&here->first, memory_order_relaxed);
    for (unsigned mark; (mark = marks[unit]) >= KGC__MARK_LATER && mark != KGC__NO_CLASS;)
        unit -= (size_t)1 << (mark - KGC__MARK_LATER);
    return unit;
}

/* Bytes of a block above the classes. */
static size_t large_size(const kgc_kind *kind, const unsigned char *marks, size_t first, const char *start)
{
    /* jemalloc gives such blocks whole pages, but lets them begin at any line
       of the cache in the first: they then end at the same line of a page. */
    bool within = ((uintptr_t)start & (UNIT - 1)) != 0;
    return (kgc__mark_end(kind, marks, first) - first - within) << KGC__MARK_SHIFT;
}

/* The block at whose byte we are. */
static struct kgc__block describe(const kgc_kind *kind, const unsigned char *marks, size_t granule,
                                  unsigned byte)
{
    struct kgc__block b = {kind->space.range.base + (granule << KGC__BLOCK_SHIFT), 0,
                           (byte & KGC__BLOCK_PINNED) != 0};
    unsigned class = byte & ~(unsigned)KGC__BLOCK_PINNED;
    b.size = class != KGC__BLOCK_LARGE
                 ? kgc__class_size(class)
                 : large_size(kind, marks, granule >> (KGC__MARK_SHIFT - KGC__BLOCK_SHIFT), b.start);
    return b;
}

/* The last byte in [from, to] that is not 0; false: none. */
static bool last_live(const unsigned char *table, size_t from, size_t to, size_t *out)
{
    for (size_t i = to + 1; i > from;) {
        uint64_t word;
        if (i % sizeof word == 0 && i - from >= sizeof word &&
            (memcpy(&word, table + i - sizeof word, sizeof word), word == 0)) {
            i -= sizeof word;
        } else if (table[--i] != 0) {
            *out = i;
            return true;
        }
    }
    return false;
}

bool kgc__block_find(const void *p, struct kgc__block *out)
{
    kgc_kind *kind = rooted_kind_of(p);
    if (kind == NULL || (const char *)p < first_address(kind))
        return false;
    const unsigned char *marks = atomic_load_explicit(&kind->space.marks, memory_order_acquire);
    const unsigned char *table = atomic_load_explicit(&kind->blocks, memory_order_acquire);
    size_t offset = (size_t)((const char *)p - kind->space.range.base);
    size_t unit = first_unit(kind, marks, offset >> KGC__MARK_SHIFT), granule = offset >> KGC__BLOCK_SHIFT;
    unsigned class = marks[unit];
    if (class == 0)
        return false;
    size_t from = unit * BYTES_OF_UNIT, to = from + BYTES_OF_UNIT - 1;
    if (class != KGC__NO_CLASS && kgc__class_size(class) < KGC__MARK_LATER_FROM) {
        size_t back = (kgc__class_size(class) >> KGC__BLOCK_SHIFT) - 1;
        from = granule > back ? granule - back : 0;
        to = granule;
    }
    size_t at;
    if (!last_live(table, from, to < granule ? to : granule, &at))
        return false;
    *out = describe(kind, marks, at, table[at]);
    return (size_t)((const char *)p - out->start) < out->size;
}

struct visit {
    bool (*block)(const struct kgc__block *, void *);
    void (*range)(char *, char *, void *);
    void *arg;
    bool stopped;
};

static void visit_blocks(kgc_kind *kind, void *arg)
{
    struct visit *v = arg;
    const unsigned char *marks = atomic_load(&kind->space.marks), *table = atomic_load(&kind->blocks);
    if (!kind->rooted || marks == NULL || table == NULL)
        return;
    size_t end = kind->space.range.size >> KGC__MARK_SHIFT;
    for (size_t unit = (size_t)(first_address(kind) - kind->space.range.base) >> KGC__MARK_SHIFT;
         unit < end && !v->stopped; unit++) {
        if (marks[unit] == 0 || (marks[unit] >= KGC__MARK_LATER && marks[unit] != KGC__NO_CLASS))
            continue;
        for (size_t i = unit * BYTES_OF_UNIT; i < (unit + 1) * BYTES_OF_UNIT && !v->stopped; i++) {
            uint64_t word;
            if (i % sizeof word == 0 && (memcpy(&word, table + i, sizeof word), word == 0)) {
                i += sizeof word - 1;
            } else if (table[i] != 0) {
                struct kgc__block b = describe(kind, marks, i, table[i]);
                v->stopped = !v->block(&b, v->arg);
            }
        }
    }
}

void kgc__blocks_visit(bool (*fn)(const struct kgc__block *, void *), void *arg)
{
    struct visit v = {.block = fn, .arg = arg};
    kgc_kind_visit(visit_blocks, &v);
}

static void visit_range(kgc_kind *kind, void *arg)
{
    const struct visit *v = arg;
    char *first = kind->rooted && kind->space.range.base != NULL ? first_address(kind) : NULL;
    if (first != NULL && first < kind->space.range.base + kind->space.range.size)
        v->range(first, kind->space.range.base + kind->space.range.size, v->arg);
}

void kgc__blocks_visit_ranges(void (*fn)(char *, char *, void *), void *arg)
{
    struct visit v = {.range = fn, .arg = arg};
    kgc_kind_visit(visit_range, &v);
}

static void visit_tables(kgc_kind *kind, void *arg)
{
    const struct visit *v = arg;
    unsigned char *marks = atomic_load(&kind->space.marks), *table = atomic_load(&kind->blocks);
    if (kind->space.range.base != NULL) { /* what is not in use of it */
        struct kgc__range *r = &kind->space.range;
        char *low = r->base + kgc__range_taken(r, KGC__LOW), *high = first_address(kind);
        if (low < high)
            v->range(low, high, v->arg);
    }
    if (!kind->rooted || table == NULL)
        return;
    v->range((char *)table, (char *)table + table_size(kind), v->arg);
    if (marks != NULL)
        v->range((char *)marks, (char *)marks + kind->space.marks_size, v->arg);
}

void kgc__blocks_visit_tables(void (*fn)(char *, char *, void *), void *arg)
{
    struct visit v = {.range = fn, .arg = arg};
    kgc_kind_visit(visit_tables, &v);
    kgc__cache_visit_arrays(fn, arg);
    kgc__explicit_visit_records(fn, arg);
}
