/* SPDX-License-Identifier: MIT */
/* memkind's tiers (kindgc/compat/memkind_memtier.h) on this library. */
#include "suite.h"
#include <errno.h>
#include <memkind_memtier.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define DYNAMIC "policy.dynamic_threshold."

static struct memtier_builder *builder(memtier_policy_t policy, unsigned low, unsigned high)
{
    struct memtier_builder *b = memtier_builder_new(policy);
    ck_assert_ptr_nonnull(b);
    ck_assert_int_eq(memtier_builder_add_tier(b, MEMKIND_DEFAULT, low), 0);
    ck_assert_int_eq(memtier_builder_add_tier(b, MEMKIND_REGULAR, high), 0);
    return b;
}

static struct memtier_memory *built(struct memtier_builder *b)
{
    struct memtier_memory *m = memtier_builder_construct_memtier_memory(b);
    ck_assert_ptr_nonnull(m);
    memtier_builder_delete(b);
    return m;
}

static size_t bytes_in(memkind_t k)
{
    return memtier_kind_allocated_size(k);
}

START_TEST(a_static_ratio_is_kept_all_the_time)
{
    static void *p[5000];
    struct memtier_memory *m = built(builder(MEMTIER_POLICY_STATIC_RATIO, 1, 4));
    for (unsigned i = 0; i < 5000; i++) {
        p[i] = memtier_malloc(m, i * 37 % 2000 + 1);
        ck_assert_ptr_nonnull(p[i]);
        memkind_t k = memkind_detect_kind(p[i]);
        ck_assert(k == MEMKIND_DEFAULT || k == MEMKIND_REGULAR);
        /* Never more than a block away from 1:4. */
        ck_assert_int_le(
            llabs((long long)bytes_in(MEMKIND_REGULAR) - 4 * (long long)bytes_in(MEMKIND_DEFAULT)), 5 * 2048);
    }
    ck_assert_uint_gt(bytes_in(MEMKIND_DEFAULT), 500000);
    /* All large blocks of one tier go: it is filled first then. */
    for (unsigned i = 0; i < 5000; i++)
        if (memkind_detect_kind(p[i]) == MEMKIND_REGULAR) {
            memtier_free(p[i]);
            p[i] = NULL;
        }
    ck_assert_uint_eq(bytes_in(MEMKIND_REGULAR), 0);
    for (unsigned i = 0; i < 100; i++)
        ck_assert_ptr_eq(memkind_detect_kind(memtier_malloc(m, 100)), MEMKIND_REGULAR);
    for (unsigned i = 0; i < 5000; i++)
        memtier_kind_free(MEMKIND_DEFAULT, p[i]);
    ck_assert_uint_eq(bytes_in(MEMKIND_DEFAULT), 0);
    memtier_delete_memtier_memory(m);
}
END_TEST

START_TEST(three_tiers_share_by_weight)
{
    struct memtier_builder *b = builder(MEMTIER_POLICY_STATIC_RATIO, 1, 2);
    ck_assert_int_eq(memtier_builder_add_tier(b, MEMKIND_INTERLEAVE, 3), 0);
    struct memtier_memory *m = built(b);
    for (unsigned i = 0; i < 600; i++)
        ck_assert_ptr_nonnull(memtier_malloc(m, 128));
    ck_assert_uint_eq(bytes_in(MEMKIND_DEFAULT), 100 * 128);
    ck_assert_uint_eq(bytes_in(MEMKIND_REGULAR), 200 * 128);
    ck_assert_uint_eq(bytes_in(MEMKIND_INTERLEAVE), 300 * 128);
    memtier_delete_memtier_memory(m);
}
END_TEST

