/* SPDX-License-Identifier: MIT */
/*
 * A weak hash table: attaches data to objects from outside, without changing
 * them and without keeping them alive.  A language runtime needs one for
 * properties of objects, for memoised results, and for interned names.
 *
 * The entries are ephemerons, so an attached value may point back at its
 * object, as it does here: with a weak reference as key and an ordinary pointer
 * as value neither would ever be collected.  Objects do not move, so their
 * address is a good hash.  Entries whose object has died are dropped when the
 * table is rebuilt, which happens when it is three quarters full.
 *
 * usage: weak_table [OBJECTS [ROUNDS]]
 */
#include <kindgc.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct table {
    kgc_ephemeron **slot; /* scanned memory: the entries themselves are alive */
    size_t capacity;      /* a power of two */
    size_t used;          /* slots that are not NULL, of dead entries too */
};

static void *check(void *p)
{
    if (p == NULL) {
        fprintf(stderr, "weak_table: %s\n", kgc_last_error());
        exit(1);
    }
    return p;
}

static void make_slots(struct table *t, size_t capacity)
{
    t->slot = check(kgc_allocate(capacity * sizeof *t->slot));
    t->capacity = capacity;
    t->used = 0;
}

/* The slot of a key's entry, or where one would go. */
static size_t find(const struct table *t, const void *key)
{
    size_t i = (size_t)(((uintptr_t)key >> 4) * 0x9e3779b97f4a7c15u >> 20);
    for (;; i++) {
        kgc_ephemeron *e = t->slot[i & (t->capacity - 1)];
        if (e == NULL || kgc_ephemeron_key(e) == key)
            return i & (t->capacity - 1);
    }
}

static void insert(struct table *t, void *key, kgc_ephemeron *e)
{
    size_t i = find(t, key);
    t->used += t->slot[i] == NULL;
    t->slot[i] = e;
}

static size_t live_entries(const struct table *t)
{
    size_t n = 0;
    for (size_t i = 0; i < t->capacity; i++)
        n += t->slot[i] != NULL && kgc_ephemeron_key(t->slot[i]) != NULL;
    return n;
}

/* Room for as many entries again as are alive. */
static void rebuild(struct table *t)
{
    struct table old = *t;
    size_t capacity = 64, wanted = 4 * live_entries(t);
    while (capacity < wanted)
        capacity *= 2;
    make_slots(t, capacity);
    for (size_t i = 0; i < old.capacity; i++) {
        void *key = old.slot[i] != NULL ? kgc_ephemeron_key(old.slot[i]) : NULL;
        if (key != NULL) /* it lives as long as this variable */
            insert(t, key, old.slot[i]);
    }
    kgc_release(old.slot);
}

static void table_put(struct table *t, void *key, void *value)
{
    if (t->slot == NULL)
        make_slots(t, 64);
    kgc_ephemeron *e = t->slot[find(t, key)];
    if (e != NULL) {
        kgc_ephemeron_set_value(e, value);
        return;
    }
    if (4 * (t->used + 1) > 3 * t->capacity)
        rebuild(t);
    insert(t, key, check(kgc_ephemeron_create(key, value)));
}

static void *table_get(const struct table *t, void *key)
{
    kgc_ephemeron *e = t->slot != NULL ? t->slot[find(t, key)] : NULL;
    return e != NULL ? kgc_ephemeron_value(e) : NULL;
}

/* The program: objects, and labels that are attached to them. */
struct object {
    size_t number;
};

struct label {
    struct object *object; /* back to what it is attached to */
    char *text;
};

static struct table labels;
static struct object **objects;
static size_t count;

static void attach_label(struct object *o)
{
    char text[40];
    struct label *label = check(kgc_allocate(sizeof *label));
    snprintf(text, sizeof text, "object %zu", o->number);
    label->object = o;
    label->text = check(kgc_strdup(text));
    table_put(&labels, o, label);
}

static __attribute__((noinline)) void make_objects(void)
{
    for (size_t i = 0; i < count; i++) {
        objects[i] = check(kgc_allocate(sizeof **objects));
        objects[i]->number = i;
        attach_label(objects[i]);
    }
}

static bool has_label(struct object *o)
{
    char text[40];
    const struct label *label = table_get(&labels, o);
    snprintf(text, sizeof text, "object %zu", o->number);
    return label != NULL && label->object == o && strcmp(label->text, text) == 0;
}

static __attribute__((noinline)) size_t labelled(void)
{
    size_t n = 0;
    for (size_t i = 0; i < count; i++)
        n += objects[i] != NULL && has_label(objects[i]);
    return n;
}

/* All but every tenth. */
static __attribute__((noinline)) void drop_objects(void)
{
    for (size_t i = 0; i < count; i++)
        if (i % 10 != 0)
            objects[i] = NULL;
}

/* A collection without what earlier calls have left on the stack. */
static __attribute__((noinline)) void collect(void)
{
    char space[32 * 1024];
    memset(space, 0, sizeof space);
    __asm__ volatile("" : : "r"(space) : "memory");
    kgc_collect();
}

/* The collector is conservative: a stale word may keep an object, so shares
   are shown and not numbers. */
static void say(const char *what, bool yes)
{
    printf("%-48s %s\n", what, yes ? "yes" : "NO");
    if (!yes)
        exit(1);
}

int main(int argc, char **argv)
{
    count = argc > 1 ? strtoul(argv[1], NULL, 10) : 10000;
    size_t rounds = argc > 2 ? strtoul(argv[2], NULL, 10) : 20;
    objects = check(kgc_allocate(count * sizeof *objects));
    kgc_root_add(&labels, &labels + 1);
    make_objects();
    collect();
    printf("%-48s %zu of %zu\n", "objects with their label", labelled(), count);
    drop_objects();
    collect();
    size_t kept = (count + 9) / 10, dropped = count - kept;
    printf("%-48s %zu of %zu\n", "after nine of ten were dropped", labelled(), kept);
    say("entries of 95 % of the dropped ones are gone", live_entries(&labels) <= kept + dropped / 20);
    for (size_t i = 0; i < rounds; i++) {
        make_objects();
        drop_objects();
        collect();
    }
    printf("%-48s %zu of %zu\n", "the same again and again", labelled(), kept);
    say("the table has not grown with the rounds", labels.capacity <= 16 * count + 64);
    return labelled() == kept ? 0 : 1;
}
