/* SPDX-License-Identifier: MIT */
/*
 * Makes system calls of the library fail: replaces the entries of kgc__os
 * (src/os/os.h) by functions that count calls and fail those that were chosen.
 * Calls of all threads count.  Arming and disarming: one thread, while no
 * other one calls.
 */
#ifndef KGC_TESTS_SUPPORT_FAULT_H
#define KGC_TESTS_SUPPORT_FAULT_H

#include <stdbool.h>

enum fault_call {
    FAULT_MMAP,
    FAULT_MUNMAP,
    FAULT_MPROTECT,
    FAULT_MADVISE,
    FAULT_MINCORE,
    FAULT_OPEN,
    FAULT_FTRUNCATE,
    FAULT_FALLOCATE,
    FAULT_PREAD,
    FAULT_PWRITE,
    FAULT_MLOCK,
    FAULT_MUNLOCK,
    FAULT_MBIND,
    FAULT_GET_MEMPOLICY,
    FAULT_MOVE_PAGES,
    FAULT_CALLS
};

/* The n-th call from now on (1: the next) fails with this errno; with
   `for_good` all later ones too.  n 0: none fails, calls are only counted. */
void fault_arm(enum fault_call call, unsigned n, bool for_good, int error);
/* The system's own calls again. */
void fault_disarm(void);

/* Since fault_arm(): calls of one sort, and calls that were made to fail, in
   forked children too. */
unsigned fault_count(enum fault_call call);
unsigned fault_hits(void);

const char *fault_name(enum fault_call call);
/* The errno that the system would most likely give. */
int fault_errno(enum fault_call call);

#endif
