/* SPDX-License-Identifier: MIT */
/*
 * hbwmalloc.h: memkind's kinds of high-bandwidth memory behind one policy, which
 * is fixed by the first allocation or by hbw_set_policy(), whichever is first.
 */
#include "memkind/kind.h"
#include <hbwmalloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The policy; CHOSEN is added once it cannot change any more. */
enum { CHOSEN = 16 };
static _Atomic int state = HBW_POLICY_PREFERRED;
static _Atomic(memkind_t) chosen; /* the kind for ordinary pages */

int hbw_check_available(void)
{
    return memkind_check_available(MEMKIND_HBW) == MEMKIND_SUCCESS ? 0 : ENODEV;
}

hbw_policy_t hbw_get_policy(void)
{
    return (hbw_policy_t)(atomic_load(&state) & ~CHOSEN);
}

int hbw_set_policy(hbw_policy_t mode)
{
    int undecided = HBW_POLICY_PREFERRED;
    if (mode < HBW_POLICY_BIND || mode > HBW_POLICY_BIND_ALL)
        return EINVAL;
    return atomic_compare_exchange_strong(&state, &undecided, (int)mode | CHOSEN) ? 0 : EPERM;
}

/* Ordinary memory stands in only for a policy that prefers. */
static memkind_t preferred(enum memkind_base_partition partition, enum memkind_base_partition otherwise)
{
    memkind_t k = &memkind__static[partition];
    return memkind_check_available(k) == MEMKIND_SUCCESS ? k : &memkind__static[otherwise];
}

static memkind_t kind_of_policy(void)
{
    memkind_t k = atomic_load_explicit(&chosen, memory_order_relaxed);
    if (memkind__likely(k != NULL))
        return k;
    switch (atomic_fetch_or(&state, CHOSEN) & ~CHOSEN) {
    case HBW_POLICY_BIND:
        k = &memkind__static[MEMKIND_PARTITION_HBW];
        break;
    case HBW_POLICY_BIND_ALL:
        k = &memkind__static[MEMKIND_PARTITION_HBW_ALL];
        break;
    case HBW_POLICY_INTERLEAVE:
        k = &memkind__static[MEMKIND_PARTITION_HBW_INTERLEAVE];
        break;
    default:
        k = preferred(MEMKIND_PARTITION_HBW_PREFERRED, MEMKIND_PARTITION_DEFAULT);
    }
    atomic_store_explicit(&chosen, k, memory_order_relaxed);
    return k;
}

/* The kind for pages of 2 MiB or 1 GiB; NULL when the policy has none. */
static memkind_t kind_of_huge_pages(bool gigabyte)
{
    kind_of_policy(); /* it is used now */
    switch (hbw_get_policy()) {
    case HBW_POLICY_BIND:
        return &memkind__static[gigabyte ? MEMKIND_PARTITION_HBW_GBTLB : MEMKIND_PARTITION_HBW_HUGETLB];
    case HBW_POLICY_BIND_ALL:
        return gigabyte ? NULL : &memkind__static[MEMKIND_PARTITION_HBW_ALL_HUGETLB];
    case HBW_POLICY_PREFERRED:
        return gigabyte ? preferred(MEMKIND_PARTITION_HBW_PREFERRED_GBTLB, MEMKIND_PARTITION_GBTLB)
                        : preferred(MEMKIND_PARTITION_HBW_PREFERRED_HUGETLB, MEMKIND_PARTITION_HUGETLB);
    default:
        return NULL;
    }
}

void *hbw_malloc(size_t size)
{
    return memkind_malloc(kind_of_policy(), size);
}

void *hbw_calloc(size_t num, size_t size)
{
    return memkind_calloc(kind_of_policy(), num, size);
}

void *hbw_realloc(void *ptr, size_t size)
{
    return memkind_realloc(kind_of_policy(), ptr, size);
}

void hbw_free(void *ptr)
{
    memkind_free(NULL, ptr);
}

size_t hbw_malloc_usable_size(void *ptr)
{
    return memkind_malloc_usable_size(NULL, ptr);
}

int hbw_posix_memalign(void **memptr, size_t alignment, size_t size)
{
    return memkind_posix_memalign(kind_of_policy(), memptr, alignment, size);
}

int hbw_posix_memalign_psize(void **memptr, size_t alignment, size_t size, hbw_pagesize_t pagesize)
{
    memkind_t k;
    switch (pagesize) {
    case HBW_PAGESIZE_4KB:
        k = kind_of_policy();
        break;
    case HBW_PAGESIZE_2MB:
        k = kind_of_huge_pages(false);
        break;
    case HBW_PAGESIZE_1GB_STRICT:
        if (size % ((size_t)1 << 30) != 0)
            return EINVAL;
        k = kind_of_huge_pages(true);
        break;
    case HBW_PAGESIZE_1GB:
        k = kind_of_huge_pages(true);
        break;
    default:
        return EINVAL;
    }
    return k != NULL ? memkind_posix_memalign(k, memptr, alignment, size) : EINVAL;
}

/* Asks the kernel on which nodes up to BATCH pages are: 0 when all are on these nodes. */
enum { BATCH = 256 };
static int verify(char *first, size_t pages, size_t page, const unsigned long *nodes)
{
    enum { BITS = 8 * sizeof(unsigned long) };
    void *address[BATCH];
    int node[BATCH];
    for (size_t i = 0; i < pages; i++)
        address[i] = first + i * page;
    if (syscall(SYS_move_pages, 0, pages, address, NULL, node, 0) != 0)
        return EFAULT;
    for (size_t i = 0; i < pages; i++) {
        if (node[i] == -EFAULT)
            return EFAULT;
        if (node[i] < 0 || node[i] >= KGC_NODES_MAX || (nodes[node[i] / BITS] >> node[i] % BITS & 1) == 0)
            return -1;
    }
    return 0;
}

int hbw_verify_memory_region(void *addr, size_t size, int flags)
{
    char list[MEMKIND__LIST_MAX];
    unsigned long nodes[MEMKIND__NODE_WORDS];
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    if (addr == NULL || size == 0 || (flags & ~HBW_TOUCH_PAGES) != 0 || (uintptr_t)addr + size < size)
        return EINVAL;
    char *at = (char *)((uintptr_t)addr & ~(page - 1)), *end = (char *)addr + size;
    if ((flags & HBW_TOUCH_PAGES) != 0)
        for (char *p = addr; p < end; p = (char *)(((uintptr_t)p & ~(page - 1)) + page))
            __atomic_fetch_or(p, 0, __ATOMIC_RELAXED); /* another thread's write must not be lost */
    if (memkind__nodes_hbw(list, sizeof list) != MEMKIND_SUCCESS || !memkind__nodes_parse(list, nodes))
        memset(nodes, 0, sizeof nodes); /* no node is: -1 */
    while (at < end) {
        size_t pages = ((size_t)(end - at) + page - 1) / page;
        if (pages > BATCH)
            pages = BATCH;
        int result = verify(at, pages, page, nodes);
        if (result != 0)
            return result;
        at += pages * page;
    }
    return 0;
}
