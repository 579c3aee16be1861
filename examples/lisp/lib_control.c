/* SPDX-License-Identifier: MIT */
/*
 * Control: applying, conditions, escapes, loading programs, the collector and
 * the process.  Also the registration of primitives.
 */
#include "compile.h"
#include "lib.h"
#include "main.h"
#include "measure.h"
#include "reader.h"
#include "text.h"
#include <kindgc.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void define_all(const definition *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        symbol *s = symbol_of(intern_name(list[i].name));
        primitive *p = new_scanned(sizeof *p);
        p->type = T_PRIMITIVE;
        p->name = list[i].name;
        p->least = list[i].least;
        p->most = list[i].most;
        p->fn = list[i].fn;
        s->global = s->builtin = (value)p;
    }
}

bool is_procedure(value v)
{
    return is_type(v, T_CLOSURE) || is_type(v, T_PRIMITIVE) || is_type(v, T_ESCAPE);
}

/* (apply f a b ... list) */
static value p_apply(int argc, value *argv)
{
    value last = argv[argc - 1];
    size_t given = (size_t)argc - 2, total = given + (size_t)to_list(last);
    value *all = new_scanned(total * sizeof *all);
    for (size_t i = 0; i < given; i++)
        all[i] = argv[1 + i];
    for (size_t i = given; i < total; i++, last = tail(last))
        all[i] = head(last);
    return tail_call(argv[0], (int)total, all);
}

/* (error message irritant ...) */
static value p_error(int argc, value *argv)
{
    value irritants = NIL;
    for (int i = argc; i > 1; i--)
        irritants = cons(argv[i - 1], irritants);
    raise_value(new_condition(where_file(), where_line(), argv[0], irritants));
}

static value p_raise(int argc, value *argv)
{
    (void)argc;
    raise_value(argv[0]);
}

/* (with-handler handler thunk): the handler runs outside of what failed, and
   its value is the result. */
static value p_with_handler(int argc, value *argv)
{
    (void)argc;
    landing l;
    value handler = argv[0];
    enter(&l);
    if (setjmp(l.jump) == 0) {
        value result = call(argv[1], 0, NULL);
        leave(&l);
        return result;
    }
    return tail_call(handler, 1, &l.payload);
}

/* (call/ec f): f receives a procedure that returns from call/ec */
static value p_call_ec(int argc, value *argv)
{
    (void)argc;
    landing l;
    escape *e = new_scanned(sizeof *e);
    e->type = T_ESCAPE;
    enter(&l);
    l.escape = e;
    e->to = &l;
    if (setjmp(l.jump) == 0) {
        value result = call1(argv[0], (value)e);
        leave(&l);
        return result;
    }
    return l.payload;
}

/* (dynamic-wind before thunk after) */
static value p_dynamic_wind(int argc, value *argv)
{
    (void)argc;
    wind w = {interp.winds, argv[2]};
    call(argv[0], 0, NULL);
    interp.winds = &w;
    value result = call(argv[1], 0, NULL);
    interp.winds = w.outer;
    call(argv[2], 0, NULL);
    return result;
}

static value p_is_condition(int argc, value *argv)
{
    (void)argc;
    return boolean(is_type(argv[0], T_CONDITION));
}

static const condition *to_condition(value v)
{
    if (!is_type(v, T_CONDITION))
        raise_type("a condition", v);
    return (const condition *)v;
}

static value p_condition_message(int argc, value *argv)
{
    (void)argc;
    return to_condition(argv[0])->message;
}

static value p_condition_irritants(int argc, value *argv)
{
    (void)argc;
    return to_condition(argv[0])->irritants;
}

static value p_condition_text(int argc, value *argv)
{
    (void)argc;
    return condition_text(argv[0]);
}

static value p_eval(int argc, value *argv)
{
    (void)argc;
    return eval_toplevel(argv[0], new_table(false), "eval");
}

