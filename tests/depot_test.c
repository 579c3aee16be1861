/* SPDX-License-Identifier: MIT */
/* The depot of stacks. */
#include "leak/depot.h"
#include "suite.h"
#include <pthread.h>
#include <stdint.h>

static uint64_t hash_of(uint32_t i)
{
    return (i + 1) * 0x9e3779b97f4a7c15;
}

/* A stack that tells its number. */
static uint32_t put(uint32_t i)
{
    uint32_t sites[20];
    unsigned n = 1 + i % 20;
    for (unsigned k = 0; k < n; k++)
        sites[k] = i + k;
    return kgc__depot_put(hash_of(i), sites, n);
}

static bool is_right(uint32_t number, uint32_t i)
{
    unsigned n;
    const uint32_t *sites = kgc__depot_stack(number, &n);
    if (n != 1 + i % 20)
        return false;
    for (unsigned k = 0; k < n; k++)
        if (sites[k] != i + k)
            return false;
    return true;
}

START_TEST(equal_stacks_have_one_number)
{
    ck_assert_uint_eq(kgc__depot_find(hash_of(0)), 0);
    for (unsigned round = 0; round < 3; round++)
        for (uint32_t i = 0; i < 30000; i++) {
            uint32_t number = put(i);
            ck_assert_uint_eq(number, i + 1);
            ck_assert_uint_eq(kgc__depot_find(hash_of(i)), number);
            ck_assert(is_right(number, i));
        }
    struct kgc__depot_stats stats;
    kgc__depot_stats(&stats);
    ck_assert_uint_eq(stats.stacks, 30000);
    ck_assert_uint_eq(stats.refusals, 0);
    unsigned n;
    kgc__depot_stack(0, &n);
    ck_assert_uint_eq(n, 0);
    kgc__depot_stack(30001, &n);
    ck_assert_uint_eq(n, 0);
    kgc__depot_stack(UINT32_MAX, &n);
    ck_assert_uint_eq(n, 0);
}
END_TEST

enum { THREADS = 8, STACKS = 20000 };
static uint32_t numbers[THREADS][STACKS];

static void *put_all(void *arg)
{
    uint32_t *mine = arg;
    unsigned from = (unsigned)(mine - numbers[0]) / STACKS * 1000;
    for (uint32_t i = 0; i < STACKS; i++)
        mine[(from + i) % STACKS] = put((from + i) % STACKS);
    return NULL;
}

START_TEST(threads)
{
    pthread_t thread[THREADS];
    for (unsigned t = 0; t < THREADS; t++)
        pthread_create(&thread[t], NULL, put_all, numbers[t]);
    for (unsigned t = 0; t < THREADS; t++)
        pthread_join(thread[t], NULL);
    for (unsigned i = 0; i < STACKS; i++) {
        ck_assert(is_right(numbers[0][i], i));
        for (unsigned t = 1; t < THREADS; t++)
            ck_assert_uint_eq(numbers[t][i], numbers[0][i]);
    }
}
END_TEST

START_TEST(bounded)
{
    uint32_t i = 0;
    kgc__depot_set_most(3 << 20);
    while (put(i) != 0)
        ck_assert_uint_lt(++i, 1000000);
    struct kgc__depot_stats stats;
    kgc__depot_stats(&stats);
    ck_assert_uint_le(stats.bytes, 3 << 20);
    ck_assert_uint_eq(stats.refusals, 1);
    ck_assert_uint_eq(put(0), 1); /* what is there is found */
    ck_assert_uint_eq(put(i), 0);
    kgc__depot_stats(&stats);
    ck_assert_uint_eq(stats.refusals, 2);
}
END_TEST

SUITE("depot", equal_stacks_have_one_number, threads, bounded)
