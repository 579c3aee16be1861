/* SPDX-License-Identifier: MIT */
/*
 * Suppression files, in LeakSanitizer's format: lines "leak:PATTERN", empty
 * lines and comments (#).  A pattern is found anywhere in a name; "*" stands
 * for anything, "^" for the name's beginning, "$" for its end.
 */
#ifndef KGC_CLI_SUPPRESSIONS_H
#define KGC_CLI_SUPPRESSIONS_H

#include <stdbool.h>
#include <stddef.h>

struct cli_suppression {
    char *pattern;
    size_t groups, blocks, bytes; /* that it has suppressed */
};
struct cli_suppressions {
    struct cli_suppression *list;
    size_t count;
};

/* Adds a file's.  0, or the exit status having said what is wrong in which line. */
int cli_suppressions_read(struct cli_suppressions *all, const char *file);
/* Adds one line; false: it is none.  Its end is cut off. */
bool cli_suppressions_add_line(struct cli_suppressions *all, char *line);
void cli_suppressions_free(struct cli_suppressions *all);

bool cli_pattern_matches(const char *pattern, const char *name);

#endif