START_TEST(every_function_counts)
{
    struct memtier_memory *m = built(builder(MEMTIER_POLICY_STATIC_RATIO, 1, 1));
    void *p = memtier_kind_malloc(MEMKIND_INTERLEAVE, 100), *q;
    ck_assert_uint_eq(bytes_in(MEMKIND_INTERLEAVE), memtier_usable_size(p));
    p = memtier_kind_realloc(MEMKIND_INTERLEAVE, p, 10000);
    ck_assert_uint_eq(bytes_in(MEMKIND_INTERLEAVE), memtier_usable_size(p));
    p = memtier_kind_realloc(NULL, p, 50);
    ck_assert_uint_eq(bytes_in(MEMKIND_INTERLEAVE), memtier_usable_size(p));
    p = memtier_kind_realloc(MEMKIND_REGULAR, p, 60); /* moves */
    ck_assert_uint_eq(bytes_in(MEMKIND_INTERLEAVE), 0);
    ck_assert_uint_eq(bytes_in(MEMKIND_REGULAR), memtier_usable_size(p));
    ck_assert_ptr_null(memtier_kind_realloc(MEMKIND_REGULAR, p, SIZE_MAX)); /* fails, and stays */
    ck_assert_uint_eq(bytes_in(MEMKIND_REGULAR), memtier_usable_size(p));
    ck_assert_ptr_null(memtier_kind_realloc(MEMKIND_REGULAR, p, 0));
    ck_assert_uint_eq(bytes_in(MEMKIND_REGULAR), 0);
    p = memtier_kind_calloc(MEMKIND_INTERLEAVE, 10, 10);
    ck_assert_int_eq(((char *)p)[99], 0);
    ck_assert_int_eq(memtier_kind_posix_memalign(MEMKIND_INTERLEAVE, &q, 256, 10), 0);
    ck_assert_uint_eq(bytes_in(MEMKIND_INTERLEAVE), memtier_usable_size(p) + memtier_usable_size(q));
    ck_assert_int_eq(memtier_kind_posix_memalign(MEMKIND_INTERLEAVE, &q, 3, 10), EINVAL);
    ck_assert_ptr_null(memtier_kind_calloc(MEMKIND_INTERLEAVE, SIZE_MAX / 2, 4));
    ck_assert_ptr_null(memtier_kind_malloc(MEMKIND_INTERLEAVE, 0));
    memtier_free(p);
    memtier_kind_free(NULL, q);
    memtier_free(NULL);
    ck_assert_uint_eq(bytes_in(MEMKIND_INTERLEAVE), 0);
    /* Through tiers. */
    p = memtier_calloc(m, 3, 100);
    ck_assert_ptr_eq(memkind_detect_kind(p), MEMKIND_DEFAULT);
    ck_assert_int_eq(memtier_posix_memalign(m, &q, 4096, 300), 0);
    ck_assert_ptr_eq(memkind_detect_kind(q), MEMKIND_REGULAR);
    ck_assert_uint_eq((uintptr_t)q % 4096, 0);
    p = memtier_realloc(m, p, 9000); /* stays in its tier */
    ck_assert_ptr_eq(memkind_detect_kind(p), MEMKIND_DEFAULT);
    ck_assert_uint_eq(bytes_in(MEMKIND_DEFAULT), memtier_usable_size(p));
    ck_assert_ptr_null(memtier_realloc(m, p, 0));
    ck_assert_uint_eq(bytes_in(MEMKIND_DEFAULT), 0);
    ck_assert_ptr_nonnull(memtier_realloc(m, NULL, 10));
    ck_assert_ptr_null(memtier_calloc(m, SIZE_MAX / 2, 4));
    ck_assert_int_eq(memtier_posix_memalign(m, &q, 3, 10), EINVAL);
    ck_assert_uint_eq(memtier_usable_size(NULL), 0);
    /* A block of memkind_malloc() was not counted: the count does not wrap. */
    p = memkind_malloc(MEMKIND_INTERLEAVE, 5000);
    memtier_free(p);
    ck_assert_uint_eq(bytes_in(MEMKIND_INTERLEAVE), 0);
    memtier_delete_memtier_memory(m);
}
END_TEST

/* The size from which blocks go to the upper of two tiers; found by trying. */
static size_t threshold_of(struct memtier_memory *m)
{
    size_t low = 1, high = 1 << 20;
    while (low < high) {
        size_t middle = (low + high) / 2;
        void *p = memtier_malloc(m, middle);
        if (memkind_detect_kind(p) == MEMKIND_REGULAR)
            high = middle;
        else
            low = middle + 1;
        memtier_free(p);
    }
    return low;
}

