/* SPDX-License-Identifier: MIT */
/*
 * A parser whose tree lives in a region: one reset frees all of it, and the
 * next round uses the same memory again.  Reads JSON from a file (or standard
 * input), several rounds, and prints what it saw and how much memory the tree
 * took.
 *
 * Strings show what the last block is good for: they grow in place while they
 * are read, and shrink to their length at the end.
 *
 * usage: region_arena [ROUNDS [FILE]]
 */
#include <ctype.h>
#include <kindgc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEEPEST = 200 };

typedef enum { OBJECT, ARRAY, STRING, NUMBER, WORD, TYPES } type;

typedef struct node {
    type type;
    const char *key;           /* of a member of an object */
    const char *text;          /* of a string, a number or a word */
    struct node *child, *next; /* of an object or an array */
} node;

static kgc_region *tree;
static const char *at;

static _Noreturn void fail(const char *what)
{
    fprintf(stderr, "region_arena: %s\n", what);
    exit(1);
}

static void *take(size_t size, size_t align)
{
    void *p = kgc_region_allocate_zeroed(tree, size, align);
    if (!p)
        fail(kgc_last_error());
    return p;
}

static void skip_space(void)
{
    while (isspace((unsigned char)*at))
        at++;
}

static void expect(char c)
{
    skip_space();
    if (*at++ != c)
        fail("this is not JSON");
}

/* Characters up to the closing quote; what a backslash quotes stays as it is. */
static const char *read_string(void)
{
    size_t size = 16, length = 0;
    char *text = take(size, 1);
    expect('"');
    while (*at && *at != '"') {
        if (length + 3 > size) {
            text = kgc_region_grow(tree, text, size, 2 * size, 1); /* the last block: in place */
            if (!text)
                fail(kgc_last_error());
            size *= 2;
        }
        if (*at == '\\' && at[1])
            text[length++] = *at++;
        text[length++] = *at++;
    }
    expect('"');
    text[length] = '\0';
    return kgc_region_shrink(tree, text, size, length + 1, 1);
}

static const char *read_word(void)
{
    size_t length = strcspn(at, ",:]} \t\r\n");
    if (length == 0)
        fail("a value is missing");
    char *text = take(length + 1, 1);
    memcpy(text, at, length);
    at += length;
    return text;
}

static node *read_value(unsigned depth);

static node *read_members(char close, unsigned depth)
{
    node *first = NULL, **end = &first;
    at++;
    skip_space();
    while (*at != close) {
        const char *key = NULL;
        if (close == '}') {
            skip_space();
            key = read_string();
            expect(':');
        }
        *end = read_value(depth + 1);
        (*end)->key = key;
        end = &(*end)->next;
        skip_space();
        if (*at != close)
            expect(',');
    }
    at++;
    return first;
}

static node *read_value(unsigned depth)
{
    if (depth > DEEPEST)
        fail("values are nested too deeply");
    node *n = take(sizeof *n, _Alignof(node));
    skip_space();
    if (*at == '{' || *at == '[') {
        n->type = *at == '{' ? OBJECT : ARRAY;
        n->child = read_members(*at == '{' ? '}' : ']', depth);
    } else if (*at == '"') {
        n->type = STRING;
        n->text = read_string();
    } else {
        n->type = *at == '-' || isdigit((unsigned char)*at) ? NUMBER : WORD;
        n->text = read_word();
    }
    return n;
}

typedef struct totals {
    size_t count[TYPES], text, depth;
    double sum;
} totals;

static void add_up(const node *n, size_t depth, totals *t)
{
    if (n && depth > t->depth)
        t->depth = depth;
    for (; n; n = n->next) {
        t->count[n->type]++;
        t->text += n->type == STRING ? strlen(n->text) : 0;
        t->text += n->key ? strlen(n->key) : 0;
        t->sum += n->type == NUMBER ? strtod(n->text, NULL) : 0;
        add_up(n->child, depth + 1, t);
    }
}

static char *read_all(FILE *file)
{
    size_t size = 1 << 16, length = 0;
    char *text = malloc(size);
    for (size_t n; text && (n = fread(text + length, 1, size - length - 1, file)) != 0;) {
        length += n;
        if (length + 1 == size)
            text = realloc(text, size *= 2);
    }
    if (!text || ferror(file))
        fail("the file cannot be read");
    text[length] = '\0';
    return text;
}

int main(int argc, char **argv)
{
    unsigned long rounds = argc > 1 ? strtoul(argv[1], NULL, 10) : 10;
    FILE *file = argc > 2 ? fopen(argv[2], "r") : stdin;
    if (rounds == 0 || argc > 3 || !file) {
        fprintf(stderr, "usage: region_arena [ROUNDS [FILE]]\n");
        return 2;
    }
    char *text = read_all(file);
    /* As large as any tree of this text could be: a character is one node at
       most.  Lazy, so only what the tree needs becomes memory. */
    tree = kgc_region_create_lazy((strlen(text) + 1) * (sizeof(node) + _Alignof(node)));
    if (!tree)
        fail(kgc_last_error());

    const node *root = NULL;
    size_t used = 0;
    for (unsigned long round = 0; round < rounds; round++) {
        kgc_region_reset(tree);
        at = text;
        node *n = read_value(0);
        skip_space();
        if (*at)
            fail("there is something behind the value");
        if (round != 0 && (n != root || kgc_region_allocated(tree) != used))
            fail("a round differs from the one before");
        root = n;
        used = kgc_region_allocated(tree);
    }
    totals t = {0};
    add_up(root, 0, &t);
    printf("rounds:   %lu\n", rounds);
    printf("objects:  %zu\narrays:   %zu\nstrings:  %zu\nnumbers:  %zu\nwords:    %zu\n", t.count[OBJECT],
           t.count[ARRAY], t.count[STRING], t.count[NUMBER], t.count[WORD]);
    printf("depth:    %zu\ntext:     %zu\nsum:      %.10g\n", t.depth, t.text, t.sum);
    printf("region:   %zu bytes of %zu\n", used, kgc_region_capacity(tree));
    kgc_region_destroy(tree);
    free(text);
    return 0;
}
