/* SPDX-License-Identifier: MIT */
/* Finds a program where a shell would. */
#include "cli/cli.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* 0, or why this path cannot be executed. */
static int cannot_execute(const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return errno;
    if (!S_ISREG(st.st_mode))
        return S_ISDIR(st.st_mode) ? EISDIR : EACCES;
    return access(path, X_OK) == 0 ? 0 : errno;
}

static char *not_found(const char *name, int error, int *status)
{
    bool missing = error == ENOENT || error == ENOTDIR;
    *status = cli_fail(missing ? CLI_NOT_FOUND : CLI_CANNOT_RUN, "%s: %s", name, strerror(error));
    return NULL;
}

static char *default_path(void)
{
    size_t size = confstr(_CS_PATH, NULL, 0);
    char *path = cli_allocate(size + 1);
    confstr(_CS_PATH, path, size);
    return path;
}

/* Looks in each directory of the list, which it takes apart. */
static char *search(const char *name, char *list, int *error)
{
    *error = ENOENT;
    for (char *directory; (directory = strsep(&list, ":")) != NULL;) {
        char *path = *directory != '\0' ? cli_format("%s/%s", directory, name) : cli_format("./%s", name);
        int why = cannot_execute(path);
        if (why == 0)
            return path;
        if (why == EACCES && access(path, F_OK) == 0) /* it is there; not so behind a closed directory */
            *error = EACCES;
        free(path);
    }
    return NULL;
}

char *cli_find_program(const char *name, int *status)
{
    int error;
    if (*name == '\0')
        return not_found("\"\"", ENOENT, status);
    if (strchr(name, '/') != NULL) {
        error = cannot_execute(name);
        return error == 0 ? cli_format("%s", name) : not_found(name, error, status);
    }
    const char *set = getenv("PATH");
    char *list = set != NULL ? cli_format("%s", set) : default_path();
    char *path = search(name, list, &error);
    free(list);
    return path != NULL ? path : not_found(name, error, status);
}
