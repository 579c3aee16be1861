/* SPDX-License-Identifier: MIT */
/* memkind's interface: kinds that programs create, and what the environment says of them. */
#include "memkind_blocks.h"
#include "misuse.h"
#include "suite.h"
#include <errno.h>
#include <hbwmalloc.h>
#include <kindgc/allocate.h>
#include <kindgc/arena.h>
#include <kindgc/kind.h>
#include <memkind.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

START_TEST(file_kinds_keep_to_their_limit)
{
    memkind_t k = pmem(MEMKIND_PMEM_MIN_SIZE);
    ck_assert_int_eq(memkind_check_available(k), MEMKIND_SUCCESS);
    ck_assert_int_eq(memkind_get_capacity(k), MEMKIND_PMEM_MIN_SIZE);
    unsigned n = 0;
    for (char *p; (p = memkind_malloc(k, 4096)) != NULL; n++) {
        *p = 1;
        ck_assert_ptr_eq(memkind_detect_kind(p), k);
    }
    ck_assert_int_eq(errno, ENOMEM);
    ck_assert_uint_gt(n, MEMKIND_PMEM_MIN_SIZE / 4096 * 9 / 10);
    ck_assert_uint_le(n, MEMKIND_PMEM_MIN_SIZE / 4096);
    ck_assert_int_eq(memkind_destroy_kind(k), MEMKIND_SUCCESS); /* with all its blocks */
    memkind_t again = pmem(0);
    ck_assert_int_gt(memkind_get_capacity(again), MEMKIND_PMEM_MIN_SIZE);
    filled(again, 20 * MIB, 7);
    ck_assert_int_eq(memkind_destroy_kind(again), MEMKIND_SUCCESS);
    again = pmem(SIZE_MAX);
    ck_assert_int_gt(memkind_get_capacity(again), MEMKIND_PMEM_MIN_SIZE);
    ck_assert_int_eq(memkind_destroy_kind(again), MEMKIND_SUCCESS);
}
END_TEST

START_TEST(directories_of_any_name_will_do)
{
    char dir[] = "/var/tmp/kindgc a,limit=1+b@2\\XXXXXX";
    memkind_t k;
    ck_assert_ptr_nonnull(mkdtemp(dir));
    int error = memkind_create_pmem(dir, 32 * MIB, &k);
    rmdir(dir);
    ck_assert_int_eq(error, MEMKIND_SUCCESS);
    memkind_free(NULL, filled(k, 17 * MIB, 1));
    ck_assert_int_eq(memkind_destroy_kind(k), MEMKIND_SUCCESS);
    ck_assert_int_eq(chdir("/var/tmp"), 0);
    ck_assert_int_eq(memkind_create_pmem(".", 32 * MIB, &k), MEMKIND_SUCCESS);
    ck_assert_int_eq(memkind_destroy_kind(k), MEMKIND_SUCCESS);
}
END_TEST

START_TEST(wrong_directories_and_sizes_are_refused)
{
    memkind_t untouched = (memkind_t)&early, k = untouched;
    ck_assert_int_eq(memkind_create_pmem("/var/tmp", MEMKIND_PMEM_MIN_SIZE - 1, &k), MEMKIND_ERROR_INVALID);
    ck_assert_int_eq(memkind_create_pmem("/var/tmp", 1, &k), MEMKIND_ERROR_INVALID);
    ck_assert_int_eq(memkind_create_pmem("/no/such/directory", 0, &k), MEMKIND_ERROR_INVALID);
    ck_assert_int_eq(memkind_create_pmem("/etc/passwd", 0, &k), MEMKIND_ERROR_INVALID);
    ck_assert_int_eq(memkind_create_pmem("/proc", 0, &k), MEMKIND_ERROR_INVALID);
    ck_assert_int_eq(memkind_create_pmem("", 0, &k), MEMKIND_ERROR_INVALID);
    ck_assert_int_eq(memkind_create_pmem(NULL, 0, &k), MEMKIND_ERROR_INVALID);
    char *long_name = malloc(6000);
    memset(long_name, 'x', 5999);
    long_name[0] = '/';
    long_name[5999] = '\0';
    ck_assert_int_eq(memkind_create_pmem(long_name, 0, &k), MEMKIND_ERROR_INVALID);
    free(long_name);
    ck_assert_ptr_eq(k, untouched);
}
END_TEST

