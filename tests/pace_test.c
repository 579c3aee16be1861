/* SPDX-License-Identifier: MIT */
/* The pacer (collect/pace.h), on a clock that the tests wind. */
#include "base/options.h"
#include "base/size.h"
#include "collect/libgc.h"
#include "collect/pace.h"
#include "collect/thread.h"
#include "misuse.h"
#include "section/section.h"
#include "suite.h"
#include "support/system.h"
#include <errno.h>
#include <kindgc.h>
#include <math.h>
#include <stdint.h>

#define MS 1000000.0 /* ns */

/* A program that allocates `rate` bytes in a nanosecond and whose collections
   take so long. */
struct program {
    double rate, collection_ns;
    size_t alive, limit;
};

/* What its collection tells when it has run with this growth. */
static struct kgc__pace_sample cycle(const struct program *p, double growth)
{
    double allocated = growth * (double)p->alive;
    return (struct kgc__pace_sample){
        .collecting = (uint64_t)p->collection_ns,
        .running = (uint64_t)(allocated / p->rate),
        .allocated = (size_t)allocated,
        .usual = (size_t)allocated,
        .used = p->alive,
        .limit = p->limit,
    };
}

static double share_of(const struct kgc__pace_sample *s)
{
    return (double)s->collecting / (double)(s->collecting + s->running);
}

START_TEST(share_is_approached)
{
    static const struct program programs[] = {
        {0.5, 5 * MS, 100 * KGC_MIB, 0}, /* growth 0.2 */
        {2, 5 * MS, 100 * KGC_MIB, 0},   /* 0.9 */
        {0.1, 140 * MS, 64 * KGC_MIB, 0},
    };
    for (size_t i = 0; i < sizeof programs / sizeof programs[0]; i++) {
        for (double growth = 0.125; growth <= 2; growth *= 16) {
            struct kgc__pace_sample s;
            double before = 2, distance = 1, next = growth;
            for (int n = 0; n < 20; n++) {
                s = cycle(&programs[i], next);
                next = kgc__pace_next(next, 0.1, true, &s);
                distance = fabs(share_of(&s) - 0.1);
                ck_assert_double_le(distance, before); /* never away from it: no swinging */
                before = distance + 1e-6;
            }
            ck_assert_double_le(distance, 0.002);
        }
    }
}
END_TEST

START_TEST(noise_is_damped)
{
    struct program p = {0.5, 0, 100 * KGC_MIB, 0};
    double growth = 0.2, least = 2, most = 0;
    for (int n = 0; n < 100; n++) {
        p.collection_ns = (n % 2 != 0 ? 7.5 : 2.5) * MS; /* every other one takes three times as long */
        struct kgc__pace_sample s = cycle(&p, growth);
        growth = kgc__pace_next(growth, 0.1, true, &s);
        if (n >= 20) {
            least = growth < least ? growth : least;
            most = growth > most ? growth : most;
        }
    }
    ck_assert_double_lt(most, 2 * least);
    struct kgc__pace_sample s = cycle(&p, growth);
    s.collecting *= 1000; /* one that was interrupted */
    ck_assert_double_le(kgc__pace_next(growth, 0.1, true, &s), 2 * growth);
    s.collecting = 1;
    ck_assert_double_ge(kgc__pace_next(growth, 0.1, true, &s), growth / 2);
}
END_TEST

/* Where it settles for a program of 100 MiB. */
static double settle(double rate, double collection_ns, bool asked, size_t limit)
{
    struct program p = {rate, collection_ns, 100 * KGC_MIB, limit};
    double growth = 1;
    for (int n = 0; n < 50; n++) {
        struct kgc__pace_sample s = cycle(&p, growth);
        growth = kgc__pace_next(growth, 0.1, asked, &s);
    }
    return growth;
}

#define SLOWLY  0.01, 1 * MS
#define QUICKLY 10, 100 * MS

START_TEST(heap_stays_in_bounds)
{
    ck_assert_double_eq(settle(SLOWLY, false, 0), 0.125);
    ck_assert_double_eq(settle(QUICKLY, false, 0), 1);
    ck_assert_double_eq(settle(SLOWLY, true, 0), 0.125);
    ck_assert_double_eq(settle(QUICKLY, true, 0), 2);
    ck_assert_uint_eq(kgc__pace_divisor(0.125, 4), 4);
    ck_assert_uint_eq(kgc__pace_divisor(0.125, 128), 16);
    ck_assert_uint_eq(kgc__pace_divisor(0.7, 4), 3);
    ck_assert_uint_eq(kgc__pace_divisor(1, 4), 2);
    ck_assert_uint_eq(kgc__pace_divisor(1.9, 4), 2); /* and the rest by the least number */
    ck_assert_uint_eq(kgc__pace_divisor(2, 4), 1);
    ck_assert_uint_eq(kgc__pace_divisor(1.0 / 64, 128), 128);
}
END_TEST

