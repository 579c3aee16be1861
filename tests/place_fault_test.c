/* SPDX-License-Identifier: MIT */
/*
 * Objects on kinds of the caller's choice when the system refuses: each memory
 * system call fails at each of its calls.  Then there is no object, with
 * ENOMEM and a reason, or a right one; nothing that exists is harmed; and when
 * the system gives again, all is well.
 */
#include "base/size.h"
#include "section/place.h"
#include "suite.h"
#include "support/extents.h"
#include "support/fault.h"
#include "support/mappings.h"
#include "support/system.h"
#include <errno.h>
#include <kindgc.h>
#include <stdlib.h>

enum { OBJECTS = 28 };

struct run {
    const char *spec, *lies; /* NULL: a kind of several */
    kgc_kind *kind;
    enum fault_call call;
    unsigned n;
    bool for_good;
    char **object, **own; /* in the rooted heap: on the kind, and the heap's */
};

#define expect(r, condition)                                                                     \
    ck_assert_msg(condition, "%s: %s number %u%s: %s", (r)->spec, fault_name((r)->call), (r)->n, \
                  (r)->for_good ? " and later" : "", #condition)

static size_t size_of(size_t i)
{
    static const size_t sizes[] = {16, 600, 2000, 2045, 5000, 40000, 300000};
    return sizes[i % 7];
}

static unsigned char value_of(size_t i)
{
    return (unsigned char)(i % 15 + 1);
}

static void allocate(struct run *r, bool all_must_succeed)
{
    for (size_t i = 0; i < OBJECTS; i++) {
        errno = 0;
        char *p = kgc_allocate_in(r->kind, size_of(i), i % 2);
        expect(r, p != NULL || (!all_must_succeed && errno == ENOMEM && *kgc_last_error() != '\0'));
        if (p != NULL) {
            expect(r, kgc__place_is_on(r->kind, p, size_of(i)));
            expect(r, i % 2 != 0 || all_bytes(p, size_of(i), 0));
            memset(p, value_of(i), size_of(i));
        }
        r->object[i] = p;
        p = kgc_allocate(size_of(i + 3));
        if (p != NULL)
            memset(p, value_of(i), size_of(i + 3));
        r->own[i] = p;
    }
}

static void check(struct run *r, bool where)
{
    if (where)
        read_mappings();
    for (size_t i = 0; i < OBJECTS; i++) {
        expect(r, r->object[i] == NULL || all_bytes(r->object[i], size_of(i), value_of(i)));
        expect(r, r->own[i] == NULL || all_bytes(r->own[i], size_of(i + 3), value_of(i)));
        expect(r, !where || r->lies == NULL || r->object[i] == NULL || lies_as(r->lies, r->object[i]));
    }
}

static void drop(struct run *r)
{
    for (size_t i = 0; i < OBJECTS; i += 3)
        kgc_release(r->object[i]);
    memset(r->object, 0, OBJECTS * sizeof *r->object);
    memset(r->own, 0, OBJECTS * sizeof *r->own);
    kgc_collect();
}

/* Did the fault happen? */
static bool live(struct run *r)
{
    fault_arm(r->call, r->n, r->for_good, fault_errno(r->call));
    for (int round = 0; round < 2; round++) {
        allocate(r, false);
        check(r, false);
        kgc_collect();
        check(r, false);
        drop(r);
    }
    allocate(r, false);
    bool hit = fault_hits() != 0;
    fault_disarm();
    check(r, true);
    drop(r);
    allocate(r, true); /* the system gives again */
    kgc_collect();
    check(r, true);
    drop(r);
    return hit;
}

static void sweep(const char *spec, const char *lies)
{
    struct run r = {.spec = spec, .lies = lies};
    if (kgc_kind_open(spec, &r.kind) != 0)
        SKIP("%s", kgc_last_error());
    r.object = kgc_calloc(OBJECTS, sizeof *r.object);
    r.own = kgc_calloc(OBJECTS, sizeof *r.own);
    allocate(&r, true);
    check(&r, true);
    bool made[FAULT_CALLS];
    live(&r);
    fault_arm(FAULT_MMAP, 0, false, 0);
    allocate(&r, true);
    drop(&r);
    for (enum fault_call call = 0; call < FAULT_CALLS; call++)
        made[call] = fault_count(call) != 0 && call != FAULT_MUNMAP;
    fault_disarm();
    for (enum fault_call call = 0; call < FAULT_CALLS; call++) {
        for (int for_good = 0; made[call] && for_good < 2; for_good++) {
            r.call = call;
            r.for_good = for_good != 0;
            unsigned hits = 0;
            for (r.n = 1; live(&r); r.n += 1 + 3 * r.n * (getenv("KINDGC_TEST_LONG") == NULL))
                hits++;
            ck_assert_uint_gt(hits, 0);
        }
    }
}

START_TEST(file)
{
    sweep(quick_file_kind(), quick_file_kind());
}
END_TEST

START_TEST(numa)
{
    sweep("numa:bind=0", "numa:bind=0");
}
END_TEST

START_TEST(thp)
{
    sweep("thp", "thp");
}
END_TEST

START_TEST(locked)
{
    sweep("locked,limit=64M", "locked");
}
END_TEST

START_TEST(tier)
{
    char spec[64];
    snprintf(spec, sizeof spec, "tier:numa:bind=0@256K+%s", quick_file_kind());
    sweep(spec, NULL);
}
END_TEST

static int on_a_heap(const char *heap, const char *spec)
{
    kgc_options options = {.heap = heap};
    if (kgc_init(&options) != 0)
        return 1;
    sweep(spec, spec);
    return 0;
}

START_TEST(from_a_file)
{
    ck_assert_int_eq(on_a_heap(quick_file_kind(), "numa:bind=0"), 0);
}
END_TEST

START_TEST(from_a_file_to_another)
{
    ck_assert_int_eq(on_a_heap("file:/tmp", quick_file_kind()), 0);
}
END_TEST

START_TEST(from_another_policy)
{
    ck_assert_int_eq(on_a_heap("numa:interleave=0", "default"), 0);
}
END_TEST

/* ---- the first piece of a tier: memory for tables ---- */

START_TEST(no_table)
{
    kgc_kind *kind = open_kind("numa:bind=0");
    ck_assert_ptr_nonnull(kgc_allocate(100000));
    fault_arm(FAULT_MMAP, 1, true, ENOMEM);
    ck_assert_ptr_null(kgc_allocate_in(kind, 5000, 0));
    ck_assert_int_eq(errno, ENOMEM);
    fault_disarm();
    ck_assert_ptr_nonnull(kgc_allocate_in(kind, 5000, 0));
}
END_TEST

SUITE("objects on kinds, refused", file, numa, thp, locked, tier, from_a_file, from_a_file_to_another,
      from_another_policy, no_table)