START_TEST(a_configuration_makes_a_kind)
{
    memkind_t k;
    struct memkind_config *c = memkind_config_new();
    char dir[] = "/var/tmp";
    ck_assert_ptr_nonnull(c);
    ck_assert_int_eq(memkind_create_pmem_with_config(c, &k), MEMKIND_ERROR_INVALID); /* no path */
    memkind_config_set_path(c, "/no/such/directory");
    ck_assert_int_eq(memkind_create_pmem_with_config(c, &k), MEMKIND_ERROR_INVALID);
    memkind_config_set_path(c, dir);
    dir[1] = 'X'; /* it was copied */
    memkind_config_set_size(c, 5);
    ck_assert_int_eq(memkind_create_pmem_with_config(c, &k), MEMKIND_ERROR_INVALID);
    memkind_config_set_size(c, 20 * MIB);
    memkind_config_set_memory_usage_policy(c, MEMKIND_MEM_USAGE_POLICY_MAX_VALUE);
    ck_assert_int_eq(memkind_create_pmem_with_config(c, &k), MEMKIND_ERROR_INVALID);
    memkind_config_set_memory_usage_policy(c, MEMKIND_MEM_USAGE_POLICY_CONSERVATIVE);
    ck_assert_int_eq(memkind_create_pmem_with_config(c, &k), MEMKIND_SUCCESS);
    ck_assert_int_eq(memkind_get_capacity(k), 20 * MIB);
    memkind_config_delete(c);
    memkind_config_delete(NULL);
    ck_assert_int_eq(memkind_create_pmem_with_config(NULL, &k), MEMKIND_ERROR_INVALID);
    /* Conservative: what is freed goes back at once. */
    size_t resident;
    void *p = filled(k, 8 * MIB, 1);
    memkind_get_stat(k, MEMKIND_STAT_TYPE_RESIDENT, &resident);
    ck_assert_uint_ge(resident, 8 * MIB);
    memkind_free(k, p);
    memkind_get_stat(k, MEMKIND_STAT_TYPE_RESIDENT, &resident);
    ck_assert_uint_lt(resident, MIB);
    ck_assert_int_eq(memkind_update_memory_usage_policy(k, MEMKIND_MEM_USAGE_POLICY_DEFAULT),
                     MEMKIND_SUCCESS);
    ck_assert_int_eq(memkind_update_memory_usage_policy(k, MEMKIND_MEM_USAGE_POLICY_MAX_VALUE),
                     MEMKIND_ERROR_INVALID);
    ck_assert_int_eq(memkind_destroy_kind(k), MEMKIND_SUCCESS);
}
END_TEST

START_TEST(hog_memory_keeps_what_was_freed)
{
    setenv("MEMKIND_HOG_MEMORY", "1", 1);
    memkind_t k = pmem(32 * MIB);
    size_t resident;
    memkind_free(k, filled(k, 3 * MIB, 1));
    ck_assert_int_eq(memkind_get_stat(k, MEMKIND_STAT_TYPE_RESIDENT, &resident), 0);
    ck_assert_uint_ge(resident, 3 * MIB);
    ck_assert_int_eq(memkind_destroy_kind(k), MEMKIND_SUCCESS);
}
END_TEST

START_TEST(fixed_kinds_use_the_callers_memory)
{
    enum { SIZE = 8 << 20 };
    memkind_t k, none;
    char *area = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(area, MAP_FAILED);
    ck_assert_int_eq(memkind_create_fixed(area, 0, &none), MEMKIND_ERROR_INVALID);
    ck_assert_int_eq(memkind_create_fixed(NULL, SIZE, &none), MEMKIND_ERROR_INVALID);
    ck_assert_int_eq(memkind_create_fixed(area, SIZE, &k), MEMKIND_SUCCESS);
    ck_assert_int_eq(memkind_get_capacity(k), SIZE);
    /* Twice as often as the area is large: what is freed is used again, and zeroed memory is zero. */
    for (unsigned i = 0; i < 16; i++) {
        char *p = memkind_calloc(k, 1, MIB), nothing[4096] = {0};
        ck_assert(p >= area && p + MIB <= area + SIZE);
        for (unsigned at = 0; at < MIB; at += 4096)
            ck_assert_mem_eq(p + at, nothing, 4096);
        ck_assert_ptr_eq(memkind_detect_kind(p), k);
        memset(p, 0xff, MIB);
        memkind_free(k, p);
    }
    errno = 0;
    ck_assert_ptr_null(memkind_malloc(k, SIZE));
    ck_assert_int_eq(errno, ENOMEM);
    ck_assert_int_eq(memkind_destroy_kind(k), MEMKIND_SUCCESS);
    memset(area, 1, SIZE); /* is still mapped */
    ck_assert_int_eq(munmap(area, SIZE), 0);
}
END_TEST

