/* SPDX-License-Identifier: MIT */
/*
 * The core of the compiler: forms to nodes, macros, bodies with internal
 * definitions, procedures.
 */
#include "compile.h"
#include "interp.h"
#include "lib.h"
#include "text.h"
#include <stdarg.h>
#include <stdio.h>

/* The form being compiled. */
static struct position {
    value positions; /* table: pair -> line */
    const char *file;
    unsigned line;
} at;

void compile_init(void)
{
    for (const syntax *x = core_syntax; x->name; x++)
        symbol_of(intern_name(x->name))->syntax = x;
    for (const syntax *x = derived_syntax; x->name; x++)
        symbol_of(intern_name(x->name))->syntax = x;
}

node *new_node(run_fn fn, int kids)
{
    node *n = new_scanned(sizeof *n + (size_t)kids * sizeof n->kid[0]);
    n->run = fn;
    n->file = at.file;
    n->line = at.line;
    n->count = kids;
    return n;
}

node *new_constant(value v)
{
    node *n = new_node(run_constant, 0);
    n->data = (void *)v;
    return n;
}

static void find_line(value form)
{
    value line = is_pair(form) ? table_get(at.positions, form, FALSE) : FALSE;
    if (line != FALSE)
        at.line = (unsigned)fixnum_value(line);
}

void syntax_error(value form, const char *format, ...)
{
    char message[300];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    find_line(form);
    raise_at(at.file, at.line, "%s: %s", message, short_text(form));
}

value list1(value a)
{
    return cons(a, NIL);
}

value list2(value a, value b)
{
    return cons(a, list1(b));
}

value list3(value a, value b, value c)
{
    return cons(a, list2(b, c));
}

value nth_tail(value form, int n)
{
    value rest = form;
    for (int i = 0; i < n; i++) {
        if (!is_pair(rest))
            syntax_error(form, "incomplete form");
        rest = tail(rest);
    }
    return rest;
}

value nth(value form, int n)
{
    value rest = nth_tail(form, n);
    if (!is_pair(rest))
        syntax_error(form, "incomplete form");
    return head(rest);
}

static const syntax *syntax_of(value form, scope *s)
{
    if (!is_pair(form) || !is_type(head(form), T_SYMBOL) || scope_find(s, head(form)))
        return NULL;
    return symbol_of(head(form))->syntax;
}

bool is_special(value form, scope *s, const char *name)
{
    return syntax_of(form, s) && head(form) == intern_name(name);
}

value expand(value form, scope *s)
{
    while (is_pair(form) && is_type(head(form), T_SYMBOL) && symbol_of(head(form))->macro != UNBOUND &&
           !scope_find(s, head(form))) {
        check_stack();
        vector *args = vector_of(list_to_vector(tail(form)));
        form = call(symbol_of(head(form))->macro, (int)args->length, args->item);
    }
    return form;
}

static node *compile_variable(value name, scope *s)
{
    variable *v = scope_find(s, name);
    if (v)
        return new_read(s, v);
    if (symbol_of(name)->syntax)
        syntax_error(name, "special form used as a variable");
    node *n = new_node(run_global, 0);
    n->data = symbol_of(name);
    return n;
}

static node *compile_call(value form, scope *s, bool is_tail)
{
    intptr_t argc = list_length(form) - 1;
    value operator= head(form);
    if (argc < 0)
        syntax_error(form, "improper list as a call");
    if (argc > 10000)
        syntax_error(form, "more than 10000 arguments");
    run_fn inlined = NULL;
    if (is_type(operator, T_SYMBOL) && !scope_find(s, operator))
        inlined = inline_call(symbol_of(operator)->builtin, (int)argc);
    node *n;
    if (inlined) {
        n = new_node(inlined, (int)argc);
        n->data = symbol_of(operator);
        form = tail(form);
    } else
        n = new_node(is_tail && argc <= TAIL_ARGUMENTS ? run_tail_call : run_call, (int)argc + 1);
    for (int i = 0; i < n->count; i++, form = tail(form))
        n->kid[i] = compile(head(form), s, false);
    return n;
}

node *compile(value form, scope *s, bool is_tail)
{
    check_stack();
    if (is_type(form, T_SYMBOL))
        return compile_variable(form, s);
    if (form == NIL)
        syntax_error(form, "the empty list is not an expression (quote it)");
    if (!is_pair(form))
        return new_constant(form);
    unsigned line = at.line;
    find_line(form);
    value expanded = expand(form, s);
    node *n;
    const syntax *x = syntax_of(expanded, s);
    if (x)
        n = x->compile(expanded, s, is_tail);
    else if (is_pair(expanded))
        n = compile_call(expanded, s, is_tail);
    else
        n = compile(expanded, s, is_tail);
    at.line = line;
    return n;
}

node *compile_sequence(value forms, scope *s, bool is_tail)
{
    if (forms == NIL)
        return new_constant(UNSPECIFIED);
    if (list_length(forms) < 0)
        syntax_error(forms, "improper list as a body");
    if (tail(forms) == NIL)
        return compile(head(forms), s, is_tail);
    node *n = new_node(run_sequence, (int)list_length(forms));
    for (int i = 0; i < n->count; i++, forms = tail(forms))
        n->kid[i] = compile(head(forms), s, is_tail && i == n->count - 1);
    return n;
}