START_TEST(limit_comes_first)
{
    ck_assert_double_eq(settle(QUICKLY, true, 1000 * KGC_MIB), 2);
    ck_assert_double_eq(settle(QUICKLY, true, 300 * KGC_MIB), 1);
    ck_assert_double_eq(settle(QUICKLY, false, 120 * KGC_MIB), 0.1);
    ck_assert_double_eq(settle(QUICKLY, false, 101 * KGC_MIB), 1.0 / 64);
    ck_assert_double_eq(settle(QUICKLY, false, 50 * KGC_MIB), 1.0 / 64); /* it was lowered */
}
END_TEST

START_TEST(collections_on_demand_say_nothing)
{
    struct program p = {0.5, 5 * MS, 100 * KGC_MIB, 0};
    struct kgc__pace_sample s = cycle(&p, 0.2);
    s.allocated /= 4;
    s.running /= 4; /* so collecting has taken four times its share */
    ck_assert_double_eq(kgc__pace_next(0.2, 0.1, true, &s), 0.2);
    s.running = 0;
    s.allocated = s.usual;
    ck_assert_double_eq(kgc__pace_next(0.2, 0.1, true, &s), 0.2);
}
END_TEST

/* A process's time, asked for at the start and the end of each collection:
   running takes a nanosecond for 8 bytes, a collection 10 ms. */
static struct {
    uint64_t running, collecting; /* as they ought to be counted */
    size_t total;
    unsigned calls;
    unsigned idle, cpus; /* how much longer the wall clock and processors run meanwhile */
    struct kgc__pace_time now;
} winding = {.cpus = 1};

static struct kgc__pace_time wound_clock(void)
{
    if (winding.calls++ % 2 == 0) {
        size_t total = GC_get_total_bytes();
        uint64_t running = (total - winding.total) / 8;
        winding.total = total;
        winding.running += running;
        winding.now.wall += running * (1 + winding.idle);
        winding.now.cpu += running * winding.cpus;
    } else {
        winding.collecting += (uint64_t)(10 * MS);
        winding.now.wall += (uint64_t)(10 * MS);
        winding.now.cpu += (uint64_t)(10 * MS);
    }
    return winding.now;
}

static void wind(void)
{
    ck_assert_int_eq(kgc_init(NULL), 0);
    kgc_collect();
    winding.total = GC_get_total_bytes();
    kgc__pace_clock = wound_clock;
    kgc_collect(); /* both clocks are in this one */
}

static void **volatile kept;

/* Each with a word that is a pointer, and garbage of the same size after it. */
static void allocate(size_t live, size_t garbage, size_t size)
{
    for (size_t i = 0; i < live / size; i++) {
        void **p = kgc_allocate(size);
        ck_assert_ptr_nonnull(p);
        p[0] = (void *)kept;
        kept = p;
    }
    for (size_t i = 0; i < garbage / size; i++)
        ck_assert_ptr_nonnull(kgc_allocate(size));
}

/* Share of the wound time while so many collections ran. */
static double share_during(unsigned collections)
{
    uint64_t running = winding.running, collecting = winding.collecting;
    GC_word end = GC_get_gc_no() + collections;
    while (GC_get_gc_no() < end)
        allocate(0, KGC_MIB, 1000);
    running = winding.running - running;
    collecting = winding.collecting - collecting;
    return (double)collecting / (double)(running + collecting);
}

/* With 8 bytes in a nanosecond and 10 ms for a collection, 76 MiB between two
   are half of the time; 64 MiB are alive. */
START_TEST(share_is_kept)
{
    wind();
    allocate(64 * KGC_MIB, 0, 1000);
    ck_assert_int_eq(kgc_heap_set_pace(0.5), 0);
    share_during(12);
    double share = share_during(6);
    ck_assert_double_ge(share, 0.4);
    ck_assert_double_le(share, 0.6);
    ck_assert_int_eq(kgc_heap_set_pace(0.8), 0); /* the heap does not shrink, but other collections come */
    share_during(6);
    ck_assert_uint_ge(GC_get_free_space_divisor(), 6);
    ck_assert_double_eq(kgc__pace_share(), 0.8);
}
END_TEST

/* By default the heap is not more than twice what is alive, so the share is
   more than wanted; also when a few objects stay alive in each block. */
