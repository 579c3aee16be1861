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

/* X(field, name, type, argument, help): type is text, limit, share, choice,
   number (argument: "LOW-HIGH") or size. */
#define KGC__OPTIONS(X)                                                                                         \
    X(heap, "heap", text, "SPEC", "kind of memory that the GC heap comes from")                                 \
    X(limit, "limit", limit, "SIZE|cgroup|none", "most bytes of GC heap")                                       \
    X(pace, "pace", share, "SHARE|off", "per cent of its time that a program may spend collecting")             \
    X(report, "report", text, "FILE", "write a JSON report to FILE at exit; %p becomes the process id")         \
    X(fork, "fork", choice, "copy|none", "file kinds in a forked child: a copy, or no access")                  \
    X(finalizers, "finalizers", choice, "collected|exit",                                                       \
      "finalizers of collected objects only, or of all at exit")                                                \
    X(malloc, "malloc", choice, "off|rooted|collect|detect",                                                    \
      "what malloc becomes under `kindgc run`: see kindgc(1)")                                                  \
    X(second_look, "second-look", choice, "on|off",                                                             \
      "malloc=collect: reclaim only what two cycles in a row have found unreachable")                           \
    X(leak_report, "leak-report", text, "FILE|stderr", "where leak reports go; %p becomes the process id")      \
    X(leak_format, "leak-format", choice, "text|json|raw", "leak reports for people, for programs, or unread")  \
    X(leak_exit, "leak-exit", number, "0-255", "exit status of a program that has leaked; 0: its own")          \
    X(leak_signal, "leak-signal", choice, "USR1|USR2|HUP|QUIT|PROF|WINCH|URG|PWR|none",                         \
      "signal that asks for a leak report")                                                                     \
    X(leak_suppressions, "leak-suppressions", text, "FILE", "leaks not to report, in LeakSanitizer's format")   \
    X(leak_frames, "leak-frames", number, "1-256", "most frames of an allocation's stack")                      \
    X(leak_sample, "leak-sample", size, "SIZE", "record one stack in SIZE allocated, on average")               \
    X(leak_max, "leak-max", number, "0-1000000", "most leaks to show, the largest first; 0: all")               \
    X(leak_min, "leak-min", size, "SIZE", "do not show leaks of fewer bytes")

/* In a program's environment: the command that started it (`kindgc run`),
   which makes its leak reports.  Ignored in setuid programs. */
#define KGC__COMMAND_VARIABLE "KINDGC_COMMAND"

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

#define KGC__NO_LIMIT SIZE_MAX /* also not the control group's */

/* "64M", "none", or "cgroup", which is 0. */
static inline bool kgc__parse_limit(const char *value, size_t *out)
{
    bool none = strcmp(value, "none") == 0;
    *out = none ? KGC__NO_LIMIT : 0;
    return none || strcmp(value, "cgroup") == 0 || (kgc__parse_size(&value, out) && *value == '\0');
}
#define KGC__LIMIT_SYNTAX "allowed are cgroup, none and a size; " KGC__SIZE_SYNTAX

#define KGC__PACE_LEAST 0.01
#define KGC__PACE_MOST  0.9
#define KGC__PACE_OFF   (-1.0)

/* "25": a quarter; "off": KGC__PACE_OFF. */
static inline bool kgc__parse_share(const char *value, double *out)
{
    size_t digits = strspn(value, "0123456789");
    int percent = 0;
    *out = KGC__PACE_OFF;
    if (strcmp(value, "off") == 0)
        return true;
    for (size_t i = 0; i < digits && digits <= 2; i++)
        percent = 10 * percent + (value[i] - '0');
    *out = percent / 100.0;
    return value[digits] == '\0' && percent >= 1 && percent <= 90;
}
#define KGC__SHARE_SYNTAX "allowed are off and a number of per cent from 1 to 90"

enum { KGC__OPTION_TEXT_MAX = 4096 };

/* "7", in the range "LOW-HIGH". */
static inline bool kgc__parse_number(const char *range, const char *value, size_t *out)
{
    size_t bound[2] = {0, 0}, n = 0, digits = strspn(value, "0123456789");
    for (unsigned i = 0; i < 2; i++, range += *range == '-')
        for (; *range >= '0' && *range <= '9'; range++)
            bound[i] = 10 * bound[i] + (size_t)(*range - '0');
    for (size_t i = 0; i < digits && i < 10; i++)
        n = 10 * n + (size_t)(value[i] - '0');
    *out = n;
    return digits != 0 && digits < 10 && value[digits] == '\0' && n >= bound[0] && n <= bound[1];
}
#define KGC__NUMBER_SYNTAX "allowed is a number in %s"

/* The settings in force.  Fixed buffers: they are read before and after
   everything that could allocate.  "" and 0 stand for "not set". */
struct kgc__settings {
    char heap[KGC__OPTION_TEXT_MAX];
    size_t limit; /* 0 also for "cgroup", which is the default */
    double pace;
    char report[KGC__OPTION_TEXT_MAX];
    char fork[8];
    char finalizers[16];
    char malloc[16];
    char second_look[8];
    char leak_report[KGC__OPTION_TEXT_MAX];
    char leak_format[8];
    size_t leak_exit;
    char leak_signal[8];
    char leak_suppressions[KGC__OPTION_TEXT_MAX];
    size_t leak_frames;
    size_t leak_sample;
    size_t leak_max;
    size_t leak_min;
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

/* Was it given in the environment? */
bool kgc__option_is_users(const char *name);

/* Takes a program's settings, except those that the environment has given. */
int kgc__options_take(const kgc_options *options);

#endif
