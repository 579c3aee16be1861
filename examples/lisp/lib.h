/* SPDX-License-Identifier: MIT */
/*
 * Primitives: how they are defined, how they check arguments, and what they
 * offer to the rest of the interpreter.
 */
#ifndef LISP_LIB_H
#define LISP_LIB_H

#include "interp.h"

typedef struct definition {
    const char *name;
    int least, most; /* arguments; most -1: any number */
    primitive_fn fn;
} definition;

void define_all(const definition *list, size_t count);
#define DEFINE_ALL(list) define_all(list, sizeof(list) / sizeof *(list))

/* Each file of primitives. */
void lib_number_init(void);
void lib_math_init(void);
void lib_list_init(void);
void lib_higher_init(void);
void lib_string_init(void);
void lib_vector_init(void);
void lib_hash_init(void);
void lib_port_init(void);
void lib_control_init(void);

/* Arguments; the wrong type raises. */
intptr_t to_integer(value v);
size_t to_index(value v, size_t limit); /* 0..limit */
double to_double(value v);
string *to_string(value v);
vector *to_vector(value v);
symbol *to_symbol(value v);
unsigned char to_character(value v);
pair *to_pair(value v);
intptr_t to_list(value v); /* its length */
bool is_procedure(value v);

/* lib_number.c and lib_math.c */
value parse_number(const char *characters, size_t length); /* FALSE: none */
value number_of(double d);                                 /* an integer when it is one and fits */
int compare_numbers(value a, value b);                     /* -1, 0, 1; 2: not comparable */

/* lib_vector.c */
value list_to_vector(value list);
value vector_to_list(value v);

/* lib_hash.c: tables by identity or by structure. */
value new_table(bool by_structure);
value table_get(value table, value key, value otherwise);
void table_put(value table, value key, value v);

/* lib_port.c */
typedef struct port_counts {
    size_t finalized; /* finalizers run */
    size_t closed;    /* file descriptors that they closed */
} port_counts;
extern port_counts ports;
bool flush_output(void);                 /* of the standard output; false with errno when it cannot */
value read_whole_file(const char *path); /* a string; raises */

/* lib_control.c */
void load_text(const char *bytes, size_t length, const char *name, bool echo);
void set_arguments(int argc, char **argv); /* the program and its arguments */
void show(value v);                        /* written, with a newline, on the standard output */

#endif
