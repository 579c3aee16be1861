/* SPDX-License-Identifier: MIT */
/* Makes system calls fail: see fault.h. */
#include "fault.h"
#include "os/os.h"
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>

static struct kgc__os real;
static bool replaced;

static enum fault_call chosen;
static unsigned first;
static bool sticky;
static int fault_error;
static _Atomic unsigned calls[FAULT_CALLS];
static _Atomic unsigned *hits; /* shared with forked children */

static const struct {
    const char *name;
    int error;
} table[FAULT_CALLS] = {
    [FAULT_MMAP] = {"mmap", ENOMEM},         [FAULT_MUNMAP] = {"munmap", ENOMEM},
    [FAULT_MPROTECT] = {"mprotect", ENOMEM}, [FAULT_MADVISE] = {"madvise", EINVAL},
    [FAULT_MINCORE] = {"mincore", ENOMEM},   [FAULT_OPEN] = {"open", EMFILE},
    [FAULT_FTRUNCATE] = {"ftruncate", EIO},  [FAULT_FALLOCATE] = {"fallocate", ENOSPC},
    [FAULT_PREAD] = {"pread", EIO},          [FAULT_PWRITE] = {"pwrite", ENOSPC},
    [FAULT_MLOCK] = {"mlock", ENOMEM},       [FAULT_MUNLOCK] = {"munlock", ENOMEM},
    [FAULT_MBIND] = {"mbind", EPERM},        [FAULT_GET_MEMPOLICY] = {"get_mempolicy", ENOSYS},
    [FAULT_MOVE_PAGES] = {"move_pages", EPERM},
};

static bool fails(enum fault_call call)
{
    unsigned n = atomic_fetch_add(&calls[call], 1) + 1;
    if (call != chosen || first == 0 || (sticky ? n < first : n != first))
        return false;
    atomic_fetch_add(hits, 1);
    errno = fault_error;
    return true;
}

static void *fault_mmap(void *p, size_t size, int protection, int flags, int fd, off_t offset)
{
    return fails(FAULT_MMAP) ? MAP_FAILED : real.mmap(p, size, protection, flags, fd, offset);
}

static int fault_munmap(void *p, size_t size)
{
    return fails(FAULT_MUNMAP) ? -1 : real.munmap(p, size);
}

static int fault_mprotect(void *p, size_t size, int protection)
{
    return fails(FAULT_MPROTECT) ? -1 : real.mprotect(p, size, protection);
}

static int fault_madvise(void *p, size_t size, int advice)
{
    return fails(FAULT_MADVISE) ? -1 : real.madvise(p, size, advice);
}

static int fault_mincore(void *p, size_t size, unsigned char *present)
{
    return fails(FAULT_MINCORE) ? -1 : real.mincore(p, size, present);
}

static int fault_open(const char *path, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    mode_t mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(args, mode_t) : 0;
    va_end(args);
    return fails(FAULT_OPEN) ? -1 : real.open(path, flags, mode);
}

static int fault_ftruncate(int fd, off_t size)
{
    return fails(FAULT_FTRUNCATE) ? -1 : real.ftruncate(fd, size);
}

static int fault_fallocate(int fd, int mode, off_t offset, off_t size)
{
    return fails(FAULT_FALLOCATE) ? -1 : real.fallocate(fd, mode, offset, size);
}

static ssize_t fault_pread(int fd, void *p, size_t size, off_t offset)
{
    return fails(FAULT_PREAD) ? -1 : real.pread(fd, p, size, offset);
}

static ssize_t fault_pwrite(int fd, const void *p, size_t size, off_t offset)
{
    return fails(FAULT_PWRITE) ? -1 : real.pwrite(fd, p, size, offset);
}

static int fault_mlock(const void *p, size_t size)
{
    return fails(FAULT_MLOCK) ? -1 : real.mlock(p, size);
}

static int fault_munlock(const void *p, size_t size)
{
    return fails(FAULT_MUNLOCK) ? -1 : real.munlock(p, size);
}

static long fault_mbind(void *p, unsigned long size, int mode, const unsigned long *nodes, unsigned long bits,
                        unsigned flags)
{
    return fails(FAULT_MBIND) ? -1 : real.mbind(p, size, mode, nodes, bits, flags);
}

static long fault_get_mempolicy(int *mode, unsigned long *nodes, unsigned long bits, void *p, unsigned long flags)
{
    return fails(FAULT_GET_MEMPOLICY) ? -1 : real.get_mempolicy(mode, nodes, bits, p, flags);
}

static long fault_move_pages(int pid, unsigned long count, void **pages, const int *nodes, int *status, int flags)
{
    return fails(FAULT_MOVE_PAGES) ? -1 : real.move_pages(pid, count, pages, nodes, status, flags);
}

void fault_arm(enum fault_call call, unsigned n, bool for_good, int error)
{
    if (!replaced)
        real = kgc__os;
    replaced = true;
    if (hits == NULL) {
        hits = mmap(NULL, sizeof *hits, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (hits == MAP_FAILED)
            abort();
    }
    chosen = call;
    first = n;
    sticky = for_good;
    fault_error = error;
    for (unsigned i = 0; i < FAULT_CALLS; i++)
        atomic_store(&calls[i], 0);
    atomic_store(hits, 0);
    kgc__os = (struct kgc__os){
        .mmap = fault_mmap,
        .munmap = fault_munmap,
        .mprotect = fault_mprotect,
        .madvise = fault_madvise,
        .mincore = fault_mincore,
        .open = fault_open,
        .ftruncate = fault_ftruncate,
        .fallocate = fault_fallocate,
        .pread = fault_pread,
        .pwrite = fault_pwrite,
        .mlock = fault_mlock,
        .munlock = fault_munlock,
        .mbind = fault_mbind,
        .get_mempolicy = fault_get_mempolicy,
        .move_pages = fault_move_pages,
    };
}

void fault_disarm(void)
{
    if (replaced)
        kgc__os = real;
    replaced = false;
}

unsigned fault_count(enum fault_call call)
{
    return atomic_load(&calls[call]);
}

unsigned fault_hits(void)
{
    return atomic_load(hits);
}

const char *fault_name(enum fault_call call)
{
    return table[call].name;
}

int fault_errno(enum fault_call call)
{
    return table[call].error;
}
