/* SPDX-License-Identifier: MIT */
/*
 * For tests of unreachable blocks: batches of blocks that are known by their
 * addresses in a form that leads nowhere, and how many of them a search finds.
 */
#ifndef KGC_TESTS_LEAKS_H
#define KGC_TESTS_LEAKS_H

#include "arena/blocks.h"
#include "arena/explicit.h"
#include "leak/find.h"
#include "stale.h"
#include "support/system.h"
#include <check.h>
#include <errno.h>
#include <kindgc/malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* Leaves a test in which AddressSanitizer has a part: its frames and tables keep
   pointers that the program has overwritten, and its shadow memory, terabytes of
   address space, is memory as any other. */
#define leaks_leave_if_sanitized()                                \
    do {                                                          \
        if (SANITIZED)                                            \
            SKIP("the sanitizer's own memory would be searched"); \
    } while (0)

enum { BATCH = 2000 };

struct batch {
    uintptr_t hidden[BATCH];
    unsigned count;
};

static __attribute__((unused)) void batch_add(struct batch *b, const void *p)
{
    if (p == NULL || b->count == BATCH)
        abort();
    b->hidden[b->count++] = kgc__hidden(p);
}

struct tally {
    const struct batch *batch;
    unsigned found, direct;
};

static __attribute__((unused)) void tally_one(const struct kgc__leaked *l, void *arg)
{
    struct tally *t = arg;
    for (unsigned i = 0; i < t->batch->count; i++)
        if (t->batch->hidden[i] == kgc__hidden(l->start)) {
            t->found++;
            t->direct += l->direct;
            return;
        }
}

/* How many of a batch are unreachable, and how many of these directly. */
static __attribute__((noinline, unused)) struct tally search(const struct batch *b)
{
    struct tally t = {.batch = b};
    struct kgc__found out;
    clear_stack();
    int error = kgc__leaks_find(true, tally_one, &t, &out);
    ck_assert_msg(error == 0, "%s: %s", strerror(error), out.reason);
    return t;
}

#define ck_all_kept(batch)                                                                           \
    do {                                                                                             \
        struct tally t_ = search(batch);                                                             \
        ck_assert_msg(t_.found == 0, "%u of %u were not found reachable", t_.found, (batch)->count); \
    } while (0)

/* A search is conservative: some may seem reachable. */
#define ck_lost(batch)                                                                                   \
    do {                                                                                                 \
        struct tally t_ = search(batch);                                                                 \
        ck_assert_msg(t_.found >= (batch)->count * 95u / 100, "only %u of %u were found lost", t_.found, \
                      (batch)->count);                                                                   \
    } while (0)

#endif