START_TEST(kinds_are_created_by_what_they_are)
{
    static const struct {
        unsigned types, policy, flags;
        int error;
    } cases[] = {
        {MEMKIND_MEMTYPE_DEFAULT, MEMKIND_POLICY_PREFERRED_LOCAL, 0, MEMKIND_SUCCESS},
        {MEMKIND_MEMTYPE_DEFAULT, MEMKIND_POLICY_PREFERRED_LOCAL, MEMKIND_MASK_PAGE_SIZE_2MB,
         MEMKIND_SUCCESS},
        {MEMKIND_MEMTYPE_HIGH_BANDWIDTH, MEMKIND_POLICY_BIND_LOCAL, 0, MEMKIND_SUCCESS},
        {MEMKIND_MEMTYPE_HIGH_BANDWIDTH, MEMKIND_POLICY_BIND_ALL, 0, MEMKIND_SUCCESS},
        {MEMKIND_MEMTYPE_HIGH_BANDWIDTH, MEMKIND_POLICY_PREFERRED_LOCAL, 0, MEMKIND_SUCCESS},
        {MEMKIND_MEMTYPE_HIGH_BANDWIDTH, MEMKIND_POLICY_PREFERRED_LOCAL, MEMKIND_MASK_PAGE_SIZE_2MB,
         MEMKIND_SUCCESS},
        {MEMKIND_MEMTYPE_HIGH_BANDWIDTH, MEMKIND_POLICY_INTERLEAVE_ALL, 0, MEMKIND_SUCCESS},
        {MEMKIND_MEMTYPE_DEFAULT | MEMKIND_MEMTYPE_HIGH_BANDWIDTH, MEMKIND_POLICY_INTERLEAVE_ALL, 0,
         MEMKIND_SUCCESS},
        {MEMKIND_MEMTYPE_HIGH_BANDWIDTH, MEMKIND_POLICY_BIND_LOCAL, MEMKIND_MASK_PAGE_SIZE_2MB,
         MEMKIND_ERROR_MEMTYPE_NOT_AVAILABLE},
        {MEMKIND_MEMTYPE_DEFAULT, MEMKIND_POLICY_BIND_LOCAL, 0, MEMKIND_ERROR_INVALID},
        {MEMKIND_MEMTYPE_HIGH_BANDWIDTH, MEMKIND_POLICY_INTERLEAVE_LOCAL, 0, MEMKIND_ERROR_INVALID},
        {MEMKIND_MEMTYPE_DEFAULT, MEMKIND_POLICY_MAX_VALUE, 0, MEMKIND_ERROR_INVALID},
        {0, MEMKIND_POLICY_PREFERRED_LOCAL, 0, MEMKIND_ERROR_INVALID},
        {4, MEMKIND_POLICY_PREFERRED_LOCAL, 0, MEMKIND_ERROR_INVALID},
        {MEMKIND_MEMTYPE_DEFAULT, MEMKIND_POLICY_PREFERRED_LOCAL, 12, MEMKIND_ERROR_INVALID},
    };
    setenv("MEMKIND_HBW_NODES", "0", 1); /* every node is fast on this machine */
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        memkind_t untouched = (memkind_t)&early, k = untouched;
        ck_assert_int_eq(memkind_create_kind((memkind_memtype_t)cases[i].types,
                                             (memkind_policy_t)cases[i].policy,
                                             (memkind_bits_t)cases[i].flags, &k),
                         cases[i].error);
        if (cases[i].error != MEMKIND_SUCCESS) {
            ck_assert_ptr_eq(k, untouched);
            continue;
        }
        ck_assert_ptr_eq(memkind_detect_kind(filled(k, 100, 1)), k);
        ck_assert_int_eq(memkind_destroy_kind(k), MEMKIND_SUCCESS); /* what was left is gone with it */
    }
    ck_assert_int_eq(
        memkind_create_kind(MEMKIND_MEMTYPE_DEFAULT, MEMKIND_POLICY_PREFERRED_LOCAL, (memkind_bits_t)0, NULL),
        MEMKIND_ERROR_INVALID);
}
END_TEST

START_TEST(hundreds_of_kinds_at_once_and_again)
{
    enum { KINDS = 300 };
    memkind_t k[KINDS];
    void *p[KINDS];
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < KINDS; i++) {
            k[i] = pmem(MEMKIND_PMEM_MIN_SIZE);
            p[i] = filled(k[i], 64, (int)i);
        }
        for (unsigned i = 0; i < KINDS; i++)
            ck_assert_ptr_eq(memkind_detect_kind(p[i]), k[i]);
        for (unsigned i = 0; i < KINDS; i++) {
            unsigned which = i * 7 % KINDS; /* in another order */
            ck_assert_int_eq(memkind_destroy_kind(k[which]), MEMKIND_SUCCESS);
            ck_assert_ptr_null(memkind_detect_kind(p[which]));
        }
    }
}
END_TEST

