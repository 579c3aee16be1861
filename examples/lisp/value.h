/* SPDX-License-Identifier: MIT */
/*
 * Values: one machine word each, and the layout of every object on the heap.
 *
 *   ...1    an integer of 63 bits
 *   ..010   a pointer to a double in an atomic object
 *   ..100   a pointer to a pair
 *   ..000   a pointer to an object that starts with its type
 *   ..110   an immediate: the empty list, truth values, characters
 *
 * Tagged pointers point into their objects, not at their starts: the
 * collector recognises pointers to the interior, so no value needs help to be
 * found.
 */
#ifndef LISP_VALUE_H
#define LISP_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uintptr_t value;

#define IMMEDIATE(kind, payload) ((value)(payload) << 8 | (value)(kind) << 3 | 6)

#define NIL         IMMEDIATE(0, 0)
#define FALSE       IMMEDIATE(1, 0)
#define TRUE        IMMEDIATE(2, 0)
#define UNSPECIFIED IMMEDIATE(3, 0) /* what has no better value */
#define END_OF_FILE IMMEDIATE(4, 0)
#define UNBOUND     IMMEDIATE(5, 0) /* never seen by a program */
#define TAIL_CALL   IMMEDIATE(6, 0) /* never seen by a program: the call in interp.tail is to be made */
#define ABSENT      IMMEDIATE(7, 0) /* never seen by a program: an unused place in a table */

#define FIXNUM_MAX (INTPTR_MAX >> 1)
#define FIXNUM_MIN (INTPTR_MIN >> 1)

typedef enum object_type {
    T_SYMBOL = 1,
    T_STRING,
    T_VECTOR,
    T_TABLE,
    T_CLOSURE,
    T_PRIMITIVE,
    T_PORT,
    T_CELL,
    T_CONDITION,
    T_ESCAPE,
    T_RECORD,
    T_RECORD_TYPE
} object_type;

typedef struct object {
    object_type type;
} object;

typedef struct pair {
    value head, tail;
} pair;

/* Bytes: UTF-8 passes through, a character is one byte.  Atomic. */
typedef struct string {
    object_type type;
    size_t length;
    char bytes[]; /* and a NUL */
} string;

/* Interned for ever: the table of symbols is a root, and the value of a
   global variable lives in its symbol. */
typedef struct symbol {
    object_type type;
    string *name;
    value global;  /* UNBOUND when it is no variable */
    value builtin; /* what it was bound to at the start */
    const struct syntax *syntax;
    value macro; /* a procedure, or UNBOUND */
    struct symbol *next;
} symbol;

typedef struct vector {
    object_type type;
    size_t length;
    value item[];
} vector;

/* A variable that closures share and somebody assigns. */
typedef struct cell {
    object_type type;
    value content;
} cell;

typedef struct closure {
    object_type type;
    const struct template *code;
    value captured[];
} closure;

typedef value (*primitive_fn)(int argc, value *argv);

typedef struct primitive {
    object_type type;
    int least, most; /* arguments; most -1: any number */
    const char *name;
    primitive_fn fn;
} primitive;

typedef struct condition {
    object_type type;
    unsigned line; /* 0: no position */
    const char *file;
    value message, irritants;
} condition;

typedef struct record_type {
    object_type type;
    value name;
    size_t fields;
} record_type;

typedef struct record {
    object_type type;
    record_type *of;
    value field[];
} record;

static inline bool is_fixnum(value v)
{
    return v & 1;
}

static inline bool is_flonum(value v)
{
    return (v & 7) == 2;
}

static inline bool is_pair(value v)
{
    return (v & 7) == 4;
}

static inline bool is_char(value v)
{
    return (v & 0xff) == IMMEDIATE(8, 0);
}

static inline bool is_object(value v)
{
    return (v & 7) == 0;
}

static inline bool is_type(value v, object_type type)
{
    return is_object(v) && ((const object *)v)->type == type;
}

static inline value fixnum(intptr_t n)
{
    return (value)n << 1 | 1;
}

static inline intptr_t fixnum_value(value v)
{
    return (intptr_t)v >> 1;
}

static inline double flonum_value(value v)
{
    return *(const double *)(v - 2);
}

static inline value character(unsigned char c)
{
    return IMMEDIATE(8, c);
}

static inline unsigned char character_value(value v)
{
    return (unsigned char)(v >> 8);
}

static inline value boolean(bool b)
{
    return b ? TRUE : FALSE;
}

static inline pair *pair_of(value v)
{
    return (pair *)(v - 4);
}

static inline value head(value v)
{
    return pair_of(v)->head;
}

static inline value tail(value v)
{
    return pair_of(v)->tail;
}

/* Constructors; all raise a condition when the heap is full. */
void *new_scanned(size_t size); /* zeroed */
void *new_atomic(size_t size);
value new_flonum(double d);
value cons(value head, value tail);
value new_string(const char *bytes, size_t length); /* bytes NULL: contents indeterminate */
value new_string_of(const char *text);
value new_vector(size_t length, value fill);
value new_cell(value content);
value list_reverse(value list);   /* in place */
intptr_t list_length(value list); /* -1: not a list */
bool is_eqv(value a, value b);    /* the same, or equal numbers of one type */
bool is_equal(value a, value b);  /* the same structure */

static inline string *string_of(value v)
{
    return (string *)v;
}

static inline vector *vector_of(value v)
{
    return (vector *)v;
}

/* Symbols. */
void symbols_init(void);
value intern(const char *name, size_t length);
value intern_name(const char *name);
value new_uninterned(const char *name);

static inline symbol *symbol_of(value v)
{
    return (symbol *)v;
}

#endif
