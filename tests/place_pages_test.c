/* SPDX-License-Identifier: MIT */
/* Placing a page that keeps its contents: from every kind to every other, and
   when the system refuses one call of it. */
#include "collect/roots.h"
#include "place.h"
#include "section/place.h"
#include "support/fault.h"

/* An object of a page for itself. */
enum { SIZE = 3000 };

struct call {
    kgc_kind *kind;
    char *p;
    int error;
};

static char *page_of(const char *p)
{
    return (char *)kgc__round_down((uintptr_t)p, PAGE);
}

static void put(void *arg)
{
    struct call *c = arg;
    size_t fresh;
    c->error = kgc__place_put(c->kind, page_of(c->p), PAGE, true, &fresh);
}

static int place(kgc_kind *kind, char *p)
{
    struct call c = {.kind = kind, .p = p};
    kgc__roots_locked(put, &c);
    return c.error;
}

static void restore(void *p)
{
    kgc__place_restore(page_of(p), PAGE);
}

static const char *specs[] = {"numa:bind=0", NULL, "thp", "locked,limit=20M", "default", "numa:interleave=0"};
enum { SPECS = sizeof specs / sizeof specs[0] };

static void open_all(kgc_kind *kind[SPECS])
{
    specs[1] = quick_file_kind();
    for (unsigned i = 0; i < SPECS; i++)
        kind[i] = open_or_skip(specs[i]);
}

static void fill(char *p)
{
    for (unsigned i = 0; i < SIZE; i++)
        p[i] = (char)(i * 7 + 1);
}

static bool is_intact(const char *p)
{
    for (unsigned i = 0; i < SIZE; i++)
        if (p[i] != (char)(i * 7 + 1))
            return false;
    return true;
}

static void check_pairs(const char *heap_lies)
{
    kgc_kind *kind[SPECS];
    char *p = kgc_allocate_atomic(SIZE);
    open_all(kind);
    fill(p);
    for (unsigned from = 0; from < SPECS; from++) {
        for (unsigned to = 0; to < SPECS; to++) {
            if (kind[from] == NULL || kind[to] == NULL)
                continue;
            ck_assert_msg(place(kind[from], p) == 0, "%s", kgc_last_error());
            ck_assert_msg(place(kind[to], p) == 0, "%s", kgc_last_error());
            read_mappings();
            ck_assert_msg(lies_as(specs[to], p), "from %s to %s", specs[from], specs[to]);
            ck_assert_msg(is_intact(p), "from %s to %s", specs[from], specs[to]);
            ck_assert_ptr_eq(kgc_kind_of(p), kind[to]);
            ck_assert_uint_eq(placed_on(kind[to]), PAGE);
            ck_assert(from == to || placed_on(kind[from]) == 0);
        }
    }
    kgc__roots_locked(restore, p);
    memset(p, 0, SIZE);
    read_mappings();
    ck_assert(lies_as(heap_lies, p));
    ck_assert_ptr_eq(kgc_kind_of(p), kgc_heap_kind());
}

START_TEST(contents_stay)
{
    check_pairs("default");
}
END_TEST

START_TEST(contents_stay_on_a_file)
{
    kgc_options options = {.heap = quick_file_kind()};
    ck_assert_int_eq(kgc_init(&options), 0);
    check_pairs(quick_file_kind());
}
END_TEST

/* Each call in turn; the page is where it was, or where it should be. */
static void refuse(kgc_kind *from, kgc_kind *to, char *p)
{
    for (enum fault_call call = 0; call < FAULT_CALLS; call++) {
        for (unsigned n = 1;; n++) {
            ck_assert_int_eq(from != NULL ? place(from, p) : 0, 0);
            fill(p);
            fault_arm(call, n, false, fault_errno(call));
            int error = place(to, p);
            bool hit = fault_hits() != 0;
            fault_disarm();
            ck_assert_msg(is_intact(p), "%s number %u, to %s", fault_name(call), n, kgc_kind_name(to));
            ck_assert(error == 0 || hit);
            ck_assert_ptr_eq(kgc_kind_of(p), error == 0 ? to : from != NULL ? from : kgc_heap_kind());
            read_mappings();
            ck_assert(lies_as(kgc_kind_name(kgc_kind_of(p)), p));
            kgc__roots_locked(restore, p);
            memset(p, 0, SIZE);
            if (!hit)
                break;
        }
    }
}

START_TEST(refusals_harm_nothing)
{
    kgc_kind *kind[SPECS];
    char *p = kgc_allocate_atomic(SIZE);
    open_all(kind);
    for (unsigned to = 0; to < SPECS; to++)
        if (kind[to] != NULL && strcmp(specs[to], "default") != 0)
            refuse(NULL, kind[to], p);
    for (unsigned to = 0; to < SPECS; to++)
        if (kind[to] != NULL && to != 1)
            refuse(kind[1], kind[to], p);
}
END_TEST

SUITE("placed pages", contents_stay, contents_stay_on_a_file, refusals_harm_nothing)
