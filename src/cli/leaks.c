/* SPDX-License-Identifier: MIT */
/*
 * `kindgc leaks`: makes functions and lines of a raw leak report, leaves out
 * what is suppressed, and writes text or JSON.  doc/leaks.md has the fields.
 */
#include "base/options.h"
#include "base/size.h"
#include "cli/cli.h"
#include "cli/json.h"
#include "cli/suppressions.h"
#include "cli/symbols.h"
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RAW_VERSION = 1, VERSION = 1 };

struct options {
    const char *file;
    bool json, quiet;
    size_t max, min, exit;
    struct cli_suppressions suppressions;
};

/* A stack that leaked. */
struct leak {
    bool direct;
    size_t blocks, bytes;
    const json_t *stack;
};

struct report {
    const json_t *raw;
    const char *damage; /* the first field that is missing or of a wrong type */
    struct cli_module **modules;
    size_t module_count;
    struct leak *leaks; /* the largest first; those that are to be shown */
    size_t count;
    size_t blocks[2], bytes[2]; /* indirect, direct: of these */
    size_t small_groups, small_bytes;
    size_t suppressed_groups, suppressed_blocks, suppressed_bytes;
};

/* ---- reading ---- */

static const json_t *field(struct report *r, const json_t *object, const char *name, json_type type)
{
    const json_t *value = json_object_get(object, name);
    if (value != NULL && json_typeof(value) == type)
        return value;
    if (r->damage == NULL)
        r->damage = name;
    return NULL;
}

static size_t number(struct report *r, const json_t *object, const char *name)
{
    json_int_t n = json_integer_value(field(r, object, name, JSON_INTEGER));
    return n > 0 ? (size_t)n : 0;
}

static const char *text(struct report *r, const json_t *object, const char *name)
{
    const json_t *value = field(r, object, name, JSON_STRING);
    return value != NULL ? json_string_value(value) : "";
}

static void unify_modules(json_t *raw);

static json_t *load(const char *file)
{
    json_t *raw = cli_load_json(file, "raw leak report", "kindgc_raw_leaks", RAW_VERSION);
    if (raw != NULL)
        unify_modules(raw);
    return raw;
}

/* A file that was loaded several times has several numbers: takes the first in
   all stacks. */
static void unify_modules(json_t *raw)
{
    json_t *modules = json_object_get(raw, "modules"), *known = json_object(), *leak, *frame;
    size_t n = json_array_size(modules), i, k;
    size_t *first = cli_allocate((n + 1) * sizeof *first);
    for (i = 0; i < n; i++) {
        const json_t *m = json_array_get(modules, i);
        const char *path = json_string_value(json_object_get(m, "path")),
                   *id = json_string_value(json_object_get(m, "build_id"));
        char *key = cli_format("%s %s", id != NULL ? id : "", path != NULL ? path : "");
        const json_t *before = json_object_get(known, key);
        first[i] = path != NULL && before != NULL ? (size_t)json_integer_value(before) : i;
        if (path != NULL && before == NULL)
            json_object_set_new(known, key, json_integer((json_int_t)i));
        free(key);
    }
    json_array_foreach(json_object_get(raw, "leaks"), i, leak)
    {
        json_array_foreach(json_object_get(leak, "stack"), k, frame)
        {
            json_t *index = json_array_get(frame, 0);
            if (json_is_integer(index) && json_integer_value(index) >= 0 &&
                (size_t)json_integer_value(index) < n)
                json_integer_set(index, (json_int_t)first[json_integer_value(index)]);
        }
    }
    free(first);
    json_decref(known);
}

/* ---- frames ---- */

/* What a stack's frame is; *address is the file's own. */
static const json_t *module_of(const struct report *r, const json_t *frame, struct cli_module **module,
                               uint64_t *address)
{
    const json_t *index = json_array_get(frame, 0);
    *address = (uint64_t)json_integer_value(json_array_get(frame, 1));
    *module = NULL;
    if (!json_is_integer(index) || json_integer_value(index) < 0 ||
        (size_t)json_integer_value(index) >= r->module_count)
        return NULL;
    size_t i = (size_t)json_integer_value(index);
    const json_t *m = json_array_get(json_object_get(r->raw, "modules"), i);
    const char *path = json_string_value(json_object_get(m, "path"));
    const char *id = json_string_value(json_object_get(m, "build_id"));
    if (path == NULL)
        return NULL;
    if (r->modules[i] == NULL)
        r->modules[i] = cli_module_open(path, id != NULL ? id : "");
    *module = r->modules[i];
    return m;
}

static bool is_in_libc(const struct report *r, const json_t *frame)
{
    const json_t *modules = json_object_get(r->raw, "modules"), *index = json_array_get(frame, 0);
    const json_t *m = json_is_integer(index) && json_integer_value(index) >= 0
                          ? json_array_get(modules, (size_t)json_integer_value(index))
                          : NULL;
    const char *path = json_string_value(json_object_get(m, "path"));
    const char *slash = path != NULL ? strrchr(path, '/') : NULL;
    return slash != NULL && strncmp(slash, "/libc.so.", 9) == 0;
}

