/* SPDX-License-Identifier: MIT */
/* Suppression files: see suppressions.h. */
#include "cli/suppressions.h"
#include "cli/cli.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The pattern from p on, at this place of the name: parts between "*", each at
   its first place.  `fixed`: the first part begins here. */
static bool matches_from(const char *p, const char *name, bool fixed)
{
    for (;;) {
        if (*p == '*') {
            p++;
            fixed = false;
            continue;
        }
        size_t n = strcspn(p, "*");
        bool last = p[n] == '\0', to_end = last && n != 0 && p[n - 1] == '$';
        size_t length = to_end ? n - 1 : n, left = strlen(name);
        if (left < length)
            return false;
        if (to_end) {
            const char *at = name + left - length;
            return (!fixed || at == name) && memcmp(at, p, length) == 0;
        }
        const char *at = name;
        while (strncmp(at, p, length) != 0) {
            if (fixed || *at == '\0')
                return false;
            at++;
        }
        if (last)
            return true;
        name = at + length;
        p += n;
        fixed = false;
    }
}

bool cli_pattern_matches(const char *pattern, const char *name)
{
    bool fixed = *pattern == '^';
    return matches_from(pattern + fixed, name, fixed);
}

bool cli_suppressions_add_line(struct cli_suppressions *all, char *line)
{
    static const char blanks[] = " \t\r\n";
    line += strspn(line, blanks);
    size_t length = strlen(line);
    while (length != 0 && strchr(blanks, line[length - 1]) != NULL)
        line[--length] = '\0';
    if (*line == '\0' || *line == '#')
        return true;
    if (strncmp(line, "leak:", 5) != 0 || line[5] == '\0')
        return false;
    struct cli_suppression *list = realloc(all->list, (all->count + 1) * sizeof *list);
    if (list == NULL)
        exit(cli_fail(CLI_FAILED, "out of memory"));
    all->list = list;
    list[all->count++] = (struct cli_suppression){.pattern = cli_format("%s", line + 5)};
    return true;
}

int cli_suppressions_read(struct cli_suppressions *all, const char *file)
{
    FILE *f = fopen(file, "re");
    if (f == NULL)
        return cli_fail(CLI_FAILED, "%s: %m", file);
    char *line = NULL;
    size_t size = 0;
    int status = 0;
    for (unsigned number = 1; status == 0 && getline(&line, &size, f) >= 0; number++)
        if (!cli_suppressions_add_line(all, line))
            status = cli_fail(CLI_FAILED,
                              "%s:%u: \"%s\": allowed are \"leak:PATTERN\", comments (#) and empty lines",
                              file, number, line + strspn(line, " \t"));
    if (status == 0 && ferror(f))
        status = cli_fail(CLI_FAILED, "%s: %m", file);
    free(line);
    fclose(f);
    return status;
}

void cli_suppressions_free(struct cli_suppressions *all)
{
    for (size_t i = 0; i < all->count; i++)
        free(all->list[i].pattern);
    free(all->list);
    *all = (struct cli_suppressions){.count = 0};
}
