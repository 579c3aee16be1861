/* SPDX-License-Identifier: MIT */
/*
 * Threads and the collector: thread.c makes the calling thread known, tls.c
 * says where its thread-local storage lies, create.c is there when threads
 * are made and end.
 */
#ifndef KGC_COLLECT_THREAD_H
#define KGC_COLLECT_THREAD_H

#include <stdbool.h>

/* Around GC_INIT(), which takes the calling thread for the initial one. */
void kgc__thread_before_init(void);
void kgc__thread_after_init(void);

/* Makes ready what registering threads needs.  The start lock is held.  0 or an errno value. */
int kgc__threads_start(void);
void kgc__start_lock(void);
void kgc__start_unlock(void);

/* libgc locks from now on; before a second thread exists. */
void kgc__threads_enable(void);
/* Is the calling thread doing so?  Threads that are made meanwhile are libgc's own marking threads. */
bool kgc__threads_enabling(void);

/* In a thread that has just started: its whole stack with its thread-local
   storage is a root until its last round of destructors.  0 or an errno value. */
int kgc__thread_begin(void);
/* In a thread that libgc is about to register, and after it has unregistered it. */
void kgc__thread_begin_of_libgc(void);
void kgc__thread_after_libgc(void);

/* create.c: the thread is in its last round of destructors. */
void kgc__create_thread_ends(void);

/* The calling thread's static thread-local storage and its control block,
   with its first 32 pthread keys. */
void kgc__tls_range(char **lo, char **hi);

#endif
