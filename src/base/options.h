/* SPDX-License-Identifier: MIT */
/*
 * The settings, in one table: kgc_options, the environment variable KINDGC,
 * the command line of `kindgc run` and the manual pages follow from it.
 */
#ifndef KGC_BASE_OPTIONS_H
#define KGC_BASE_OPTIONS_H

#include "base/size.h"
#include <kindgc/init.h>
#include <stdbool.h>
#include <string.h>

/* X(name, type, argument, help): type is text, size or choice. */
#define KGC__OPTIONS(X)                                                                       \
    X(heap, text, "SPEC", "kind of memory that the GC heap comes from")                       \
    X(limit, size, "SIZE", "most bytes of GC heap")                                           \
    X(report, text, "FILE", "write a JSON report to FILE at exit; %p becomes the process id") \
    X(fork, choice, "copy|none", "file kinds in a forked child: a copy, or no access")

/* Is value one of the words in "copy|none"?  Here, because the command checks
   settings too and sees no functions that the library hides. */
static inline bool kgc__is_choice(const char *words, const char *value)
{
    size_t length = strlen(value);
    for (const char *p = words; length != 0 && *p != '\0'; p += *p == '|') {
        size_t n = strcspn(p, "|");
        if (n == length && memcmp(p, value, n) == 0)
            return true;
        p += n;
    }
    return false;
}

enum { KGC__OPTION_TEXT_MAX = 4096 };

/* The settings in force.  Fixed buffers: they are read before and after
   everything that could allocate.  "" and 0 stand for "not set". */
struct kgc__settings {
    char heap[KGC__OPTION_TEXT_MAX];
    size_t limit;
    char report[KGC__OPTION_TEXT_MAX];
    char fork[8];
};
extern struct kgc__settings kgc__settings;

/*
 * Takes one setting.  Returns 0, or EINVAL with kgc_last_error() saying what
 * is allowed.  Specifications of kinds are checked when they are opened.
 */
int kgc__option_set(const char *name, size_t name_length, const char *value);

/*
 * Takes "name=value name=value ..."; a backslash makes the next character
 * part of a value, blanks too.  Returns 0 or EINVAL.
 */
int kgc__options_parse(const char *text);

/* Takes a program's settings, except those that the environment has given. */
int kgc__options_take(const kgc_options *options);

#endif
