/* SPDX-License-Identifier: MIT */
/* Pairs and lists, and what tells values apart. */
#include "lib.h"
#include "text.h"
#include <stdio.h>
#include <string.h>

pair *to_pair(value v)
{
    if (!is_pair(v))
        raise_type("a pair", v);
    return pair_of(v);
}

intptr_t to_list(value v)
{
    intptr_t n = list_length(v);
    if (n < 0)
        raise_type("a list", v);
    return n;
}

static value p_cons(int argc, value *argv)
{
    (void)argc;
    return cons(argv[0], argv[1]);
}

/* car, cdr, and their compositions: the letters of the name, from the right. */
static value p_access(int argc, value *argv)
{
    (void)argc;
    const char *name = interp.current->name;
    value v = argv[0];
    for (const char *c = name + strlen(name) - 2; *c != 'c'; c--) {
        if (!is_pair(v))
            raise_type("a pair", argv[0]);
        v = *c == 'a' ? head(v) : tail(v);
    }
    return v;
}

static value p_set_car(int argc, value *argv)
{
    (void)argc;
    to_pair(argv[0])->head = argv[1];
    return UNSPECIFIED;
}

static value p_set_cdr(int argc, value *argv)
{
    (void)argc;
    to_pair(argv[0])->tail = argv[1];
    return UNSPECIFIED;
}

static value p_list(int argc, value *argv)
{
    value list = NIL;
    for (int i = argc; i > 0; i--)
        list = cons(argv[i - 1], list);
    return list;
}

/* (cons* a b ... list) */
static value p_cons_star(int argc, value *argv)
{
    value list = argv[argc - 1];
    for (int i = argc - 1; i > 0; i--)
        list = cons(argv[i - 1], list);
    return list;
}

static value p_make_list(int argc, value *argv)
{
    value list = NIL;
    for (size_t n = to_index(argv[0], FIXNUM_MAX); n > 0; n--)
        list = cons(argc == 2 ? argv[1] : FALSE, list);
    return list;
}

static value element(intptr_t start, intptr_t n, intptr_t step)
{
    intptr_t r;
    if (__builtin_mul_overflow(n, step, &r) || __builtin_add_overflow(r, start, &r) || r > FIXNUM_MAX ||
        r < FIXNUM_MIN)
        raise_error("iota: integer overflow");
    return fixnum(r);
}

/* (iota count [start [step]]) */
static value p_iota(int argc, value *argv)
{
    value list = NIL;
    intptr_t start = argc > 1 ? to_integer(argv[1]) : 0, step = argc > 2 ? to_integer(argv[2]) : 1;
    for (intptr_t n = (intptr_t)to_index(argv[0], FIXNUM_MAX); n > 0; n--)
        list = cons(element(start, n - 1, step), list);
    return list;
}

static value p_length(int argc, value *argv)
{
    (void)argc;
    return fixnum(to_list(argv[0]));
}

static value append2(value a, value b)
{
    to_list(a);
    if (a == NIL)
        return b;
    value first = cons(head(a), NIL), last = first;
    for (a = tail(a); a != NIL; a = tail(a)) {
        value next = cons(head(a), NIL);
        pair_of(last)->tail = next;
        last = next;
    }
    pair_of(last)->tail = b;
    return first;
}

static value p_append(int argc, value *argv)
{
    value list = argc ? argv[argc - 1] : NIL;
    for (int i = argc - 1; i > 0; i--)
        list = append2(argv[i - 1], list);
    return list;
}

static value p_reverse(int argc, value *argv)
{
    (void)argc;
    value list = NIL;
    to_list(argv[0]);
    for (value v = argv[0]; v != NIL; v = tail(v))
        list = cons(head(v), list);
    return list;
}

static value p_reverse_in_place(int argc, value *argv)
{
    (void)argc;
    to_list(argv[0]);
    return list_reverse(argv[0]);
}

static value p_list_tail(int argc, value *argv)
{
    (void)argc;
    value v = argv[0];
    for (intptr_t n = to_integer(argv[1]); n > 0; n--) {
        if (!is_pair(v))
            raise_error("%s: the list is too short: %s", interp.current->name, short_text(argv[0]));
        v = tail(v);
    }
    return v;
}

static value p_list_ref(int argc, value *argv)
{
    value v = p_list_tail(argc, argv);
    if (!is_pair(v))
        raise_error("%s: the list is too short: %s", interp.current->name, short_text(argv[0]));
    return head(v);
}

