/* SPDX-License-Identifier: MIT */
/* The table of settings and its parsers.  Runs before the program's main(),
   so it allocates nothing. */
#include "base/options.h"
#include "base/message.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

struct kgc__settings kgc__settings;

enum type { text, limit, share, choice, number, size };

static const struct option {
    const char *name;
    enum type type;
    const char *argument;
    size_t offset, capacity;
} table[] = {
#define X(field, name, type, argument, help) \
    {name, type, argument, offsetof(struct kgc__settings, field), sizeof(kgc__settings.field)},
    KGC__OPTIONS(X)
#undef X
};
enum { OPTIONS = sizeof table / sizeof table[0] };

/* Which settings the environment has given: a bit for each row of the table. */
static unsigned from_environment;

static const struct option *find(const char *name, size_t length)
{
    for (size_t i = 0; i < OPTIONS; i++)
        if (strlen(table[i].name) == length && memcmp(table[i].name, name, length) == 0)
            return &table[i];
    return NULL;
}

static int unknown(const char *name, size_t length)
{
    char allowed[320] = "";
    for (size_t i = 0; i < OPTIONS; i++)
        snprintf(allowed + strlen(allowed), sizeof allowed - strlen(allowed), "%s%s", i == 0 ? "" : ", ",
                 table[i].name);
    return kgc__fail(EINVAL, "unknown setting \"%.*s\"; allowed are %s", (int)length, name, allowed);
}

int kgc__option_set(const char *name, size_t name_length, const char *value)
{
    const struct option *o = find(name, name_length);
    if (o == NULL)
        return unknown(name, name_length);
    char *target = (char *)&kgc__settings + o->offset;
    switch (o->type) {
    case limit: {
        size_t n;
        if (!kgc__parse_limit(value, &n))
            return kgc__fail(EINVAL, "%s=%s: " KGC__LIMIT_SYNTAX, o->name, value);
        memcpy(target, &n, sizeof n);
        return 0;
    }
    case share: {
        double part;
        if (!kgc__parse_share(value, &part))
            return kgc__fail(EINVAL, "%s=%s: " KGC__SHARE_SYNTAX, o->name, value);
        memcpy(target, &part, sizeof part);
        return 0;
    }
    case number: {
        size_t n;
        if (!kgc__parse_number(o->argument, value, &n))
            return kgc__fail(EINVAL, "%s=%s: " KGC__NUMBER_SYNTAX, o->name, value, o->argument);
        memcpy(target, &n, sizeof n);
        return 0;
    }
    case size: {
        size_t n;
        const char *end = value;
        if (!kgc__parse_size(&end, &n) || *end != '\0')
            return kgc__fail(EINVAL, "%s=%s: " KGC__SIZE_SYNTAX, o->name, value);
        memcpy(target, &n, sizeof n);
        return 0;
    }
    case choice:
        if (!kgc__is_choice(o->argument, value))
            return kgc__fail(EINVAL, "%s=%s: allowed are %s", o->name, value, o->argument);
        break;
    case text:
        if (*value == '\0')
            return kgc__fail(EINVAL, "%s=: a value is needed (%s)", o->name, o->argument);
        break;
    }
    if (strlen(value) >= o->capacity)
        return kgc__fail(EINVAL, "%s: the value is longer than %zu bytes", o->name, o->capacity - 1);
    strcpy(target, value);
    return 0;
}

int kgc__options_parse(const char *p)
{
    static char value[KGC__OPTION_TEXT_MAX]; /* before threads exist */
    for (;;) {
        p += strspn(p, " \t\n");
        if (*p == '\0')
            return 0;
        size_t name_length = strcspn(p, "= \t\n");
        const char *name = p;
        if (p[name_length] != '=')
            return kgc__fail(EINVAL, "\"%.*s\": settings have the form name=value", (int)name_length, name);
        size_t n = 0;
        for (p += name_length + 1; *p != '\0' && strchr(" \t\n", *p) == NULL; p++) {
            if (*p == '\\' && p[1] != '\0')
                p++;
            if (n == sizeof value - 1)
                return kgc__fail(EINVAL, "%.*s: the value is longer than %zu bytes", (int)name_length, name,
                                 sizeof value - 1);
            value[n++] = *p;
        }
        value[n] = '\0';
        int error = kgc__option_set(name, name_length, value);
        if (error != 0)
            return error;
        from_environment |= 1u << (find(name, name_length) - table);
    }
}

bool kgc__option_is_users(const char *name)
{
    return (from_environment >> (find(name, strlen(name)) - table) & 1) != 0;
}

static int take_pace(double pace)
{
    if (pace == 0 || kgc__option_is_users("pace"))
        return 0;
    if (!(pace < 0 || (pace >= KGC__PACE_LEAST && pace <= KGC__PACE_MOST)))
        return kgc__fail(
            EINVAL, "pace=%g: allowed are 0.01 to 0.9, less than 0 for off, and 0 for the default", pace);
    kgc__settings.pace = pace < 0 ? KGC__PACE_OFF : pace;
    return 0;
}

int kgc__options_take(const kgc_options *options)
{
    const struct {
        const char *name, *value;
    } texts[] = {{"heap", options->heap},
                 {"report", options->report},
                 {"fork", options->fork},
                 {"finalizers", options->finalizers}};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        const struct option *o = find(texts[i].name, strlen(texts[i].name));
        if (texts[i].value == NULL || kgc__option_is_users(o->name))
            continue;
        int error = kgc__option_set(o->name, strlen(o->name), texts[i].value);
        if (error != 0)
            return error;
    }
    if (options->limit != 0 && !kgc__option_is_users("limit"))
        kgc__settings.limit = options->limit;
    return take_pace(options->pace);
}
