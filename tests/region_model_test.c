/* SPDX-License-Identifier: MIT */
/*
 * Random operations on a region against a model: which blocks there are, and
 * what is in them.  The sequence depends on the seed only.
 */
#include "base/size.h"
#include "region.h"
#include "suite.h"
#include "support/system.h"
#include <errno.h>
#include <kindgc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { BLOCKS = 400, OPERATIONS = 20000 };

struct block {
    unsigned char *p;
    size_t size, align;
    unsigned char value;
};

struct model {
    kgc_region *r;
    size_t guard; /* bytes */
    uint64_t state;
    unsigned operation;
    struct block block[BLOCKS]; /* in order of their addresses; lost ones stay until reset */
    size_t count;
};

#define expect(m, condition) ck_assert_msg(condition, "operation %u: %s", (m)->operation, #condition)

/* Less than n: xorshift64*. */
static size_t number(struct model *m, size_t n)
{
    m->state ^= m->state >> 12;
    m->state ^= m->state << 25;
    m->state ^= m->state >> 27;
    return (size_t)(m->state * 0x2545f4914f6cdd1dull >> 33) % n;
}

static size_t a_size(struct model *m)
{
    size_t size = number(m, (size_t)1 << number(m, 15));
    return number(m, 10) == 0 ? kgc__round_up(size, PAGE) : size;
}

static void fill(struct model *m, struct block *b)
{
    b->value = (unsigned char)(1 + number(m, 255));
    memset(b->p, b->value, b->size);
}

static void add(struct model *m, void *p, size_t size, size_t align)
{
    struct block *b = &m->block[m->count++];
    *b = (struct block){.p = p, .size = size, .align = align};
    expect(m, (uintptr_t)p % align == 0);
    expect(m, kgc_region_contains(m->r, p) && (size == 0 || kgc_region_contains(m->r, (char *)p + size - 1)));
    expect(m, kgc_region_usable_size(m->r, p, size) >= size);
    fill(m, b);
}

static void allocate(struct model *m)
{
    if (m->count == BLOCKS)
        return;
    size_t size = a_size(m), align = (size_t)1 << number(m, 13), left = kgc_region_remaining(m->r);
    bool zeroed = number(m, 2) != 0;
    errno = 0;
    void *p = zeroed ? kgc_region_allocate_zeroed(m->r, size, align) : kgc_region_allocate(m->r, size, align);
    if (p == NULL) {
        expect(m, errno == ENOMEM && left < size + align + 2 * GUARD);
        return;
    }
    expect(m, !zeroed || all_bytes(p, size, 0));
    add(m, p, size, align);
}

static void resize(struct model *m)
{
    if (m->count == 0)
        return;
    size_t i = number(m, 2) == 0 ? m->count - 1 : number(m, m->count), old = m->block[i].size;
    struct block *b = &m->block[i];
    if (b->p == NULL)
        return;
    if (number(m, 2) == 0) {
        size_t size = number(m, old + 1);
        expect(m, kgc_region_shrink(m->r, b->p, old, size, b->align) == (void *)b->p);
        b->size = size;
        return;
    }
    size_t size = old + a_size(m), left = kgc_region_remaining(m->r);
    unsigned char *q = kgc_region_grow(m->r, b->p, old, size, b->align);
    if (q == NULL) {
        expect(m, errno == ENOMEM && left < size + b->align + 2 * GUARD);
    } else if (q == b->p) {
        expect(m, all_bytes(q, old, b->value));
        b->size = size;
        fill(m, b);
    } else {
        expect(m, all_bytes(q, old, b->value));
        if (m->count < BLOCKS) {
            add(m, q, size, b->align);
        } else {
            m->block[BLOCKS - 1] = (struct block){.p = NULL};
            kgc_region_deallocate(m->r, q, size);
        }
    }
}

static void deallocate(struct model *m)
{
    if (m->count == 0 || m->block[m->count - 1].p == NULL)
        return;
    size_t before = kgc_region_allocated(m->r);
    if (number(m, 4) == 0) { /* stays where it is, as if lost */
        struct block *b = &m->block[number(m, m->count)];
        if (b != &m->block[m->count - 1] && b->p != NULL) {
            kgc_region_deallocate(m->r, b->p, b->size);
            expect(m, kgc_region_allocated(m->r) == before);
        }
    } else {
        /* It becomes free where it ends in front of all that is free; what an
           alignment has lost may lie between, but not in the checking mode. */
        struct block *b = &m->block[m->count - 1];
        unsigned char *end = b->p + (b->size != 0 ? b->size : 1) + m->guard;
        bool last = end == (unsigned char *)kgc_region_base(m->r) + before;
        expect(m, last || m->guard == 0);
        kgc_region_deallocate(m->r, b->p, b->size);
        expect(m, (kgc_region_allocated(m->r) < before) == last);
        m->count -= last;
    }
}

/* Pages that no block lies on, and some that are committed and written to. */
static void free_pages(struct model *m)
{
    char *base = kgc_region_base(m->r);
    size_t size = kgc_region_size(m->r), from = kgc__round_up(kgc_region_allocated(m->r), PAGE);
    if (from >= size)
        return;
    from += number(m, (size - from) / PAGE) * PAGE;
    size_t length = number(m, size - from);
    static const int protections[] = {PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE};
    switch (number(m, 3)) {
    case 0:
        expect(m, kgc_region_release_pages(m->r, base + from, length) == 0);
        break;
    case 1:
        expect(m, kgc_region_protect(m->r, base + from, length, protections[number(m, 3)]) == 0);
        break;
    default:
        expect(m, kgc_region_commit(m->r, from, length) == 0);
        memset(base + from, 0xdd, length);
    }
}

static void check(struct model *m)
{
    for (size_t i = 0; i < m->count; i++)
        expect(m, m->block[i].p == NULL || all_bytes(m->block[i].p, m->block[i].size, m->block[i].value));
    expect(m, kgc_region_allocated(m->r) + kgc_region_remaining(m->r) == kgc_region_capacity(m->r));
    expect(m, kgc_region_corruption_events(m->r) == 0);
}

static void run(unsigned flags, uint64_t seed)
{
    static struct model model;
    struct model *m = &model;
    *m = (struct model){.r = create(2 * KGC_MIB, flags), .state = seed};
    m->guard = (flags & KGC_REGION_CHECKED) != 0 ? GUARD : 0;
    for (m->operation = 0; m->operation < OPERATIONS; m->operation++) {
        size_t what = number(m, 100);
        if (what < 50)
            allocate(m);
        else if (what < 75)
            resize(m);
        else if (what < 94)
            deallocate(m);
        else if (what < 98)
            free_pages(m);
        else if (number(m, 8) == 0) {
            kgc_region_reset(m->r);
            m->count = 0;
        }
        if (m->operation % 64 == 0)
            check(m);
    }
    check(m);
    kgc_region_destroy(m->r);
}

START_TEST(plain)
{
    run(0, 1);
}
END_TEST

START_TEST(lazy)
{
    run(KGC_REGION_LAZY, 2);
}
END_TEST

START_TEST(checked)
{
    run(KGC_REGION_CHECKED, 3);
}
END_TEST

START_TEST(lazy_and_checked)
{
    run(KGC_REGION_LAZY | KGC_REGION_CHECKED, 4);
}
END_TEST

SUITE("region_model", plain, lazy, checked, lazy_and_checked)