START_TEST(thresholds_divide_by_size)
{
    struct memtier_builder *b = builder(MEMTIER_POLICY_DYNAMIC_THRESHOLD, 1, 1);
    ck_assert_int_eq(memtier_builder_add_tier(b, MEMKIND_INTERLEAVE, 1), 0);
    ck_assert_int_eq(memtier_ctl_set(b, DYNAMIC "check_cnt", "1000000"), 0);
    struct memtier_memory *m = built(b);
    static const struct {
        size_t size;
        memkind_t *kind;
    } cases[] = {{1, &MEMKIND_DEFAULT},    {1023, &MEMKIND_DEFAULT},    {1024, &MEMKIND_REGULAR},
                 {2047, &MEMKIND_REGULAR}, {2048, &MEMKIND_INTERLEAVE}, {1 << 20, &MEMKIND_INTERLEAVE}};
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++)
        ck_assert_ptr_eq(memkind_detect_kind(memtier_malloc(m, cases[i].size)), *cases[i].kind);
    memtier_delete_memtier_memory(m);
}
END_TEST

START_TEST(thresholds_move_so_that_the_ratio_is_kept)
{
    static const unsigned ratios[][2] = {{1, 4}, {4, 1}, {1, 1}};
    for (unsigned r = 0; r < 3; r++) {
        struct memtier_builder *b = builder(MEMTIER_POLICY_DYNAMIC_THRESHOLD, ratios[r][0], ratios[r][1]);
        ck_assert_int_eq(memtier_ctl_set(b, DYNAMIC "thresholds[0].min", "1"), 0);
        ck_assert_int_eq(memtier_ctl_set(b, DYNAMIC "thresholds[0].max", "100000"), 0);
        struct memtier_memory *m = built(b);
        unsigned random = 7;
        static void *p[20000];
        for (unsigned i = 0; i < 20000; i++) {
            random = random * 1103515245 + 12345;
            p[i] = memtier_malloc(m, 1 + (random >> 8) % 4096);
        }
        double wanted = (double)ratios[r][1] / ratios[r][0];
        double ratio = (double)bytes_in(MEMKIND_REGULAR) / (double)bytes_in(MEMKIND_DEFAULT);
        ck_assert_double_gt(ratio, wanted * 0.9);
        ck_assert_double_lt(ratio, wanted * 1.1);
        for (unsigned i = 0; i < 20000; i++)
            memtier_free(p[i]);
        ck_assert_uint_eq(bytes_in(MEMKIND_REGULAR) + bytes_in(MEMKIND_DEFAULT), 0);
        memtier_delete_memtier_memory(m);
    }
}
END_TEST

START_TEST(thresholds_stay_between_their_bounds)
{
    struct memtier_builder *b = builder(MEMTIER_POLICY_DYNAMIC_THRESHOLD, 1, 1);
    size_t least = 600, value = 700, most = 800;
    unsigned each = 1;
    ck_assert_int_eq(memtier_ctl_set(b, DYNAMIC "thresholds[0].min", &least), 0); /* numbers, not text */
    ck_assert_int_eq(memtier_ctl_set(b, DYNAMIC "thresholds[0].val", &value), 0);
    ck_assert_int_eq(memtier_ctl_set(b, DYNAMIC "thresholds[0].max", &most), 0);
    ck_assert_int_eq(memtier_ctl_set(b, DYNAMIC "check_cnt", &each), 0);
    struct memtier_memory *m = built(b);
    for (unsigned i = 0; i < 100; i++)
        ck_assert_ptr_eq(memkind_detect_kind(memtier_malloc(m, 500)), MEMKIND_DEFAULT); /* below the least */
    ck_assert_ptr_eq(memkind_detect_kind(memtier_malloc(m, 600)), MEMKIND_REGULAR); /* it is the least now */
    for (unsigned i = 0; i < 200; i++)
        ck_assert_ptr_eq(memkind_detect_kind(memtier_malloc(m, 900)), MEMKIND_REGULAR); /* above the most */
    ck_assert_ptr_eq(memkind_detect_kind(memtier_malloc(m, 799)), MEMKIND_DEFAULT); /* it is the most now */
    memtier_delete_memtier_memory(m);
}
END_TEST