void load_text(const char *bytes, size_t length, const char *name, bool echo)
{
    name = string_of(new_string_of(name))->bytes; /* code points at it */
    reader r = {bytes, bytes + length, name, 1, FALSE, false};
    for (;;) {
        r.positions = new_table(false);
        value form = read_datum(&r);
        if (form == END_OF_FILE)
            return;
        value result = eval_toplevel(form, r.positions, name);
        if (echo && result != UNSPECIFIED)
            show(result);
    }
}

static value p_load(int argc, value *argv)
{
    (void)argc;
    value source = read_whole_file(to_string(argv[0])->bytes);
    load_text(string_of(source)->bytes, string_of(source)->length, string_of(argv[0])->bytes, false);
    return UNSPECIFIED;
}

static value arguments = NIL, directory = NIL; /* static, hence alive */

void set_arguments(int argc, char **argv)
{
    for (int i = argc; i > 1; i--)
        arguments = cons(new_string_of(argv[i - 1]), arguments);
    const char *slash = argc ? strrchr(argv[0], '/') : NULL;
    directory = slash ? new_string(argv[0], (size_t)(slash - argv[0])) : new_string_of(".");
}

static value p_arguments(int argc, value *argv)
{
    (void)argc, (void)argv;
    return arguments;
}

static value p_program_directory(int argc, value *argv)
{
    (void)argc, (void)argv;
    return directory;
}

static value p_exit(int argc, value *argv)
{
    finish(argc == 0 || argv[0] == TRUE ? 0 : argv[0] == FALSE ? 1 : (int)to_index(argv[0], 255));
}

static value p_getenv(int argc, value *argv)
{
    (void)argc;
    const char *content = getenv(to_string(argv[0])->bytes);
    return content ? new_string_of(content) : FALSE;
}

static value p_time(int argc, value *argv)
{
    (void)argc, (void)argv;
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return new_flonum((double)t.tv_sec + (double)t.tv_nsec / 1e9);
}

static value p_gc(int argc, value *argv)
{
    (void)argc, (void)argv;
    kgc_collect();
    kgc_finalizers_run();
    return UNSPECIFIED;
}

static value p_gc_stats(int argc, value *argv)
{
    (void)argc, (void)argv;
    const struct {
        const char *name;
        size_t number;
    } all[] = {
        {"collections", measured.collections},   {"pauses-us", measured.pauses / 1000},
        {"longest-us", measured.longest / 1000}, {"heap-bytes", kgc_heap_size()},
        {"free-bytes", kgc_free_bytes()},        {"total-bytes", kgc_total_bytes()},
        {"finalized", ports.finalized},          {"closed", ports.closed},
    };
    value list = NIL;
    for (size_t i = sizeof all / sizeof *all; i > 0; i--)
        list = cons(cons(intern_name(all[i - 1].name), fixnum((intptr_t)all[i - 1].number)), list);
    return list;
}

static value p_void(int argc, value *argv)
{
    (void)argc, (void)argv;
    return UNSPECIFIED;
}

void lib_control_init(void)
{
    static const definition list[] = {
        {"apply", 2, -1, p_apply},
        {"error", 1, -1, p_error},
        {"raise", 1, 1, p_raise},
        {"with-handler", 2, 2, p_with_handler},
        {"call/ec", 1, 1, p_call_ec},
        {"dynamic-wind", 3, 3, p_dynamic_wind},
        {"condition?", 1, 1, p_is_condition},
        {"condition-message", 1, 1, p_condition_message},
        {"condition-irritants", 1, 1, p_condition_irritants},
        {"condition->string", 1, 1, p_condition_text},
        {"eval", 1, 1, p_eval},
        {"load", 1, 1, p_load},
        {"arguments", 0, 0, p_arguments},
        {"program-directory", 0, 0, p_program_directory},
        {"exit", 0, 1, p_exit},
        {"getenv", 1, 1, p_getenv},
        {"current-time", 0, 0, p_time},
        {"gc", 0, 0, p_gc},
        {"gc-stats", 0, 0, p_gc_stats},
        {"void", 0, -1, p_void},
    };
    DEFINE_ALL(list);
}
