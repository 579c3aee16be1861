/* SPDX-License-Identifier: MIT */
/* A leak report for programs. */
#include "cli/cli.h"
#include "cli/leak_report.h"
#include <stdlib.h>

enum { VERSION = 1 };

/* JSON is UTF-8; names in files and patterns may be anything. */
static json_t *string_of(const char *text)
{
    json_t *string = text != NULL ? json_string(text) : json_null();
    if (string != NULL)
        return string;
    char *copy = cli_format("%s", text);
    for (char *p = copy; *p != '\0'; p++)
        if ((*p & 0x80) != 0)
            *p = '?';
    string = json_string(copy);
    free(copy);
    return string;
}

static bool add_call(const struct cli_leak_call *call, void *arg)
{
    const struct cli_frame *f = call->frame;
    char address[24];
    snprintf(address, sizeof address, "0x%llx", (unsigned long long)call->address);
    json_array_append_new(arg, json_pack("{s:o, s:o, s:i, s:b, s:s, s:s}", "function", string_of(f->function),
                                         "file", string_of(f->file), "line", f->line, "inlined", f->inlined,
                                         "module", call->module, "address", address));
    return true;
}

static json_t *amount(size_t blocks, size_t bytes)
{
    return json_pack("{s:I, s:I}", "blocks", (json_int_t)blocks, "bytes", (json_int_t)bytes);
}

static void copy_fields(json_t *to, const json_t *raw)
{
    static const char *const names[] = {"version", "program", "pid",         "when",          "incomplete",
                                        "doubt",   "frames",  "sample",      "pause_seconds", "threads",
                                        "live",    "stacks",  "stack_bytes", "stacks_refused"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        json_object_set(to, names[i], json_object_get(raw, names[i]));
}

void cli_leak_print_json(const struct cli_leak_report *r, const struct cli_leak_options *o, FILE *out)
{
    json_t *all = json_pack("{s:i}", "kindgc_leaks", VERSION), *leaks = json_array(),
           *suppressions = json_array(), *problems = json_array();
    copy_fields(all, r->raw);
    json_object_set_new(all, "direct", amount(r->blocks[1], r->bytes[1]));
    json_object_set_new(all, "indirect", amount(r->blocks[0], r->bytes[0]));
    json_object_set_new(all, "suppressed", amount(r->suppressed_blocks, r->suppressed_bytes));
    size_t shown = o->max != 0 && o->max < r->count ? o->max : r->count;
    json_object_set_new(all, "groups", json_integer((json_int_t)r->count));
    json_object_set_new(all, "groups_below_min", json_integer((json_int_t)r->small_groups));
    for (size_t i = 0; i < shown; i++) {
        const struct cli_leak *leak = &r->leaks[i];
        json_t *frames = json_array();
        cli_leak_visit_calls(r, leak->stack, add_call, frames);
        json_array_append_new(
            leaks, json_pack("{s:s, s:I, s:I, s:o}", "kind", leak->direct ? "direct" : "indirect", "blocks",
                             (json_int_t)leak->blocks, "bytes", (json_int_t)leak->bytes, "stack", frames));
    }
    for (size_t i = 0; i < o->suppressions.count; i++) {
        const struct cli_suppression *s = &o->suppressions.list[i];
        json_array_append_new(suppressions,
                              json_pack("{s:o, s:I, s:I}", "pattern", string_of(s->pattern), "blocks",
                                        (json_int_t)s->blocks, "bytes", (json_int_t)s->bytes));
    }
    for (size_t i = 0; i < r->module_count; i++)
        if (r->modules[i] != NULL && cli_module_problem(r->modules[i]) != NULL)
            json_array_append_new(problems, string_of(cli_module_problem(r->modules[i])));
    json_object_set_new(all, "suppressions", suppressions);
    json_object_set_new(all, "problems", problems);
    json_object_set_new(all, "leaks", leaks);
    json_dumpf(all, out, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
    fputc('\n', out);
    json_decref(all);
}
