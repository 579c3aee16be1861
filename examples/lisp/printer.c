/* SPDX-License-Identifier: MIT */
/* From values to text. */
#include "interp.h"
#include "node.h"
#include "text.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void text_add(text *t, const char *bytes, size_t length)
{
    if (length > t->capacity - t->length) {
        size_t capacity = t->capacity ? t->capacity * 2 : 48;
        while (capacity - t->length < length)
            capacity *= 2;
        char *bigger = new_atomic(capacity);
        if (t->length)
            memcpy(bigger, t->bytes, t->length);
        t->bytes = bigger;
        t->capacity = capacity;
    }
    if (length)
        memcpy(t->bytes + t->length, bytes, length);
    t->length += length;
}

void text_add_char(text *t, char c)
{
    text_add(t, &c, 1);
}

void text_add_string(text *t, const char *s)
{
    text_add(t, s, strlen(s));
}

value text_to_string(const text *t)
{
    return new_string(t->length ? t->bytes : "", t->length);
}

void format_flonum(char *out, size_t size, double d)
{
    if (isnan(d)) {
        snprintf(out, size, "+nan.0");
        return;
    }
    if (isinf(d)) {
        snprintf(out, size, "%cinf.0", d < 0 ? '-' : '+');
        return;
    }
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(out, size, "%.*g", digits, d);
        if (strtod(out, NULL) == d)
            break;
    }
    if (!strpbrk(out, ".e"))
        strncat(out, ".0", size - strlen(out) - 1);
}

static const struct {
    unsigned char c;
    const char *name;
} character_names[] = {{' ', "space"}, {'\n', "newline"}, {'\t', "tab"}, {'\r', "return"}, {0, "null"}};

static void print_character(text *t, unsigned char c)
{
    text_add_string(t, "#\\");
    for (size_t i = 0; i < sizeof character_names / sizeof *character_names; i++)
        if (character_names[i].c == c) {
            text_add_string(t, character_names[i].name);
            return;
        }
    text_add_char(t, (char)c);
}

static void print_string(text *t, const string *s)
{
    text_add_char(t, '"');
    for (size_t i = 0; i < s->length; i++) {
        char c = s->bytes[i];
        if (c == '"' || c == '\\') {
            text_add_char(t, '\\');
            text_add_char(t, c);
        } else if (c == '\n')
            text_add_string(t, "\\n");
        else if (c == '\t')
            text_add_string(t, "\\t");
        else if (c == '\r')
            text_add_string(t, "\\r");
        else
            text_add_char(t, c);
    }
    text_add_char(t, '"');
}

static bool is_full(const text *t)
{
    return t->limit && t->length > t->limit;
}

/* (quote x) is printed as 'x. */
static bool print_quotation(text *t, value v, bool written)
{
    static const char *const marks[][2] = {
        {"quote", "'"}, {"quasiquote", "`"}, {"unquote", ","}, {"unquote-splicing", ",@"}};
    if (!is_type(head(v), T_SYMBOL) || !is_pair(tail(v)) || tail(tail(v)) != NIL)
        return false;
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
        if (strcmp(symbol_of(head(v))->name->bytes, marks[i][0]) == 0) {
            text_add_string(t, marks[i][1]);
            print(t, head(tail(v)), written);
            return true;
        }
    return false;
}

static void print_list(text *t, value v, bool written)
{
    if (print_quotation(t, v, written))
        return;
    value slow = v; /* meets v again in a circular list */
    bool move = false;
    text_add_char(t, '(');
    for (;;) {
        print(t, head(v), written);
        v = tail(v);
        if (!is_pair(v) || is_full(t))
            break;
        text_add_char(t, ' ');
        if (move)
            slow = tail(slow);
        move = !move;
        if (v == slow) {
            text_add_string(t, "...");
            v = NIL;
            break;
        }
    }
    if (v != NIL) {
        text_add_string(t, " . ");
        print(t, v, written);
    }
    text_add_char(t, ')');
}

static void print_named(text *t, const char *what, const char *name)
{
    text_add_string(t, "#<");
    text_add_string(t, what);
    if (name) {
        text_add_char(t, ' ');
        text_add_string(t, name);
    }
    text_add_char(t, '>');
}

static void print_object(text *t, value v, bool written)
{
    switch (((const object *)v)->type) {
    case T_SYMBOL:
        text_add(t, symbol_of(v)->name->bytes, symbol_of(v)->name->length);
        break;
    case T_STRING:
        if (written)
            print_string(t, string_of(v));
        else
            text_add(t, string_of(v)->bytes, string_of(v)->length);
        break;
    case T_VECTOR:
        text_add_string(t, "#(");
        for (size_t i = 0; i < vector_of(v)->length && !is_full(t); i++) {
            if (i)
                text_add_char(t, ' ');
            print(t, vector_of(v)->item[i], written);
        }
        text_add_char(t, ')');
        break;
    case T_TABLE:
        print_named(t, "hash-table", NULL);
        break;
    case T_CLOSURE:
        print_named(t, "procedure", template_name(((const closure *)v)->code));
        break;
    case T_PRIMITIVE:
        print_named(t, "procedure", ((const primitive *)v)->name);
        break;
    case T_PORT:
        print_named(t, "port", NULL);
        break;
    case T_CELL:
        print_named(t, "cell", NULL);
        break;
    case T_CONDITION:
        print_named(t, "condition", string_of(condition_text(v))->bytes);
        break;
    case T_ESCAPE:
        print_named(t, "procedure", "escape");
        break;
    case T_RECORD: {
        const record *r = (const record *)v;
        text_add_string(t, "#<");
        print(t, r->of->name, false);
        for (size_t i = 0; i < r->of->fields; i++) {
            text_add_char(t, ' ');
            print(t, r->field[i], written);
        }
        text_add_char(t, '>');
        break;
    }
    case T_RECORD_TYPE:
        text_add_string(t, "#<record-type ");
        print(t, ((const record_type *)v)->name, false);
        text_add_char(t, '>');
        break;
    }
}

void print(text *t, value v, bool written)
{
    char number[40];
    check_stack();
    if (is_full(t))
        return;
    if (is_fixnum(v)) {
        snprintf(number, sizeof number, "%ld", (long)fixnum_value(v));
        text_add_string(t, number);
    } else if (is_flonum(v)) {
        format_flonum(number, sizeof number, flonum_value(v));
        text_add_string(t, number);
    } else if (is_pair(v))
        print_list(t, v, written);
    else if (is_object(v))
        print_object(t, v, written);
    else if (is_char(v) && written)
        print_character(t, character_value(v));
    else if (is_char(v))
        text_add_char(t, (char)character_value(v));
    else
        text_add_string(t, v == NIL           ? "()"
                           : v == FALSE       ? "#f"
                           : v == TRUE        ? "#t"
                           : v == END_OF_FILE ? "#<eof>"
                           : v == UNSPECIFIED ? "#<unspecified>"
                                              : "#<internal>");
}

const char *short_text(value v)
{
    text t = {.limit = 60};
    print(&t, v, true);
    if (t.length > 60) {
        t.length = 57;
        text_add_string(&t, "...");
    }
    return string_of(text_to_string(&t))->bytes;
}
