/* SPDX-License-Identifier: MIT */
/* Special forms that have nodes of their own. */
#include "compile.h"
#include "text.h"

/* Is there (set! name ...) anywhere in the form?  Where a quotation looks
   like one, the answer only costs speed. */
bool is_assigned(value form, value name)
{
    static value set;
    if (!set)
        set = intern_name("set!");
    check_stack();
    for (; is_pair(form); form = tail(form)) {
        if (head(form) == set && is_pair(tail(form)) && head(tail(form)) == name)
            return true;
        if (is_pair(head(form)) && is_assigned(head(form), name))
            return true;
    }
    return false;
}

static void check_length(value form, int least, int most)
{
    intptr_t n = list_length(form) - 1;
    if (n < least || n > most)
        syntax_error(form, "malformed special form");
}

static node *compile_quote(value form, scope *s, bool is_tail)
{
    (void)s, (void)is_tail;
    check_length(form, 1, 1);
    return new_constant(nth(form, 1));
}

static node *compile_if(value form, scope *s, bool is_tail)
{
    check_length(form, 2, 3);
    node *n = new_node(run_if, 3);
    n->kid[0] = compile(nth(form, 1), s, false);
    n->kid[1] = compile(nth(form, 2), s, is_tail);
    n->kid[2] = list_length(form) == 4 ? compile(nth(form, 3), s, is_tail) : new_constant(UNSPECIFIED);
    return n;
}

/* At top level only: compile_body() sees to the definitions of bodies. */
static node *compile_define(value form, scope *s, bool is_tail)
{
    (void)is_tail;
    value target = nth(form, 1);
    if (s->outer || s->fn->outer || s->variables)
        syntax_error(form, "define is allowed at top level and in bodies");
    node *n = new_node(run_define_global, 1);
    value name = is_pair(target) ? head(target) : target;
    if (!is_type(name, T_SYMBOL))
        syntax_error(form, "define: expected a name");
    if (symbol_of(name)->syntax)
        syntax_error(form, "define: the name is a special form");
    symbol_of(name)->macro = UNBOUND;
    n->data = symbol_of(name);
    if (is_pair(target))
        n->kid[0] = compile_lambda(name, false, tail(target), nth_tail(form, 2), s);
    else {
        check_length(form, 2, 2);
        value expression = expand(nth(form, 2), s);
        n->kid[0] = is_special(expression, s, "lambda")
                        ? compile_lambda(name, false, nth(expression, 1), nth_tail(expression, 2), s)
                        : compile(expression, s, false);
    }
    return n;
}

static node *compile_set(value form, scope *s, bool is_tail)
{
    (void)is_tail;
    check_length(form, 2, 2);
    value name = nth(form, 1);
    if (!is_type(name, T_SYMBOL))
        syntax_error(form, "set!: expected a name");
    variable *v = scope_find(s, name);
    node *from = compile(nth(form, 2), s, false);
    if (v) {
        if (v->slot == 0)
            syntax_error(form, "set!: a procedure's own name cannot be assigned by a macro");
        v->assigned = true;
        return new_write(s, v, from);
    }
    node *n = new_node(run_set_global, 1);
    n->data = symbol_of(name);
    n->kid[0] = from;
    return n;
}

static node *compile_lambda_form(value form, scope *s, bool is_tail)
{
    (void)is_tail;
    return compile_lambda(FALSE, false, nth(form, 1), nth_tail(form, 2), s);
}

static node *compile_begin(value form, scope *s, bool is_tail)
{
    return compile_sequence(tail(form), s, is_tail);
}

static node *compile_parts(value form, scope *s, bool is_tail, run_fn fn, value empty)
{
    intptr_t n = list_length(form) - 1;
    if (n < 0)
        syntax_error(form, "malformed special form");
    if (n == 0)
        return new_constant(empty);
    if (n == 1)
        return compile(nth(form, 1), s, is_tail);
    node *all = new_node(fn, (int)n);
    for (int i = 0; i < n; i++)
        all->kid[i] = compile(nth(form, i + 1), s, is_tail && i == n - 1);
    return all;
}

static node *compile_and(value form, scope *s, bool is_tail)
{
    return compile_parts(form, s, is_tail, run_and, TRUE);
}

static node *compile_or(value form, scope *s, bool is_tail)
{
    return compile_parts(form, s, is_tail, run_or, FALSE);
}

/* A loop that does not assign its own name is a call of a closure that knows
   itself. */
static node *compile_named_let(value form, scope *s, bool is_tail)
{
    value name = nth(form, 1), bindings = nth(form, 2), body = nth_tail(form, 3);
    value names = NIL, inits = NIL;
    for (value b = bindings; is_pair(b); b = tail(b)) {
        names = cons(nth(head(b), 0), names);
        inits = cons(nth(head(b), 1), inits);
    }
    names = list_reverse(names);
    inits = list_reverse(inits);
    if (is_assigned(body, name)) {
        value procedure = cons(intern_name("lambda"), cons(names, body));
        value binding = list1(list2(name, procedure));
        return compile(cons(list3(intern_name("letrec"), binding, name), inits), s, is_tail);
    }
    intptr_t argc = list_length(inits);
    node *n = new_node(is_tail && argc <= TAIL_ARGUMENTS ? run_tail_call : run_call, (int)argc + 1);
    n->kid[0] = compile_lambda(name, true, names, body, s);
    for (int i = 1; i <= argc; i++, inits = tail(inits))
        n->kid[i] = compile(head(inits), s, false);
    return n;
}