static value p_last_pair(int argc, value *argv)
{
    (void)argc;
    value v = argv[0];
    to_pair(v);
    while (is_pair(tail(v)))
        v = tail(v);
    return v;
}

static bool is_same(value a, value b)
{
    return a == b;
}

static value member(value x, value list, bool (*same)(value, value))
{
    for (; is_pair(list); list = tail(list))
        if (same(x, head(list)))
            return list;
    return FALSE;
}

static value assoc(value x, value list, bool (*same)(value, value))
{
    for (; is_pair(list); list = tail(list))
        if (is_pair(head(list)) && same(x, head(head(list))))
            return head(list);
    return FALSE;
}

#define SEARCH(function, search, same)           \
    static value function(int argc, value *argv) \
    {                                            \
        (void)argc;                              \
        return search(argv[0], argv[1], same);   \
    }

SEARCH(p_memq, member, is_same)
SEARCH(p_memv, member, is_eqv)
SEARCH(p_member, member, is_equal)
SEARCH(p_assq, assoc, is_same)
SEARCH(p_assv, assoc, is_eqv)
SEARCH(p_assoc, assoc, is_equal)

#define PREDICATE(function, condition)           \
    static value function(int argc, value *argv) \
    {                                            \
        (void)argc;                              \
        value v = argv[0];                       \
        return boolean(condition);               \
    }

PREDICATE(p_is_null, v == NIL)
PREDICATE(p_is_pair, is_pair(v))
PREDICATE(p_is_list, list_length(v) >= 0)
PREDICATE(p_is_symbol, is_type(v, T_SYMBOL))
PREDICATE(p_is_string, is_type(v, T_STRING))
PREDICATE(p_is_char, is_char(v))
PREDICATE(p_is_boolean, v == TRUE || v == FALSE)
PREDICATE(p_is_procedure, is_procedure(v))
PREDICATE(p_is_eof, v == END_OF_FILE)
PREDICATE(p_not, v == FALSE)
PREDICATE(p_is_eq, v == argv[1])
PREDICATE(p_is_eqv, is_eqv(v, argv[1]))
PREDICATE(p_is_equal, is_equal(v, argv[1]))

void lib_list_init(void)
{
    static const definition list[] = {
        {"cons", 2, 2, p_cons},
        {"car", 1, 1, p_access},
        {"cdr", 1, 1, p_access},
        {"caar", 1, 1, p_access},
        {"cadr", 1, 1, p_access},
        {"cdar", 1, 1, p_access},
        {"cddr", 1, 1, p_access},
        {"caddr", 1, 1, p_access},
        {"cdddr", 1, 1, p_access},
        {"cadddr", 1, 1, p_access},
        {"set-car!", 2, 2, p_set_car},
        {"set-cdr!", 2, 2, p_set_cdr},
        {"list", 0, -1, p_list},
        {"cons*", 1, -1, p_cons_star},
        {"make-list", 1, 2, p_make_list},
        {"iota", 1, 3, p_iota},
        {"length", 1, 1, p_length},
        {"append", 0, -1, p_append},
        {"reverse", 1, 1, p_reverse},
        {"reverse!", 1, 1, p_reverse_in_place},
        {"list-tail", 2, 2, p_list_tail},
        {"list-ref", 2, 2, p_list_ref},
        {"last-pair", 1, 1, p_last_pair},
        {"memq", 2, 2, p_memq},
        {"memv", 2, 2, p_memv},
        {"member", 2, 2, p_member},
        {"assq", 2, 2, p_assq},
        {"assv", 2, 2, p_assv},
        {"assoc", 2, 2, p_assoc},
        {"null?", 1, 1, p_is_null},
        {"pair?", 1, 1, p_is_pair},
        {"list?", 1, 1, p_is_list},
        {"symbol?", 1, 1, p_is_symbol},
        {"string?", 1, 1, p_is_string},
        {"char?", 1, 1, p_is_char},
        {"boolean?", 1, 1, p_is_boolean},
        {"procedure?", 1, 1, p_is_procedure},
        {"eof-object?", 1, 1, p_is_eof},
        {"not", 1, 1, p_not},
        {"eq?", 2, 2, p_is_eq},
        {"eqv?", 2, 2, p_is_eqv},
        {"equal?", 2, 2, p_is_equal},
    };
    DEFINE_ALL(list);
}
