/* SPDX-License-Identifier: MIT */
/*
 * Finalizers, weak references and ephemerons of the checker's nodes.
 *
 * A reference object is held by its slot in rooted memory, so it lives until
 * the slot gets another one.
 */
#include "lifetime.h"
#include "content.h"
#include "failure.h"
#include "run.h"
#include <gc/gc.h>
#include <kindgc.h>

void lifetime_create(struct partition *p)
{
    p->weaks = kgc_calloc(WEAKS, sizeof *p->weaks);
    p->ephemerons = kgc_calloc(WEAKS, sizeof *p->ephemerons);
    if (p->weaks == NULL || p->ephemerons == NULL)
        broken("no rooted memory");
}

static const struct partition *only; /* NULL: all */

void lifetime_only(const struct partition *p)
{
    only = p;
}

/* Any thread, with the others running.  The record stays until `finalized`. */
static void finalize(void *object, void *data)
{
    struct node *n = data;
    if (only != NULL && partition_of(id_of(n)) != only)
        return;
    if (atomic_fetch_add(&n->finalizing, 1) != 0)
        broken("the finalizer of node %u at %p ran twice", id_of(n), object);
    else if (n->state != USED && n->state != LEAVING)
        broken("the finalizer of node %u at %p ran, which was freed before", id_of(n), object);
    else if (object != address_of(n))
        broken("the finalizer of node %u at %p ran with %p", id_of(n), address_of(n), object);
    else
        content_verify(n, object, "when finalized");
    atomic_store(&n->finalized, 1);
}

/* In all modes but one, objects that are in a cycle stay for ever. */
static kgc_finalizer_mode some_mode(struct partition *p, const struct node *n)
{
    static const kgc_finalizer_mode modes[] = {KGC_FINALIZE_NO_ORDER, KGC_FINALIZE_UNREACHABLE,
                                               KGC_FINALIZE_NORMAL, KGC_FINALIZE_IGNORE_SELF};
    return modes[next_random(p) % (n->edges == 0 ? 4 : 1)];
}

void finalizer_register(struct partition *p, struct node *n)
{
    n->has_finalizer = true;
    if (kgc_register_finalizer(address_of(n), finalize, n, some_mode(p, n), NULL, NULL) != 0)
        broken("kgc_register_finalizer: %s", kgc_last_error());
}

void finalizer_remove(struct node *n)
{
    kgc_finalizer old;
    void *data;
    if (kgc_register_finalizer(address_of(n), NULL, NULL, KGC_FINALIZE_NO_ORDER, &old, &data) != 0)
        broken("kgc_register_finalizer: %s", kgc_last_error());
    else if (old != finalize || data != n)
        broken("node %u has lost its finalizer", id_of(n));
    n->has_finalizer = false;
}

/* Weak references. */

static void weak_create(struct partition *p, unsigned i)
{
    struct node *n = some_node(p);
    if (n == NULL || n->weak != 0 || n->sort == ROOTED || n->sort == EXPLICIT)
        return;
    size_t offset = once_in(p, 2) ? next_random(p) % n->size : 0;
    p->weaks[i] = kgc_weak_create((char *)address_of(n) + offset);
    if (p->weaks[i] == NULL)
        broken("kgc_weak_create: %s", kgc_last_error());
    p->weak[i] = (struct reference){.target = id_of(n), .offset = offset};
    n->weak = (uint16_t)(i + 1);
}

static void weak_drop(struct partition *p, unsigned i)
{
    if (once_in(p, 2))
        kgc_weak_clear(p->weaks[i]);
    p->weaks[i] = NULL;
    node_of(p->weak[i].target)->weak = 0;
    p->weak[i].target = 0;
}

/* What can be read is alive, whether or not it was reachable before, and stays
   so while it is held. */
static void weak_read(struct partition *p, unsigned i)
{
    struct node *n = node_of(p->weak[i].target);
    char *read = kgc_weak_get(p->weaks[i]);
    bool collect = once_in(p, 16);
    p->counts.weak_read++;
    if (read == NULL) {
        p->counts.weak_gone++;
        return;
    }
    if (read != (char *)address_of(n) + p->weak[i].offset) {
        broken("a weak reference to node %u at %p, byte %zu, reads %p", id_of(n), address_of(n),
               p->weak[i].offset, (void *)read);
        return;
    }
    if (collect)
        GC_collect_a_little();
    content_verify(n, address_of(n), "read by a weak reference");
    GC_reachable_here(read);
}