/*
 * Where the C library's calls of main() or of a thread's function begin, and
 * in *end, where they end; what is outside of them is _start.  They are the
 * same in all stacks, and the library's debugging information, 10 MB when it
 * has been decompressed, takes longer to read than all else of most reports.
 */
static size_t find_start(const struct report *r, const json_t *stack, size_t *end)
{
    size_t n = json_array_size(stack), limit = (size_t)json_integer_value(json_object_get(r->raw, "frames"));
    *end = n;
    if (n >= limit) /* it may have been cut off before */
        return n;
    if (n != 0 && !is_in_libc(r, json_array_get(stack, n - 1)))
        --*end;
    for (n = *end; n > 1 && is_in_libc(r, json_array_get(stack, n - 1));)
        n--;
    return n;
}

/* Calls fn for each call of a stack, the innermost first, until it returns false. */
struct call {
    unsigned depth;
    const char *module; /* its path; "?": none */
    uint64_t address;
    const struct cli_frame *frame;
};
static void visit_calls(const struct report *r, const json_t *stack, bool (*fn)(const struct call *, void *),
                        void *arg)
{
    static const struct cli_frame unknown;
    size_t i, n, end, start = find_start(r, stack, &end);
    const json_t *place;
    unsigned depth = 0;
    json_array_foreach(stack, i, place)
    {
        struct cli_module *module;
        struct call call = {.module = "?"};
        const json_t *m = module_of(r, place, &module, &call.address);
        if (m != NULL)
            call.module = json_string_value(json_object_get(m, "path"));
        const struct cli_frame *frames = &unknown;
        n = 1;
        if (module != NULL)
            frames = cli_module_frames(module, call.address, i >= start && i < end, &n);
        for (size_t k = 0; k < n; k++) {
            call.depth = depth++;
            call.frame = &frames[k];
            if (!fn(&call, arg))
                return;
        }
    }
}

/* ---- selection ---- */

struct match {
    struct cli_suppressions *all;
    struct cli_suppression *found;
};

static bool match_call(const struct call *call, void *arg)
{
    struct match *m = arg;
    const char *const names[] = {call->module, call->frame->function, call->frame->file};
    for (size_t i = 0; i < m->all->count; i++)
        for (size_t k = 0; k < 3; k++)
            if (names[k] != NULL && cli_pattern_matches(m->all->list[i].pattern, names[k])) {
                m->found = &m->all->list[i];
                return false;
            }
    return true;
}

static bool is_suppressed(struct report *r, struct options *o, const struct leak *leak)
{
    struct match m = {.all = &o->suppressions};
    if (o->suppressions.count == 0)
        return false;
    visit_calls(r, leak->stack, match_call, &m);
    if (m.found == NULL)
        return false;
    m.found->groups++;
    m.found->blocks += leak->blocks;
    m.found->bytes += leak->bytes;
    r->suppressed_groups++;
    r->suppressed_blocks += leak->blocks;
    r->suppressed_bytes += leak->bytes;
    return true;
}

static int compare_stacks(const json_t *a, const json_t *b)
{
    size_t n = json_array_size(a), m = json_array_size(b);
    for (size_t i = 0; i < n && i < m; i++)
        for (size_t k = 0; k < 2; k++) {
            json_int_t x = json_integer_value(json_array_get(json_array_get(a, i), k));
            json_int_t y = json_integer_value(json_array_get(json_array_get(b, i), k));
            if (x != y)
                return x < y ? -1 : 1;
        }
    return n < m ? -1 : n > m;
}

static int by_stack(const void *a, const void *b)
{
    const struct leak *x = a, *y = b;
    if (x->direct != y->direct)
        return x->direct ? -1 : 1;
    return compare_stacks(x->stack, y->stack);
}

static int by_size(const void *a, const void *b)
{
    const struct leak *x = a, *y = b;
    if (x->bytes != y->bytes)
        return x->bytes > y->bytes ? -1 : 1;
    return by_stack(a, b);
}

/* A stack may have been recorded under two numbers, by two threads at once. */
static void merge_equal(struct report *r)
{
    size_t kept = 0;
    qsort(r->leaks, r->count, sizeof *r->leaks, by_stack);
    for (size_t i = 0; i < r->count; i++)
        if (kept != 0 && by_stack(&r->leaks[kept - 1], &r->leaks[i]) == 0) {
            r->leaks[kept - 1].blocks += r->leaks[i].blocks;
            r->leaks[kept - 1].bytes += r->leaks[i].bytes;
        } else {
            r->leaks[kept++] = r->leaks[i];
        }
    r->count = kept;
}

