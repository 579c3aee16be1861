/* SPDX-License-Identifier: MIT */
/* Errors of programs.  usage: misuse NAME */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#pragma GCC diagnostic ignored "-Wfree-nonheap-object"
#if defined __GNUC__ && !defined __clang__
#pragma GCC diagnostic ignored "-Wuse-after-free"
#endif

void free_sized(void *, size_t) __attribute__((weak));

static void *hide(void *p)
{
    __asm__ volatile("" : "+r"(p));
    return p;
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    char on_stack[64];
    static char in_data[64];
    char *small = malloc(100), *large = malloc(3 << 20);
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    if (strcmp(what, "double") == 0)
        free(hide(small)), free(hide(small));
    else if (strcmp(what, "double-large") == 0)
        free(hide(large)), free(hide(large));
    else if (strcmp(what, "interior") == 0)
        free(hide(small + 16));
    else if (strcmp(what, "interior-large") == 0)
        free(hide(large + (1 << 20)));
    else if (strcmp(what, "misaligned") == 0)
        free(hide(small + 1));
    else if (strcmp(what, "stack") == 0)
        free(hide((void *)(((size_t)on_stack + 15) & ~(size_t)15)));
    else if (strcmp(what, "data") == 0)
        free(hide((void *)(((size_t)in_data + 15) & ~(size_t)15)));
    else if (strcmp(what, "wild") == 0)
        free(hide((void *)0x123456789ab0));
    else if (strcmp(what, "realloc-freed") == 0)
        free(hide(small)), small = realloc(hide(small), 200);
    else if (strcmp(what, "sized") == 0 && free_sized != NULL)
        free_sized(hide(small), 5000);
    puts("went on");
    return 0;
}
