/* SPDX-License-Identifier: MIT */
/*
 * Roots that libgc does not know: ranges of the program's, thread-local
 * storage, and what threads hand to each other when they start and end.
 *
 * libgc's own table holds 2,048 ranges and is emptied by GC_clear_roots(),
 * which ECL and Neko call; these are pushed by a procedure of ours at every
 * collection.
 */
#ifndef KGC_COLLECT_ROOTS_H
#define KGC_COLLECT_ROOTS_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

/*
 * A record of [lo, hi), and of the thread that it belongs to.  Records change
 * with libgc's lock held only, so never while they are pushed.
 */
struct kgc__root {
    struct kgc__root *next, *previous;
    char *lo, *hi;
    pthread_t thread;            /* meaningful when of_thread */
    void *(*start)(void *);      /* create.c: what the thread is to run */
    void *value;                 /* create.c: its argument, later its result; [lo, hi) is then this word */
    bool of_thread;              /* dies in a forked child unless the thread is the one that forked */
    bool joinable, named, ended; /* create.c: named: `thread` is the one that was made */
    unsigned long serial;        /* never the same for two uses of a record */
};

/* Installs the procedure that pushes them. */
void kgc__roots_attach(void);

/* A fresh record, not yet a root; NULL with errno ENOMEM. */
struct kgc__root *kgc__root_new(void);
/* Makes it a root. */
void kgc__root_insert(struct kgc__root *root);
/* It is no root any more, and its record is used again. */
void kgc__root_delete(struct kgc__root *root);

/* Calls fn with libgc's lock held. */
void kgc__roots_locked(void (*fn)(void *), void *arg);
/* With libgc's lock held: as kgc__root_delete(); the joinable thread's record, or NULL. */
void kgc__root_delete_locked(struct kgc__root *root);
struct kgc__root *kgc__root_of_joinable(pthread_t thread);

/* In a forked child, libgc's lock held or not. */
void kgc__roots_after_fork_in_child(void);

#endif
