/* SPDX-License-Identifier: MIT */
/*
 * What the files of libkindgc-memkind share.  The library stands on kindgc's
 * public interface alone.
 *
 * A static kind is a record of its own, opened when it is used first; a created
 * one is open from the start.  Once `kind` is set it does not change until the
 * kind is destroyed, so it is read without a lock.
 */
#ifndef KGC_MEMKIND_KIND_H
#define KGC_MEMKIND_KIND_H

#include <errno.h>
#include <kindgc/arena.h>
#include <kindgc/init.h>
#include <kindgc/kind.h>
#include <memkind.h>
#include <stdatomic.h>
#include <stdbool.h>

#define memkind__likely(condition) __builtin_expect(!!(condition), 1)
#define memkind__hidden            __attribute__((visibility("hidden")))

/* Where the specification of a kind comes from. */
enum memkind__source {
    MEMKIND__TEXT,    /* it is `text` */
    MEMKIND__REGULAR, /* the nodes with CPUs */
    MEMKIND__HBW,     /* "numa:", `text` and the nodes of high-bandwidth memory */
    MEMKIND__KMEM,    /* the same with those of memory devices */
    MEMKIND__NEVER,   /* nothing that kindgc has */
    MEMKIND__CREATED  /* opened by who made the record */
};

/* How its capacity is found. */
enum memkind__capacity {
    MEMKIND__UNBOUNDED,
    MEMKIND__NODES,
    MEMKIND__HUGE_2M,
    MEMKIND__HUGE_1G,
    MEMKIND__BYTES,
    MEMKIND__DISK
};

struct memkind {
    _Alignas(64) _Atomic(kgc_kind *) kind; /* NULL: not open */
    const char *name;
    enum memkind__source source;
    const char *text;
    int error; /* when the machine has no such memory */
    enum memkind__capacity capacity;
    size_t bytes;    /* MEMKIND__BYTES */
    char *directory; /* MEMKIND__DISK */

    /* Usable bytes of live blocks that the tiers allocated: every call writes
       it, so it stays away from what every call reads. */
    _Alignas(64) _Atomic size_t tiered;
};

/* kinds.c */
extern memkind__hidden struct memkind memkind__static[MEMKIND_NUM_BASE_KIND];
memkind__hidden bool memkind__is_static(const struct memkind *k);
/* Opens a static kind.  NULL with *error (which may be NULL) when it cannot be. */
memkind__hidden kgc_kind *memkind__open_static(struct memkind *k, int *error);
/* Writes the specification of a static kind.  Returns MEMKIND_SUCCESS or why the machine has none. */
memkind__hidden int memkind__specification(const struct memkind *k, char *spec, size_t size);
/* Options for a new kind, from the environment.  Returns MEMKIND_SUCCESS or MEMKIND_ERROR_ENVIRON. */
memkind__hidden int memkind__options(kgc_kind_options *options, memkind_mem_usage_policy policy);

/* The kind behind a record, opened if need be; NULL with errno EINVAL or ENOMEM. */
memkind__hidden kgc_kind *memkind__open_slowly(struct memkind *k);
static inline kgc_kind *memkind__kind(struct memkind *k)
{
    kgc_kind *kind = memkind__likely(k != NULL) ? atomic_load_explicit(&k->kind, memory_order_acquire) : NULL;
    return memkind__likely(kind != NULL) ? kind : memkind__open_slowly(k);
}

/* table.c: which record a kind belongs to. */
/* Returns false when the table is full. */
memkind__hidden bool memkind__table_add(kgc_kind *kind, struct memkind *k);
memkind__hidden void memkind__table_remove(kgc_kind *kind);
memkind__hidden struct memkind *memkind__table_find(kgc_kind *kind);
/* The record at or after *index, which is moved behind it; NULL at the end.
   For who holds memkind__lock(). */
memkind__hidden struct memkind *memkind__table_next(unsigned *index);

/* kinds.c: held while kinds are opened, created and destroyed. */
memkind__hidden void memkind__lock(void);
memkind__hidden void memkind__unlock(void);

/* nodes.c */
/* The nodes of ordinary memory that this process may use and that have CPUs. */
memkind__hidden bool memkind__nodes_regular(char *list, size_t size);
/* The nodes of a variable of the environment, or the given ones when it is not
   set.  MEMKIND_SUCCESS, MEMKIND_ERROR_ENVIRON, or `missing` when there are none. */
memkind__hidden int memkind__nodes_hbw(char *list, size_t size);
memkind__hidden int memkind__nodes_kmem(char *list, size_t size);
/* Bytes of memory of the nodes of a list; -1 when unknown. */
memkind__hidden ssize_t memkind__nodes_bytes(const char *list);
/* The nodes whose bits are set, as a list. */
memkind__hidden bool memkind__nodes_format(const unsigned long *bits, char *list, size_t size);
/* Parses a list such as "0,2-3"; sets the bits.  False when it is none. */
memkind__hidden bool memkind__nodes_parse(const char *list, unsigned long *bits);
enum { MEMKIND__LIST_MAX = 512, MEMKIND__NODE_WORDS = KGC_NODES_MAX / (8 * sizeof(unsigned long)) };

/* A file of the system as a string, cut to size; false when it cannot be read. */
memkind__hidden bool memkind__read(const char *path, char *text, size_t size);

/* error.c: the code for an errno value of kindgc. */
memkind__hidden int memkind__error(int error);
/* One line on standard error when MEMKIND_DEBUG is 1. */
memkind__hidden void memkind__debug(const char *what, const char *reason);

/* jemalloc.c: does what MEMKIND_BACKGROUND_THREAD_LIMIT says, once. */
memkind__hidden int memkind__background_threads(void);

#endif
