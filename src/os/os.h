/* SPDX-License-Identifier: MIT */
/*
 * The only memory system calls.
 *
 * kgc__os is a table of the calls themselves, with their own signatures, so
 * that tests can make the n-th of any of them fail.  The functions below it
 * state what this library needs of them; everything else uses these.
 *
 * None of them allocates or locks, so all may be called in hooks, with
 * libgc's lock held and with threads suspended.  Those that return int return
 * 0 or an errno value.
 */
#ifndef KGC_OS_OS_H
#define KGC_OS_OS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct kgc__os {
    void *(*mmap)(void *, size_t, int, int, int, off_t);
    int (*munmap)(void *, size_t);
    int (*mprotect)(void *, size_t, int);
    int (*madvise)(void *, size_t, int);
    int (*mincore)(void *, size_t, unsigned char *);
    int (*open)(const char *, int, ...);
    int (*ftruncate)(int, off_t);
    int (*fallocate)(int, int, off_t, off_t);
    ssize_t (*pread)(int, void *, size_t, off_t);
    ssize_t (*pwrite)(int, const void *, size_t, off_t);
    int (*mlock)(const void *, size_t);
    int (*munlock)(const void *, size_t);
    /* Without functions in libc: see os/nodes.h. */
    long (*mbind)(void *, unsigned long, int, const unsigned long *, unsigned long, unsigned);
    long (*get_mempolicy)(int *, unsigned long *, unsigned long, void *, unsigned long);
    long (*move_pages)(int, unsigned long, void **, const int *, int *, int);
};
extern struct kgc__os kgc__os;

/* The size of a page of this machine. */
size_t kgc__page_size(void);

/* Address space without access and without a claim on memory, aligned to
   `align` (a power of two, at least a page).  NULL with errno. */
void *kgc__os_reserve(size_t size, size_t align);
/* Gives address space back, whatever it holds.  It was ours, so this cannot fail. */
void kgc__os_release(void *p, size_t size);
/* Readable and writable zeroed memory.  NULL with errno. */
void *kgc__os_map_plain(size_t size);
/* Puts such memory in the place of pages that are ours, whose contents go.  On
   failure they are as they were. */
int kgc__os_map_fresh(void *p, size_t size);
/* Makes reserved pages readable and writable.  Idempotent. */
int kgc__os_make_usable(void *p, size_t size);
/* Takes the right to write away; contents stay. */
int kgc__os_make_read_only(void *p, size_t size);
/* Any access: PROT_NONE, PROT_READ and so on. */
int kgc__os_protect(void *p, size_t size, int protection);

/* Private pages: gives them back now; they read as zero afterwards. */
int kgc__os_discard(void *p, size_t size);
/* The system may take them when it needs to; they read as before or as zero. */
int kgc__os_discard_lazily(void *p, size_t size);
/* Asks for transparent huge pages in a range. */
int kgc__os_advise_huge(void *p, size_t size);
/* Whether a forked child gets the range at all. */
int kgc__os_set_inherited(void *p, size_t size, bool inherited);

/* Keeps a range out of core dumps, for good. */
int kgc__os_exclude_from_dumps(void *p, size_t size);
/* Brings pages into memory and keeps them there.  Idempotent.  ENOMEM or EPERM
   when RLIMIT_MEMLOCK does not allow it. */
int kgc__os_lock(void *p, size_t size);
int kgc__os_unlock(void *p, size_t size);

/* Explicit huge pages of 2^shift bytes, readable and writable, at reserved
   addresses: the kernel sets as many aside, or ENOMEM.  With usable false it
   makes the addresses reserved again.  What was there is gone. */
int kgc__os_map_hugetlb(void *p, size_t size, unsigned shift, bool usable);

/* How much more address space RLIMIT_AS allows; SIZE_MAX: no limit. */
size_t kgc__os_address_space_left(void);
/* How many bytes this process may lock in memory; SIZE_MAX: no limit
   (CAP_IPC_LOCK or RLIMIT_MEMLOCK). */
size_t kgc__os_lockable(void);
/* Processors that this process may run on. */
unsigned kgc__os_processors(void);
/* Bytes of physical memory. */
size_t kgc__os_memory_size(void);

#endif
