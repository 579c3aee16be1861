/* SPDX-License-Identifier: MIT */
/* `kindgc report`: a run's report, for people. */
#include "cli/cli.h"
#include "cli/json.h"
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The versions of the format that this command knows: see src/report/report.c. */
enum { VERSION = 1 };

/* What is missing in a report is noted, and read as 0. */
struct view {
    FILE *out;           /* shown only when nothing is missing */
    const char *missing; /* the first field that is missing or of a wrong type */
};

static const json_t *field(struct view *v, const json_t *object, const char *name, bool ok(const json_t *))
{
    const json_t *value = json_object_get(object, name);
    if (value != NULL && ok(value))
        return value;
    if (v->missing == NULL)
        v->missing = name;
    return NULL;
}

static bool is_number(const json_t *j)
{
    return json_is_number(j);
}

static bool is_text(const json_t *j)
{
    return json_is_string(j);
}

static bool is_object(const json_t *j)
{
    return json_is_object(j);
}

static bool is_array(const json_t *j)
{
    return json_is_array(j);
}

static double number(struct view *v, const json_t *object, const char *name)
{
    return json_number_value(field(v, object, name, is_number));
}

static const char *text(struct view *v, const json_t *object, const char *name)
{
    const json_t *value = field(v, object, name, is_text);
    return value != NULL ? json_string_value(value) : "";
}

/* "none", or the size. */
static const char *limit(const json_t *object, char buffer[24])
{
    const json_t *value = json_object_get(object, "limit");
    return json_is_number(value) ? cli_human(json_number_value(value), buffer) : "none";
}

static void print_process(struct view *v, const json_t *r)
{
    char a[24];
    fprintf(v->out, "%s, process %.0f, heap on %s\n", text(v, r, "program"), number(v, r, "pid"),
            text(v, r, "heap_kind"));
    fprintf(v->out, "%.3f s, of these %.3f s user and %.3f s system time; at most %s in memory\n\n",
            number(v, r, "seconds"), number(v, r, "user_seconds"), number(v, r, "system_seconds"),
            cli_human(number(v, r, "peak_resident"), a));
}

static void print_heap(struct view *v, const json_t *r)
{
    char a[24], b[24], c[24], d[24], e[24];
    const json_t *heap = field(v, r, "heap", is_object), *pause = field(v, r, "pause", is_object);
    fprintf(v->out, "heap         %s: %s in use, %s free; %s allocated in total; limit %s\n",
            cli_human(number(v, heap, "size"), a), cli_human(number(v, heap, "live_estimate"), b),
            cli_human(number(v, heap, "free"), c), cli_human(number(v, heap, "total"), d), limit(heap, e));
    fprintf(v->out, "collections  %.0f; %.0f pauses, %.1f ms in total, the longest %.1f ms\n",
            number(v, r, "collections"), number(v, pause, "count"), number(v, pause, "total_ns") / 1e6,
            number(v, pause, "longest_ns") / 1e6);
    const json_t *pace = json_object_get(heap, "pace_percent");
    if (json_is_number(pace))
        fprintf(v->out, "pace         %.0f %% of the time for collecting\n", json_number_value(pace));
    fprintf(v->out, "given back   %s\n", cli_human(number(v, r, "purged"), a));
    fprintf(v->out, "mappings     %.0f\n\n", number(v, r, "mappings"));
}

/* malloc=collect. */
static void print_malloc(struct view *v, const json_t *r)
{
    char a[24], b[24], c[24];
    const json_t *m = json_object_get(r, "malloc");
    if (!json_is_object(m))
        return;
    fprintf(v->out,
            "malloc       %s: %s reclaimed in %.0f blocks, by %.0f cycles; %s more found once, %s in use\n",
            text(v, m, "mode"), cli_human(number(v, m, "reclaimed_bytes"), a),
            number(v, m, "reclaimed_blocks"), number(v, m, "cycles"),
            cli_human(number(v, m, "suspect_bytes"), b), cli_human(number(v, m, "live_bytes"), c));
    fprintf(v->out, "             %.1f ms in total, the longest cycle %.1f ms\n",
            number(v, m, "total_ns") / 1e6, number(v, m, "longest_ns") / 1e6);
    if (number(v, m, "unproven") != 0)
        fprintf(v->out, "             %.0f cycles could not be proven complete; the last: %s\n",
                number(v, m, "unproven"), text(v, m, "unproven_reason"));
    fputc('\n', v->out);
}

