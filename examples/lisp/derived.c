/* SPDX-License-Identifier: MIT */
/*
 * Special forms made of others.  What they call is put into the code as a
 * value, so that a program's own meaning for a name does not matter.
 */
#include "compile.h"
#include "lib.h"
#include <string.h>

static value word(const char *name)
{
    return intern_name(name);
}

static value builtin(const char *name)
{
    return symbol_of(intern_name(name))->builtin;
}

static node *compile_let_star(value form, scope *s, bool is_tail)
{
    value bindings = nth(form, 1), body = nth_tail(form, 2);
    if (!is_pair(bindings) || tail(bindings) == NIL)
        return compile(cons(word("let"), cons(bindings, body)), s, is_tail);
    value inner = cons(word("let*"), cons(tail(bindings), body));
    return compile(list3(word("let"), list1(head(bindings)), inner), s, is_tail);
}

static node *compile_conditional(value form, scope *s, bool is_tail, bool wanted)
{
    node *n = new_node(run_if, 3);
    n->kid[0] = compile(nth(form, 1), s, false);
    n->kid[wanted ? 1 : 2] = compile_body(nth_tail(form, 2), s, is_tail);
    n->kid[wanted ? 2 : 1] = new_constant(UNSPECIFIED);
    return n;
}

static node *compile_when(value form, scope *s, bool is_tail)
{
    return compile_conditional(form, s, is_tail, true);
}

static node *compile_unless(value form, scope *s, bool is_tail)
{
    return compile_conditional(form, s, is_tail, false);
}

static node *compile_clauses(value clauses, scope *s, bool is_tail)
{
    if (clauses == NIL)
        return new_constant(UNSPECIFIED);
    check_stack();
    value clause = nth(clauses, 0), rest = tail(clauses);
    value test = nth(clause, 0), body = tail(clause);
    if (test == word("else"))
        return compile_body(body, s, is_tail);
    if (is_pair(body) && head(body) == word("=>")) {
        value found = new_uninterned("found");
        value otherwise = cons(word("cond"), rest);
        value choice = list2(list2(nth(body, 1), found), otherwise);
        return compile(list3(word("let"), list1(list2(found, test)), cons(word("if"), cons(found, choice))),
                       s, is_tail);
    }
    if (body == NIL) {
        node *n = new_node(run_or, 2);
        n->kid[0] = compile(test, s, false);
        n->kid[1] = compile_clauses(rest, s, is_tail);
        return n;
    }
    node *n = new_node(run_if, 3);
    n->kid[0] = compile(test, s, false);
    n->kid[1] = compile_sequence(body, s, is_tail);
    n->kid[2] = compile_clauses(rest, s, is_tail);
    return n;
}

static node *compile_cond(value form, scope *s, bool is_tail)
{
    return compile_clauses(tail(form), s, is_tail);
}

static node *compile_case(value form, scope *s, bool is_tail)
{
    value key = new_uninterned("key"), clauses = NIL;
    for (value c = nth_tail(form, 2); is_pair(c); c = tail(c)) {
        value data = nth(head(c), 0), body = tail(head(c));
        if (data == word("else")) {
            clauses = cons(head(c), clauses);
            continue;
        }
        if (list_length(data) < 0)
            syntax_error(head(c), "case: expected a list of constants");
        value test = list3(builtin("memv"), key, list2(word("quote"), data));
        clauses = cons(cons(test, body), clauses);
    }
    value choice = cons(word("cond"), list_reverse(clauses));
    return compile(list3(word("let"), list1(list2(key, nth(form, 1))), choice), s, is_tail);
}

static bool is_form(value v, const char *name)
{
    return is_pair(v) && head(v) == word(name) && is_pair(tail(v)) && tail(tail(v)) == NIL;
}

