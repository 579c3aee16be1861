/* SPDX-License-Identifier: MIT */
/*
 * Compiled code: a tree of nodes that know how to run themselves, with
 * variables resolved to places.
 *
 * A procedure runs with an array of slots on the C stack: slot 0 is the
 * closure, then its parameters, then local variables.  Closures copy what
 * they capture; a variable that is captured and assigned lives in a cell.
 */
#ifndef LISP_NODE_H
#define LISP_NODE_H

#include "interp.h"

typedef struct node node;
typedef value (*run_fn)(const node *n, value *slot);

struct node {
    run_fn run;
    const char *file; /* position in the source */
    unsigned line;
    int index;  /* a slot, or a place among the captured */
    int count;  /* kids */
    void *data; /* a value, symbol or template */
    node *kid[];
};

typedef struct template
{
    const char *name; /* or NULL */
    const node *body;
    int required;
    bool rest;    /* one more parameter takes the list of the others */
    int slots;    /* 1 + parameters + locals */
    int captured; /* number */
    int *capture; /* for each: the slot (>= 0) or captured place (~) in the procedure around */
}
template;

const char *template_name(const template *t);
const char *where_file(void);
unsigned where_line(void);

/* run.c: variables, constants, control. */
value run_constant(const node *n, value *slot);
value run_local(const node *n, value *slot);
value run_local_checked(const node *n, value *slot);
value run_local_cell(const node *n, value *slot);
value run_captured(const node *n, value *slot);
value run_captured_cell(const node *n, value *slot);
value run_global(const node *n, value *slot);
value run_set_local(const node *n, value *slot);
value run_set_local_cell(const node *n, value *slot);
value run_set_captured_cell(const node *n, value *slot);
value run_set_global(const node *n, value *slot);
value run_define_global(const node *n, value *slot);
value run_bind(const node *n, value *slot);
value run_bind_cell(const node *n, value *slot);
value run_if(const node *n, value *slot);
value run_sequence(const node *n, value *slot);
value run_and(const node *n, value *slot);
value run_or(const node *n, value *slot);
value run_loop(const node *n, value *slot);
value run_lambda(const node *n, value *slot);

/* call.c */
value run_call(const node *n, value *slot);
value run_tail_call(const node *n, value *slot);
value apply(value fn, int argc, value *argv);

/* inline.c: calls of common primitives; NULL when there is none for this
   primitive with so many arguments. */
run_fn inline_call(value builtin, int argc);

static inline value run(const node *n, value *slot)
{
    return n->run == run_local ? slot[n->index] : n->run(n, slot);
}

#endif
