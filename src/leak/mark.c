/* SPDX-License-Identifier: MIT */
/* Marking: see mark.h. */
#include "leak/mark.h"
#include "base/check.h"
#include <errno.h>

enum { FIRST_PIECES = 4096, WORD_BITS = 64 };

/* Of a block, still to be searched. */
struct kgc__piece {
    uintptr_t lo, hi;
};

static void count_range(char *lo, char *hi, void *arg)
{
    struct kgc__marker *m = arg;
    (void)lo;
    (void)hi;
    m->ranges++;
}

static void add_range(char *lo, char *hi, void *arg)
{
    struct kgc__marker *m = arg;
    struct kgc__marks *r = &m->range[m->ranges++];
    r->lo = (uintptr_t)lo;
    r->hi = (uintptr_t)hi;
    if (r->lo < m->lo)
        m->lo = r->lo;
    if (r->hi > m->hi)
        m->hi = r->hi;
}

static size_t bitmap_words(const struct kgc__marks *r)
{
    return ((r->hi - r->lo) >> KGC__BLOCK_SHIFT) / WORD_BITS + 1;
}

static size_t all_bitmap_words(const struct kgc__marker *m)
{
    size_t words = 0;
    for (unsigned i = 0; i < m->ranges; i++)
        words += bitmap_words(&m->range[i]);
    return words;
}

int kgc__marker_open(struct kgc__marker *m, struct kgc__scratch *scratch)
{
    *m = (struct kgc__marker){.scratch = scratch, .lo = UINTPTR_MAX, .most = FIRST_PIECES};
    kgc__blocks_visit_ranges(count_range, m);
    m->range = kgc__scratch_take(scratch, m->ranges * sizeof *m->range);
    m->stack = kgc__scratch_take(scratch, m->most * sizeof *m->stack);
    if (m->range == NULL || m->stack == NULL)
        return ENOMEM;
    m->ranges = 0;
    kgc__blocks_visit_ranges(add_range, m);
    uint64_t *bits = kgc__scratch_take(scratch, all_bitmap_words(m) * sizeof *bits);
    if (bits == NULL)
        return ENOMEM;
    for (unsigned i = 0; i < m->ranges; i++) {
        m->range[i].reached = bits;
        bits += bitmap_words(&m->range[i]);
    }
    return 0;
}

static struct kgc__marks *range_of(const struct kgc__marker *m, uintptr_t p)
{
    for (unsigned i = 0; i < m->ranges; i++)
        if (p - m->range[i].lo < m->range[i].hi - m->range[i].lo)
            return &m->range[i];
    return NULL;
}

static size_t bit_of(const struct kgc__marks *r, uintptr_t p)
{
    return (p - r->lo) >> KGC__BLOCK_SHIFT;
}

static bool has(const uint64_t *bits, size_t i)
{
    return (bits[i / WORD_BITS] >> i % WORD_BITS & 1) != 0;
}

static void set(uint64_t *bits, size_t i)
{
    bits[i / WORD_BITS] |= (uint64_t)1 << i % WORD_BITS;
}

static void push(struct kgc__marker *m, uintptr_t lo, uintptr_t hi)
{
    if (m->depth == m->most) {
        struct kgc__piece *more =
            kgc__scratch_grow(m->scratch, m->stack, m->depth * sizeof *more, 2 * m->most * sizeof *more);
        if (more == NULL) {
            m->overflowed = true;
            return;
        }
        m->stack = more;
        m->most *= 2;
    }
    m->stack[m->depth++] = (struct kgc__piece){lo, hi};
}

/* A block that something leads to.  Its bit is not set. */
static void reach(struct kgc__marker *m, struct kgc__marks *r, uintptr_t start, size_t size)
{
    size_t bit = bit_of(r, start);
    if (!m->classifying) {
        set(r->reached, bit);
    } else {
        if (start == m->source)
            return;
        set(r->indirect, bit);
        if (has(r->visited, bit))
            return;
        set(r->visited, bit);
    }
    push(m, start, start + size);
}

/* p lies within the ranges. */
static void look_up(struct kgc__marker *m, uintptr_t p)
{
    struct kgc__marks *r = range_of(m, p);
    if (r == NULL || has(r->reached, bit_of(r, p)))
        return; /* a bit is set at the start of a marked block only */
    struct kgc__block b;
    if (kgc__block_find((const void *)p, &b) && !has(r->reached, bit_of(r, (uintptr_t)b.start)))
        reach(m, r, (uintptr_t)b.start, b.size);
}

