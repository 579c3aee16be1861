/* SPDX-License-Identifier: MIT */
/* Running nodes, all but calls: constants, variables, control, closures. */
#include "node.h"
#include <string.h>

const char *template_name(const template *t)
{
    return t->name;
}

const char *where_file(void)
{
    return interp.where ? interp.where->file : "";
}

unsigned where_line(void)
{
    return interp.where ? interp.where->line : 0;
}

value run_constant(const node *n, value *slot)
{
    (void)slot;
    return (value)n->data;
}

__attribute__((noreturn)) static void raise_unset(const node *n)
{
    interp.where = n;
    raise_error("variable used before it has a value: %s", symbol_of((value)n->data)->name->bytes);
}

value run_local(const node *n, value *slot)
{
    return slot[n->index];
}

value run_local_checked(const node *n, value *slot)
{
    if (slot[n->index] == UNBOUND)
        raise_unset(n);
    return slot[n->index];
}

static value *captured(const node *n, value *slot)
{
    return &((closure *)slot[0])->captured[n->index];
}

static value content(const node *n, value c)
{
    value v = ((cell *)c)->content;
    if (v == UNBOUND)
        raise_unset(n);
    return v;
}

value run_local_cell(const node *n, value *slot)
{
    return content(n, slot[n->index]);
}

value run_captured(const node *n, value *slot)
{
    return *captured(n, slot);
}

value run_captured_cell(const node *n, value *slot)
{
    return content(n, *captured(n, slot));
}

value run_global(const node *n, value *slot)
{
    (void)slot;
    value v = ((symbol *)n->data)->global;
    if (__builtin_expect(v == UNBOUND, 0)) {
        interp.where = n;
        raise_error("unbound variable: %s", ((symbol *)n->data)->name->bytes);
    }
    return v;
}

value run_set_local(const node *n, value *slot)
{
    slot[n->index] = run(n->kid[0], slot);
    return UNSPECIFIED;
}

value run_set_local_cell(const node *n, value *slot)
{
    value v = run(n->kid[0], slot);
    ((cell *)slot[n->index])->content = v;
    return UNSPECIFIED;
}

value run_set_captured_cell(const node *n, value *slot)
{
    value v = run(n->kid[0], slot);
    ((cell *)*captured(n, slot))->content = v;
    return UNSPECIFIED;
}

value run_set_global(const node *n, value *slot)
{
    value v = run(n->kid[0], slot);
    symbol *s = n->data;
    if (s->global == UNBOUND) {
        interp.where = n;
        raise_error("set!: unbound variable: %s", s->name->bytes);
    }
    s->global = v;
    return UNSPECIFIED;
}

value run_define_global(const node *n, value *slot)
{
    value v = run(n->kid[0], slot);
    ((symbol *)n->data)->global = v;
    return UNSPECIFIED;
}

/* A binding is fresh each time: closures made in different rounds of a loop
   have different variables. */
value run_bind(const node *n, value *slot)
{
    slot[n->index] = run(n->kid[0], slot);
    return UNSPECIFIED;
}

value run_bind_cell(const node *n, value *slot)
{
    slot[n->index] = new_cell(run(n->kid[0], slot));
    return UNSPECIFIED;
}

value run_if(const node *n, value *slot)
{
    return run(n->kid[run(n->kid[0], slot) == FALSE ? 2 : 1], slot);
}

value run_sequence(const node *n, value *slot)
{
    int last = n->count - 1;
    for (int i = 0; i < last; i++)
        run(n->kid[i], slot);
    return run(n->kid[last], slot);
}

value run_and(const node *n, value *slot)
{
    int last = n->count - 1;
    for (int i = 0; i < last; i++)
        if (run(n->kid[i], slot) == FALSE)
            return FALSE;
    return run(n->kid[last], slot);
}

value run_or(const node *n, value *slot)
{
    int last = n->count - 1;
    for (int i = 0; i < last; i++) {
        value v = run(n->kid[i], slot);
        if (v != FALSE)
            return v;
    }
    return run(n->kid[last], slot);
}

/* kids: test, body and steps, result. */
value run_loop(const node *n, value *slot)
{
    while (run(n->kid[0], slot) == FALSE)
        run(n->kid[1], slot);
    return run(n->kid[2], slot);
}

value run_lambda(const node *n, value *slot)
{
    const template *t = n->data;
    closure *c = new_scanned(sizeof *c + (size_t)t->captured * sizeof(value));
    c->type = T_CLOSURE;
    c->code = t;
    for (int i = 0; i < t->captured; i++)
        c->captured[i] =
            t->capture[i] >= 0 ? slot[t->capture[i]] : ((closure *)slot[0])->captured[~t->capture[i]];
    return (value)c;
}
