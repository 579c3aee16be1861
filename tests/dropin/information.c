/* SPDX-License-Identifier: MIT */
/* mallinfo and the like tell what is so. */
#include "check.h"
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

int main(void)
{
    enum { BLOCKS = 64, SIZE = 1 << 20 };
    char *p[BLOCKS];
    struct mallinfo2 before = mallinfo2();
    for (int i = 0; i < BLOCKS; i++)
        memset(p[i] = hidden(malloc(SIZE)), 1, SIZE);
    struct mallinfo2 full = mallinfo2();
    size_t grown = full.uordblks + full.hblkhd - before.uordblks - before.hblkhd;
    CHECK(grown >= (size_t)BLOCKS * SIZE && grown <= (size_t)BLOCKS * SIZE * 4 / 3);
    CHECK(full.arena + full.hblkhd >= full.uordblks);
    CHECK(full.arena == full.uordblks + full.fordblks);
    struct mallinfo narrow = mallinfo();
    CHECK((size_t)narrow.uordblks <= full.uordblks + 100000 && (size_t)narrow.uordblks + 100000 >= full.uordblks);
    for (int i = 0; i < BLOCKS; i++)
        free(p[i]);
    malloc_trim(0);
    struct mallinfo2 after = mallinfo2();
    CHECK(after.uordblks < before.uordblks + SIZE);
    CHECK(after.arena < before.arena + 8 * SIZE);

    for (int i = 0; i < 4; i++) /* below what goes back by itself */
        memset(p[i] = hidden(malloc(SIZE / 2)), 1, SIZE / 2);
    for (int i = 0; i < 4; i++)
        free(p[i]);
    errno = 55;
    CHECK(malloc_trim(0) == 1); /* there was something */
    CHECK(malloc_trim(0) == 0); /* and now there is not */
    CHECK(errno == 55);

    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);
    CHECK(malloc_info(0, f) == 0);
    fclose(f);
    CHECK(size > 50 && strncmp(text, "<malloc version=\"1\">", 20) == 0 && strstr(text, "</malloc>\n") != NULL);
    free(text);
    CHECK(malloc_info(1, stdout) == EINVAL);

    CHECK(mallopt(M_ARENA_MAX, 1) == 1 && mallopt(M_MMAP_THRESHOLD, 1 << 20) == 1);
    CHECK(mallopt(M_TRIM_THRESHOLD, 1 << 20) == 1 && mallopt(M_TOP_PAD, 0) == 1);
    malloc_stats();
    printf("%d failures\n", failures);
    return failures != 0;
}