START_TEST(trigger_and_degree_say_when_and_how_far)
{
    struct memtier_builder *b = builder(MEMTIER_POLICY_DYNAMIC_THRESHOLD, 1, 1);
    float never = 1e9f;
    ck_assert_int_eq(memtier_ctl_set(b, DYNAMIC "trigger", &never), 0);
    struct memtier_memory *still = memtier_builder_construct_memtier_memory(b); /* a builder is used again */
    for (unsigned i = 0; i < 100; i++)
        memtier_malloc(still, 100);
    ck_assert_uint_eq(threshold_of(still), 1024);

    ck_assert_int_eq(memtier_ctl_set(b, DYNAMIC "trigger", "0.5"), 0);
    ck_assert_int_eq(memtier_ctl_set(b, DYNAMIC "degree", "0.25"), 0);
    ck_assert_int_eq(memtier_ctl_set(b, DYNAMIC "check_cnt", "50"), 0);
    struct memtier_memory *moving = built(b);
    for (unsigned i = 0; i < 49; i++)
        memtier_malloc(moving, 100);
    ck_assert_ptr_eq(memkind_detect_kind(memtier_malloc(moving, 1023)), MEMKIND_DEFAULT); /* the 50th */
    ck_assert_ptr_eq(memkind_detect_kind(memtier_malloc(moving, 767)), MEMKIND_DEFAULT);
    ck_assert_ptr_eq(memkind_detect_kind(memtier_malloc(moving, 768)), MEMKIND_REGULAR); /* 1024 - 25 % */
    memtier_delete_memtier_memory(still);
    memtier_delete_memtier_memory(moving);
}
END_TEST

START_TEST(builders_refuse_what_makes_no_sense)
{
    struct memtier_builder *b;
    ck_assert_ptr_null(memtier_builder_new(MEMTIER_POLICY_MAX_VALUE));
    ck_assert_ptr_null(memtier_builder_new((memtier_policy_t)-1));
    b = memtier_builder_new(MEMTIER_POLICY_STATIC_RATIO);
    ck_assert_ptr_null(memtier_builder_construct_memtier_memory(b)); /* no tiers */
    ck_assert_int_eq(memtier_builder_add_tier(b, NULL, 1), -1);
    ck_assert_int_eq(memtier_builder_add_tier(NULL, MEMKIND_DEFAULT, 1), -1);
    ck_assert_int_eq(memtier_builder_add_tier(b, MEMKIND_DEFAULT, 0), -1);
    ck_assert_int_eq(memtier_builder_add_tier(b, MEMKIND_DEFAULT, 1), 0);
    ck_assert_int_eq(memtier_builder_add_tier(b, MEMKIND_DEFAULT, 1), -1); /* twice */
    ck_assert_int_eq(memtier_ctl_set(b, DYNAMIC "check_cnt", "5"), -1);    /* has none */
    memtier_builder_delete(b);
    memtier_builder_delete(NULL);
    memtier_delete_memtier_memory(NULL);
    b = memtier_builder_new(MEMTIER_POLICY_DYNAMIC_THRESHOLD);
    ck_assert_int_eq(memtier_ctl_set(b, DYNAMIC "thresholds[0].val", "700"), -1); /* no tiers yet */
    ck_assert_int_eq(memtier_builder_add_tier(b, MEMKIND_DEFAULT, 1), 0);
    ck_assert_ptr_null(memtier_builder_construct_memtier_memory(b)); /* one tier */
    memtier_builder_delete(b);
    errno = 0;
    ck_assert_ptr_null(memtier_malloc(NULL, 10));
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_ptr_null(memtier_calloc(NULL, 1, 10));
    ck_assert_ptr_null(memtier_realloc(NULL, NULL, 10));
    ck_assert_int_eq(memtier_posix_memalign(NULL, &(void *){NULL}, 64, 10), EINVAL);
    ck_assert_ptr_null(memtier_kind_malloc(NULL, 10));
    ck_assert_ptr_null(memtier_kind_realloc(NULL, NULL, 10));
    ck_assert_uint_eq(memtier_kind_allocated_size(NULL), 0);
}
END_TEST

