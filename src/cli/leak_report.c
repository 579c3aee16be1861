/* SPDX-License-Identifier: MIT */
/* Reads raw leak reports and selects what is shown: see leak_report.h. */
#include "cli/leak_report.h"
#include "cli/cli.h"
#include "cli/json.h"
#include <stdlib.h>
#include <string.h>

enum { RAW_VERSION = 1 };

const json_t *cli_leak_field(struct cli_leak_report *r, const json_t *object, const char *name,
                             json_type type)
{
    const json_t *value = json_object_get(object, name);
    if (value != NULL && json_typeof(value) == type)
        return value;
    if (r->damage == NULL)
        r->damage = name;
    return NULL;
}

size_t cli_leak_number(struct cli_leak_report *r, const json_t *object, const char *name)
{
    json_int_t n = json_integer_value(cli_leak_field(r, object, name, JSON_INTEGER));
    return n > 0 ? (size_t)n : 0;
}

const char *cli_leak_text(struct cli_leak_report *r, const json_t *object, const char *name)
{
    const json_t *value = cli_leak_field(r, object, name, JSON_STRING);
    return value != NULL ? json_string_value(value) : "";
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

json_t *cli_leak_load(const char *file)
{
    json_t *raw = cli_load_json(file, "raw leak report", "kindgc_raw_leaks", RAW_VERSION);
    if (raw != NULL)
        unify_modules(raw);
    return raw;
}

/* What a stack's frame is; *address is the file's own. */
static const json_t *module_of(const struct cli_leak_report *r, const json_t *frame,
                               struct cli_module **module, uint64_t *address)
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

static bool is_in_libc(const struct cli_leak_report *r, const json_t *frame)
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
static size_t find_start(const struct cli_leak_report *r, const json_t *stack, size_t *end)
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

void cli_leak_visit_calls(const struct cli_leak_report *r, const json_t *stack,
                          bool (*fn)(const struct cli_leak_call *, void *), void *arg)
{
    static const struct cli_frame unknown;
    size_t i, n, end, start = find_start(r, stack, &end);
    const json_t *place;
    unsigned depth = 0;
    json_array_foreach(stack, i, place)
    {
        struct cli_module *module;
        struct cli_leak_call call = {.module = "?"};
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

struct match {
    struct cli_suppressions *all;
    struct cli_suppression *found;
};

static bool match_call(const struct cli_leak_call *call, void *arg)
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

static bool is_suppressed(struct cli_leak_report *r, struct cli_leak_options *o, const struct cli_leak *leak)
{
    struct match m = {.all = &o->suppressions};
    if (o->suppressions.count == 0)
        return false;
    cli_leak_visit_calls(r, leak->stack, match_call, &m);
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
    const struct cli_leak *x = a, *y = b;
    if (x->direct != y->direct)
        return x->direct ? -1 : 1;
    return compare_stacks(x->stack, y->stack);
}

static int by_size(const void *a, const void *b)
{
    const struct cli_leak *x = a, *y = b;
    if (x->bytes != y->bytes)
        return x->bytes > y->bytes ? -1 : 1;
    return by_stack(a, b);
}

/* A stack may have been recorded under two numbers, by two threads at once. */
static void merge_equal(struct cli_leak_report *r)
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

void cli_leak_select(struct cli_leak_report *r, struct cli_leak_options *o)
{
    const json_t *list = cli_leak_field(r, r->raw, "leaks", JSON_ARRAY), *item;
    size_t i, kept = 0;
    r->leaks = cli_allocate((json_array_size(list) + 1) * sizeof *r->leaks);
    json_array_foreach(list, i, item)
    {
        struct cli_leak *leak = &r->leaks[r->count++];
        leak->direct = cli_leak_number(r, item, "direct") != 0;
        leak->blocks = cli_leak_number(r, item, "blocks");
        leak->bytes = cli_leak_number(r, item, "bytes");
        leak->stack = cli_leak_field(r, item, "stack", JSON_ARRAY);
    }
    merge_equal(r);
    for (i = 0; i < r->count; i++) {
        const struct cli_leak leak = r->leaks[i];
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
