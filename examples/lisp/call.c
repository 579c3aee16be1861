/* SPDX-License-Identifier: MIT */
/*
 * Calling procedures.  A call in tail position leaves procedure and arguments
 * in interp.tail and returns TAIL_CALL to the loop in run_closure(), so that
 * iteration by recursion takes no stack.
 */
#include "node.h"
#include "text.h"
#include <alloca.h>
#include <string.h>

__attribute__((noreturn)) static void raise_arguments(const char *name, int least, int most, int argc)
{
    if (least == most)
        raise_error("%s: expected %d argument%s, got %d", name, least, least == 1 ? "" : "s", argc);
    else if (most < 0)
        raise_error("%s: expected at least %d argument%s, got %d", name, least, least == 1 ? "" : "s", argc);
    else
        raise_error("%s: expected %d to %d arguments, got %d", name, least, most, argc);
}

static inline value call_primitive(const primitive *p, int argc, value *argv)
{
    if (__builtin_expect(argc < p->least || (argc > p->most && p->most >= 0), 0))
        raise_arguments(p->name, p->least, p->most, argc);
    interp.current = p;
    return p->fn(argc, argv);
}

/* Puts arguments into the slots of a closure. */
static void bind(value *slot, value fn, int argc, const value *argv)
{
    const template *t = ((const closure *)fn)->code;
    if (__builtin_expect(argc < t->required || (argc > t->required && !t->rest), 0))
        raise_arguments(t->name ? t->name : "procedure", t->required, t->rest ? -1 : t->required, argc);
    slot[0] = fn;
    for (int i = 0; i < t->required; i++)
        slot[1 + i] = argv[i];
    if (t->rest) {
        value rest = NIL;
        for (int i = argc; i > t->required; i--)
            rest = cons(argv[i - 1], rest);
        slot[1 + t->required] = rest;
    }
}

static value call_other(value fn, int argc, value *argv);

/* Runs the closure in slot 0, whose slots hold its arguments, and all that it
   calls in tail position. */
static value run_closure(value *slot)
{
    check_stack();
    const template *t = ((const closure *)slot[0])->code;
    int capacity = t->slots;
    for (;;) {
        value result = t->body->run(t->body, slot);
        if (result != TAIL_CALL)
            return result;
        value fn = interp.tail.fn;
        if (!is_type(fn, T_CLOSURE))
            return call_other(fn, interp.tail.argc, interp.tail.argv);
        t = ((const closure *)fn)->code;
        if (t->slots > capacity) {
            /* Doubling bounds what is lost to smaller arrays. */
            capacity = t->slots > 2 * capacity ? t->slots : 2 * capacity;
            slot = alloca((size_t)capacity * sizeof *slot);
        }
        bind(slot, fn, interp.tail.argc, interp.tail.argv);
    }
}

value apply(value fn, int argc, value *argv)
{
    if (!is_type(fn, T_CLOSURE))
        return call_other(fn, argc, argv);
    check_stack();
    value *slot = alloca((size_t)((const closure *)fn)->code->slots * sizeof *slot);
    bind(slot, fn, argc, argv);
    return run_closure(slot);
}

static value call_other(value fn, int argc, value *argv)
{
    check_stack();
    if (is_type(fn, T_PRIMITIVE)) {
        value copy[TAIL_ARGUMENTS];
        if (argv == interp.tail.buffer) /* the primitive may make tail calls itself */
            argv = memcpy(copy, argv, (size_t)argc * sizeof *argv);
        value result = call_primitive((const primitive *)fn, argc, argv);
        return result == TAIL_CALL ? apply(interp.tail.fn, interp.tail.argc, interp.tail.argv) : result;
    }
    if (is_type(fn, T_ESCAPE)) {
        if (!((escape *)fn)->to)
            raise_error("escape procedure called after its call/ec returned");
        if (argc > 1)
            raise_arguments("escape procedure", 0, 1, argc);
        land(((escape *)fn)->to, argc ? argv[0] : UNSPECIFIED);
    }
    interp.current = NULL;
    raise_error("not a procedure: %s", short_text(fn));
}

value run_call(const node *n, value *slot)
{
    value fn = run(n->kid[0], slot);
    int argc = n->count - 1;
    if (is_type(fn, T_CLOSURE)) {
        const template *t = ((const closure *)fn)->code;
        if (t->required == argc && !t->rest) {
            value *fresh = alloca((size_t)t->slots * sizeof *fresh);
            fresh[0] = fn;
            for (int i = 1; i <= argc; i++)
                fresh[i] = run(n->kid[i], slot);
            interp.where = n;
            return run_closure(fresh);
        }
    }
    value *argv = alloca((size_t)(argc + 1) * sizeof *argv);
    for (int i = 0; i < argc; i++)
        argv[i] = run(n->kid[i + 1], slot);
    interp.where = n;
    if (is_type(fn, T_PRIMITIVE)) {
        value result = call_primitive((const primitive *)fn, argc, argv);
        return result == TAIL_CALL ? apply(interp.tail.fn, interp.tail.argc, interp.tail.argv) : result;
    }
    return apply(fn, argc, argv);
}

value run_tail_call(const node *n, value *slot)
{
    value fn = run(n->kid[0], slot);
    int argc = n->count - 1;
    value argv[TAIL_ARGUMENTS]; /* the compiler makes no tail calls with more */
    for (int i = 0; i < argc; i++)
        argv[i] = run(n->kid[i + 1], slot);
    interp.where = n;
    if (is_type(fn, T_PRIMITIVE))
        return call_primitive((const primitive *)fn, argc, argv);
    interp.tail.fn = fn;
    interp.tail.argc = argc;
    interp.tail.argv = interp.tail.buffer;
    for (int i = 0; i < argc; i++)
        interp.tail.buffer[i] = argv[i];
    return TAIL_CALL;
}
