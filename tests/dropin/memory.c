/* SPDX-License-Identifier: MIT */
/*
 * Memory that runs out: every function says so, what is allocated stays
 * whole, and there is memory again when some was freed.
 *
 * usage: memory [MIB]       MIB: of RLIMIT_AS above what is in use; 0: the
 *                           heap has a limit of its own
 */
#include "check.h"
#include <errno.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

/* Blocks are linked through themselves. */
struct block {
    struct block *next;
    size_t size;
};

static size_t address_space(void)
{
    unsigned long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    CHECK(f != NULL && fscanf(f, "%lu", &pages) == 1);
    fclose(f);
    return pages * 4096;
}

static struct block *fill(size_t size, int how, size_t *bytes)
{
    struct block *all = NULL;
    *bytes = 0;
    for (;;) {
        struct block *b = NULL;
        errno = 0;
        switch (how) {
        case 0:
            b = malloc(size);
            break;
        case 1:
            b = calloc(1, size);
            break;
        case 2:
            b = realloc(NULL, size);
            break;
        case 3:
            b = aligned_alloc(256, size);
            break;
        default:
            errno = posix_memalign((void **)&b, 4096, size);
        }
        if (b == NULL) {
            CHECK(errno == ENOMEM);
            return all;
        }
        memset(b, 0x33, size);
        b->next = all;
        b->size = size;
        all = b;
        *bytes += size;
    }
}

static void empty(struct block *all)
{
    while (all != NULL) {
        struct block *next = all->next;
        CHECK(all->size < 32 || ((char *)all)[all->size - 1] == 0x33);
        free(all);
        all = next;
    }
}

int main(int argc, char **argv)
{
    size_t limit = (argc > 1 ? strtoul(argv[1], NULL, 10) : 0) << 20;
    static const size_t sizes[] = {16, 100, 3000, 40000, 300000, 1000000};
    if (limit != 0) {
        limit += address_space();
        CHECK(setrlimit(RLIMIT_AS, &(struct rlimit){limit, limit}) == 0);
    }
    size_t first[6];
    for (int round = 0; round < 5; round++)
        for (int i = 0; i < 6; i++) {
            size_t bytes;
            struct block *all = fill(sizes[i], round, &bytes);
            CHECK(all != NULL);
            if (all != NULL && i > 1) { /* what cannot grow stays as it is */
                void *p = all, *q = realloc(p, 512 << 20);
                CHECK(q == NULL && all->size == sizes[i]);
            }
            empty(all);
            if (round == 0)
                first[i] = bytes;
            if (round == 2 && bytes < first[i] * 3 / 4) /* the same function on the same sizes */
                printf("%zu bytes in blocks of %zu after %zu the first time\n", bytes, sizes[i], first[i]), failures++;
        }
    void *p = malloc(1000);
    CHECK(p != NULL);
    free(p);
    printf("%d failures\n", failures);
    return failures != 0;
}
