/* SPDX-License-Identifier: MIT */
/*
 * The table of symbols.  It lies in rooted memory: symbols, and through them
 * all global variables, live until the process ends, with no variable of C
 * pointing at them.
 */
#include "interp.h"
#include "value.h"
#include <kindgc.h>
#include <stdlib.h>
#include <string.h>

static struct {
    symbol **bucket; /* rooted */
    size_t buckets;  /* a power of two */
    size_t symbols;
} table;

static size_t hash_name(const char *name, size_t length)
{
    size_t h = 1469598103934665603u;
    for (size_t i = 0; i < length; i++)
        h = (h ^ (unsigned char)name[i]) * 1099511628211u;
    return h ^ h >> 29;
}

static void resize(size_t buckets)
{
    symbol **fresh = kgc_calloc(buckets, sizeof *fresh);
    if (!fresh)
        raise_out_of_memory(buckets * sizeof *fresh);
    for (size_t i = 0; i < table.buckets; i++)
        for (symbol *s = table.bucket[i], *next; s; s = next) {
            next = s->next;
            size_t h = hash_name(s->name->bytes, s->name->length) & (buckets - 1);
            s->next = fresh[h];
            fresh[h] = s;
        }
    kgc_free(table.bucket);
    table.bucket = fresh;
    table.buckets = buckets;
}

void symbols_init(void)
{
    resize(1024);
}

static symbol *make(const char *name, size_t length)
{
    symbol *s = new_scanned(sizeof *s);
    s->type = T_SYMBOL;
    s->name = string_of(new_string(name, length));
    s->global = s->builtin = s->macro = UNBOUND;
    return s;
}

value intern(const char *name, size_t length)
{
    size_t h = hash_name(name, length);
    for (symbol *s = table.bucket[h & (table.buckets - 1)]; s; s = s->next)
        if (s->name->length == length && memcmp(s->name->bytes, name, length) == 0)
            return (value)s;
    if (table.symbols >= table.buckets)
        resize(table.buckets * 2);
    symbol *s = make(name, length);
    s->next = table.bucket[h & (table.buckets - 1)];
    table.bucket[h & (table.buckets - 1)] = s;
    table.symbols++;
    return (value)s;
}

value intern_name(const char *name)
{
    return intern(name, strlen(name));
}

value new_uninterned(const char *name)
{
    return (value)make(name, strlen(name));
}