void weak_operation(struct partition *p)
{
    unsigned i = next_random(p) % WEAKS;
    if (p->weak[i].target == 0)
        weak_create(p, i);
    else if (once_in(p, 4))
        weak_drop(p, i);
    else
        weak_read(p, i);
}

/* Ephemerons: an edge from the key to the value that is in nobody's memory. */

static void set_value(struct partition *p, struct node *key, struct node *value)
{
    if (key->value != 0)
        node_of(key->value)->in--;
    key->value = value != NULL ? id_of(value) : 0;
    if (value != NULL)
        value->in++;
    (void)p;
}

static void ephemeron_create(struct partition *p, unsigned i)
{
    struct node *key = some_node(p), *value = some_node(p);
    if (key == NULL || value == NULL || key->ephemeron != 0 || key->sort == ROOTED || key->sort == EXPLICIT)
        return;
    p->ephemerons[i] = kgc_ephemeron_create(address_of(key), address_of(value));
    if (p->ephemerons[i] == NULL)
        broken("kgc_ephemeron_create: %s", kgc_last_error());
    p->ephemeron[i].target = id_of(key);
    key->ephemeron = (uint16_t)(i + 1);
    set_value(p, key, value);
    p->counts.ephemerons++;
}

static void ephemeron_drop(struct partition *p, unsigned i)
{
    struct node *key = node_of(p->ephemeron[i].target);
    if (once_in(p, 2))
        kgc_ephemeron_clear(p->ephemerons[i]);
    p->ephemerons[i] = NULL;
    set_value(p, key, NULL);
    key->ephemeron = 0;
    p->ephemeron[i].target = 0;
}

static void check_ephemeron(struct partition *p, unsigned i)
{
    const struct node *key = node_of(p->ephemeron[i].target);
    void *found_key = kgc_ephemeron_key(p->ephemerons[i]), *found = kgc_ephemeron_value(p->ephemerons[i]);
    if (found_key != address_of(key) || found != address_of(node_of(key->value)))
        broken("an ephemeron has %p, %p instead of node %u at %p, node %u at %p", found_key, found,
               id_of(key), address_of(key), key->value, address_of(node_of(key->value)));
}

/* Of a key that is reachable. */
static void ephemeron_use(struct partition *p)
{
    struct node *key = some_node(p), *value = some_node(p);
    if (key == NULL || value == NULL || key->ephemeron == 0)
        return;
    unsigned i = key->ephemeron - 1u;
    check_ephemeron(p, i);
    if (once_in(p, 2)) {
        kgc_ephemeron_set_value(p->ephemerons[i], address_of(value));
        set_value(p, key, value);
    }
}

void ephemeron_operation(struct partition *p)
{
    unsigned i = next_random(p) % WEAKS;
    if (p->ephemeron[i].target == 0)
        ephemeron_create(p, i);
    else if (once_in(p, 4))
        ephemeron_drop(p, i);
    else
        ephemeron_use(p);
}

/* Between rounds. */

static void audit_weak(struct partition *p, unsigned i)
{
    struct node *n = node_of(p->weak[i].target);
    const char *read = kgc_weak_get(p->weaks[i]);
    if (n->marked && read != (char *)address_of(n) + p->weak[i].offset)
        broken("node %u (%s at %p) is reachable, but its weak reference reads %p", id_of(n),
               sort_names[n->sort], address_of(n), (const void *)read);
    if (!n->marked)
        weak_drop(p, i);
}

void lifetime_audit(struct partition *p)
{
    for (unsigned i = 0; i < WEAKS; i++)
        if (p->weak[i].target != 0)
            audit_weak(p, i);
    for (unsigned i = 0; i < WEAKS; i++) {
        if (p->ephemeron[i].target == 0)
            continue;
        if (node_of(p->ephemeron[i].target)->marked)
            check_ephemeron(p, i);
        else
            ephemeron_drop(p, i);
    }
}
