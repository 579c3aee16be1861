/* SPDX-License-Identifier: MIT */
/*
 * A heap larger than the memory it may use: 64 MiB of ordinary memory, and
 * the rest in an unlinked file of a directory.  Builds live data of four times
 * that size, walks it, checks every byte, and shows where it lies.
 */
#include <inttypes.h>
#include <kindgc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MIB     ((size_t)1 << 20)
#define WORDS   120
#define MEMBERS 4

/* Linked scanned objects, each with a kilobyte of data without pointers. */
typedef struct node {
    struct node *next;
    uint64_t *data;
    uint64_t seed;
} node;

static void fail(const char *what)
{
    fprintf(stderr, "larger_than_limit: %s: %s\n", what, kgc_last_error());
    exit(1);
}

static uint64_t next(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state;
}

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static node *build(size_t nodes)
{
    node *list = NULL;
    for (size_t i = 0; i < nodes; i++) {
        node *n = kgc_allocate(sizeof *n);
        if (!n || !(n->data = kgc_allocate_atomic(WORDS * sizeof *n->data)))
            fail("the heap cannot grow");
        n->seed = i;
        uint64_t state = n->seed;
        for (size_t w = 0; w < WORDS; w++)
            n->data[w] = next(&state);
        n->next = list;
        list = n;
    }
    return list;
}

static size_t check(const node *list)
{
    size_t nodes = 0;
    for (; list; list = list->next, nodes++) {
        uint64_t state = list->seed;
        for (size_t w = 0; w < WORDS; w++)
            if (list->data[w] != next(&state)) {
                fprintf(stderr, "larger_than_limit: node %" PRIu64 " has changed\n", list->seed);
                exit(1);
            }
    }
    return nodes;
}

typedef struct share {
    kgc_kind *kind;
    size_t sections, bytes, resident;
} share;

static int add_section(const kgc_section *s, void *arg)
{
    share *all = arg;
    int i = 0;
    if (!s->kind)
        return 0;
    while (i < MEMBERS - 1 && all[i].kind && all[i].kind != s->kind)
        i++;
    all[i].kind = s->kind;
    all[i].sections++;
    all[i].bytes += s->size;
    all[i].resident += s->resident;
    return 0;
}

int main(int argc, char **argv)
{
    const char *directory = argc > 1 ? argv[1] : getenv("TMPDIR");
    size_t live = argc > 2 ? strtoul(argv[2], NULL, 10) : 256;
    size_t memory = argc > 3 ? strtoul(argv[3], NULL, 10) : 64;
    share all[MEMBERS] = {0};
    char spec[4200];
    kgc_kind *kind;
    if (!directory || !*directory)
        directory = "/var/tmp";
    if (argc > 4 || live == 0 || memory == 0) {
        fprintf(stderr, "usage: larger_than_limit [DIR [LIVE_MIB [MEMORY_MIB]]]\n");
        return 2;
    }
    if ((size_t)snprintf(spec, sizeof spec, "tier:default@%zuM+file:%s", memory, directory) >= sizeof spec) {
        fprintf(stderr, "larger_than_limit: the name of the directory is too long\n");
        return 2;
    }
    if (kgc_init(NULL))
        fail("kgc_init");
    if (kgc_kind_open(spec, &kind))
        fail(spec);
    if (kgc_heap_set_kind(kind))
        fail("kgc_heap_set_kind");

    printf("heap on %s, %zu MiB of live data\n", spec, live);
    double start = seconds();
    size_t nodes = live * MIB / (sizeof(node) + WORDS * sizeof(uint64_t));
    node *list = build(nodes);
    double built = seconds();
    kgc_collect();
    double collected = seconds();
    if (check(list) != nodes)
        fail("nodes were lost");
    double checked = seconds();

    printf("built in %.2f s, collected in %.2f s, walked and verified in %.2f s\n", built - start,
           collected - built, checked - collected);
    kgc_heap_visit_sections(add_section, all);
    size_t spilled = 0;
    for (int i = 0; i < MEMBERS && all[i].kind; i++) {
        printf("%-30s %4zu sections %8.1f MiB %8.1f MiB resident\n", kgc_kind_name(all[i].kind),
               all[i].sections, (double)all[i].bytes / (double)MIB, (double)all[i].resident / (double)MIB);
        if (strncmp(kgc_kind_name(all[i].kind), "file:", 5) == 0)
            spilled += all[i].bytes;
    }
    if (spilled + (memory + 16) * MIB < live * MIB) /* 16: what the heap had before */
        fail("the file holds less than did not fit into memory");
    return 0;
}
