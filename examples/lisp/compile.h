/* SPDX-License-Identifier: MIT */
/* From data to nodes: what the files of the compiler share. */
#ifndef LISP_COMPILE_H
#define LISP_COMPILE_H

#include "node.h"

/* A procedure being compiled. */
typedef struct function {
    struct function *outer;
    int next_slot, slots;
    int captures;
    struct capture *capture; /* newest first */
} function;

typedef struct variable {
    value name;
    function *owner;
    int slot;
    bool captured; /* by another procedure than its owner */
    bool assigned; /* after a closure may have copied it */
    bool checked;  /* may be read before it has a value */
    struct reference *references;
    struct variable *next;
} variable;

typedef struct scope {
    struct scope *outer;
    function *fn;
    int first_slot;
    variable *variables; /* newest first */
} scope;

/* A special form. */
typedef struct syntax {
    const char *name;
    node *(*compile)(value form, scope *s, bool is_tail);
} syntax;

/* scope.c */
function *new_function(function *outer);
scope *scope_open(scope *outer, function *fn);
variable *scope_declare(scope *s, value name);
variable *scope_declare_self(scope *s, value name); /* the procedure that is running: slot 0 */
variable *scope_find(scope *s, value name);
/* How accesses work is known when the scope closes. */
void scope_close(scope *s);
bool is_boxed(const variable *v);
node *new_read(scope *s, variable *v);
node *new_write(scope *s, variable *v, node *from);
node *new_bind(variable *v, node *from);
int *capture_list(const function *f);

/* compile.c */
void compile_init(void);
node *new_node(run_fn fn, int kids);
node *new_constant(value v);
node *compile(value form, scope *s, bool is_tail);
node *compile_body(value forms, scope *s, bool is_tail);
node *compile_sequence(value forms, scope *s, bool is_tail);
/* is_self: the name means the procedure within it.  name FALSE: none. */
node *compile_lambda(value name, bool is_self, value parameters, value body, scope *s);
void declare_parameter(scope *s, value name, value all);
value expand(value form, scope *s); /* macros at its head */
bool is_special(value form, scope *s, const char *name);
__attribute__((noreturn, format(printf, 2, 3))) void syntax_error(value form, const char *format, ...);
value eval_toplevel(value form, value positions, const char *file);
value eval_here(value form); /* while compiling */

/* syntax.c and derived.c */
extern const syntax core_syntax[], derived_syntax[]; /* end with NULL names */
bool is_assigned(value form, value name);
value expand_record_type(value form);

/* Lists in C. */
value list1(value a);
value list2(value a, value b);
value list3(value a, value b, value c);
/* The n-th element of a form, which must have more than n. */
value nth(value form, int n);
value nth_tail(value form, int n);

#endif