/* The forms of a body with macros expanded and (begin ...) spliced in. */
static value flatten(value forms, scope *s, value done, bool *has_definitions)
{
    for (; is_pair(forms); forms = tail(forms)) {
        value form = expand(head(forms), s);
        if (is_special(form, s, "define-record-type"))
            form = expand_record_type(form);
        if (is_special(form, s, "begin"))
            done = flatten(tail(form), s, done, has_definitions);
        else {
            *has_definitions |= is_special(form, s, "define");
            done = cons(form, done);
        }
    }
    return done;
}

/* (define (name . parameters) . body) and (define name expression) */
static value definition_name(value form)
{
    value target = nth(form, 1);
    while (is_pair(target))
        target = head(target);
    if (!is_type(target, T_SYMBOL))
        syntax_error(form, "define: expected a name");
    return target;
}

/* A procedure that is never assigned anew refers to itself through slot 0, so
   that most loops need neither a cell nor a captured variable. */
static node *compile_definition(value form, value all, variable *v, scope *s)
{
    value target = nth(form, 1), name = v->name;
    bool is_self = !is_assigned(all, name);
    node *from;
    if (is_pair(target) && is_pair(head(target)))
        syntax_error(form, "define: expected a name");
    if (is_pair(target))
        from = compile_lambda(name, is_self, tail(target), nth_tail(form, 2), s);
    else {
        value expression = expand(nth(form, 2), s);
        from = is_special(expression, s, "lambda")
                   ? compile_lambda(name, is_self, nth(expression, 1), nth_tail(expression, 2), s)
                   : compile(expression, s, false);
    }
    return new_write(s, v, from);
}

node *compile_body(value forms, scope *outer, bool is_tail)
{
    bool has_definitions = false;
    if (list_length(forms) < 1)
        syntax_error(forms, "a body must have an expression");
    value flat = list_reverse(flatten(forms, outer, NIL, &has_definitions));
    if (!has_definitions)
        return compile_sequence(flat, outer, is_tail);
    scope *s = scope_open(outer, outer->fn);
    int names = 0, i = 0;
    for (value f = flat; f != NIL; f = tail(f))
        if (is_special(head(f), outer, "define")) {
            variable *v = scope_declare(s, definition_name(head(f)));
            v->assigned = v->checked = true;
            names++;
        }
    node *n = new_node(run_sequence, names + (int)list_length(flat));
    for (variable *v = s->variables; v; v = v->next)
        n->kid[i++] = new_bind(v, new_constant(UNBOUND));
    for (value f = flat; f != NIL; f = tail(f)) {
        find_line(head(f));
        n->kid[i++] = is_special(head(f), outer, "define")
                          ? compile_definition(head(f), flat, scope_find(s, definition_name(head(f))), s)
                          : compile(head(f), s, is_tail && tail(f) == NIL);
    }
    scope_close(s);
    return n;
}

void declare_parameter(scope *s, value name, value all)
{
    if (!is_type(name, T_SYMBOL))
        syntax_error(all, "a parameter must be a symbol");
    for (variable *v = s->variables; v; v = v->next)
        if (v->name == name)
            syntax_error(all, "a parameter occurs twice");
    scope_declare(s, name);
}

node *compile_lambda(value name, bool is_self, value parameters, value body, scope *outer)
{
    function *f = new_function(outer->fn);
    template *t = new_scanned(sizeof *t);
    if (name != FALSE) {
        t->name = symbol_of(name)->name->bytes;
        if (is_self) {
            outer = scope_open(outer, f);
            scope_declare_self(outer, name);
        }
    }
    scope *s = scope_open(outer, f);
    for (value p = parameters; p != NIL; p = tail(p)) {
        if (!is_pair(p)) {
            declare_parameter(s, p, parameters);
            t->rest = true;
            break;
        }
        declare_parameter(s, head(p), parameters);
        t->required++;
    }
    node *code = compile_body(body, s, true);
    int boxed = 0, i = 0;
    for (variable *v = s->variables; v; v = v->next)
        boxed += is_boxed(v);
    if (boxed) {
        node *prologue = new_node(run_sequence, boxed + 1);
        for (variable *v = s->variables; v; v = v->next)
            if (is_boxed(v)) {
                node *argument = new_node(run_local, 0);
                argument->index = v->slot;
                prologue->kid[i++] = new_bind(v, argument);
            }
        prologue->kid[i] = code;
        code = prologue;
    }
    scope_close(s);
    t->body = code;
    t->slots = f->slots;
    t->captured = f->captures;
    t->capture = capture_list(f);
    node *n = new_node(run_lambda, 0);
    n->data = t;
    return n;
}

value eval_toplevel(value form, value positions, const char *file)
{
    struct position before = at;
    at = (struct position){.positions = positions, .file = file};
    find_line(form);
    form = expand(form, NULL);
    value result = UNSPECIFIED;
    if (is_special(form, NULL, "begin") && list_length(form) > 1) {
        for (value f = tail(form); f != NIL; f = tail(f))
            result = eval_toplevel(head(f), positions, file);
    } else {
        template *t = new_scanned(sizeof *t);
        function *f = new_function(NULL);
        t->body = compile(form, scope_open(NULL, f), true);
        t->slots = f->slots;
        closure *c = new_scanned(sizeof *c);
        c->type = T_CLOSURE;
        c->code = t;
        at = before;
        result = call((value)c, 0, NULL);
    }
    at = before;
    return result;
}

value eval_here(value form)
{
    return eval_toplevel(form, at.positions, at.file);
}
