/* SPDX-License-Identifier: MIT */
/* The shadow graph: see model.h. */
#include "model.h"
#include "failure.h"
#include "run.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

struct model *the_model;

/* splitmix64 */
uint32_t random_from(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return (uint32_t)(z >> 32);
}

void model_create(uint64_t seed)
{
    the_model = mmap(NULL, sizeof *the_model, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (the_model == MAP_FAILED)
        abort();
    for (unsigned i = 0; i < PARTITIONS; i++) {
        struct partition *p = &the_model->partition[i];
        p->index = i;
        p->random = seed * 1000003 + i;
        for (unsigned j = 0; j < NODES; j++)
            p->unused_id[p->unused++] = (i + 1) * NODES - j;
    }
}

void check_reachable(const struct node *n)
{
    const char *wrong = n->state != USED                    ? "is no longer in use: the checker is wrong"
                        : n->reused                         ? "was handed out again"
                        : n->finalizing && n->has_finalizer ? "was finalized"
                        : n->finalizing                     ? "was finalized, without a finalizer"
                        : n->has_link && n->link == 0       ? "was collected"
                                                            : NULL;
    if (wrong != NULL)
        broken("node %u (%s, %zu bytes at %p, made at operation %lu) is reachable, but %s", id_of(n),
               sort_names[n->sort], n->size, address_of(n), (unsigned long)n->born, wrong);
}

struct root *some_root(struct partition *p)
{
    for (int i = 0; i < 8; i++) {
        struct root *r = &p->root[next_random(p) % p->roots];
        if (r->target != 0)
            return r;
    }
    return NULL;
}

/* Not into another partition. */
struct node *next_node(struct partition *p, struct node *n)
{
    unsigned i = next_random(p) % (EDGES + 1);
    node_id next = i < n->edges ? n->edge[i].target : i == EDGES ? n->value : 0;
    return next != 0 && partition_of(next) == p ? node_of(next) : n;
}

struct node *some_node(struct partition *p)
{
    struct root *r = some_root(p);
    if (r == NULL)
        return NULL;
    struct node *n = node_of(r->target);
    for (unsigned steps = next_random(p) % 8; steps > 0; steps--)
        n = next_node(p, n);
    check_reachable(n);
    return n;
}

static void count_in(struct partition *p, node_id from, node_id to)
{
    if (from != 0 && partition_of(from) == p)
        node_of(from)->in--;
    if (to != 0 && partition_of(to) == p)
        node_of(to)->in++;
}

void set_edge(struct node *n, unsigned edge, struct node *target, size_t offset)
{
    struct edge *e = &n->edge[edge];
    node_id to = target != NULL ? id_of(target) : 0;
    void *pointer = target != NULL ? (char *)address_of(target) + offset : NULL;
    count_in(partition_of(id_of(n)), e->target, to);
    e->target = to;
    e->hidden = hide(pointer);
    ((void *volatile *)address_of(n))[e->word] = pointer;
}

void store_root(struct root *r, void *pointer)
{
    if (r->at != NULL)
        *r->at = pointer;
    else if (r->place == IN_KEY && pthread_setspecific(the_key, pointer) != 0)
        abort();
}

void *load_root(const struct root *r)
{
    return r->at != NULL ? *r->at : r->place == IN_KEY ? pthread_getspecific(the_key) : NULL;
}

void set_root(struct partition *p, struct root *r, struct node *target, size_t offset)
{
    node_id to = target != NULL ? id_of(target) : 0;
    store_root(r, target != NULL ? (char *)address_of(target) + offset : NULL);
    count_in(p, r->target, to);
    r->target = to;
}

struct node *node_new(struct partition *p)
{
    if (p->unused == 0)
        return NULL;
    struct node *n = node_of(p->unused_id[--p->unused]);
    memset(n, 0, sizeof *n);
    n->born = p->counts.operations;
    return n;
}

void node_leaves(struct partition *p, struct node *n)
{
    p->bytes -= n->size;
    for (unsigned i = 0; i < n->edges; i++)
        count_in(p, n->edge[i].target, 0);
    n->edges = 0;
    n->state = FREED;
    atomic_store(&n->hidden, 0);
}

void node_delete(struct partition *p, struct node *n)
{
    memset(n, 0, sizeof *n);
    p->unused_id[p->unused++] = id_of(n);
}