START_TEST(settings_are_checked)
{
    static const struct {
        const char *name, *value;
        int result;
        bool builds;
    } cases[] = {
        {DYNAMIC "thresholds[0].val", "1024", 0, true},
        {DYNAMIC "thresholds[0].val", "512", 0, false},
        {DYNAMIC "thresholds[0].val", "513", 0, true},
        {DYNAMIC "thresholds[0].val", "1537", 0, false},
        {DYNAMIC "thresholds[0].min", "1025", 0, false},
        {DYNAMIC "thresholds[0].max", "1023", 0, false},
        {DYNAMIC "thresholds[0].max", "1600", 0, false}, /* reaches into the next */
        {DYNAMIC "thresholds[1].val", "2000", 0, true},
        {DYNAMIC "thresholds[1].min", "1000", 0, false},
        {DYNAMIC "thresholds[2].val", "1", -1, true},
        {DYNAMIC "thresholds[-1].val", "1", -1, true},
        {DYNAMIC "thresholds[].val", "1", -1, true},
        {DYNAMIC "thresholds[0].foo", "1", -1, true},
        {DYNAMIC "thresholds[0]", "1", -1, true},
        {DYNAMIC "thresholds[0].value", "1", -1, true},
        {DYNAMIC "trigger", "-1", 0, false},
        {DYNAMIC "degree", "-0.1", 0, false},
        {DYNAMIC "trigger", "0", 0, true},
        {DYNAMIC "degree", "0", 0, true},
        {DYNAMIC "check_cnt", "0", 0, true},
        {DYNAMIC "check_count", "1", -1, true},
        {"policy.static_ratio.check_cnt", "1", -1, true},
        {"check_cnt", "1", -1, true},
        {"", "1", -1, true},
        {NULL, "1", -1, true},
        {DYNAMIC "check_cnt", NULL, -1, true},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct memtier_builder *b = builder(MEMTIER_POLICY_DYNAMIC_THRESHOLD, 1, 1);
        ck_assert_int_eq(memtier_builder_add_tier(b, MEMKIND_INTERLEAVE, 1), 0);
        ck_assert_int_eq(memtier_ctl_set(b, cases[i].name, cases[i].value), cases[i].result);
        struct memtier_memory *m = memtier_builder_construct_memtier_memory(b);
        ck_assert_msg((m != NULL) == cases[i].builds, "case %u: %s", i, cases[i].name);
        memtier_builder_delete(b);
        memtier_delete_memtier_memory(m);
    }
}
END_TEST

static struct memtier_memory *shared;
static void *churn(void *arg)
{
    void *p[64] = {NULL};
    for (unsigned i = 0; i < 20000; i++) {
        unsigned at = i * 13 % 64;
        memtier_free(p[at]);
        p[at] = memtier_malloc(shared, i * 7 % 3000 + 1);
        if (p[at] == NULL)
            return arg;
    }
    for (unsigned i = 0; i < 64; i++)
        memtier_free(p[i]);
    return NULL;
}

START_TEST(threads_share_tiers)
{
    for (unsigned policy = 0; policy < MEMTIER_POLICY_MAX_VALUE; policy++) {
        pthread_t thread[4];
        void *failed;
        shared = built(builder((memtier_policy_t)policy, 1, 2));
        for (unsigned i = 0; i < 4; i++)
            ck_assert_int_eq(pthread_create(&thread[i], NULL, churn, &shared), 0);
        for (unsigned i = 0; i < 4; i++) {
            pthread_join(thread[i], &failed);
            ck_assert_ptr_null(failed);
        }
        ck_assert_uint_eq(bytes_in(MEMKIND_DEFAULT) + bytes_in(MEMKIND_REGULAR), 0);
        memtier_delete_memtier_memory(shared);
    }
}
END_TEST

SUITE("memtier", a_static_ratio_is_kept_all_the_time, three_tiers_share_by_weight, every_function_counts,
      thresholds_divide_by_size, thresholds_move_so_that_the_ratio_is_kept,
      thresholds_stay_between_their_bounds, trigger_and_degree_say_when_and_how_far,
      builders_refuse_what_makes_no_sense, settings_are_checked, threads_share_tiers)
