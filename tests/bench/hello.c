/* SPDX-License-Identifier: MIT */
/* The smallest program on stock libgc: what start-up costs. */
#include <gc.h>
#include <stdio.h>
#include <string.h>

int main(void)
{
    GC_INIT();
    char *text = GC_MALLOC(16);
    if (text == NULL)
        return 1;
    strcpy(text, "hello");
    return puts(text) < 0;
}
