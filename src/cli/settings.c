/* SPDX-License-Identifier: MIT */
/* Composes the environment variable KINDGC: "name=value name=value", with a
   backslash before blanks and backslashes of a value (kindgc(7)). */
#include "cli/cli.h"
#include <stdlib.h>
#include <string.h>

static const char blanks[] = " \t\n";

/* The end of the setting at p: the next blank that no backslash precedes. */
static const char *end_of_setting(const char *p)
{
    for (; *p != '\0' && strchr(blanks, *p) == NULL; p++)
        if (*p == '\\' && p[1] != '\0')
            p++;
    return p;
}

static const char *skip_blanks(const char *p)
{
    return p + strspn(p, blanks);
}

/* Length of the name of the setting at p; all of it when there is no '='. */
static size_t name_length(const char *p, const char *end)
{
    const char *equals = memchr(p, '=', (size_t)(end - p));
    return (size_t)((equals != NULL ? equals : end) - p);
}

bool cli_settings_has(const char *settings, const char *name, size_t length)
{
    for (const char *p = skip_blanks(settings), *end; *p != '\0'; p = skip_blanks(end)) {
        end = end_of_setting(p);
        if (name_length(p, end) == length && memcmp(p, name, length) == 0)
            return true;
    }
    return false;
}

static char *append(char *settings, const char *text, size_t length)
{
    char *joined = cli_format("%s%s%.*s", settings, *settings != '\0' ? " " : "", (int)length, text);
    free(settings);
    return joined;
}

char *cli_settings_add(char *settings, const char *name, const char *value)
{
    char *escaped = cli_allocate(2 * strlen(value) + 1), *out = escaped;
    for (; *value != '\0'; value++) {
        if (*value == '\\' || strchr(blanks, *value) != NULL)
            *out++ = '\\';
        *out++ = *value;
    }
    char *setting = cli_format("%s=%s", name, escaped);
    settings = append(settings, setting, strlen(setting));
    free(setting);
    free(escaped);
    return settings;
}

/* Adds the settings of `old` that have no value yet.  What is wrong in them is
   kept as it is, for the library to complain about. */
char *cli_settings_keep(char *settings, const char *old)
{
    char *given = cli_format("%s", settings);
    for (const char *p = skip_blanks(old), *end; *p != '\0'; p = skip_blanks(end)) {
        end = end_of_setting(p);
        if (!cli_settings_has(given, p, name_length(p, end)))
            settings = append(settings, p, (size_t)(end - p));
    }
    free(given);
    return settings;
}
