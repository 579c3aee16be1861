/* SPDX-License-Identifier: MIT */
/* Looks at the whole graph: see audit.h. */
#include "audit.h"
#include "content.h"
#include "lifetime.h"
#include "objects.h"

enum { CROWD = NODES / 4 * 3, CROWD_BYTES = 9 << 20 };

/* Marking, with a stack of its own that is no root of libgc's. */
struct marking {
    unsigned first, last; /* partitions to follow edges into */
    unsigned count;
    node_id stack[PARTITIONS * NODES];
};

static void push(struct marking *m, node_id id)
{
    if (id == 0)
        return;
    unsigned partition = partition_of(id)->index;
    struct node *n = node_of(id);
    if (n->marked || partition < m->first || partition > m->last)
        return;
    n->marked = true;
    m->stack[m->count++] = id;
}

static void mark(struct marking *m)
{
    m->count = 0;
    for (unsigned i = m->first; i <= m->last; i++) {
        const struct partition *p = &the_model->partition[i];
        for (unsigned j = 0; j < p->roots; j++)
            push(m, p->root[j].target);
    }
    while (m->count > 0) {
        const struct node *n = node_of(m->stack[--m->count]);
        for (unsigned i = 0; i < n->edges; i++)
            push(m, n->edge[i].target);
        push(m, n->value);
    }
}

static struct node *nodes_of(const struct partition *p)
{
    return &the_model->node[p->index * NODES + 1];
}

static void verify_marked(struct partition *p, const char *when)
{
    struct node *nodes = nodes_of(p);
    for (unsigned i = 0; i < NODES; i++) {
        if (!nodes[i].marked)
            continue;
        check_reachable(&nodes[i]);
        content_verify(&nodes[i], address_of(&nodes[i]), when);
        p->counts.audited++;
        p->counts.verified_bytes += nodes[i].size;
    }
}

static void unmark(struct partition *p)
{
    struct node *nodes = nodes_of(p);
    for (unsigned i = 0; i < NODES; i++)
        nodes[i].marked = false;
}

static void forget_edges(struct partition *p, struct node *n)
{
    for (unsigned i = 0; i < n->edges; i++) {
        node_id to = n->edge[i].target;
        if (to != 0 && partition_of(to) == p)
            node_of(to)->in--;
    }
}

static void bury(struct partition *p, struct node *n, bool collected)
{
    p->bytes -= n->size;
    if (n->has_link && collected) {
        p->counts.dead[n->sort]++;
        p->counts.kept[n->sort] += n->link != 0;
    }
    object_unlink(n);
    n->state = LEAVING;
}

static void sweep(struct partition *p, bool collected)
{
    struct node *nodes = nodes_of(p);
    unsigned alive = 0;
    for (unsigned i = 0; i < NODES; i++) {
        alive += nodes[i].marked;
        if (nodes[i].state == USED && !nodes[i].marked) {
            forget_edges(p, &nodes[i]);
            bury(p, &nodes[i], collected);
        }
    }
    for (unsigned i = 0; i < NODES; i++) {
        struct node *n = &nodes[i];
        if (n->state == FREED || (n->state == LEAVING && (!n->has_finalizer || n->finalized))) {
            p->counts.finalized += n->has_finalizer && n->state == LEAVING;
            node_delete(p, n);
        }
    }
    p->crowded = alive > CROWD || p->bytes > CROWD_BYTES;
}

static void mark_partitions(unsigned first, unsigned last)
{
    static struct marking marking;
    marking.first = first;
    marking.last = last;
    mark(&marking);
}

void audit(unsigned partitions, bool collected)
{
    mark_partitions(0, partitions - 1);
    for (unsigned i = 0; i < partitions; i++) {
        verify_marked(&the_model->partition[i], "in an audit");
        lifetime_audit(&the_model->partition[i]);
    }
    for (unsigned i = 0; i < partitions; i++) {
        sweep(&the_model->partition[i], collected);
        unmark(&the_model->partition[i]);
    }
}

void audit_child(unsigned first, unsigned last, const char *when)
{
    for (unsigned i = 0; i < PARTITIONS; i++)
        unmark(&the_model->partition[i]);
    mark_partitions(first, last);
    for (unsigned i = first; i <= last; i++) {
        verify_marked(&the_model->partition[i], when);
        unmark(&the_model->partition[i]);
    }
}
