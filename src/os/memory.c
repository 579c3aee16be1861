/* SPDX-License-Identifier: MIT */
/* The memory system calls and their contracts: see os.h. */
#include "os/os.h"
#include "base/check.h"
#include "base/size.h"
#include "os/proc.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef MAP_HUGE_SHIFT
#define MAP_HUGE_SHIFT 26
#endif

/* libc has no functions for these; libnuma is not worth a dependency. */
static long call_mbind(void *p, unsigned long size, int mode, const unsigned long *nodes, unsigned long bits,
                       unsigned flags)
{
    return syscall(SYS_mbind, p, size, mode, nodes, bits, flags);
}

static long call_get_mempolicy(int *mode, unsigned long *nodes, unsigned long bits, void *p, unsigned long flags)
{
    return syscall(SYS_get_mempolicy, mode, nodes, bits, p, flags);
}

static long call_move_pages(int pid, unsigned long count, void **pages, const int *nodes, int *status, int flags)
{
    return syscall(SYS_move_pages, pid, count, pages, nodes, status, flags);
}

/* Not libc's: AddressSanitizer puts functions that do nothing in their place,
   and memory for keys must be locked there too. */
static int call_mlock(const void *p, size_t size)
{
    return (int)syscall(SYS_mlock, p, size);
}

static int call_munlock(const void *p, size_t size)
{
    return (int)syscall(SYS_munlock, p, size);
}

struct kgc__os kgc__os = {
    .mmap = mmap,
    .munmap = munmap,
    .mprotect = mprotect,
    .madvise = madvise,
    .mincore = mincore,
    .open = open,
    .ftruncate = ftruncate,
    .fallocate = fallocate,
    .pread = pread,
    .pwrite = pwrite,
    .mlock = call_mlock,
    .munlock = call_munlock,
    .mbind = call_mbind,
    .get_mempolicy = call_get_mempolicy,
    .move_pages = call_move_pages,
};

size_t kgc__page_size(void)
{
    static size_t size; /* every thread would store the same */
    size_t n = __atomic_load_n(&size, __ATOMIC_RELAXED);
    if (n == 0) {
        n = (size_t)sysconf(_SC_PAGESIZE);
        __atomic_store_n(&size, n, __ATOMIC_RELAXED);
    }
    return n;
}

static int result(int failed)
{
    return failed == 0 ? 0 : errno;
}

void *kgc__os_reserve(size_t size, size_t align)
{
    size_t page = kgc__page_size();
    size_t slack = align > page ? align : 0;
    if (size > SIZE_MAX - slack) {
        errno = ENOMEM;
        return NULL;
    }
    char *p = kgc__os.mmap(NULL, size + slack, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED)
        return NULL;
    char *aligned = (char *)kgc__round_up((size_t)p, align);
    size_t head = (size_t)(aligned - p), tail = slack - head;
    if (head != 0)
        kgc__os.munmap(p, head);
    if (tail != 0)
        kgc__os.munmap(aligned + size, tail);
    return aligned;
}

void kgc__os_release(void *p, size_t size)
{
    int saved = errno;
    kgc__os.munmap(p, size);
    errno = saved;
}

void *kgc__os_map_plain(size_t size)
{
    void *p = kgc__os.mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return p == MAP_FAILED ? NULL : p;
}

int kgc__os_map_fresh(void *p, size_t size)
{
    const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED;
    return result(kgc__os.mmap(p, size, PROT_READ | PROT_WRITE, flags, -1, 0) == MAP_FAILED ? -1 : 0);
}

int kgc__os_make_usable(void *p, size_t size)
{
    return result(kgc__os.mprotect(p, size, PROT_READ | PROT_WRITE));
}

int kgc__os_make_read_only(void *p, size_t size)
{
    return result(kgc__os.mprotect(p, size, PROT_READ));
}

int kgc__os_protect(void *p, size_t size, int protection)
{
    return result(kgc__os.mprotect(p, size, protection));
}

int kgc__os_discard(void *p, size_t size)
{
    return result(kgc__os.madvise(p, size, MADV_DONTNEED));
}

int kgc__os_discard_lazily(void *p, size_t size)
{
    return result(kgc__os.madvise(p, size, MADV_FREE));
}

int kgc__os_advise_huge(void *p, size_t size)
{
    return result(kgc__os.madvise(p, size, MADV_HUGEPAGE));
}

int kgc__os_set_inherited(void *p, size_t size, bool inherited)
{
    return result(kgc__os.madvise(p, size, inherited ? MADV_DOFORK : MADV_DONTFORK));
}

int kgc__os_exclude_from_dumps(void *p, size_t size)
{
    return result(kgc__os.madvise(p, size, MADV_DONTDUMP));
}

int kgc__os_lock(void *p, size_t size)
{
    return result(kgc__os.mlock(p, size));
}

int kgc__os_unlock(void *p, size_t size)
{
    return result(kgc__os.munlock(p, size));
}

int kgc__os_map_hugetlb(void *p, size_t size, unsigned shift, bool usable)
{
    const int reserved = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    const int huge = MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | (int)(shift << MAP_HUGE_SHIFT);
    if (!usable)
        return result(kgc__os.mmap(p, size, PROT_NONE, reserved | MAP_FIXED, -1, 0) == MAP_FAILED ? -1 : 0);
    /* Are there pages?  Asked elsewhere first: kernels before 6.12 take the old
       mapping away before they find none, and leave a hole in our range. */
    void *probe = kgc__os.mmap(NULL, size, PROT_NONE, huge, -1, 0);
    if (probe == MAP_FAILED)
        return errno;
    kgc__os_release(probe, size);
    if (kgc__os.mmap(p, size, PROT_READ | PROT_WRITE, huge | MAP_FIXED, -1, 0) != MAP_FAILED)
        return 0;
    int error = errno; /* another process was faster: close the hole, if there is one */
    kgc__os.mmap(p, size, PROT_NONE, reserved | MAP_FIXED_NOREPLACE, -1, 0);
    return error;
}

size_t kgc__os_address_space_left(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
        return SIZE_MAX;
    size_t used = kgc__proc_address_space();
    return limit.rlim_cur > used ? (size_t)limit.rlim_cur - used : 0;
}

static bool may_lock_anything(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {{0}};
    return syscall(SYS_capget, &header, data) == 0 && (data[0].effective >> CAP_IPC_LOCK & 1) != 0;
}

size_t kgc__os_lockable(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_MEMLOCK, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY || may_lock_anything())
        return SIZE_MAX;
    return (size_t)limit.rlim_cur;
}

unsigned kgc__os_processors(void)
{
    cpu_set_t set;
    int count = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 0;
    return count > 0 ? (unsigned)count : CPU_SETSIZE; /* it fails where there are more than fit */
}

size_t kgc__os_memory_size(void)
{
    long pages = sysconf(_SC_PHYS_PAGES);
    return pages > 0 ? (size_t)pages * kgc__page_size() : KGC_GIB;
}
