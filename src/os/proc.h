/* SPDX-License-Identifier: MIT */
/*
 * What /proc and /sys say about memory.  Reads with a buffer on the stack:
 * nothing allocates, so that a report can be written with a full heap.  Of
 * this process it asks in /proc/thread-self: once the main thread has ended,
 * which pthread_exit(3) allows it, /proc/self shows no memory.
 */
#ifndef KGC_OS_PROC_H
#define KGC_OS_PROC_H

#include <kindgc/base.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Reads a small file into text, which is always terminated.  False when it cannot be read. */
bool kgc__proc_read(const char *path, char *text, size_t size);
/* The number a file starts with; fallback when it cannot be read. */
size_t kgc__proc_number(const char *path, size_t fallback);

/* Calls fn for each line of a file, which it may change, until it returns
   false.  Lines of more than 4 KiB come without their beginning. */
KGC_API void kgc__proc_visit_lines(const char *path, bool (*fn)(char *line, void *), void *arg);

/* The number of kilobytes behind "KEY:" in a file of such lines, in bytes;
   SIZE_MAX when there is none. */
size_t kgc__proc_kilobytes(const char *path, const char *key);

/* Is all of [p, p + size) mapped, readable and writable?  0; EFAULT: no; or
   why the list of mappings cannot be read. */
int kgc__proc_check_writable(const void *p, size_t size);

/* Bytes of address space in use. */
size_t kgc__proc_address_space(void);

/* How many mappings this process has; 0 when it cannot be told. */
size_t kgc__proc_count_mappings(void);

/* One mapping of this process. */
struct kgc__mapping {
    uintptr_t start, end;
    size_t resident; /* bytes, huge pages included */
    size_t huge;     /* bytes on huge pages of any sort */
};

/* Calls fn for each mapping of this process in order of addresses, until
   it returns false.  Returns the number of mappings, 0 when it cannot be read. */
size_t kgc__proc_visit_mappings(bool (*fn)(const struct kgc__mapping *, void *), void *arg);

/* Bytes of [start, end) that are in memory and on huge pages.  Huge bytes of
   a mapping that is only partly asked for count by its share. */
struct kgc__residency {
    size_t resident, huge;
};
struct kgc__residency kgc__proc_residency(const void *p, size_t size);

/* Bytes of a mapped range that are in memory, page by page (mincore); cheaper
   than smaps for one range.  SIZE_MAX when it cannot be told. */
size_t kgc__proc_resident(const void *p, size_t size);

/* State of explicit huge pages of 2^shift bytes; false when this kernel has none of that size. */
struct kgc__hugetlb_pool {
    size_t total, free, reserved, overcommit, surplus; /* pages */
};
bool kgc__proc_hugetlb(unsigned shift, struct kgc__hugetlb_pool *out);

/* Size of a transparent huge page in bytes; 0 when they are off. */
size_t kgc__proc_thp_size(void);

#endif