static void check_bindings(value form, value bindings, int most)
{
    for (value b = bindings; b != NIL; b = tail(b)) {
        if (!is_pair(b))
            syntax_error(form, "malformed bindings");
        intptr_t n = list_length(head(b));
        if (n < 2 || n > most)
            syntax_error(head(b), "malformed binding");
    }
}

/* The place of a new variable must not be used by what computes its
   neighbours' values, hence all are declared first; but those do not see it. */
static node *compile_let(value form, scope *outer, bool is_tail)
{
    if (is_type(nth(form, 1), T_SYMBOL)) {
        check_bindings(form, nth(form, 2), 2);
        return compile_named_let(form, outer, is_tail);
    }
    value bindings = nth(form, 1);
    check_bindings(form, bindings, 2);
    scope *s = scope_open(outer, outer->fn);
    node *n = new_node(run_sequence, (int)list_length(bindings) + 1);
    int i = 0;
    for (value b = bindings; is_pair(b); b = tail(b))
        declare_parameter(s, nth(head(b), 0), form);
    for (value b = bindings; is_pair(b); b = tail(b)) {
        node *from = compile(nth(head(b), 1), outer, false);
        n->kid[i++] = new_bind(scope_find(s, nth(head(b), 0)), from);
    }
    n->kid[i] = compile_body(nth_tail(form, 2), s, is_tail);
    scope_close(s);
    return n;
}

/* The same as internal definitions. */
static node *compile_letrec(value form, scope *outer, bool is_tail)
{
    value body = list1(cons(intern_name("let"), cons(NIL, nth_tail(form, 2)))), definitions = NIL;
    check_bindings(form, nth(form, 1), 2);
    for (value b = nth(form, 1); is_pair(b); b = tail(b))
        definitions = cons(cons(intern_name("define"), head(b)), definitions);
    for (; is_pair(definitions); definitions = tail(definitions))
        body = cons(head(definitions), body);
    return compile_body(body, outer, is_tail);
}

static node *compile_do(value form, scope *outer, bool is_tail)
{
    value bindings = nth(form, 1), end = nth(form, 2);
    check_bindings(form, bindings, 3);
    scope *s = scope_open(outer, outer->fn);
    int variables = (int)list_length(bindings), steps = 0, i = 0;
    for (value b = bindings; is_pair(b); b = tail(b)) {
        declare_parameter(s, nth(head(b), 0), form);
        steps += list_length(head(b)) == 3;
    }
    node *n = new_node(run_sequence, variables + 1);
    for (value b = bindings; is_pair(b); b = tail(b)) {
        node *from = compile(nth(head(b), 1), outer, false);
        n->kid[i++] = new_bind(scope_find(s, nth(head(b), 0)), from);
    }
    node *loop = n->kid[variables] = new_node(run_loop, 3);
    loop->kid[0] = compile(nth(end, 0), s, false);
    /* All steps are computed before the first variable changes. */
    node *round = loop->kid[1] = new_node(run_sequence, 1 + 2 * steps);
    round->kid[0] = compile_sequence(nth_tail(form, 3), s, false);
    i = 1;
    for (value b = bindings; is_pair(b); b = tail(b))
        if (list_length(head(b)) == 3) {
            variable *next = scope_declare(s, FALSE);
            round->kid[i] = new_bind(next, compile(nth(head(b), 2), s, false));
            round->kid[steps + i++] = new_bind(scope_find(s, nth(head(b), 0)), new_read(s, next));
        }
    loop->kid[2] = compile_sequence(tail(end), s, is_tail);
    scope_close(s);
    return n;
}

static node *compile_define_macro(value form, scope *s, bool is_tail)
{
    (void)is_tail;
    if (s->outer || s->fn->outer)
        syntax_error(form, "define-macro is allowed at top level");
    value target = nth(form, 1);
    if (!is_pair(target) || !is_type(head(target), T_SYMBOL) || symbol_of(head(target))->syntax)
        syntax_error(form, "define-macro: expected (name . parameters)");
    value procedure = cons(intern_name("lambda"), cons(tail(target), nth_tail(form, 2)));
    symbol_of(head(target))->macro = eval_here(procedure);
    return new_constant(UNSPECIFIED);
}

const syntax core_syntax[] = {
    {"quote", compile_quote},
    {"if", compile_if},
    {"define", compile_define},
    {"set!", compile_set},
    {"lambda", compile_lambda_form},
    {"begin", compile_begin},
    {"and", compile_and},
    {"or", compile_or},
    {"let", compile_let},
    {"letrec", compile_letrec},
    {"letrec*", compile_letrec},
    {"do", compile_do},
    {"define-macro", compile_define_macro},
    {NULL, NULL},
};
