/* SPDX-License-Identifier: MIT */
/*
 * What a thread does to its partition of the graph.
 *
 * A pointer is stored by a single write from a variable, so what it points to
 * is reachable at all times.
 */
#include "operations.h"
#include "content.h"
#include "failure.h"
#include "lifetime.h"
#include "objects.h"
#include "roots.h"
#include "run.h"
#include <gc/gc.h>
#include <kindgc.h>

enum { OPERATIONS_BETWEEN_COLLECTIONS = 5000 };

/* Anywhere in it, and the byte behind it. */
static size_t some_offset(struct partition *p, const struct node *n)
{
    return once_in(p, 2) ? 0 : once_in(p, 4) ? n->size : next_random(p) % (n->size + 1);
}

/* A root, an unused one if there is one nearby. */
static struct root *some_holder(struct partition *p)
{
    struct root *r;
    unsigned tries = 0;
    do
        r = &p->root[next_random(p) % p->roots];
    while (r->place == ITSELF || (r->target != 0 && ++tries < 4));
    return r;
}

/*
 * A reachable node and one of its edges, mostly one that points nowhere: what
 * is overwritten may lead to much of the graph.  False when none was found.
 */
static bool some_edge(struct partition *p, struct node **out, unsigned *edge)
{
    struct node *n = some_node(p);
    bool any = once_in(p, 128);
    for (int steps = 0; n != NULL && steps < 32; steps++) {
        for (*edge = 0, *out = n; *edge < n->edges; ++*edge)
            if (any || n->edge[*edge].target == 0)
                return true;
        n = next_node(p, n);
    }
    return false;
}

static struct root *unused_self(struct partition *p)
{
    for (unsigned i = 0; i < p->roots; i++)
        if (p->root[i].place == ITSELF && p->root[i].target == 0)
            return &p->root[i];
    return NULL;
}

static void point_somewhere(struct partition *p, struct node *n, unsigned edge)
{
    struct node *target = some_node(p);
    if (target != NULL)
        set_edge(n, edge, target, some_offset(p, target));
}

/* Nothing but this points to it. */
static bool is_only_at(const struct root *r)
{
    const struct node *n = node_of(r->target);
    return n->in == 1 && !n->shared && n->weak == 0 && n->ephemeron == 0 && n->value == 0;
}

static void drop(struct partition *p, struct root *r)
{
    if (r->target == 0)
        return;
    if (r->place != ITSELF)
        set_root(p, r, NULL, 0);
    else if (is_only_at(r))
        object_free(p, r);
}

static void cut(struct partition *p)
{
    struct node *n = once_in(p, 2) ? some_node(p) : NULL;
    if (n != NULL && n->edges > 0)
        set_edge(n, next_random(p) % n->edges, NULL, 0);
    else
        drop(p, &p->root[next_random(p) % p->roots]);
}

void cull(struct partition *p)
{
    for (unsigned i = 0; i < p->roots; i++)
        if (!once_in(p, 4))
            drop(p, &p->root[i]);
}

/* To something that holds it; when no room is found, mostly to nothing. */
static void attach(struct partition *p, struct node *n)
{
    struct root *self = is_collectable(n->sort) ? NULL : unused_self(p);
    struct node *holder;
    unsigned edge;
    if (self != NULL)
        set_root(p, self, n, 0);
    else if (some_edge(p, &holder, &edge))
        set_edge(holder, edge, n, some_offset(p, n));
    else if (once_in(p, 16))
        set_root(p, some_holder(p), n, some_offset(p, n));
}

static void allocate(struct partition *p)
{
    void *object;
    struct node *n = object_new(p, unused_self(p) != NULL, &object);
    if (n == NULL) {
        cut(p);
        return;
    }
    for (unsigned i = 0; i < n->edges; i++)
        if (once_in(p, 4))
            point_somewhere(p, n, i);
    attach(p, n);
    if (is_collectable(n->sort) && once_in(p, 3))
        object_link(n, object);
    else if (is_collectable(n->sort) && once_in(p, 16))
        finalizer_register(p, n);
    GC_reachable_here(object);
}