KGC__UNCHECKED static void search(struct kgc__marker *m, uintptr_t lo, uintptr_t hi)
{
    const uintptr_t *word = (const uintptr_t *)((lo + sizeof *word - 1) & ~(sizeof *word - 1));
    const uintptr_t *end = (const uintptr_t *)(hi & ~(sizeof *word - 1));
    uintptr_t least = m->lo, size = m->hi - m->lo;
    for (; end - word >= 4; word += 4) /* most words lead nowhere */
        if (kgc__unlikely((word[0] - least < size) | (word[1] - least < size) | (word[2] - least < size) |
                          (word[3] - least < size)))
            for (unsigned i = 0; i < 4; i++)
                if (word[i] - least < size)
                    look_up(m, word[i]);
    for (; word < end; word++)
        if (kgc__unlikely(*word - least < size))
            look_up(m, *word);
}

/* The same where a part may not be readable. */
static void search_past_holes(struct kgc__marker *m, uintptr_t lo, uintptr_t hi)
{
    for (unsigned i = 0; i < m->holes && lo < hi; i++) {
        const struct kgc__hole *hole = &m->hole[i];
        if (hole->hi <= lo || hole->lo >= hi)
            continue;
        if (lo < hole->lo)
            search(m, lo, hole->lo);
        uintptr_t end = hole->hi < hi ? hole->hi : hi;
        m->peek(m, lo > hole->lo ? lo : hole->lo, end, m->peek_arg);
        lo = end;
    }
    search(m, lo, hi);
}

static void drain(struct kgc__marker *m)
{
    while (m->depth != 0) {
        struct kgc__piece p = m->stack[--m->depth];
        if (m->holes != 0)
            search_past_holes(m, p.lo, p.hi);
        else
            search(m, p.lo, p.hi);
    }
}

void kgc__mark_words(struct kgc__marker *m, uintptr_t lo, uintptr_t hi)
{
    /* In pieces, so that the stack stays small when roots lead to much. */
    for (uintptr_t end; lo < hi; lo = end) {
        end = hi - lo > 4096 ? (lo + 4096) & ~(sizeof(uintptr_t) - 1) : hi;
        search(m, lo, end);
        drain(m);
    }
}

void kgc__mark_words_later(struct kgc__marker *m, uintptr_t lo, uintptr_t hi)
{
    search(m, lo, hi);
}

void kgc__mark_block(struct kgc__marker *m, const struct kgc__block *b)
{
    struct kgc__marks *r = range_of(m, (uintptr_t)b->start);
    if (r == NULL || has(r->reached, bit_of(r, (uintptr_t)b->start)))
        return;
    reach(m, r, (uintptr_t)b->start, b->size);
    drain(m);
}

bool kgc__marked(const struct kgc__marker *m, const struct kgc__block *b)
{
    const struct kgc__marks *r = range_of(m, (uintptr_t)b->start);
    return r == NULL || has(r->reached, bit_of(r, (uintptr_t)b->start));
}

static bool search_again(const struct kgc__block *b, void *arg)
{
    struct kgc__marker *m = arg;
    if (kgc__marked(m, b)) {
        push(m, (uintptr_t)b->start, (uintptr_t)b->start + b->size); /* the stack is empty */
        drain(m);
    }
    return true;
}

/* Ends, as each further round has marked at least one block more. */
void kgc__marker_finish(struct kgc__marker *m)
{
    drain(m);
    while (m->overflowed) {
        m->overflowed = false;
        kgc__blocks_visit(search_again, m);
    }
}

static bool visit_unreached(const struct kgc__block *b, void *arg)
{
    struct kgc__marker *m = arg;
    struct kgc__marks *r = range_of(m, (uintptr_t)b->start);
    if (r == NULL || has(r->reached, bit_of(r, (uintptr_t)b->start)) ||
        has(r->visited, bit_of(r, (uintptr_t)b->start)))
        return true;
    set(r->visited, bit_of(r, (uintptr_t)b->start));
    m->source = (uintptr_t)b->start;
    push(m, (uintptr_t)b->start, (uintptr_t)b->start + b->size);
    drain(m);
    return !m->overflowed;
}

int kgc__marker_classify(struct kgc__marker *m)
{
    size_t words = all_bitmap_words(m);
    uint64_t *bits = kgc__scratch_take(m->scratch, 2 * words * sizeof *bits);
    if (bits == NULL)
        return ENOMEM;
    for (unsigned i = 0; i < m->ranges; i++) {
        m->range[i].visited = bits;
        m->range[i].indirect = bits + words;
        bits += bitmap_words(&m->range[i]);
    }
    m->classifying = true;
    kgc__blocks_visit(visit_unreached, m);
    m->classifying = false;
    return m->overflowed ? ENOMEM : 0;
}

bool kgc__is_indirect(const struct kgc__marker *m, const struct kgc__block *b)
{
    const struct kgc__marks *r = range_of(m, (uintptr_t)b->start);
    return r != NULL && r->indirect != NULL && has(r->indirect, bit_of(r, (uintptr_t)b->start));
}
