/* SPDX-License-Identifier: MIT */
/* Watching the collector while a program runs. */
#ifndef LISP_MEASURE_H
#define LISP_MEASURE_H

#include <stddef.h>
#include <stdint.h>

typedef struct measurements {
    size_t collections;
    uint64_t pauses, longest; /* nanoseconds */
} measurements;

extern measurements measured;

void measure_start(void); /* before the first object */
/* One row on standard error, and what its columns are. */
void measure_heading(void);
void measure_row(const char *program);

#endif