START_TEST(variables_name_the_nodes)
{
    ck_assert_int_eq(memkind_check_available(MEMKIND_DAX_KMEM_ALL) == MEMKIND_SUCCESS,
                     memkind_malloc(MEMKIND_DAX_KMEM_ALL, 10) != NULL);
    setenv("MEMKIND_HBW_NODES", "0", 1);
    setenv("MEMKIND_DAX_KMEM_NODES", "all", 1);
    memkind_t kinds[] = {MEMKIND_HBW,
                         MEMKIND_HBW_ALL,
                         MEMKIND_HBW_INTERLEAVE,
                         MEMKIND_HBW_PREFERRED,
                         MEMKIND_DAX_KMEM,
                         MEMKIND_DAX_KMEM_PREFERRED,
                         MEMKIND_DAX_KMEM_INTERLEAVE};
    for (unsigned i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        bool preferred = kinds[i] == MEMKIND_HBW_PREFERRED || kinds[i] == MEMKIND_DAX_KMEM_PREFERRED;
        ck_assert_int_eq(memkind_check_available(kinds[i]), MEMKIND_SUCCESS);
        void *p = filled(kinds[i], 100000, 3);
        ck_assert_ptr_eq(memkind_detect_kind(p), kinds[i]);
        ck_assert_int_eq(memkind_get_capacity(kinds[i]) > 0, !preferred);
        memkind_free(kinds[i], p);
    }
    ck_assert_int_eq(hbw_check_available(), 0);
}
END_TEST

START_TEST(variables_without_sense_are_errors)
{
    static const char *const wrong[] = {"x", "", "1023", "0-", "3-1", "0,", "0 ", "99999999999", "-1", "0;1"};
    for (unsigned i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        setenv("MEMKIND_HBW_NODES", wrong[i], 1);
        setenv("MEMKIND_DAX_KMEM_NODES", wrong[i], 1);
        ck_assert_int_eq(memkind_check_available(MEMKIND_HBW), MEMKIND_ERROR_ENVIRON);
        ck_assert_int_eq(memkind_check_available(MEMKIND_DAX_KMEM), MEMKIND_ERROR_ENVIRON);
        ck_assert_int_eq(hbw_check_available(), ENODEV);
        errno = 0;
        ck_assert_ptr_null(memkind_malloc(MEMKIND_HBW, 10));
        ck_assert_int_eq(errno, ENOMEM);
    }
    unsetenv("MEMKIND_HBW_NODES");
    setenv("MEMKIND_HBW_THRESHOLD", "-5", 1);
    ck_assert_int_eq(memkind_check_available(MEMKIND_HBW), MEMKIND_ERROR_ENVIRON);
    static const char *const variable[] = {"MEMKIND_ARENA_NUM_PER_KIND", "MEMKIND_BACKGROUND_THREAD_LIMIT"};
    for (unsigned i = 0; i < 2; i++) {
        memkind_t k;
        setenv(variable[i], "many", 1);
        ck_assert_int_eq(memkind_check_available(MEMKIND_REGULAR), MEMKIND_ERROR_ENVIRON);
        ck_assert_int_eq(memkind_create_pmem("/var/tmp", 0, &k), MEMKIND_ERROR_ENVIRON);
        ck_assert_ptr_null(memkind_malloc(MEMKIND_REGULAR, 10));
        unsetenv(variable[i]);
    }
    ck_assert_ptr_nonnull(memkind_malloc(MEMKIND_REGULAR, 10)); /* a failure is not remembered */
}
END_TEST

START_TEST(the_number_of_arenas_is_the_users)
{
    kgc_kind_description d;
    setenv("MEMKIND_ARENA_NUM_PER_KIND", "3", 1);
    memkind_t k = pmem(512 * MIB);
    ck_assert_int_eq(kgc_kind_describe(kgc_kind_of(memkind_malloc(k, 1)), &d), 0);
    ck_assert_uint_eq(d.arenas, 3);
    setenv("MEMKIND_ARENA_NUM_PER_KIND", "1000000", 1);
    memkind_t other = pmem(512 * MIB);
    ck_assert_int_eq(kgc_kind_describe(kgc_kind_of(memkind_malloc(other, 1)), &d), 0);
    ck_assert_uint_eq(d.arenas, 64);
}
END_TEST

SUITE("memkind's kinds", file_kinds_keep_to_their_limit, directories_of_any_name_will_do,
      wrong_directories_and_sizes_are_refused, a_configuration_makes_a_kind, hog_memory_keeps_what_was_freed,
      fixed_kinds_use_the_callers_memory, kinds_are_created_by_what_they_are,
      hundreds_of_kinds_at_once_and_again, variables_name_the_nodes, variables_without_sense_are_errors,
      the_number_of_arenas_is_the_users)