static void print_kind(struct view *v, const json_t *k)
{
    char a[24], b[24], c[24], d[24], e[24];
    fprintf(v->out, "%s%-*s %10s %10s %10s %10s %10s %8.0f\n",
            json_object_get(k, "member_of") != NULL ? "  " : "",
            json_object_get(k, "member_of") != NULL ? 30 : 32, text(v, k, "kind"),
            cli_human(number(v, k, "section_bytes"), a), cli_human(number(v, k, "resident"), b),
            cli_human(number(v, k, "huge"), c), cli_human(number(v, k, "purged"), d), limit(k, e),
            number(v, k, "refusals"));
    const json_t *blocks = json_object_get(k, "file_blocks");
    if (json_is_number(blocks))
        fprintf(v->out, "    %s on disk in %s\n", cli_human(json_number_value(blocks), a),
                text(v, k, "directory"));
}

static void print_kinds(struct view *v, const json_t *r)
{
    char a[24];
    const json_t *kinds = field(v, r, "kinds", is_array);
    size_t i;
    json_t *k;
    fprintf(v->out, "%-32s %10s %10s %10s %10s %10s %8s\n", "KIND", "SECTIONS", "RESIDENT", "HUGE",
            "GIVEN BACK", "LIMIT", "REFUSALS");
    json_array_foreach(kinds, i, k) print_kind(v, k);
    fprintf(v->out, "%-32s %10s\n", "plain (the collector's tables)", cli_human(number(v, r, "plain"), a));
}

static void print_sections(struct view *v, const json_t *r)
{
    char a[24], b[24], c[24], d[24];
    const json_t *sections = field(v, r, "sections", is_array);
    size_t i;
    json_t *s;
    fprintf(v->out, "\n%-18s %10s %10s %10s %10s  %s\n", "SECTION AT", "SIZE", "RESIDENT", "HUGE",
            "GIVEN BACK", "KIND");
    json_array_foreach(sections, i, s)
        fprintf(v->out, "%-18s %10s %10s %10s %10s  %s\n", text(v, s, "base"),
                cli_human(number(v, s, "size"), a), cli_human(number(v, s, "resident"), b),
                cli_human(number(v, s, "huge"), c), cli_human(number(v, s, "purged"), d), text(v, s, "kind"));
}

/* Shows the report; the text is complete or not printed at all. */
static int show(const char *file, const json_t *r, bool sections)
{
    char *shown = NULL;
    size_t size = 0;
    struct view v = {.out = open_memstream(&shown, &size)};
    if (v.out == NULL)
        return cli_fail(CLI_FAILED, "out of memory");
    print_process(&v, r);
    print_heap(&v, r);
    print_malloc(&v, r);
    print_kinds(&v, r);
    if (sections)
        print_sections(&v, r);
    int status = 0;
    if (fclose(v.out) != 0)
        status = cli_fail(CLI_FAILED, "out of memory");
    else if (v.missing != NULL)
        status = cli_fail(CLI_FAILED, "%s: the report is damaged: \"%s\" is missing or of a wrong type", file,
                          v.missing);
    else
        fwrite(shown, 1, size, stdout);
    free(shown);
    return status != 0 ? status : cli_finish_output();
}

int cli_report(int argc, char **argv)
{
    bool sections = false;
    int i = 1;
    for (; i < argc && argv[i][0] == '-' && argv[i][1] != '\0'; i++) {
        if (strcmp(argv[i], "--") == 0) {
            i++;
            break;
        }
        if (strcmp(argv[i], "--sections") != 0)
            return cli_fail(CLI_FAILED, "report: unknown option \"%s\"; allowed is --sections", argv[i]);
        sections = true;
    }
    if (i != argc - 1)
        return cli_fail(CLI_FAILED, "report: one file is needed: kindgc report [--sections] FILE");
    json_t *r = cli_load_json(argv[i], "report", "kindgc_report", VERSION);
    if (r == NULL)
        return CLI_FAILED;
    int status = show(argv[i], r, sections);
    json_decref(r);
    return status;
}
