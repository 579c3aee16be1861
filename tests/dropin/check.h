/* SPDX-License-Identifier: MIT */
/* For programs that know nothing of the library: what does not hold is printed, and the program goes on. */
#ifndef TESTS_DROPIN_CHECK_H
#define TESTS_DROPIN_CHECK_H

#include <stdio.h>

static int failures;

static inline void not_so(const char *file, int line, const char *expression)
{
    printf("%s:%d: not so: %s\n", file, line, expression);
    failures++;
}
#define CHECK(expression) ((expression) ? (void)0 : not_so(__FILE__, __LINE__, #expression))

/* Hides from the compiler what is passed on: it knows malloc too well. */
static inline void *hidden(void *p)
{
    __asm__ volatile("" : "+r"(p));
    return p;
}

#endif
