/* SPDX-License-Identifier: MIT */
/*
 * Conditions, handlers and escapes: every way in which control leaves a
 * procedure other than returning.  Handlers are jmp_bufs on the C stack; the
 * collector scans that stack, so what a handler holds stays alive.
 */
#include "interp.h"
#include "lib.h"
#include "node.h"
#include "text.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

interp_state interp;

/* What handlers, printing and the collector may still use. */
#define STACK_RESERVE (256u << 10)

void interp_init(size_t stack_size)
{
    char *here = __builtin_frame_address(0);
    interp.stack_limit = here - stack_size + STACK_RESERVE;
    interp.out_of_memory = new_condition(NULL, 0, new_string_of("out of memory"), NIL);
}

value new_condition(const char *file, unsigned line, value message, value irritants)
{
    condition *c = new_scanned(sizeof *c);
    c->type = T_CONDITION;
    c->file = file;
    c->line = line;
    c->message = message;
    c->irritants = irritants;
    return (value)c;
}

void enter(landing *l)
{
    l->outer = interp.landings;
    l->winds = interp.winds;
    l->where = interp.where;
    l->current = interp.current;
    l->escape = NULL;
    l->payload = UNSPECIFIED;
    interp.landings = l;
}

void leave(landing *l)
{
    if (l->escape)
        l->escape->to = NULL;
    interp.landings = l->outer;
}

void land(landing *l, value payload)
{
    l->payload = payload; /* also keeps it alive while exit procedures run */
    while (interp.winds != l->winds) {
        wind *w = interp.winds;
        interp.winds = w->outer;
        call(w->after, 0, NULL);
    }
    for (landing *skipped = interp.landings; skipped != l; skipped = skipped->outer)
        if (skipped->escape)
            skipped->escape->to = NULL;
    leave(l);
    interp.where = l->where;
    interp.current = l->current;
    longjmp(l->jump, 1);
}

void raise_value(value v)
{
    landing *l = interp.landings;
    while (l && l->escape)
        l = l->outer;
    if (!l) { /* before main() has its handler */
        report(v);
        exit(1);
    }
    land(l, v);
}

static value vformat(const char *format, va_list args)
{
    char message[512];
    vsnprintf(message, sizeof message, format, args);
    return new_string_of(message);
}

void raise_error(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    value message = vformat(format, args);
    va_end(args);
    raise_value(new_condition(where_file(), where_line(), message, NIL));
}

void raise_at(const char *file, unsigned line, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    value message = vformat(format, args);
    va_end(args);
    raise_value(new_condition(file, line, message, NIL));
}

void raise_type(const char *expected, value got)
{
    raise_error("%s: expected %s, got %s", interp.current ? interp.current->name : "?", expected,
                short_text(got));
}

void raise_out_of_memory(size_t size)
{
    condition *c = (condition *)interp.out_of_memory;
    if (!c) {
        fprintf(stderr, "lisp: out of memory while starting (%zu bytes)\n", size);
        exit(1);
    }
    c->file = where_file();
    c->line = where_line();
    raise_value(interp.out_of_memory);
}

void raise_stack_overflow(void)
{
    raise_error("recursion too deep");
}

value condition_text(value raised)
{
    text t = {0};
    if (!is_type(raised, T_CONDITION)) {
        text_add_string(&t, "uncaught: ");
        print(&t, raised, true);
        return text_to_string(&t);
    }
    const condition *c = (const condition *)raised;
    print(&t, c->message, false);
    for (value i = c->irritants; is_pair(i); i = tail(i)) {
        text_add_char(&t, ' ');
        print(&t, head(i), true);
    }
    return text_to_string(&t);
}

void report(value raised)
{
    const condition *c = is_type(raised, T_CONDITION) ? (const condition *)raised : NULL;
    if (c && c->line)
        fprintf(stderr, "%s:%u: ", c->file, c->line);
    else
        fputs("lisp: ", stderr);
    /* A full heap is told without allocating. */
    value message = raised == interp.out_of_memory ? c->message : condition_text(raised);
    fprintf(stderr, "%s\n", string_of(message)->bytes);
}

value tail_call(value fn, int argc, value *argv)
{
    interp.tail.fn = fn;
    interp.tail.argc = argc;
    interp.tail.argv = argv;
    if (argc <= TAIL_ARGUMENTS) {
        interp.tail.argv = interp.tail.buffer;
        if (argc)
            memcpy(interp.tail.buffer, argv, (size_t)argc * sizeof *argv);
    }
    return TAIL_CALL;
}

value call(value fn, int argc, value *argv)
{
    const node *where = interp.where;
    const primitive *current = interp.current;
    value result = apply(fn, argc, argv);
    interp.where = where;
    interp.current = current;
    return result;
}

value call1(value fn, value a)
{
    return call(fn, 1, &a);
}

value call2(value fn, value a, value b)
{
    value args[] = {a, b};
    return call(fn, 2, args);
}
