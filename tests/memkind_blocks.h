/* SPDX-License-Identifier: MIT */
/* For tests of memkind's interface: blocks with contents and from before main(), and a file kind. */
#ifndef KGC_TESTS_MEMKIND_BLOCKS_H
#define KGC_TESTS_MEMKIND_BLOCKS_H

#include <check.h>
#include <memkind.h>
#include <string.h>

#define MIB ((size_t)1 << 20)

/* Before main(), when nothing of this program has run. */
static void *early;
static __attribute__((constructor(101))) void allocate_early(void)
{
    early = memkind_malloc(MEMKIND_DEFAULT, 100);
}

static inline void *filled(memkind_t k, size_t size, int byte)
{
    void *p = memkind_malloc(k, size);
    ck_assert_ptr_nonnull(p);
    return memset(p, byte, size);
}

static inline memkind_t pmem(size_t size)
{
    memkind_t k = NULL;
    ck_assert_int_eq(memkind_create_pmem("/var/tmp", size, &k), MEMKIND_SUCCESS);
    ck_assert_ptr_nonnull(k);
    return k;
}

#endif
