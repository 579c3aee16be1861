/* SPDX-License-Identifier: MIT */
/*
 * Making and comparing objects: the only place that asks the collector for
 * memory, so that a full heap becomes a condition in one place.
 */
#include "interp.h"
#include "value.h"
#include <kindgc.h>
#include <string.h>

void *new_scanned(size_t size)
{
    void *p = kgc_allocate(size);
    if (__builtin_expect(!p, 0))
        raise_out_of_memory(size);
    return p;
}

void *new_atomic(size_t size)
{
    void *p = kgc_allocate_atomic(size);
    if (__builtin_expect(!p, 0))
        raise_out_of_memory(size);
    return p;
}

value new_flonum(double d)
{
    double *p = new_atomic(sizeof *p);
    *p = d;
    return (value)p + 2;
}

value cons(value first, value rest)
{
    pair *p = new_scanned(sizeof *p);
    p->head = first;
    p->tail = rest;
    return (value)p + 4;
}

value new_string(const char *bytes, size_t length)
{
    string *s = new_atomic(sizeof *s + length + 1);
    s->type = T_STRING;
    s->length = length;
    if (bytes)
        memcpy(s->bytes, bytes, length);
    s->bytes[length] = '\0';
    return (value)s;
}

value new_string_of(const char *text)
{
    return new_string(text, strlen(text));
}

value new_vector(size_t length, value fill)
{
    if (length > PTRDIFF_MAX / sizeof(value) - 2)
        raise_out_of_memory(SIZE_MAX);
    vector *v = new_scanned(sizeof *v + length * sizeof(value));
    v->type = T_VECTOR;
    v->length = length;
    for (size_t i = 0; i < length; i++)
        v->item[i] = fill;
    return (value)v;
}

value new_cell(value content)
{
    cell *c = new_scanned(sizeof *c);
    c->type = T_CELL;
    c->content = content;
    return (value)c;
}

value list_reverse(value list)
{
    value done = NIL;
    while (is_pair(list)) {
        value next = tail(list);
        pair_of(list)->tail = done;
        done = list;
        list = next;
    }
    return done;
}

intptr_t list_length(value list)
{
    intptr_t n = 0;
    for (value slow = list; is_pair(list); list = tail(list)) {
        if (++n % 2 == 0) {
            slow = tail(slow);
            if (n > 2 && slow == list)
                return -1; /* circular */
        }
    }
    return list == NIL ? n : -1;
}

bool is_eqv(value a, value b)
{
    return a == b || (is_flonum(a) && is_flonum(b) && flonum_value(a) == flonum_value(b));
}

bool is_equal(value a, value b)
{
    check_stack();
    while (is_pair(a) && is_pair(b)) {
        if (a == b)
            return true;
        if (!is_equal(head(a), head(b)))
            return false;
        a = tail(a);
        b = tail(b);
    }
    if (is_eqv(a, b))
        return true;
    if (is_type(a, T_STRING) && is_type(b, T_STRING))
        return string_of(a)->length == string_of(b)->length &&
               memcmp(string_of(a)->bytes, string_of(b)->bytes, string_of(a)->length) == 0;
    if (is_type(a, T_VECTOR) && is_type(b, T_VECTOR)) {
        const vector *v = vector_of(a), *w = vector_of(b);
        if (v->length != w->length)
            return false;
        for (size_t i = 0; i < v->length; i++)
            if (!is_equal(v->item[i], w->item[i]))
                return false;
        return true;
    }
    return false;
}