START_TEST(heap_is_bounded)
{
    wind();
    allocate(64 * KGC_MIB, 0, 1000);
    share_during(15);
    ck_assert_uint_ge(kgc_heap_size(), 64 * KGC_MIB * 3 / 2);
    ck_assert_uint_le(kgc_heap_size(), 64 * KGC_MIB * 5 / 2); /* libgc grows in steps of 8 MiB and more */
}
END_TEST

START_TEST(fragments_do_not_count)
{
    enum { OBJECTS = 64 * 1024 };
    wind();
    uint64_t state = 1;
    void **table = kgc_allocate(OBJECTS * sizeof *table);
    ck_assert_ptr_nonnull(table);
    for (size_t i = 0; i < 40 * OBJECTS; i++) { /* one of them dies, at random */
        state = state * 6364136223846793005u + 1442695040888963407u;
        table[state >> 48] = kgc_allocate(200);
    }
    ck_assert_uint_le(kgc_heap_size(), OBJECTS * 208 * 4);
    ck_assert_ptr_nonnull(table[0]);
}
END_TEST

static void expect_half_of_the_time(void)
{
    allocate(64 * KGC_MIB, 0, 1000);
    ck_assert_int_eq(kgc_heap_set_pace(0.5), 0);
    share_during(12);
    double share = share_during(6);
    ck_assert_double_ge(share, 0.4);
    ck_assert_double_le(share, 0.6);
}

START_TEST(idle_time_does_not_count)
{
    wind();
    winding.idle = 9;
    expect_half_of_the_time();
}
END_TEST

START_TEST(processors_do_not_add_up)
{
    wind();
    winding.cpus = 4;
    expect_half_of_the_time();
}
END_TEST

/* 40 MiB in use below a limit of 64 MiB: nothing fails, also not one large
   request when much less was allocated than is wanted between collections. */
START_TEST(nothing_fails_below_the_limit)
{
    GC_set_warn_proc(GC_ignore_warn_proc);
    ck_assert_int_eq(kgc_init(&(kgc_options){.limit = 64 * KGC_MIB, .pace = 0.01}), 0);
    allocate(40 * KGC_MIB, 300 * KGC_MIB, 10000);
    ck_assert_uint_le(kgc_heap_size(), 64 * KGC_MIB);
    allocate(0, 300 * KGC_MIB, 100);
    ck_assert_uint_le(kgc_heap_size(), 64 * KGC_MIB);
}
END_TEST

START_TEST(collects_before_it_fails)
{
    GC_set_warn_proc(GC_ignore_warn_proc);
    GC_set_free_space_divisor(1); /* twice what is alive between two collections: libgc would not collect */
    ck_assert_int_eq(kgc_init(&(kgc_options){.limit = 64 * KGC_MIB}), 0);
    allocate(24 * KGC_MIB, 0, 10000);
    kgc_collect();
    GC_word collections = GC_get_gc_no();
    allocate(0, 24 * KGC_MIB, 1000000);
    ck_assert_uint_eq(GC_get_gc_no(), collections);
    ck_assert_ptr_nonnull(kgc_allocate_atomic(12 * KGC_MIB));
}
END_TEST

static void expect_parameters(size_t divisor, size_t minimum)
{
    allocate(4 * KGC_MIB, 4 * KGC_MIB, 1000);
    kgc_collect();
    ck_assert_uint_eq(GC_get_free_space_divisor(), divisor);
    ck_assert_uint_eq(GC_get_min_bytes_allocd(), minimum);
}

START_TEST(on_by_default)
{
    ck_assert_int_eq(kgc_init(NULL), 0);
    ck_assert_uint_eq(GC_get_min_bytes_allocd(), KGC_MIB);
    ck_assert_double_eq(kgc__pace_share(), 0.1);
    allocate(16 * KGC_MIB, 16 * KGC_MIB, 1000);
    kgc_collect();
    ck_assert_uint_ge(GC_get_free_space_divisor(), 2);
    ck_assert_uint_le(GC_get_free_space_divisor(), 4);
}
END_TEST

/* What a program tells libgc holds, also when it is what libgc does anyway. */
START_TEST(the_programs_divisor)
{
    ck_assert_int_eq(kgc_init(NULL), 0);
    GC_set_free_space_divisor(3);
    ck_assert_double_eq(kgc__pace_share(), 0);
    expect_parameters(3, 1);
    GC_set_free_space_divisor(20);
    expect_parameters(20, 1);
    ck_assert_int_eq(kgc_heap_set_pace(0.2), 0); /* and then something else */
    kgc_collect();
    ck_assert_uint_ge(GC_get_min_bytes_allocd(), KGC_MIB);
    ck_assert_double_eq(kgc__pace_share(), 0.2);
}
END_TEST