static void link(struct partition *p)
{
    struct node *n;
    unsigned edge;
    if (some_edge(p, &n, &edge))
        point_somewhere(p, n, edge);
}

static void verify(struct partition *p)
{
    struct node *n = some_node(p);
    if (n == NULL)
        return;
    content_verify(n, address_of(n), "in a round");
    p->counts.verified++;
    p->counts.verified_bytes += n->size;
}

static void hold(struct partition *p)
{
    struct node *n = some_node(p);
    if (n != NULL)
        set_root(p, some_holder(p), n, some_offset(p, n));
}

static void resize_or_free(struct partition *p, bool resize)
{
    struct root *r = some_root(p);
    if (r == NULL || !is_only_at(r))
        return;
    struct node *n = node_of(r->target);
    check_reachable(n);
    if (!resize)
        object_free(p, r);
    else if (n->sort != TYPED && n->sort != PLACED && n->sort != PLACED_ATOMIC)
        object_resize(p, r);
}

static void change_finalizer(struct partition *p)
{
    struct node *n = some_node(p);
    if (n == NULL || !is_collectable(n->sort) || n->has_link)
        return;
    if (!n->has_finalizer)
        finalizer_register(p, n);
    else if (once_in(p, 2))
        finalizer_remove(n);
}

static void collect(struct partition *p)
{
    if (once_in(p, 2))
        kgc_collect();
    else
        for (unsigned i = next_random(p) % 20; i > 0; i--)
            GC_collect_a_little();
    p->counts.collections++;
}

/* Nothing but a register or the stack holds an object meanwhile. */
static __attribute__((noinline)) void carry(struct partition *p)
{
    struct root *r = some_root(p);
    if (r == NULL || r->place == ITSELF || node_of(r->target)->in != 1)
        return;
    void *pointer = load_root(r);
    store_root(r, NULL);
    for (int i = 0; i < 20; i++)
        __asm__ volatile("" : : "r"(kgc_allocate(64 + 16 * i)) : "memory");
    if (once_in(p, 8))
        kgc_collect();
    struct node *n = node_of(r->target);
    check_reachable(n);
    content_verify(n, address_of(n), "carried");
    store_root(r, pointer);
}

static void verify_and_collect(struct partition *p)
{
    verify(p);
    allocate(p);
    if (once_in(p, 8))
        kgc_collect();
    verify(p);
}

static void rare(struct partition *p)
{
    switch (next_random(p) % 8) {
    case 0:
        roots_operation(p);
        break;
    case 1:
        roots_on_coroutine(p, verify_and_collect);
        break;
    case 2:
    case 3:
        carry(p);
        break;
    case 4:
    case 5:
        weak_operation(p);
        break;
    default:
        ephemeron_operation(p);
    }
}

void operate(struct partition *p)
{
    p->counts.operations++;
    uint32_t n = next_random(p) % 1000;
    if (n < 250)
        allocate(p);
    else if (n < 310)
        link(p);
    else if (n < 316)
        cut(p);
    else if (n < 915)
        verify(p);
    else if (n < 925)
        hold(p);
    else if (n < 945)
        resize_or_free(p, true);
    else if (n < 960)
        resize_or_free(p, false);
    else if (n < 970)
        change_finalizer(p);
    else
        rare(p);
    if (once_in(p, OPERATIONS_BETWEEN_COLLECTIONS))
        collect(p);
}

void link_across(struct partition *from, struct partition *to)
{
    struct node *n = some_node(from), *target = some_node(to);
    if (n == NULL || n->edges == 0 || target == NULL)
        return;
    target->shared = true;
    set_edge(n, next_random(from) % n->edges, target, some_offset(from, target));
}
