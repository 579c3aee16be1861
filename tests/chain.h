/* SPDX-License-Identifier: MIT */
/*
 * Chains of objects that count their own end: for tests that ask what keeps
 * an object alive.  A chain is held by its first object only.
 */
#ifndef KGC_TESTS_CHAIN_H
#define KGC_TESTS_CHAIN_H

#include "stale.h"
#include <check.h>
#include <kindgc.h>
#include <stdatomic.h>
#include <string.h>

enum { CHAIN = 100 };

struct link {
    struct link *next;
    unsigned number;
};

/* Each chain has a counter of its own: what a stale word kept of an earlier
   one may end later. */
static _Atomic unsigned counters[256];
static unsigned chains;
#define links_ended counters[chains]

static inline void next_chain(void)
{
    ck_assert_uint_lt(++chains, sizeof counters / sizeof counters[0]);
}

static void count_end(void *object, void *data)
{
    (void)object;
    atomic_fetch_add((_Atomic unsigned *)data, 1);
}

static __attribute__((noinline, unused)) struct link *make_chain_counted_by(_Atomic unsigned *counter)
{
    struct link *first = NULL;
    for (unsigned i = 0; i < CHAIN; i++) {
        struct link *l = kgc_allocate(sizeof *l);
        ck_assert_ptr_nonnull(l);
        l->next = first;
        l->number = i;
        ck_assert_int_eq(kgc_register_finalizer(l, count_end, counter, KGC_FINALIZE_NO_ORDER, NULL, NULL), 0);
        first = l;
    }
    return first;
}

static __attribute__((noinline, unused)) struct link *make_chain(void)
{
    return make_chain_counted_by(&links_ended);
}

/* Collects often enough for what only stale words have kept. */
static __attribute__((noinline, unused)) void collect_all(void)
{
    for (int i = 0; i < 3; i++) {
        clear_stack();
        kgc_collect();
    }
}

static __attribute__((noinline, unused)) void check_chain(const struct link *l)
{
    for (unsigned i = CHAIN; i-- > 0; l = l->next) {
        ck_assert_ptr_nonnull(l);
        ck_assert_uint_eq(l->number, i);
    }
    ck_assert_ptr_null(l);
}

/* All have been collected, but for a few that a stale word may keep: such a
   word keeps the rest of its chain too, so the bound is generous. */
#define ck_chain_ended() ck_assert_uint_ge(atomic_load(&links_ended), CHAIN / 2)
#define ck_chain_kept()  ck_assert_uint_eq(atomic_load(&links_ended), 0)

#endif
