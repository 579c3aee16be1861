/* SPDX-License-Identifier: MIT */
/*
 * The soundness checker's shadow of everything that must be alive: nodes, the
 * edges between them, and the roots.  It lies in memory that the collector
 * does not scan, and holds addresses complemented, so it keeps nothing alive.
 *
 * The graph is in partitions.  In a round each thread changes its own one
 * only, without locks.  Edges into another partition are made between rounds;
 * nobody follows them in a round.
 *
 * Which nodes are reachable is not known all the time.  Whoever needs a node
 * walks to it from a root, so what it finds is alive by construction; an audit
 * between rounds finds what has died (audit.h).  That a node's memory was
 * handed out again, or that its finalizer ran, is noted at the node, and is an
 * error if the node turns out to be reachable later: nothing becomes reachable
 * again.
 */
#ifndef KGC_TESTS_SOUNDNESS_MODEL_H
#define KGC_TESTS_SOUNDNESS_MODEL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PARTITIONS = 8, NODES = 4096, EDGES = 6, ROOTS = 128, WEAKS = 32 };

/* How an object is made, and read by the collector. */
enum sort { SCANNED, ATOMIC, LIBGC, LIBGC_ATOMIC, TYPED, PLACED, PLACED_ATOMIC, ROOTED, EXPLICIT, SORTS };

/* Where a root lies. */
enum place {
    IN_GLOBALS,
    IN_RANGE,     /* kgc_root_add() */
    IN_BLOCK,     /* of the rooted heap */
    IN_KIND,      /* explicit memory of a scanned kind */
    ON_COROUTINE, /* kgc_stack_register() */
    ON_STACK,
    IN_TLS, /* a __thread variable */
    IN_KEY, /* pthread_setspecific() */
    ITSELF, /* a block that is no object of the collector's: it needs no root */
    PLACES
};

typedef uint32_t node_id; /* 0: none */

struct edge {
    uint32_t word;
    node_id target;  /* 0: NULL is there */
    uint64_t hidden; /* the pointer, complemented */
};

enum state {
    UNUSED,
    USED,    /* alive, or not known to be dead */
    FREED,   /* by the program; the record is used again after the next audit */
    LEAVING, /* dead, its finalizer is still to run */
};

struct node {
    _Atomic uint64_t hidden; /* address, complemented; 0: none */
    size_t size;
    uint64_t seed;           /* of its contents */
    uint64_t decoy;          /* not 0: all words that are no pointers hold this address, complemented */
    struct edge edge[EDGES]; /* by word */
    void *type_or_kind;
    uint64_t born;      /* operation of its partition */
    uint32_t in;        /* edges and roots of its own partition that point to it, those of dead nodes too */
    node_id value;      /* of the ephemeron whose key this is */
    uint16_t ephemeron; /* its slot + 1 */
    uint16_t weak;      /* slot + 1 of the weak reference to it */
    uint8_t sort, state, edges;
    bool shared; /* others may point to it: never freed, never moved */
    bool marked; /* by the audit */
    bool has_finalizer, has_link;
    _Atomic uint8_t reused;                /* an object was handed out that overlaps it */
    _Atomic uint8_t finalizing, finalized; /* its finalizer has started; has returned */
    _Atomic uintptr_t link;                /* libgc's disappearing link: not 0 until it is collected */
};

struct root {
    void *volatile *at; /* NULL: ITSELF, IN_KEY */
    node_id target;
    enum place place;
};

/* A weak reference or an ephemeron; the object itself is held by rooted memory. */
struct reference {
    node_id target;
    size_t offset; /* of the address that was given to the library */
};

struct counts {
    uint64_t operations, allocated[SORTS], verified_bytes, verified, audited, collections, forks, threads,
        reused;
    uint64_t dead[SORTS], kept[SORTS]; /* with a link, at audits that collect; of these still there */
    uint64_t finalized, weak_read, weak_gone, moved, released, ephemerons;
};

struct partition {
    unsigned index;
    uint64_t random;
    unsigned roots;
    struct root root[ROOTS];
    struct reference weak[WEAKS], ephemeron[WEAKS];
    void **weaks, **ephemerons; /* rooted memory: the objects */
    unsigned unused;            /* ids on the stack */
    node_id unused_id[NODES];
    size_t bytes; /* of nodes in use */
    bool crowded; /* the audit found too many alive */
    struct counts counts;
    void *outside; /* thread.c: where its roots are */
};

struct model {
    struct partition partition[PARTITIONS];
    struct node node[PARTITIONS * NODES + 1];
};

extern struct model *the_model;

void model_create(uint64_t seed);

static inline struct node *node_of(node_id id)
{
    return &the_model->node[id];
}
static inline node_id id_of(const struct node *n)
{
    return (node_id)(n - the_model->node);
}
static inline struct partition *partition_of(node_id id)
{
    return &the_model->partition[(id - 1) / NODES];
}

static inline uint64_t hide(const void *p)
{
    return ~(uint64_t)(uintptr_t)p;
}
static inline void *reveal(uint64_t hidden)
{
    return (void *)(uintptr_t)~hidden;
}
static inline void *address_of(const struct node *n)
{
    return reveal(n->hidden);
}

uint32_t random_from(uint64_t *state);
static inline uint32_t next_random(struct partition *p)
{
    return random_from(&p->random);
}
/* True once in n times. */
static inline bool once_in(struct partition *p, uint32_t n)
{
    return next_random(p) % n == 0;
}

/* Is what the library did to this node right, given that it is reachable? */
void check_reachable(const struct node *n);

/* A random root that is in use; NULL when none was found quickly. */
struct root *some_root(struct partition *p);
/* A random node of the partition that is reachable; NULL when none was found. */
struct node *some_node(struct partition *p);

/* One that is some steps further; n where there is nowhere to go. */
struct node *next_node(struct partition *p, struct node *n);

/* Changes the pointer in memory and in the shadow.  target NULL: none. */
void set_edge(struct node *n, unsigned edge, struct node *target, size_t offset);
void set_root(struct partition *p, struct root *r, struct node *target, size_t offset);
/* The pointer in memory is the caller's business: thread.c moves roots. */
void store_root(struct root *r, void *pointer);
void *load_root(const struct root *r);

/* A record; NULL when the partition is full. */
struct node *node_new(struct partition *p);
/* The object will be freed by the program: call this before. */
void node_leaves(struct partition *p, struct node *n);
/* Audits only. */
void node_delete(struct partition *p, struct node *n);

#endif
