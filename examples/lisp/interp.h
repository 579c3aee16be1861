/* SPDX-License-Identifier: MIT */
/*
 * The state of the running program: where it is, how it fails, and how
 * procedures are called from C.
 */
#ifndef LISP_INTERP_H
#define LISP_INTERP_H

#include "value.h"
#include <setjmp.h>

/* Arguments of a tail call that need no object of their own. */
#define TAIL_ARGUMENTS 64

/* A place that control can return to: a handler of conditions or an escape. */
typedef struct landing {
    struct landing *outer;
    struct wind *winds; /* in force there */
    const struct node *where;
    const primitive *current;
    struct escape *escape; /* NULL: a handler */
    value payload;         /* what was raised or returned */
    jmp_buf jump;
} landing;

/* An exit procedure that runs when control leaves dynamic-wind. */
typedef struct wind {
    struct wind *outer;
    value after;
} wind;

/* A procedure of call/ec.  Its landing is on the C stack. */
typedef struct escape {
    object_type type;
    landing *to; /* NULL once it returned */
} escape;

/* Static, hence a root. */
typedef struct interp {
    const struct node *where; /* the call being made, for messages */
    const primitive *current; /* the primitive being run, for messages */
    landing *landings;
    wind *winds;
    struct {
        value fn;
        int argc;
        value *argv; /* buffer, or an object */
        value buffer[TAIL_ARGUMENTS];
    } tail;
    char *stack_limit;   /* frames below it are an error */
    value out_of_memory; /* made beforehand: there is no memory to make it then */
} interp_state;

extern interp_state interp;

void interp_init(size_t stack_size); /* of the calling thread */

__attribute__((noreturn)) void raise_stack_overflow(void);

/* Raises a condition when the C stack is nearly used up. */
static inline void check_stack(void)
{
    if (__builtin_expect((char *)__builtin_frame_address(0) < interp.stack_limit, 0))
        raise_stack_overflow();
}

/* Failures.  All end in the innermost handler. */
__attribute__((noreturn)) void raise_value(value v);
__attribute__((noreturn, format(printf, 1, 2))) void raise_error(const char *format, ...);
__attribute__((noreturn, format(printf, 3, 4))) void raise_at(const char *file, unsigned line,
                                                              const char *format, ...);
/* "car: expected a pair, got 5", with the name of the running primitive. */
__attribute__((noreturn)) void raise_type(const char *expected, value got);
__attribute__((noreturn)) void raise_out_of_memory(size_t size);
value new_condition(const char *file, unsigned line, value message, value irritants);
value condition_text(value raised); /* a string, for any raised value */
void report(value raised);          /* a line on standard error */

/* Handlers and escapes in C: `if (setjmp(l.jump) == 0) { ...; leave(&l); } else l.payload` */
void enter(landing *l);
void leave(landing *l);
__attribute__((noreturn)) void land(landing *l, value payload);

/* Calls a procedure; may be used by primitives, which afterwards are the
   current one again. */
value call(value fn, int argc, value *argv);
value call1(value fn, value a);
value call2(value fn, value a, value b);
/* Returns from a primitive by calling a procedure; argv must be an object,
   or fit into the buffer. */
value tail_call(value fn, int argc, value *argv);

#endif
