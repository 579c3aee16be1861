/* SPDX-License-Identifier: MIT */
/*
 * libgc's memory: where it comes from and where it goes back.
 *
 * At load time libgc's own slots for mmap, mprotect, madvise and pthread_kill
 * are replaced (intercept.c).  Requests for memory become sections from the
 * heap's kind (supply.c), its madvise calls the kind's cascade of purges
 * (purge.c), its protection calls are watched (protect.c), and its suspend
 * signals tell when threads are stopped (world.c).  table.c records the
 * sections.
 *
 * libgc calls the replacements with its lock held (mprotect: any thread, also
 * in its SIGSEGV handler), partly with all threads suspended.  So nothing
 * here takes a lock that a suspended thread may hold, calls malloc, or calls
 * a GC_ function that locks.
 */
#ifndef KGC_SECTION_SECTION_H
#define KGC_SECTION_SECTION_H

#include "kind/kind.h"
#include <kindgc/heap.h>
#include <stdbool.h>
#include <sys/types.h>

/* Replaces libgc's slots.  Before any thread exists.  Returns 0, or ENOTSUP
   with kgc_last_error(): why libgc cannot be given memory. */
int kgc__section_attach(void);
/* 0 when attached, else what attaching returned, with kgc_last_error() set again. */
int kgc__section_attached(void);
/* Static variables that point to nothing of libgc's are no roots any more.
   Once, when the library is loaded. */
void kgc__section_exclude_own_data(void);
/* Is this address libgc's code? */
bool kgc__section_is_libgc(const void *address);

/* libgc's own function where one of ours of the same name stands in front of
   it, wherever libgc comes in the order of libraries.  NULL: it has none. */
void *kgc__libgc_function(const char *name, _Atomic(void *) *known);
#define KGC__LIBGC(name)                                       \
    ({                                                         \
        static _Atomic(void *) known;                          \
        (__typeof__(&name))kgc__libgc_function(#name, &known); \
    })

/* How often libgc has asked for memory: the self-test sees it move. */
size_t kgc__section_requests(void);

/* Opens the heap's kind as set, if it is not open yet.  0 or as kgc_kind_open(). */
int kgc__section_open_heap(void);

/* The heap's kind; NULL: not open yet. */
kgc_kind *kgc__section_heap(void);
/* Called when the program has chosen another kind; NULL: nobody. */
extern _Atomic(void (*)(void)) kgc__section_heap_changed;

/* The limit of the heap in bytes: see limit.c.  0: none.  What the program
   wants besides what its user has set; KGC__NO_LIMIT: not even the control group's. */
void kgc__section_set_limit(size_t bytes);
size_t kgc__section_limit(void);
/* The settings have changed. */
void kgc__limit_apply(void);
/* Looks at the control group's limit again; libgc's lock may be held. */
void kgc__limit_follow(void);
/* Further sections come from this kind. */
void kgc__limit_set_kind(const kgc_kind *kind);
bool kgc__limit_allows(size_t size, bool table);
void kgc__limit_count(size_t size, bool table);

/* The replacements. */
void *kgc__libgc_mmap(void *hint, size_t size, int protection, int flags, int fd, off_t offset);
int kgc__libgc_madvise(void *p, size_t size, int advice);
int kgc__libgc_mprotect(void *p, size_t size, int protection);
int kgc__libgc_pthread_kill(pthread_t thread, int signal);

/* Are threads suspended, or about to be? */
bool kgc__world_stopped(void);
/* Has libgc's callback told of the pause that lasts? */
bool kgc__world_announced(void);
/* Installs the callback that times pauses (callbacks.h). */
void kgc__world_attach(void);
/* Only the calling thread is left. */
void kgc__world_after_fork_in_child(void);

/* What the layer above does in each collection.  Changes, and is called, with
   libgc's lock held.  NULL: nothing. */
struct kgc__collection_steps {
    /* libgc asks for its first memory: it does not know yet how many threads will mark. */
    void (*starting)(void);
    void (*began)(void);
    void (*marked)(void);           /* all that is alive is marked; threads are still suspended */
    void (*sweeping)(bool begins);  /* in between, only the thread that collects sweeps */
    void (*finalizers_known)(void); /* so is what finalizers will see; threads run again */
    void (*ended)(void);
};
extern struct kgc__collection_steps kgc__collection_steps;

struct kgc__pauses {
    uint64_t count, total_ns, longest_ns;
    uint64_t collections;
};
struct kgc__pauses kgc__world_pauses(void);

/* Pages of [p, p + size) are free as far as libgc is concerned: gives back
   what the kind can, and says how many bytes that were. */
size_t kgc__section_purge(kgc_kind *kind, char *base, size_t section_size, char *p, size_t size);

#endif
