/* SPDX-License-Identifier: MIT */
/*
 * What only jemalloc can do: print its statistics and run background threads.
 * It is in the process because libkindgc needs it; these two functions are all
 * that this library takes from it, and it does without them.  Nothing locks.
 */
#include "memkind/kind.h"
#include <stdlib.h>
#include <string.h>

__attribute__((weak)) int mallctl(const char *name, void *old, size_t *old_size, void *new, size_t new_size);
__attribute__((weak)) void malloc_stats_print(void (*write_cb)(void *, const char *), void *cbopaque,
                                              const char *opts);

/* Each bit of memkind_stat_print_opt is one letter of jemalloc's. */
int memkind_stats_print(void (*write_cb)(void *, const char *), void *cbopaque, memkind_stat_print_opt opts)
{
    static const char letters[] = "Jgmdablxe";
    char chosen[sizeof letters];
    unsigned n = 0;
    if ((unsigned)opts >> (sizeof letters - 1) != 0)
        return MEMKIND_ERROR_INVALID;
    if (malloc_stats_print == NULL)
        return MEMKIND_ERROR_OPERATION_FAILED;
    for (unsigned i = 0; i < sizeof letters - 1; i++)
        if (((unsigned)opts >> i & 1) != 0)
            chosen[n++] = letters[i];
    chosen[n] = '\0';
    malloc_stats_print(write_cb, cbopaque, chosen);
    return MEMKIND_SUCCESS;
}

int memkind_set_bg_threads(bool state)
{
    if (mallctl == NULL || mallctl("background_thread", NULL, NULL, &state, sizeof state) != 0)
        return MEMKIND_ERROR_OPERATION_FAILED;
    return MEMKIND_SUCCESS;
}

int memkind__background_threads(void)
{
    static atomic_bool done;
    const char *text = secure_getenv("MEMKIND_BACKGROUND_THREAD_LIMIT");
    char *end;
    if (text == NULL || atomic_load(&done))
        return MEMKIND_SUCCESS;
    errno = 0;
    long limit = strtol(text, &end, 10);
    if (end == text || *end != '\0' || errno != 0 || limit < 0) {
        memkind__debug("MEMKIND_BACKGROUND_THREAD_LIMIT", "not a number from 0");
        return MEMKIND_ERROR_ENVIRON;
    }
    size_t most = (size_t)limit;
    if (limit > 0 &&
        (mallctl == NULL || mallctl("max_background_threads", NULL, NULL, &most, sizeof most) != 0)) {
        memkind__debug("MEMKIND_BACKGROUND_THREAD_LIMIT", "jemalloc does not take this limit");
        return MEMKIND_ERROR_ENVIRON;
    }
    atomic_store(&done, true);
    return memkind_set_bg_threads(true);
}
