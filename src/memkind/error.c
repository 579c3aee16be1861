/* SPDX-License-Identifier: MIT */
/* Error codes, their texts, and the messages of MEMKIND_DEBUG.  No locks, no allocation. */
#include "memkind/kind.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct {
    int code;
    const char *text;
} texts[] = {
    {MEMKIND_ERROR_UNAVAILABLE, "this machine does not have memory of this kind"},
    {MEMKIND_ERROR_MBIND, "memory cannot be bound to these nodes: mbind() failed"},
    {MEMKIND_ERROR_MMAP, "memory cannot be mapped: mmap() failed"},
    {MEMKIND_ERROR_MALLOC, "no memory for the library's own records"},
    {MEMKIND_ERROR_ENVIRON, "a MEMKIND_* variable of the environment has no sensible value"},
    {MEMKIND_ERROR_INVALID, "an argument has no sensible value"},
    {MEMKIND_ERROR_TOOMANY, "too many kinds are open"},
    {MEMKIND_ERROR_BADOPS, "a table of operations is not complete"},
    {MEMKIND_ERROR_HUGETLB, "no huge pages are free: vm.nr_hugepages reserves them"},
    {MEMKIND_ERROR_MEMTYPE_NOT_AVAILABLE, "this machine does not have, or tell of, memory of this type"},
    {MEMKIND_ERROR_OPERATION_FAILED, "the operation failed"},
    {MEMKIND_ERROR_ARENAS_CREATE, "no jemalloc arena can be made"},
    {MEMKIND_ERROR_RUNTIME, "an error of no other sort"},
    {EINVAL, "the alignment is not a power of two, or less than a pointer"},
    {ENOMEM, "the kind has no more memory"},
};

void memkind_error_message(int err, char *msg, size_t size)
{
    if (msg == NULL || size == 0)
        return;
    for (unsigned i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (texts[i].code == err) {
            snprintf(msg, size, "<memkind> %s", texts[i].text);
            return;
        }
    snprintf(msg, size, "<memkind> %d is not an error code", err);
}

int memkind_get_version(void)
{
    return 1 * 1000000 + 14 * 1000 + 0;
}

int memkind__error(int error)
{
    switch (error) {
    case 0:
        return MEMKIND_SUCCESS;
    case EINVAL:
    case ENOENT:
    case ENOTDIR:
    case EACCES:
    case EROFS:
    case ENAMETOOLONG:
    case ELOOP:
        return MEMKIND_ERROR_INVALID;
    case ENOTSUP:
    case ENODEV:
        return MEMKIND_ERROR_UNAVAILABLE;
    case ENOMEM:
    case ENOSPC:
        return MEMKIND_ERROR_MMAP;
    case EBUSY:
        return MEMKIND_ERROR_OPERATION_FAILED;
    default:
        return MEMKIND_ERROR_RUNTIME;
    }
}

void memkind__debug(const char *what, const char *reason)
{
    const char *setting = secure_getenv("MEMKIND_DEBUG");
    char line[1024];
    if (setting == NULL || strcmp(setting, "1") != 0)
        return;
    int n = snprintf(line, sizeof line, "MEMKIND_ERROR: %s: %s\n", what, reason);
    if (n >= (int)sizeof line) {
        n = sizeof line;
        line[n - 1] = '\n';
    }
    ssize_t written = write(STDERR_FILENO, line, (size_t)n);
    (void)written; /* nobody to tell */
}
