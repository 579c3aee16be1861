/* SPDX-License-Identifier: MIT */
/*
 * memkind's interface for high-bandwidth memory (hbwmalloc(3)) on kinds of
 * kindgc.  Link with -lkindgc-memkind.  Functions that return int return 0 or
 * an errno value.
 */
#ifndef KINDGC_COMPAT_HBWMALLOC_H
#define KINDGC_COMPAT_HBWMALLOC_H

#include <stdlib.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/* Where memory comes from: MEMKIND_HBW, MEMKIND_HBW_PREFERRED, MEMKIND_HBW_INTERLEAVE, MEMKIND_HBW_ALL. */
typedef enum {
    HBW_POLICY_BIND = 1,
    HBW_POLICY_PREFERRED = 2, /* the default; ordinary memory when there is no other */
    HBW_POLICY_INTERLEAVE = 3,
    HBW_POLICY_BIND_ALL = 4
} hbw_policy_t;

typedef enum {
    HBW_PAGESIZE_4KB = 1,
    HBW_PAGESIZE_2MB = 2,
    HBW_PAGESIZE_1GB_STRICT = 3, /* the size is a multiple of 1 GiB */
    HBW_PAGESIZE_1GB = 4,
    HBW_PAGESIZE_MAX_VALUE
} hbw_pagesize_t;

enum { HBW_TOUCH_PAGES = 1 };

/* 0 or ENODEV. */
int hbw_check_available(void);

hbw_policy_t hbw_get_policy(void);
/* Once, before the first allocation: EPERM later; EINVAL: no such policy. */
int hbw_set_policy(hbw_policy_t mode);

void *hbw_malloc(size_t size);
void *hbw_calloc(size_t num, size_t size);
void *hbw_realloc(void *ptr, size_t size);
void hbw_free(void *ptr);
size_t hbw_malloc_usable_size(void *ptr);
int hbw_posix_memalign(void **memptr, size_t alignment, size_t size);
/* EINVAL also for pages that the policy does not go with. */
int hbw_posix_memalign_psize(void **memptr, size_t alignment, size_t size, hbw_pagesize_t pagesize);

/*
 * 0 when all pages of [addr, addr + size) are in high-bandwidth memory, -1 when
 * one is not (or not in memory at all), EINVAL (addr NULL, size 0, unknown
 * flags), EFAULT when that cannot be found out.  HBW_TOUCH_PAGES writes each
 * page's first byte back to it before.
 */
int hbw_verify_memory_region(void *addr, size_t size, int flags);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
