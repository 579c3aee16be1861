/* SPDX-License-Identifier: MIT */
/*
 * live-heap MIB [wait]: a program on stock libgc with that much alive: short
 * lists of blocks of up to 8 KiB, scanned and pointer-free, a quarter of them
 * replaced once.  What is allocated together is used together, as in most
 * programs.  Checks every byte, prints a sum.  With "wait" it then says
 * "ready" and waits for a signal.
 */
#include <gc/gc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LIST_BYTES = 64 * 1024 };

struct block {
    struct block *next;
    unsigned char *bytes; /* pointer-free */
    uint32_t size;
    uint32_t number; /* every byte is this, modulo 256 */
};

static uint32_t next_random(void)
{
    static uint64_t state = 1;
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(state >> 33);
}

static void *checked(void *p)
{
    if (p == NULL) {
        fputs("out of memory\n", stderr);
        exit(1);
    }
    return p;
}

static struct block *add(struct block *list)
{
    static uint32_t number;
    struct block *b = checked(GC_MALLOC(sizeof *b));
    b->size = (16u << next_random() % 10) - 1; /* libgc adds a byte */
    b->number = number++;
    b->bytes = checked(GC_MALLOC_ATOMIC(b->size));
    memset(b->bytes, (int)(b->number & 255), b->size);
    b->next = list;
    return b;
}

static struct block *make_list(void)
{
    struct block *list = NULL;
    for (size_t bytes = 0; bytes < LIST_BYTES; bytes += list->size + sizeof *list)
        list = add(list);
    return list;
}

static void check(const struct block *b)
{
    for (uint32_t i = 0; i < b->size; i++) {
        if (b->bytes[i] != (unsigned char)b->number) {
            fprintf(stderr, "block %u is damaged at %u\n", b->number, i);
            exit(1);
        }
    }
}

int main(int argc, char **argv)
{
    size_t mib = (size_t)(argc > 1 ? atol(argv[1]) : 16), lists = (mib << 20) / LIST_BYTES;
    uint64_t sum = 0;
    GC_INIT();
    struct block **list = checked(GC_MALLOC_UNCOLLECTABLE(lists * sizeof *list));
    for (size_t i = 0; i < lists; i++)
        list[i] = make_list();
    for (size_t i = 0; i < lists / 4; i++)
        list[next_random() % lists] = make_list();
    for (size_t i = 0; i < lists; i++) {
        for (const struct block *b = list[i]; b != NULL; b = b->next) {
            check(b);
            sum = sum * 31 + b->number;
        }
    }
    printf("%zu MiB alive, sum %016llx\n", mib, (unsigned long long)sum);
    if (argc > 2 && strcmp(argv[2], "wait") == 0) {
        puts("ready");
        fflush(stdout);
        pause();
    }
    return 0;
}