static void select_leaks(struct report *r, struct options *o)
{
    const json_t *list = field(r, r->raw, "leaks", JSON_ARRAY), *item;
    size_t i, kept = 0;
    r->leaks = cli_allocate((json_array_size(list) + 1) * sizeof *r->leaks);
    json_array_foreach(list, i, item)
    {
        struct leak *leak = &r->leaks[r->count++];
        leak->direct = number(r, item, "direct") != 0;
        leak->blocks = number(r, item, "blocks");
        leak->bytes = number(r, item, "bytes");
        leak->stack = field(r, item, "stack", JSON_ARRAY);
    }
    merge_equal(r);
    for (i = 0; i < r->count; i++) {
        const struct leak leak = r->leaks[i];
        if (is_suppressed(r, o, &leak))
            continue;
        if (leak.bytes < o->min) {
            r->small_groups++;
            r->small_bytes += leak.bytes;
            continue;
        }
        r->blocks[leak.direct] += leak.blocks;
        r->bytes[leak.direct] += leak.bytes;
        r->leaks[kept++] = leak;
    }
    r->count = kept;
    qsort(r->leaks, r->count, sizeof *r->leaks, by_size);
}

/* ---- text ---- */

static const char *plural(size_t n)
{
    return n == 1 ? "" : "s";
}

static bool print_call(const struct call *call, void *arg)
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

static void print_leak(const struct report *r, const struct leak *leak, bool recorded, FILE *out)
{
    fprintf(out, "%s leak: %zu byte%s in %zu block%s", leak->direct ? "Direct" : "Indirect", leak->bytes,
            plural(leak->bytes), leak->blocks, plural(leak->blocks));
    if (json_array_size(leak->stack) == 0) {
        fprintf(out, ", %s\n\n",
                recorded ? "whose stacks were not recorded" : "stacks are recorded with malloc=detect only");
        return;
    }
    fputs(", allocated at\n", out);
    visit_calls(r, leak->stack, print_call, out);
    fputc('\n', out);
}

static void print_text(struct report *r, const struct options *o, FILE *out)
{
    const char *when = text(r, r->raw, "when"), *doubt = text(r, r->raw, "doubt");
    fprintf(out, "kindgc: leaks of %s, process %zu, %s\n\n", text(r, r->raw, "program"),
            number(r, r->raw, "pid"),
            strcmp(when, "exit") == 0     ? "at exit"
            : strcmp(when, "signal") == 0 ? "on a signal"
                                          : "on call");
    size_t shown = o->max != 0 && o->max < r->count ? o->max : r->count;
    for (size_t i = 0; i < shown; i++)
        print_leak(r, &r->leaks[i], number(r, r->raw, "recorded") != 0, out);
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
    size_t refused = number(r, r->raw, "stacks_refused");
    if (refused != 0)
        fprintf(out, "Stacks that were not recorded, for want of memory or in a signal handler: %zu\n",
                refused);
    if (number(r, r->raw, "sample") != 0)
        fprintf(out, "Sampled: one stack in %zu bytes was recorded, on average\n",
                number(r, r->raw, "sample"));
    if (*doubt != '\0')
        fprintf(out, "Perhaps not leaked: %s\n", doubt);
    fprintf(out, "Leaked: %zu bytes in %zu block%s; directly %zu bytes in %zu block%s\n",
            r->bytes[0] + r->bytes[1], r->blocks[0] + r->blocks[1], plural(r->blocks[0] + r->blocks[1]),
            r->bytes[1], r->blocks[1], plural(r->blocks[1]));
}

/* ---- JSON ---- */

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

static bool add_call(const struct call *call, void *arg)
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

static void print_json(const struct report *r, const struct options *o, FILE *out)
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
        const struct leak *leak = &r->leaks[i];
        json_t *frames = json_array();
        visit_calls(r, leak->stack, add_call, frames);
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

/* ---- the command ---- */

static int show(struct options *o, const json_t *raw)
{
    struct report r = {.raw = raw};
    char *shown = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&shown, &size); /* complete, or not printed at all */
    if (out == NULL)
        return cli_fail(CLI_FAILED, "out of memory");
    r.module_count = json_array_size(field(&r, raw, "modules", JSON_ARRAY));
    r.modules = cli_allocate((r.module_count + 1) * sizeof(struct cli_module *));
    select_leaks(&r, o);
    if (o->json)
        print_json(&r, o, out);
    else if (r.count != 0 || !o->quiet)
        print_text(&r, o, out);
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

static int take_value(struct options *o, const char *name, const char *value)
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

static int take_options(int argc, char **argv, struct options *o)
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
    struct options o = {.exit = 0};
    int status = take_options(argc, argv, &o);
    json_t *raw = status == 0 ? load(o.file) : NULL;
    if (status == 0)
        status = raw != NULL ? show(&o, raw) : CLI_FAILED;
    json_decref(raw);
    cli_suppressions_free(&o.suppressions);
    return status;
}
