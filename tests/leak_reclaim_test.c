/* SPDX-License-Identifier: MIT */
/* malloc=collect, inside: what is reclaimed, when, and what is not. */
#include "base/options.h"
#include "leak/reclaim.h"
#include "leaks.h"
#include "rooted/usage.h"
#include "suite.h"
#include "support/fault.h"
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

static struct batch lost, live;
static void *volatile root;

static __attribute__((noinline)) void lose(unsigned n, size_t size)
{
    for (unsigned i = 0; i < n; i++)
        batch_add(&lost, memset(kgc_malloc(size), 1, size));
    clear_stack();
}

static __attribute__((noinline)) void keep(unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        void **p = kgc_malloc(64);
        batch_add(&live, p);
        *p = root;
        root = (void *)p;
    }
    clear_stack();
}

static unsigned alive(const struct batch *b)
{
    unsigned n = 0;
    for (unsigned i = 0; i < b->count; i++)
        n += kgc__block_byte(kgc__unhidden(b->hidden[i])) != 0;
    return n;
}

static __attribute__((noinline)) int cycle(void)
{
    clear_stack();
    return kgc__reclaim();
}

static struct kgc__reclaim_stats stats(void)
{
    struct kgc__reclaim_stats s;
    kgc__reclaim_stats(&s);
    return s;
}

static void setup(bool twice)
{
    strcpy(kgc__settings.second_look, twice ? "on" : "off");
    kgc__reclaim_start();
    keep(1000);
}

START_TEST(lost_blocks_are_reclaimed_at_the_second_look)
{
    setup(true);
    lose(1000, 100);
    ck_assert_int_eq(cycle(), 0);
    ck_assert_uint_eq(alive(&lost), 1000);
    ck_assert_uint_ge(stats().suspects, 950);
    ck_assert_uint_eq(stats().blocks, 0);
    ck_assert_int_eq(cycle(), 0);
    ck_assert_uint_le(alive(&lost), 50);
    ck_assert_uint_eq(alive(&live), 1000);
    ck_assert_uint_ge(stats().blocks, 950);
    ck_assert_uint_ge(stats().bytes, 950 * 100);
    ck_assert_uint_eq(stats().cycles, 2);
    ck_assert_uint_eq(stats().unproven, 0);
}
END_TEST

START_TEST(without_a_second_look)
{
    setup(false);
    lose(1000, 100);
    ck_assert_int_eq(cycle(), 0);
    ck_assert_uint_le(alive(&lost), 50);
    ck_assert_uint_eq(alive(&live), 1000);
}
END_TEST

/* Somebody writes to them through a pointer that was not seen. */
START_TEST(suspects_that_change_are_suspects_again)
{
    setup(true);
    lose(1000, 100);
    ck_assert_int_eq(cycle(), 0);
    for (unsigned i = 0; i < lost.count; i++)
        ((char *)kgc__unhidden(lost.hidden[i]))[7] = 2;
    ck_assert_int_eq(cycle(), 0);
    ck_assert_uint_ge(alive(&lost), 990);
    ck_assert_int_eq(cycle(), 0);
    ck_assert_uint_le(alive(&lost), 50);
}
END_TEST

/* Seen again between the two cycles. */
START_TEST(suspects_that_are_reachable_again_are_kept)
{
    static void *volatile found[1000];
    setup(true);
    lose(1000, 100);
    ck_assert_int_eq(cycle(), 0);
    for (unsigned i = 0; i < lost.count; i++)
        found[i] = kgc__unhidden(lost.hidden[i]);
    ck_assert_int_eq(cycle(), 0);
    ck_assert_int_eq(cycle(), 0);
    ck_assert_uint_eq(alive(&lost), 1000);
    ck_assert_ptr_nonnull(found[0]);
}
END_TEST

START_TEST(large_and_pinned_blocks)
{
    setup(true);
    lose(8, 3 << 20);
    for (unsigned i = 0; i < 4; i++)
        ck_assert(kgc__block_pin(kgc__unhidden(lost.hidden[i]), true));
    ck_assert_int_eq(cycle(), 0);
    ck_assert_int_eq(cycle(), 0);
    ck_assert_uint_ge(alive(&lost), 4);
    ck_assert_uint_le(alive(&lost), 5);
    for (unsigned i = 0; i < 4; i++)
        ck_assert_uint_ne(kgc__block_byte(kgc__unhidden(lost.hidden[i])), 0);
}
END_TEST