static value quasi(value v, int depth)
{
    check_stack();
    if (is_type(v, T_VECTOR))
        return list2(builtin("list->vector"), quasi(vector_to_list(v), depth));
    if (!is_pair(v))
        return is_type(v, T_SYMBOL) || v == NIL ? list2(word("quote"), v) : v;
    if (is_form(v, "unquote")) {
        if (depth == 0)
            return nth(v, 1);
        return list3(builtin("list"), list2(word("quote"), word("unquote")), quasi(nth(v, 1), depth - 1));
    }
    if (is_form(v, "quasiquote"))
        return list3(builtin("list"), list2(word("quote"), word("quasiquote")), quasi(nth(v, 1), depth + 1));
    if (is_form(head(v), "unquote-splicing") && depth == 0)
        return list3(builtin("append"), nth(head(v), 1), quasi(tail(v), depth));
    return list3(builtin("cons"), quasi(head(v), depth), quasi(tail(v), depth));
}

static node *compile_quasiquote(value form, scope *s, bool is_tail)
{
    return compile(quasi(nth(form, 1), 0), s, is_tail);
}

static node *compile_unquote(value form, scope *s, bool is_tail)
{
    (void)s, (void)is_tail;
    syntax_error(form, "unquote outside of quasiquote");
}

/* (guard (name clause ...) body ...) */
static node *compile_guard(value form, scope *s, bool is_tail)
{
    value name = nth(nth(form, 1), 0), clauses = tail(nth(form, 1));
    value raise_again = list2(word("else"), list2(builtin("raise"), name));
    bool has_else = false;
    value all = NIL;
    for (value c = clauses; is_pair(c); c = tail(c)) {
        has_else = has_else || nth(head(c), 0) == word("else");
        all = cons(head(c), all);
    }
    if (!has_else)
        all = cons(raise_again, all);
    value choice = cons(word("cond"), list_reverse(all));
    value handler = list3(word("lambda"), list1(name), choice);
    value body = cons(word("lambda"), cons(NIL, nth_tail(form, 2)));
    return compile(list3(builtin("with-handler"), handler, body), s, is_tail);
}

/* (define-record-type name (constructor field ...) predicate (field accessor [modifier]) ...) */
value expand_record_type(value form)
{
    value define = word("define"), name = nth(form, 1), constructor = nth(form, 2), predicate = nth(form, 3);
    value fields = nth_tail(form, 4), instance = word("record");
    value made = list2(builtin("%record"), name);
    value out = NIL;
    intptr_t count = list_length(fields), i = 0;
    if (!is_type(name, T_SYMBOL) || !is_pair(constructor) || !is_type(predicate, T_SYMBOL) || count < 0)
        syntax_error(form, "define-instance-type: malformed");
    value type = list3(builtin("%record-type"), list2(word("quote"), name), fixnum(count));
    out = cons(list3(define, name, type), out);
    out = cons(list3(define, list2(predicate, instance), list3(builtin("%record?"), instance, name)), out);
    made = list_reverse(made);
    for (value f = fields; is_pair(f); f = tail(f), i++) {
        value field = nth(head(f), 0), given = FALSE;
        for (value p = tail(constructor); is_pair(p); p = tail(p))
            if (head(p) == field)
                given = field;
        made = cons(given, made);
        if (is_pair(tail(head(f)))) {
            value get = cons(builtin("%record-ref"), list3(instance, name, fixnum(i)));
            out = cons(list3(define, list2(nth(head(f), 1), instance), get), out);
        }
        if (list_length(head(f)) == 3) {
            value content = word("value");
            value set = cons(builtin("%record-set!"), cons(instance, list3(name, fixnum(i), content)));
            out = cons(list3(define, list3(nth(head(f), 2), instance, content), set), out);
        }
    }
    out = cons(list3(define, constructor, list_reverse(made)), out);
    return cons(word("begin"), list_reverse(out));
}

static node *compile_record_type(value form, scope *s, bool is_tail)
{
    return compile(expand_record_type(form), s, is_tail);
}

const syntax derived_syntax[] = {
    {"let*", compile_let_star},
    {"when", compile_when},
    {"unless", compile_unless},
    {"cond", compile_cond},
    {"case", compile_case},
    {"quasiquote", compile_quasiquote},
    {"unquote", compile_unquote},
    {"unquote-splicing", compile_unquote},
    {"guard", compile_guard},
    {"define-record-type", compile_record_type},
    {NULL, NULL},
};
