/* SPDX-License-Identifier: MIT */
/*
 * Unreachable blocks of the rooted heap: stops every other thread, marks from
 * all roots, tells what was not reached.  Used to reclaim leaked memory and to
 * report it.
 *
 * Roots: all memory that the program may have written to, all threads' stacks
 * from their stack pointers up, registers, thread-local storage, pinned
 * blocks (doc/leaks.md).  Pointers into a block count, wherever they point.
 * So does what callers keep between two calls: addresses of blocks in a table
 * of theirs would make these blocks reachable, unless the table holds them in
 * another form (kgc__hidden()) or is freed.
 */
#ifndef KGC_LEAK_FIND_H
#define KGC_LEAK_FIND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A live block that no root leads to. */
struct kgc__leaked {
    char *start;
    size_t size; /* usable bytes, with those that the rooted heap's user has added */
    bool direct; /* no other unreachable block leads to it; of a cycle, one is direct */
};

struct kgc__found {
    size_t live_blocks, live_bytes;     /* reached */
    size_t leaked_blocks, leaked_bytes; /* not reached */
    unsigned threads;                   /* that were stopped */
    double pause;                       /* seconds */
    double marking;                     /* of these, processor time until all was marked */
    char reason[160];                   /* why the roots could not be proven complete; "" when they were */
    char doubt[160]; /* why the kernel may have pointers that nobody sees (io_uring): enough for not
                        freeing anything, but not for keeping silent; "" when it has none */
};

/*
 * Calls `found` for every unreachable block, by ascending address in each
 * range, with the world still stopped: it takes no lock and allocates with
 * kgc__os_map_plain() at most.  `classify`: finds out which are direct; else
 * all are told as direct.
 * With `classify` what only stacks of threads that have ended lead to is
 * unreachable; without, when the caller may want to free, it is not.  Returns 0; or EAGAIN when the roots
 * could not be proven complete (`reason` says why; nothing was told, or in vain); or ENOMEM (nothing was
 * told).  Async-signal-safe.  One at a time: EBUSY.
 *
 * What called this function is live; what it has called before is not: words
 * that dead frames have left on the stack do not count.
 */
int kgc__leaks_find(bool classify, void (*found)(const struct kgc__leaked *, void *), void *arg,
                    struct kgc__found *out);

/* An address in a form that is not taken for one. */
static inline uintptr_t kgc__hidden(const void *p)
{
    return ~(uintptr_t)p;
}
static inline void *kgc__unhidden(uintptr_t hidden)
{
    return (void *)~hidden;
}

/* In a forked child, whatever other threads of the parent were doing. */
void kgc__leaks_after_fork_in_child(void);

#endif
