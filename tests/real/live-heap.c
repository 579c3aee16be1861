/* SPDX-License-Identifier: MIT */
/*
 * live-heap MIB [wait]: a program on stock libgc with that much alive: lists
 * of blocks of 16 bytes to 8 KiB, scanned and pointer-free, a part of them
 * replaced again and again.  Checks every byte, prints a sum.  With "wait" it
 * then says "ready" and waits for a signal.
 */
#include <gc/gc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LISTS = 4096, LARGEST = 8192 };

struct block {
    struct block *next;
    unsigned char *bytes; /* pointer-free */
    uint32_t size;
    uint32_t number; /* every byte is this, modulo 256 */
};

static struct list {
    struct block *first;
    size_t bytes;
} * lists;

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

static void add(struct list *list, uint32_t number)
{
    struct block *b = checked(GC_MALLOC(sizeof *b));
    b->size = 16u << next_random() % 10;
    b->number = number;
    b->bytes = checked(GC_MALLOC_ATOMIC(b->size));
    memset(b->bytes, (int)(number & 255), b->size);
    b->next = list->first;
    list->first = b;
    list->bytes += b->size + sizeof *b;
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
    size_t wanted = (size_t)(argc > 1 ? atol(argv[1]) : 16) << 20, live = 0;
    uint32_t number = 0;
    uint64_t sum = 0;
    GC_INIT();
    lists = checked(GC_MALLOC_UNCOLLECTABLE(LISTS * sizeof *lists));
    while (live < wanted) {
        struct list *list = &lists[next_random() % LISTS];
        live -= list->bytes;
        if (list->bytes > 2 * wanted / LISTS) /* drop a list that has grown long */
            *list = (struct list){0};
        add(list, number++);
        live += list->bytes;
    }
    for (int i = 0; i < LISTS; i++) {
        for (const struct block *b = lists[i].first; b != NULL; b = b->next) {
            check(b);
            sum = sum * 31 + b->number;
        }
    }
    printf("%zu MiB alive, %u blocks made, sum %016llx\n", live >> 20, number, (unsigned long long)sum);
    if (argc > 2 && strcmp(argv[2], "wait") == 0) {
        puts("ready");
        fflush(stdout);
        pause();
    }
    return 0;
}