/* What cannot be proven reclaims nothing and is counted. */
START_TEST(cycles_that_are_not_complete)
{
    setup(true);
    lose(1000, 100);
    ck_assert_int_eq(cycle(), 0);
    fault_arm(FAULT_OPEN, 2, false, EMFILE);
    ck_assert_int_eq(cycle(), EAGAIN);
    fault_disarm();
    ck_assert_uint_eq(alive(&lost), 1000);
    ck_assert_uint_eq(stats().unproven, 1);
    ck_assert_str_eq(stats().reason, "the mappings cannot be told: /proc/self/maps: Too many open files");
    ck_assert_int_eq(cycle(), 0);
    ck_assert_uint_le(alive(&lost), 50);
}
END_TEST

/* At every mmap() that fails: live blocks stay, and it goes on afterwards. */
START_TEST(without_memory)
{
    setup(true);
    lose(BATCH, 100);
    for (unsigned n = 1, hits = 1; hits != 0; n++) {
        fault_arm(FAULT_MMAP, n, false, ENOMEM);
        int error = cycle();
        hits = fault_hits();
        fault_disarm();
        ck_assert_msg(error == 0 || error == ENOMEM, "%d", error);
        ck_assert_uint_eq(alive(&live), 1000);
    }
    cycle();
    cycle();
    ck_assert_uint_le(alive(&lost), 100);
}
END_TEST

static size_t held(void)
{
    struct kgc__rooted_usage usage;
    kgc__rooted_usage(&usage);
    return usage.allocated;
}

static __attribute__((noinline)) void leak(size_t bytes)
{
    for (size_t i = 0; i < bytes / 1000; i++) {
        char *volatile p = kgc_malloc(1000);
        p[0] = 1;
    }
    clear_stack();
}

/* Cycles start by themselves. */
START_TEST(a_leaking_program_stays_small)
{
    setup(true);
    for (unsigned i = 0; i < 100; i++)
        leak(4 << 20);
    ck_assert_uint_eq(alive(&live), 1000);
    ck_assert_msg(held() < (size_t)200 << 20, "%zu MiB", held() >> 20);
    ck_assert_uint_ge(stats().cycles, 3);
}
END_TEST

/* A live heap that grows: few cycles. */
START_TEST(a_growing_program_is_left_alone)
{
    setup(true);
    static void *volatile list;
    void *volatile *last = &list;
    for (unsigned i = 0; i < 200000; i++) {
        void **p = kgc_malloc(1000);
        *p = NULL;
        *last = (void *)p;
        last = (void *volatile *)p;
    }
    ck_assert_uint_le(stats().cycles, 4);
    ck_assert_uint_le(stats().blocks, 10);
}
END_TEST

static void *leak_in_thread(void *arg)
{
    for (unsigned i = 0; i < 25; i++)
        leak(2 << 20);
    return arg;
}

START_TEST(eight_threads)
{
    pthread_t t[8];
    setup(true);
    for (unsigned i = 0; i < 8; i++)
        ck_assert_int_eq(pthread_create(&t[i], NULL, leak_in_thread, NULL), 0);
    for (unsigned i = 0; i < 8; i++)
        pthread_join(t[i], NULL);
    ck_assert_uint_eq(alive(&live), 1000);
    /* The share of time that cycles may take bounds them here. */
    ck_assert_uint_gt(stats().blocks, 10000);
    printf("8 threads that have leaked 400 MiB: %zu MiB held, %zu cycles\n", held() >> 20, stats().cycles);
}
END_TEST

SUITE("leak_reclaim", lost_blocks_are_reclaimed_at_the_second_look, without_a_second_look,
      suspects_that_change_are_suspects_again, suspects_that_are_reachable_again_are_kept,
      large_and_pinned_blocks, cycles_that_are_not_complete, without_memory, a_leaking_program_stays_small,
      a_growing_program_is_left_alone, eight_threads)
