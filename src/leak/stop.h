/* SPDX-License-Identifier: MIT */
/*
 * Stops all other threads of the process and reads their registers.
 *
 * ptrace(2) is for other processes.  So a helper process is made that shares
 * our memory; it seizes and interrupts every thread but the caller, and tells
 * when all stand still.  Signals are not used: no thread can block this, and
 * threads that nobody knows of (SIGEV_THREAD's, raw clone()'s) stop too.
 *
 * The helper is invisible to the program's own wait(2): it sends no signal at
 * its end and is waited for here.
 *
 * Async-signal-safe.  All signals are blocked for the caller meanwhile.
 */
#ifndef KGC_LEAK_STOP_H
#define KGC_LEAK_STOP_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* General registers, and what vector registers need with 512 bits each. */
#if defined __x86_64__
enum { KGC__GENERAL_WORDS = 27, KGC__VECTOR_WORDS = 344, KGC__RED_ZONE = 128 };
#else
enum { KGC__GENERAL_WORDS = 34, KGC__VECTOR_WORDS = 280, KGC__RED_ZONE = 0 };
#endif

/* One thread that stands still. */
struct kgc__halted {
    pid_t tid;
    int signal; /* that it was about to take, and gets when it goes on; 0: none */
    enum { KGC__PENDING, KGC__HALTED, KGC__GONE } state;
    unsigned words;    /* of registers */
    uintptr_t sp, tls; /* tls: what the thread pointer says; 0: unknown */
    uintptr_t word[KGC__GENERAL_WORDS + KGC__VECTOR_WORDS];
};

struct kgc__stop {
    struct kgc__halted *thread; /* those that are KGC__HALTED have registers */
    unsigned threads;           /* in the array */
    unsigned halted;            /* of these */
    /* The rest is stop.c's and the memory that nobody should take for roots. */
    size_t capacity;
    char *memory;  /* the helper's stack */
    uint64_t mask; /* the caller's signals as they were */
    pid_t helper;  /* 0: none was needed */
    unsigned word; /* what the two say to each other, a futex */
    int error, fd; /* of the helper: why it failed; /proc/self/task */
    pid_t self, process, culprit;
};

enum { KGC__REASON = 160, KGC__STOP_STACK = 32 * 1024 };

/*
 * Returns 0; or EAGAIN with the reason in words, when it cannot be proven that
 * all threads stand still; or ENOMEM.  After 0 call kgc__stop_end().
 */
int kgc__stop_begin(struct kgc__stop *stop, char reason[KGC__REASON]);

/* Lets them run.  Returns 0; or EAGAIN with a reason when the helper had died
   before, so that they may have run all the time. */
int kgc__stop_end(struct kgc__stop *stop, char reason[KGC__REASON]);

/* The process that may stop its threads: not a child that shares memory with
   its parent (vfork).  Called when the library is loaded and in a forked child. */
void kgc__stop_attach(void);
/* Is the calling process that one? */
int kgc__stop_allowed(void);

#endif