START_TEST(the_programs_minimum)
{
    GC_set_min_bytes_allocd(5000); /* before the start */
    ck_assert_int_eq(kgc_init(NULL), 0);
    expect_parameters(3, 5000);
}
END_TEST

/* Some write to the variable. */
START_TEST(the_programs_variable)
{
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
    ck_assert_int_eq(kgc_init(NULL), 0);
    GC_free_space_divisor = 7;
    expect_parameters(7, 1);
#pragma GCC diagnostic pop
}
END_TEST

START_TEST(the_user_comes_first)
{
    ck_assert_int_eq(kgc__options_parse("pace=20"), 0);
    ck_assert_int_eq(kgc_init(&(kgc_options){.pace = 0.5}), 0);
    ck_assert_double_eq(kgc__pace_share(), 0.2);
    GC_set_min_bytes_allocd(1);
    ck_assert_int_eq(kgc_heap_set_pace(0.3), 0);
    ck_assert_double_eq(kgc__pace_share(), 0.2);
    kgc_collect();
    ck_assert_uint_ge(GC_get_min_bytes_allocd(), KGC_MIB);
}
END_TEST

START_TEST(off)
{
    ck_assert_int_eq(kgc_init(&(kgc_options){.pace = -1}), 0);
    ck_assert_double_le(kgc__pace_share(), 0);
    expect_parameters(3, 1);
    ck_assert_int_eq(kgc_heap_set_pace(0.5), 0);
    kgc_collect();
    ck_assert_uint_ge(GC_get_min_bytes_allocd(), KGC_MIB);
    ck_assert_int_eq(kgc_heap_set_pace(0), 0);
    expect_parameters(3, 1);
}
END_TEST

START_TEST(bad_shares)
{
    static const double bad[] = {0.001, 0.91, 1, 20, -0.1, INFINITY};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ck_assert_int_eq(kgc_heap_set_pace(bad[i]), EINVAL);
    ck_assert_int_eq(kgc_heap_set_pace((double)NAN), EINVAL);
    ck_assert_int_eq(kgc_heap_set_pace(20), EINVAL);
    ck_last_error("kgc_heap_set_pace: 20 is no share; allowed are 0 (off) and 0.01 to 0.9");
    ck_assert_int_eq(kgc_init(&(kgc_options){.pace = 20}), EINVAL);
    ck_last_error("pace=20: allowed are 0.01 to 0.9, less than 0 for off, and 0 for the default");
}
END_TEST

static int use_in_child(void *unused)
{
    (void)unused;
    for (size_t i = 0; i < 64 * KGC_MIB / 1000; i++)
        if (kgc_allocate(1000) == NULL)
            return 1;
    return GC_get_min_bytes_allocd() >= KGC_MIB && kgc__pace_share() == 0.1 ? 0 : 2;
}

START_TEST(forked_child)
{
    ck_assert_int_eq(kgc_init(NULL), 0);
    allocate(4 * KGC_MIB, 16 * KGC_MIB, 1000);
    ck_assert(exited(in_child(use_in_child, NULL), 0));
}
END_TEST

/* A long collection starts marking threads at the next allocation. */
START_TEST(marking_threads)
{
    wind();
    ck_assert_int_eq(GC_get_parallel(), 0);
    kgc_collect(); /* 10 ms */
    if (!kgc__pace_wants_markers)
        SKIP("one CPU only");
    ck_assert_ptr_nonnull(kgc_allocate(100000));
    ck_assert(!kgc__pace_wants_markers);
    ck_assert_int_gt(GC_get_parallel(), 0);
    allocate(KGC_MIB, 64 * KGC_MIB, 1000);
    kgc_collect();
    ck_assert(!kgc__pace_wants_markers); /* once */
}
END_TEST

START_TEST(the_programs_markers)
{
    GC_set_markers_count(1);
    ck_assert_int_eq(kgc_init(NULL), 0);
    kgc__threads_enable();
    ck_assert_int_eq(GC_get_parallel(), 0);
}
END_TEST

SUITE("pace", share_is_approached, noise_is_damped, heap_stays_in_bounds, limit_comes_first,
      collections_on_demand_say_nothing, share_is_kept, heap_is_bounded, fragments_do_not_count,
      idle_time_does_not_count, processors_do_not_add_up, nothing_fails_below_the_limit,
      collects_before_it_fails, on_by_default, the_programs_divisor, the_programs_minimum,
      the_programs_variable, the_user_comes_first, off, bad_shares, forked_child, marking_threads,
      the_programs_markers)
