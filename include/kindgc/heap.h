/* SPDX-License-Identifier: MIT */
/*
 * The GC heap as a whole: where it grows, when it collects, what its roots
 * are, and how to watch it.
 */
#ifndef KINDGC_HEAP_H
#define KINDGC_HEAP_H

#include <kindgc/kind.h>

KGC_BEGIN_DECLS

/*
 * Further sections of the heap come from this kind; those that exist stay
 * where they are.  Memory that is free in them is used first, so objects
 * appear in the new kind when the heap grows.  kgc_collect() beforehand gives
 * the smallest heap in the old kind.
 * Returns 0; EINVAL for NULL or a member of a tier; ENOTSUP when libgc cannot
 * be given memory, or for hugetlb memory when incremental collection is on.
 */
KGC_API int kgc_heap_set_kind(kgc_kind *kind);
/* The kind that further sections come from.  NULL when libgc cannot be given memory. */
KGC_API kgc_kind *kgc_heap_kind(void);

/* A full, stop-the-world collection; nothing while kgc_disable() is in force. */
KGC_API void kgc_collect(void);

/* Collection stays off until kgc_enable() was called as often as
   kgc_disable().  One kgc_enable() too many calls the fatal handler. */
KGC_API void kgc_disable(void);
KGC_API void kgc_enable(void);

/* Bytes of the heap, with empty blocks and fragmentation; without what was given back. */
KGC_API size_t kgc_heap_size(void);
/* A lower bound on the free bytes in the heap: its empty blocks, without free
   objects in blocks that others are in. */
KGC_API size_t kgc_free_bytes(void);
/* Bytes allocated since the last collection, in whole objects of the heap: the
   size that was asked for and one byte, rounded up to 16, from 2048 on to 4096.
   A thread takes small objects from the heap by blocks of 4 KiB, all of which
   count then: for each thread, size and sort of objects that it uses, up to one
   block is ahead of what was handed out, and it keeps up to a sixteenth of them
   to itself for a while. */
KGC_API size_t kgc_bytes_since_gc(void);
/* Bytes allocated in this process so far, counted in the same way. */
KGC_API size_t kgc_total_bytes(void);

/*
 * Most bytes of heap.  A heap that is larger already stays, and does not grow.
 * Beside it the limit that the user has set in the environment holds; where
 * there is none, three quarters of the memory that the process's control group
 * allows, for kinds whose pages count there and are not written to a disk.
 * That is looked up again every second or so while the program collects.
 * 0: only these; SIZE_MAX: the control group does not matter either.
 * Returns 0, or what kgc_init() returns when the library cannot start.
 */
KGC_API int kgc_heap_set_limit(size_t bytes);

/*
 * Called when an allocation fails for good, with the size that was asked for,
 * in the thread that asked and without a lock held.  It may return NULL, or an
 * object that exists already and satisfies the request, which the allocating
 * function returns as it is, or not return (longjmp(3), exit(3)).  It may
 * allocate, and is called again when that fails.  The default calls the
 * function that the program has given to GC_set_oom_fn(), if any, or returns
 * NULL.
 * Returns the previous function; NULL restores the default.
 */
typedef void *(*kgc_oom_fn)(size_t size);
KGC_API kgc_oom_fn kgc_set_oom_fn(kgc_oom_fn fn);

/* A piece of memory that libgc obtained. */
typedef struct kgc_section {
    void *base;
    size_t size; /* bytes */
    kgc_kind *
        kind; /* where it came from; a member for a tier; NULL: plain memory for the collector's own tables */
    size_t resident; /* bytes in memory now */
    size_t huge;     /* bytes on huge pages, by the share of its mapping */
    size_t purged;   /* bytes given back to the system so far, in total */
} kgc_section;

/* Calls fn for every section, oldest first, until it returns non-zero.  Takes
   no lock while fn runs.  Reads /proc/self/smaps once. */
KGC_API void kgc_heap_visit_sections(int (*fn)(const kgc_section *, void *), void *arg);

/*
 * Makes the calling thread's stack, registers and thread-local variables
 * roots.  Never needed for threads made by pthread_create(3) or
 * thrd_create(3) after the library started, or that call an allocating
 * function.  Ends by itself after the thread's last destructors of
 * thread-local variables and pthread keys; in the last of their four rounds
 * they should not allocate any more (ENOTSUP).  What a thread returns is kept
 * alive until it is joined or detached.
 *
 * Thread-local variables are found in what glibc calls static storage: those
 * of the program and of all libraries that it was started with.  Not roots
 * are thread-local variables of libraries that dlopen(3) loads later, unless
 * they fit into what is left of that storage, and the values of pthread keys
 * from the 33rd on: glibc keeps both in malloc(3)'s memory.
 *
 * Returns 0 (also when it is registered already) or ENOMEM/ENOTSUP.
 */
KGC_API int kgc_thread_register(void);
/* Its stack is no root any more, until it calls an allocating function.
   Returns 0, or EINVAL when the thread is not registered or was made known to
   the collector by others. */
KGC_API int kgc_thread_unregister(void);

