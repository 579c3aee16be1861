/* SPDX-License-Identifier: MIT */
/* A module: allocates when it is loaded and unloaded, and has thread-local storage of its own. */
#include <stdlib.h>
#include <string.h>

static char *block;
static __thread char local[5000] = "local";

__attribute__((constructor)) static void loaded(void)
{
    block = malloc(3000);
    strcpy(block, "module");
}

__attribute__((destructor)) static void unloaded(void)
{
    free(block);
}

/* The caller frees it. */
char *module_new(size_t size);
char *module_new(size_t size)
{
    char *p = malloc(size);
    memset(p, 'm', size);
    return p;
}

void module_free(void *p);
void module_free(void *p)
{
    free(p);
}

const char *module_local(void);
const char *module_local(void)
{
    return strcmp(block, "module") == 0 ? local : "";
}
