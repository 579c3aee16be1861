/* SPDX-License-Identifier: MIT */
/*
 * The stack of the calling thread, as a number of the depot.
 *
 * Cheap when the stack is much as it was at the thread's last capture: outer
 * frames are not unwound again when every word that was read to unwind them
 * is unchanged.
 *
 * Neither locks nor calls malloc(); may be called in any thread, on any stack,
 * in signal handlers, inside of the dynamic linker.
 */
#ifndef KGC_LEAK_CAPTURE_H
#define KGC_LEAK_CAPTURE_H

#include <stddef.h>
#include <stdint.h>

enum { KGC__FRAMES_MOST = 256, KGC__FRAMES_DEFAULT = 30 };

/* How many frames a stack has at most; before the first capture.  Makes ready
   that threads give back what they used at their ends. */
void kgc__capture_start(unsigned frames);

/*
 * The calling function's stack, the innermost frames of this library left
 * out.  0: it could not be had (no memory; in the middle of a capture, as a
 * signal handler may be).
 */
uint32_t kgc__capture(void);

/* Calls fn for memory that has words of stacks in it, where addresses of
   blocks may be: no root.  While all threads are stopped. */
void kgc__capture_visit_memory(void (*fn)(char *lo, char *hi, void *), void *arg);

/* In a forked child. */
void kgc__capture_after_fork_in_child(void);

struct kgc__capture_stats {
    size_t refusals; /* captures that gave 0 */
};
void kgc__capture_stats(struct kgc__capture_stats *out);

#endif
