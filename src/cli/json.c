/* SPDX-License-Identifier: MIT */
/* Reading the JSON files that the library has written. */
#include "cli/json.h"
#include "cli/cli.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

json_t *cli_load_json(const char *file, const char *what, const char *key, int version)
{
    json_error_t error;
    FILE *f = strcmp(file, "-") == 0 ? stdin : fopen(file, "re");
    if (f == NULL) {
        cli_fail(CLI_FAILED, "%s: %m", file);
        return NULL;
    }
    errno = 0;
    json_t *read = json_loadf(f, JSON_REJECT_DUPLICATES, &error);
    int wrong = ferror(f) ? errno : 0;
    if (f != stdin)
        fclose(f);
    if (read == NULL) {
        if (wrong != 0) /* a directory */
            cli_fail(CLI_FAILED, "%s: %s", file, strerror(wrong));
        else
            cli_fail(CLI_FAILED, "%s: line %d: not a %s: %s", file, error.line, what, error.text);
        return NULL;
    }
    const json_t *found = json_object_get(read, key);
    if (json_is_integer(found) && json_integer_value(found) == version)
        return read;
    if (json_is_integer(found))
        cli_fail(CLI_FAILED, "%s: a %s of version %lld; this kindgc reads version %d", file, what,
                 (long long)json_integer_value(found), version);
    else
        cli_fail(CLI_FAILED, "%s: JSON, but not a %s of kindgc: it has no \"%s\"", file, what, key);
    json_decref(read);
    return NULL;
}
