/* SPDX-License-Identifier: MIT */
/* Text that grows, and the printed form of values. */
#ifndef LISP_TEXT_H
#define LISP_TEXT_H

#include "value.h"

/* Zero-initialise. */
typedef struct text {
    char *bytes; /* an atomic object, not terminated */
    size_t length, capacity;
    size_t limit; /* print() stops somewhere behind it; 0: none */
} text;

void text_add(text *t, const char *bytes, size_t length);
void text_add_char(text *t, char c);
void text_add_string(text *t, const char *s);
value text_to_string(const text *t);

/* As the program would write it (quotes, escapes) or as people read it. */
void print(text *t, value v, bool written);
/* For messages: written, and cut to a line. */
const char *short_text(value v);
/* The shortest form that reads back as the same number. */
void format_flonum(char *out, size_t size, double d);

#endif
