/* SPDX-License-Identifier: MIT */
/*
 * Resolving variables.  References are recorded as they are met and given
 * their way of access when the scope closes, when it is known whether the
 * variable is captured and assigned.
 */
#include "compile.h"

typedef struct capture {
    variable *of;
    int place;
    int from; /* as in template */
    struct capture *next;
} capture;

typedef struct reference {
    node *n;
    struct reference *next;
} reference;

function *new_function(function *outer)
{
    function *f = new_scanned(sizeof *f);
    f->outer = outer;
    f->next_slot = f->slots = 1;
    return f;
}

scope *scope_open(scope *outer, function *fn)
{
    scope *s = new_scanned(sizeof *s);
    s->outer = outer;
    s->fn = fn;
    s->first_slot = fn->next_slot;
    return s;
}

static variable *declare(scope *s, value name, int slot)
{
    variable *v = new_scanned(sizeof *v);
    v->name = name;
    v->owner = s->fn;
    v->slot = slot;
    v->next = s->variables;
    s->variables = v;
    return v;
}

variable *scope_declare(scope *s, value name)
{
    int slot = s->fn->next_slot++;
    if (s->fn->slots < s->fn->next_slot)
        s->fn->slots = s->fn->next_slot;
    return declare(s, name, slot);
}

variable *scope_declare_self(scope *s, value name)
{
    return declare(s, name, 0);
}

variable *scope_find(scope *s, value name)
{
    for (; s; s = s->outer)
        for (variable *v = s->variables; v; v = v->next)
            if (v->name == name)
                return v;
    return NULL;
}

bool is_boxed(const variable *v)
{
    return v->captured && v->assigned;
}

/* Where a procedure finds a variable of one around it; it is captured there. */
static int captured_place(function *f, variable *v)
{
    for (capture *c = f->capture; c; c = c->next)
        if (c->of == v)
            return c->place;
    capture *c = new_scanned(sizeof *c);
    c->of = v;
    c->from = f->outer == v->owner ? v->slot : ~captured_place(f->outer, v);
    c->place = f->captures++;
    c->next = f->capture;
    f->capture = c;
    v->captured = true;
    return c->place;
}

int *capture_list(const function *f)
{
    int *list = new_atomic((size_t)f->captures * sizeof *list);
    for (const capture *c = f->capture; c; c = c->next)
        list[c->place] = c->from;
    return list;
}

static node *recorded(variable *v, node *n)
{
    reference *r = new_scanned(sizeof *r);
    r->n = n;
    r->next = v->references;
    v->references = r;
    n->data = (void *)v->name; /* for messages */
    return n;
}

static node *new_access(scope *s, variable *v, run_fn local, run_fn captured, int kids)
{
    bool is_own = s->fn == v->owner;
    node *n = new_node(is_own ? local : captured, kids);
    n->index = is_own ? v->slot : captured_place(s->fn, v);
    return n;
}

node *new_read(scope *s, variable *v)
{
    return recorded(v, new_access(s, v, run_local, run_captured, 0));
}

node *new_write(scope *s, variable *v, node *from)
{
    node *n = recorded(v, new_access(s, v, run_set_local, run_set_captured_cell, 1));
    n->kid[0] = from;
    return n;
}

node *new_bind(variable *v, node *from)
{
    node *n = recorded(v, new_node(run_bind, 1));
    n->index = v->slot;
    n->kid[0] = from;
    return n;
}

void scope_close(scope *s)
{
    for (variable *v = s->variables; v; v = v->next)
        for (reference *r = v->references; r; r = r->next) {
            run_fn *access = &r->n->run;
            if (is_boxed(v)) {
                if (*access == run_local)
                    *access = run_local_cell;
                else if (*access == run_captured)
                    *access = run_captured_cell;
                else if (*access == run_set_local)
                    *access = run_set_local_cell;
                else if (*access == run_bind)
                    *access = run_bind_cell;
            } else if (*access == run_local && v->checked)
                *access = run_local_checked;
        }
    s->fn->next_slot = s->first_slot;
}
