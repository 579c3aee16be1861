/* SPDX-License-Identifier: MIT */
/*
 * Preloaded behind the library: what comes before it.  Its constructor
 * registers handlers of fork, which allocate, and blocks from here are freed
 * by the program.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static void *kept;

static void in_handler(void)
{
    for (size_t size = 8; size < 1 << 20; size *= 3) {
        void *p = malloc(size);
        memset(p, 1, size);
        free(kept);
        kept = realloc(p, size * 2);
        free(calloc(1, size));
    }
}

__attribute__((constructor(101))) static void first(void)
{
    pthread_atfork(in_handler, in_handler, in_handler);
}
