/* SPDX-License-Identifier: MIT */
/* The reader: text to data, remembering the line of every list. */
#include "reader.h"
#include "interp.h"
#include "lib.h"
#include "text.h"
#include <ctype.h>
#include <string.h>

__attribute__((noreturn)) static void raise_end(reader *r, unsigned line, const char *what)
{
    r->is_incomplete = true;
    raise_at(r->file, line, "%s", what);
}

static int peek(const reader *r)
{
    return r->at < r->end ? (unsigned char)*r->at : -1;
}

static int next(reader *r)
{
    if (r->at == r->end)
        return -1;
    if (*r->at == '\n')
        r->line++;
    return (unsigned char)*r->at++;
}

static void skip_block_comment(reader *r)
{
    unsigned line = r->line;
    int depth = 0;
    do {
        int c = next(r);
        if (c < 0)
            raise_end(r, line, "this #| is never closed");
        if (c == '#' && peek(r) == '|') {
            next(r);
            depth++;
        } else if (c == '|' && peek(r) == '#') {
            next(r);
            depth--;
        }
    } while (depth > 0);
}

static value read_needed(reader *r, const char *after)
{
    unsigned line = r->line;
    value v = read_datum(r);
    if (v == END_OF_FILE)
        raise_end(r, line, after);
    return v;
}

/* To the start of the next datum; its first character, or -1. */
static int skip_space(reader *r)
{
    for (;;) {
        int c = peek(r);
        if (c == ';')
            while (peek(r) >= 0 && peek(r) != '\n')
                next(r);
        else if (c == '#' && r->end - r->at > 1 && r->at[1] == '|')
            skip_block_comment(r);
        else if (c == '#' && r->end - r->at > 1 && r->at[1] == ';') {
            r->at += 2;
            read_needed(r, "nothing follows this #;");
        } else if (c < 0 || !isspace(c))
            return c;
        else
            next(r);
    }
}

static bool ends_token(int c)
{
    return c < 0 || isspace(c) || strchr("()\"';`,", c);
}

static value new_positioned(reader *r, value v, unsigned line)
{
    if (r->positions != FALSE)
        table_put(r->positions, v, fixnum((intptr_t)line));
    return v;
}

static value read_list(reader *r, unsigned line)
{
    value first = NIL, last = NIL;
    for (;;) {
        unsigned here = r->line;
        int c = skip_space(r);
        if (c < 0)
            raise_end(r, line, "this ( is never closed");
        if (c == ')') {
            next(r);
            return first;
        }
        here = r->line;
        if (c == '.' && r->end - r->at > 1 && ends_token((unsigned char)r->at[1])) {
            next(r);
            if (first == NIL)
                raise_at(r->file, here, "a . must follow an element");
            pair_of(last)->tail = read_needed(r, "nothing follows this .");
            if (skip_space(r) != ')')
                raise_at(r->file, here, "one datum must follow a . in a list");
            next(r);
            return first;
        }
        value p = cons(read_datum(r), NIL);
        if (first == NIL)
            first = new_positioned(r, p, line);
        else
            pair_of(last)->tail = p;
        last = p;
    }
}

static value read_string(reader *r, unsigned line)
{
    text t = {0};
    for (;;) {
        int c = next(r);
        if (c < 0)
            raise_end(r, line, "this string is never closed");
        if (c == '"')
            return text_to_string(&t);
        if (c == '\\') {
            c = next(r);
            if (c < 0)
                raise_end(r, line, "this string is never closed");
            if (c == '\n') { /* goes on behind the next line's indentation */
                while (peek(r) == ' ' || peek(r) == '\t')
                    next(r);
                continue;
            }
            const char *in = "ntr\\\"", *out = "\n\t\r\\\"", *found = strchr(in, c);
            if (!found)
                raise_at(r->file, r->line, "unknown escape \\%c in a string", c);
            c = out[found - in];
        }
        text_add_char(&t, (char)c);
    }
}

static value read_character(reader *r)
{
    static const struct {
        const char *name;
        unsigned char c;
    } names[] = {{"space", ' '}, {"newline", '\n'}, {"tab", '\t'}, {"return", '\r'}, {"null", 0}};
    const char *start = r->at;
    if (next(r) < 0)
        raise_end(r, r->line, "nothing follows this #\\");
    while (!ends_token(peek(r)))
        next(r);
    size_t length = (size_t)(r->at - start);
    if (length == 1)
        return character((unsigned char)*start);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strlen(names[i].name) == length && memcmp(names[i].name, start, length) == 0)
            return character(names[i].c);
    raise_at(r->file, r->line, "unknown character #\\%.*s", length < 40 ? (int)length : 40, start);
}

static value read_hash(reader *r, unsigned line)
{
    int c = peek(r);
    if (c == '(') {
        next(r);
        return list_to_vector(read_list(r, line));
    }
    if (c == '\\') {
        next(r);
        return read_character(r);
    }
    if ((c == 't' || c == 'f') && (r->end - r->at == 1 || ends_token((unsigned char)r->at[1]))) {
        next(r);
        return boolean(c == 't');
    }
    raise_at(r->file, line, "unknown syntax after #");
}

static value read_token(reader *r)
{
    const char *start = r->at;
    while (!ends_token(peek(r)))
        next(r);
    size_t length = (size_t)(r->at - start);
    value number = parse_number(start, length);
    return number != FALSE ? number : intern(start, length);
}

static value read_quoted(reader *r, const char *name, unsigned line)
{
    value datum = read_needed(r, "nothing follows this quotation mark");
    return new_positioned(r, cons(intern_name(name), cons(datum, NIL)), line);
}

value read_datum(reader *r)
{
    check_stack();
    int c = skip_space(r);
    unsigned line = r->line;
    switch (c) {
    case -1:
        return END_OF_FILE;
    case '(':
        next(r);
        return read_list(r, line);
    case ')':
        raise_at(r->file, line, "this ) closes nothing");
    case '"':
        next(r);
        return read_string(r, line);
    case '\'':
        next(r);
        return read_quoted(r, "quote", line);
    case '`':
        next(r);
        return read_quoted(r, "quasiquote", line);
    case ',':
        next(r);
        if (peek(r) != '@')
            return read_quoted(r, "unquote", line);
        next(r);
        return read_quoted(r, "unquote-splicing", line);
    case '#':
        next(r);
        return read_hash(r, line);
    default:
        return read_token(r);
    }
}
