/* SPDX-License-Identifier: MIT */
/* memkind's interface to high-bandwidth memory (kindgc/compat/hbwmalloc.h). */
#include "suite.h"
#include <errno.h>
#include <hbwmalloc.h>
#include <memkind.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

START_TEST(high_bandwidth_memory_by_policy)
{
    setenv("MEMKIND_HBW_NODES", "0", 1);
    ck_assert_int_eq(hbw_get_policy(), HBW_POLICY_PREFERRED);
    ck_assert_int_eq(hbw_set_policy((hbw_policy_t)0), EINVAL);
    ck_assert_int_eq(hbw_set_policy((hbw_policy_t)5), EINVAL);
    ck_assert_int_eq(hbw_set_policy(HBW_POLICY_INTERLEAVE), 0);
    ck_assert_int_eq(hbw_set_policy(HBW_POLICY_BIND), EPERM);
    ck_assert_int_eq(hbw_get_policy(), HBW_POLICY_INTERLEAVE);
    char *p = hbw_malloc(100), *q = hbw_calloc(10, 10);
    void *r = NULL;
    ck_assert_ptr_eq(memkind_detect_kind(p), MEMKIND_HBW_INTERLEAVE);
    ck_assert_ptr_null(hbw_malloc(0));
    ck_assert_int_eq(q[99], 0);
    p = hbw_realloc(p, 100000);
    ck_assert_uint_ge(hbw_malloc_usable_size(p), 100000);
    ck_assert_int_eq(hbw_posix_memalign(&r, 4096, 10), 0);
    ck_assert_uint_eq((uintptr_t)r % 4096, 0);
    hbw_free(r);
    ck_assert_int_eq(hbw_posix_memalign(&r, 3, 10), EINVAL);
    ck_assert_int_eq(hbw_posix_memalign_psize(&r, 64, 10, HBW_PAGESIZE_4KB), 0);
    hbw_free(r);
    ck_assert_int_eq(hbw_posix_memalign_psize(&r, 64, 10, HBW_PAGESIZE_2MB), EINVAL); /* not interleaved */
    ck_assert_int_eq(hbw_posix_memalign_psize(&r, 64, 10, HBW_PAGESIZE_1GB), EINVAL);
    ck_assert_int_eq(hbw_posix_memalign_psize(&r, 64, 10, HBW_PAGESIZE_1GB_STRICT), EINVAL);
    ck_assert_int_eq(hbw_posix_memalign_psize(&r, 64, 10, HBW_PAGESIZE_MAX_VALUE), EINVAL);
    hbw_free(p);
    hbw_free(q);
    hbw_free(NULL);
}
END_TEST

START_TEST(without_high_bandwidth_memory_ordinary_serves)
{
    if (hbw_check_available() == 0)
        return; /* this machine has some */
    void *p = hbw_malloc(100);
    ck_assert_ptr_eq(memkind_detect_kind(p), MEMKIND_DEFAULT);
    ck_assert_int_eq(hbw_set_policy(HBW_POLICY_BIND), EPERM); /* it was used */
    ck_assert_int_eq(hbw_verify_memory_region(p, 100, HBW_TOUCH_PAGES), -1);
    hbw_free(p);
}
END_TEST

START_TEST(regions_of_high_bandwidth_memory_are_verified)
{
    setenv("MEMKIND_HBW_NODES", "all", 1);
    ck_assert_int_eq(hbw_set_policy(HBW_POLICY_BIND_ALL), 0);
    enum { SIZE = 3 << 20 };
    char *p = hbw_malloc(SIZE);
    ck_assert_ptr_eq(memkind_detect_kind(p), MEMKIND_HBW_ALL);
    int untouched = hbw_verify_memory_region(p, SIZE, 0);
    ck_assert_int_eq(untouched, -1);
    p[SIZE / 2] = 5;
    int error = hbw_verify_memory_region(p, SIZE, HBW_TOUCH_PAGES);
    if (error != EFAULT) { /* the kernel may not tell, in some containers */
        ck_assert_int_eq(error, 0);
        ck_assert_int_eq(p[SIZE / 2], 5);
    }
    ck_assert_int_eq(hbw_verify_memory_region(NULL, SIZE, 0), EINVAL);
    ck_assert_int_eq(hbw_verify_memory_region(p, 0, 0), EINVAL);
    ck_assert_int_eq(hbw_verify_memory_region(p, SIZE, 2), EINVAL);
    ck_assert_int_eq(hbw_verify_memory_region(p, SIZE_MAX, 0), EINVAL);
    void *hole = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(hole, 4096);
    ck_assert_int_eq(hbw_verify_memory_region(hole, 4096, 0), EFAULT);
}
END_TEST

SUITE("hbwmalloc", high_bandwidth_memory_by_policy, without_high_bandwidth_memory_ordinary_serves,
      regions_of_high_bandwidth_memory_are_verified)
