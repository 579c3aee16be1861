/* SPDX-License-Identifier: MIT */
/* A leak report for people. */
#include "cli/leak_report.h"
#include <string.h>

static const char *plural(size_t n)
{
    return n == 1 ? "" : "s";
}

static bool print_call(const struct cli_leak_call *call, void *arg)
{
    const struct cli_frame *f = call->frame;
    FILE *out = arg;
    fprintf(out, "    #%u ", call->depth);
    if (f->function == NULL && f->file == NULL)
        fprintf(out, "%s+0x%llx\n", call->module, (unsigned long long)call->address);
    else if (f->file == NULL)
        fprintf(out, "%s+0x%llx (%s)\n", f->function, (unsigned long long)f->offset, call->module);
    else
        fprintf(out, "%s %s:%d%s\n", f->function != NULL ? f->function : "?", f->file, f->line,
                f->inlined ? " (inlined)" : "");
    return true;
}

static void print_leak(const struct cli_leak_report *r, const struct cli_leak *leak, bool recorded, FILE *out)
{
    fprintf(out, "%s leak: %zu byte%s in %zu block%s", leak->direct ? "Direct" : "Indirect", leak->bytes,
            plural(leak->bytes), leak->blocks, plural(leak->blocks));
    if (json_array_size(leak->stack) == 0) {
        fprintf(out, ", %s\n\n",
                recorded ? "whose stacks were not recorded" : "stacks are recorded with malloc=detect only");
        return;
    }
    fputs(", allocated at\n", out);
    cli_leak_visit_calls(r, leak->stack, print_call, out);
    fputc('\n', out);
}

void cli_leak_print_text(struct cli_leak_report *r, const struct cli_leak_options *o, FILE *out)
{
    const char *when = cli_leak_text(r, r->raw, "when"), *doubt = cli_leak_text(r, r->raw, "doubt");
    fprintf(out, "kindgc: leaks of %s, process %zu, %s\n\n", cli_leak_text(r, r->raw, "program"),
            cli_leak_number(r, r->raw, "pid"),
            strcmp(when, "exit") == 0     ? "at exit"
            : strcmp(when, "signal") == 0 ? "on a signal"
                                          : "on call");
    size_t shown = o->max != 0 && o->max < r->count ? o->max : r->count;
    for (size_t i = 0; i < shown; i++)
        print_leak(r, &r->leaks[i], cli_leak_number(r, r->raw, "recorded") != 0, out);
    for (size_t i = 0; i < r->module_count; i++)
        if (r->modules[i] != NULL && cli_module_problem(r->modules[i]) != NULL)
            fprintf(out, "No names: %s\n", cli_module_problem(r->modules[i]));
    if (shown < r->count)
        fprintf(out, "Not shown: %zu smaller group%s\n", r->count - shown, plural(r->count - shown));
    if (r->small_groups != 0)
        fprintf(out, "Below %zu bytes: %zu group%s, %zu bytes\n", o->min, r->small_groups,
                plural(r->small_groups), r->small_bytes);
    for (size_t i = 0; i < o->suppressions.count; i++) {
        const struct cli_suppression *s = &o->suppressions.list[i];
        if (s->groups != 0)
            fprintf(out, "Suppressed by leak:%s: %zu bytes in %zu block%s\n", s->pattern, s->bytes, s->blocks,
                    plural(s->blocks));
    }
    size_t refused = cli_leak_number(r, r->raw, "stacks_refused");
    if (refused != 0)
        fprintf(out, "Stacks that were not recorded, for want of memory or in a signal handler: %zu\n",
                refused);
    if (cli_leak_number(r, r->raw, "sample") != 0)
        fprintf(out, "Sampled: one stack in %zu bytes was recorded, on average\n",
                cli_leak_number(r, r->raw, "sample"));
    if (*doubt != '\0')
        fprintf(out, "Perhaps not leaked: %s\n", doubt);
    fprintf(out, "Leaked: %zu bytes in %zu block%s; directly %zu bytes in %zu block%s\n",
            r->bytes[0] + r->bytes[1], r->blocks[0] + r->blocks[1], plural(r->blocks[0] + r->blocks[1]),
            r->bytes[1], r->blocks[1], plural(r->blocks[1]));
}