/*
 * Scans [lo, hi) as a root at every collection.  The range must stay
 * readable until it is removed; it is widened to words.  Ranges added twice
 * are removed twice.  Survives GC_clear_roots() and programs that replace
 * libgc's procedure for other roots.
 * Return 0; EINVAL (empty or NULL range; removing one that was not added),
 * ENOMEM, or what kgc_init() returns when the library cannot start.
 */
KGC_API int kgc_root_add(void *lo, void *hi);
KGC_API int kgc_root_remove(void *lo, void *hi);

/*
 * Stacks of coroutines, fibers and green threads: memory that a thread runs on
 * instead of the stack that the system gave it.
 *
 * Registers [lo, hi) as a stack, of 32 KiB at least: libgc clears up to 16 KiB
 * below the stack pointer now and then, and suspends threads by signals.  From
 * then on the whole of it that is in use is a root: of a coroutine that is not
 * running, from where it was left to hi; of one that runs, from the stack
 * pointer.  It is not in use before the first switch to it.  The memory must
 * stay readable until the stack is unregistered.
 * Returns 0 and the stack in *out; EINVAL (too small, or overlaps another),
 * ENOMEM, or what kgc_init() returns when the library cannot start.
 */
typedef struct kgc_stack kgc_stack;
KGC_API int kgc_stack_register(void *lo, void *hi, kgc_stack **out);
/* The stack is not used any more and no root; its memory may be unmapped.
   Returns 0; EINVAL (NULL); EBUSY while a thread runs on it. */
KGC_API int kgc_stack_unregister(kgc_stack *stack);
/*
 * To be called immediately before the calling thread switches to another
 * stack; NULL: to its own, that the system gave it.  A collection may come at
 * any time, also between this call and the switch.
 *
 * What keeps objects alive for the coroutine that is left: its stack from the
 * caller's frame on, and the registers that functions preserve, as they are at
 * this call, wherever the switching code saves them.  What the caller computes
 * between this call and the switch, and keeps in a register only, is not seen.
 * The same is kept of a coroutine that was entered again, until it is left the
 * next time: a few words may be out of date.
 *
 * A stack may be entered by another thread than the one that left it; the
 * program sees to it that this one is gone.  A thread that ends on a stack
 * leaves nothing there.  Calling it when the thread is elsewhere than it was to
 * switch to the last time calls the fatal handler.  Not for programs that use
 * GC_register_altstack(), nor inside GC_call_with_gc_active().
 *
 * Returns 0, also when the thread is there already; EBUSY when another thread
 * runs on the stack; ENOMEM or ENOTSUP (at a thread's first call).
 */
KGC_API int kgc_stack_switch(kgc_stack *stack);

/*
 * The pacer decides after each collection how much may be allocated until the
 * next, so that collecting takes about this share of the time that the program
 * runs: 0.01 to 0.9; 0 switches it off and leaves libgc's own rules.  Less
 * means a larger heap, up to three times what is alive.  Without this call it
 * aims at 0.1, with a heap of up to twice what is alive, and does nothing any
 * more once the program has set libgc's free-space divisor or its least number
 * of bytes between collections.  It does nothing in incremental mode.
 * It never lets the heap grow beyond the limit (kgc_heap_set_limit()), and
 * collects more often near it.
 * In the environment: pace=SHARE in per cent, or pace=off.  A value that the
 * user has set there stays in force.
 * Returns 0; EINVAL; what kgc_init() returns when the library cannot start.
 */
KGC_API int kgc_heap_set_pace(double share);

typedef enum kgc_event_type {
    KGC_EVENT_COLLECTION_START, /* value: collections so far */
    KGC_EVENT_COLLECTION_END,   /* value: collections so far, with this one */
    KGC_EVENT_PAUSE_START,      /* threads are about to be suspended; an incremental collection has several */
    KGC_EVENT_PAUSE_END,        /* they run again; value: nanoseconds */
    KGC_EVENT_HEAP_GROWTH,      /* value: bytes of the new section; kind: where it lies */
    KGC_EVENT_PURGE,            /* value: bytes given back; kind: whose */
    KGC_EVENT_FINALIZERS_READY, /* value: 0; kgc_finalizers_run() has work */
    KGC_EVENT_OUT_OF_MEMORY     /* value: bytes asked for */
} kgc_event_type;

typedef struct kgc_event {
    kgc_event_type type;
    size_t value;
    kgc_kind *kind; /* or NULL */
} kgc_event;

/*
 * A listener sees events as they happen, in the thread that causes them, with
 * libgc's lock held (FINALIZERS_READY and OUT_OF_MEMORY: not held), between
 * PAUSE_START and PAUSE_END with other threads suspended.  It must not
 * allocate, lock, or call this library except kgc_kind_of() and kgc_kind_name().
 */
typedef struct kgc_listener {
    void (*event)(const kgc_event *event, void *arg);
} kgc_listener;

/* Adds a listener; the structure must live until it is removed.  Up to 16.
   Returns 0, EINVAL (NULL) or ENOMEM (too many). */
KGC_API int kgc_add_listener(const kgc_listener *listener, void *arg);
/* Removes one that was added with both.  Waits until it runs in no thread, so
   not from a listener.  Returns 0; EINVAL when there is none. */
KGC_API int kgc_remove_listener(const kgc_listener *listener, void *arg);

KGC_END_DECLS
#endif
