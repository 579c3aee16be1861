/* SPDX-License-Identifier: MIT */
/*
 * A raw leak report as `kindgc leaks` shows it: read, its stacks as functions
 * and lines, and without what is suppressed.  doc/leaks.md has the fields.
 */
#ifndef KGC_CLI_LEAK_REPORT_H
#define KGC_CLI_LEAK_REPORT_H

#include "cli/suppressions.h"
#include "cli/symbols.h"
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct cli_leak_options {
    const char *file;
    bool json, quiet;
    size_t max, min, exit;
    struct cli_suppressions suppressions;
};

/* A stack that leaked. */
struct cli_leak {
    bool direct;
    size_t blocks, bytes;
    const json_t *stack;
};

struct cli_leak_report {
    const json_t *raw;
    const char *damage; /* the first field that is missing or of a wrong type */
    struct cli_module **modules;
    size_t module_count;
    struct cli_leak *leaks; /* the largest first; those that are to be shown */
    size_t count;
    size_t blocks[2], bytes[2]; /* indirect, direct: of these */
    size_t small_groups, small_bytes;
    size_t suppressed_groups, suppressed_blocks, suppressed_bytes;
};

/* One call of a stack; inlined ones count. */
struct cli_leak_call {
    unsigned depth;
    const char *module; /* its path; "?": none */
    uint64_t address;
    const struct cli_frame *frame;
};

/* NULL having said why not. */
json_t *cli_leak_load(const char *file);

/* A field of the report.  One that is missing or of a wrong type makes the
   report a damaged one, and is NULL, 0 or "". */
const json_t *cli_leak_field(struct cli_leak_report *r, const json_t *object, const char *name,
                             json_type type);
size_t cli_leak_number(struct cli_leak_report *r, const json_t *object, const char *name);
const char *cli_leak_text(struct cli_leak_report *r, const json_t *object, const char *name);

/* Fills r->leaks and the sums; counts what each suppression has left out. */
void cli_leak_select(struct cli_leak_report *r, struct cli_leak_options *o);

/* Calls fn for each call of a stack, the innermost first, until it returns false. */
void cli_leak_visit_calls(const struct cli_leak_report *r, const json_t *stack,
                          bool (*fn)(const struct cli_leak_call *, void *), void *arg);

void cli_leak_print_text(struct cli_leak_report *r, const struct cli_leak_options *o, FILE *out);
void cli_leak_print_json(const struct cli_leak_report *r, const struct cli_leak_options *o, FILE *out);

#endif
