/* SPDX-License-Identifier: MIT */
/*
 * `kindgc leaks`: makes functions and lines of a raw leak report, leaves out
 * what is suppressed, and writes text or JSON.
 */
#include "base/options.h"
#include "base/size.h"
#include "cli/cli.h"
#include "cli/leak_report.h"
#include <stdlib.h>
#include <string.h>

static int show(struct cli_leak_options *o, const json_t *raw)
{
    struct cli_leak_report r = {.raw = raw};
    char *shown = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&shown, &size); /* complete, or not printed at all */
    if (out == NULL)
        return cli_fail(CLI_FAILED, "out of memory");
    r.module_count = json_array_size(cli_leak_field(&r, raw, "modules", JSON_ARRAY));
    r.modules = cli_allocate((r.module_count + 1) * sizeof(struct cli_module *));
    cli_leak_select(&r, o);
    if (o->json)
        cli_leak_print_json(&r, o, out);
    else if (r.count != 0 || !o->quiet)
        cli_leak_print_text(&r, o, out);
    int status = 0;
    if (fclose(out) != 0)
        status = cli_fail(CLI_FAILED, "out of memory");
    else if (r.damage != NULL)
        status = cli_fail(CLI_FAILED, "%s: the report is damaged: \"%s\" is missing or of a wrong type",
                          o->file, r.damage);
    else
        fwrite(shown, 1, size, stdout);
    for (size_t i = 0; i < r.module_count; i++)
        if (r.modules[i] != NULL)
            cli_module_close(r.modules[i]);
    free(r.modules);
    free(r.leaks);
    free(shown);
    if (status == 0)
        status = cli_finish_output();
    return status == 0 && r.count != 0 ? (int)o->exit : status;
}

static int take_value(struct cli_leak_options *o, const char *name, const char *value)
{
    const char *end = value;
    if (strcmp(name, "--format") == 0) {
        o->json = strcmp(value, "json") == 0;
        if (!o->json && strcmp(value, "text") != 0)
            return cli_fail(CLI_FAILED, "%s %s: allowed are text|json", name, value);
    } else if (strcmp(name, "--max") == 0) {
        if (!kgc__parse_number("0-1000000", value, &o->max))
            return cli_fail(CLI_FAILED, "%s %s: " KGC__NUMBER_SYNTAX, name, value, "0-1000000");
    } else if (strcmp(name, "--exit") == 0) {
        if (!kgc__parse_number("0-255", value, &o->exit))
            return cli_fail(CLI_FAILED, "%s %s: " KGC__NUMBER_SYNTAX, name, value, "0-255");
    } else if (strcmp(name, "--min") == 0) {
        if (!kgc__parse_size(&end, &o->min) || *end != '\0')
            return cli_fail(CLI_FAILED, "%s %s: " KGC__SIZE_SYNTAX, name, value);
    } else {
        return cli_suppressions_read(&o->suppressions, value);
    }
    return 0;
}

static int take_options(int argc, char **argv, struct cli_leak_options *o)
{
    static const char *const with_value[] = {"--format", "--suppressions", "--max", "--min", "--exit"};
    int i = 1;
    for (; i < argc && argv[i][0] == '-' && argv[i][1] != '\0'; i++) {
        if (strcmp(argv[i], "--") == 0) {
            i++;
            break;
        }
        if (strcmp(argv[i], "--quiet") == 0) {
            o->quiet = true;
            continue;
        }
        const char *equals = strchr(argv[i], '='), *name = NULL;
        size_t length = equals != NULL ? (size_t)(equals - argv[i]) : strlen(argv[i]);
        for (size_t k = 0; k < sizeof with_value / sizeof with_value[0]; k++)
            if (strlen(with_value[k]) == length && memcmp(with_value[k], argv[i], length) == 0)
                name = with_value[k];
        if (name == NULL)
            return cli_fail(
                CLI_FAILED,
                "leaks: unknown option \"%s\"; allowed are --format, --suppressions, --max, --min, "
                "--exit, --quiet",
                argv[i]);
        if (equals == NULL && i + 1 == argc)
            return cli_fail(CLI_FAILED, "%s: a value is needed", name);
        int status = take_value(o, name, equals != NULL ? equals + 1 : argv[++i]);
        if (status != 0)
            return status;
    }
    if (i != argc - 1)
        return cli_fail(CLI_FAILED, "leaks: one file is needed: kindgc leaks [OPTION]... FILE");
    o->file = argv[i];
    return 0;
}

int cli_leaks(int argc, char **argv)
{
    struct cli_leak_options o = {.exit = 0};
    int status = take_options(argc, argv, &o);
    json_t *raw = status == 0 ? cli_leak_load(o.file) : NULL;
    if (status == 0)
        status = raw != NULL ? show(&o, raw) : CLI_FAILED;
    json_decref(raw);
    cli_suppressions_free(&o.suppressions);
    return status;
}
