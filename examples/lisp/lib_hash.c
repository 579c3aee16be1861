/* SPDX-License-Identifier: MIT */
/*
 * Hash tables, by identity or by structure.  Objects never move, so their
 * addresses are their identities.  Entries lie in the order of insertion, and
 * what lists them does so in that order, the same in every run; an atomic
 * array of indices leads to them.
 */
#include "lib.h"
#include <string.h>

typedef struct entry {
    value key; /* ABSENT: deleted */
    value content;
    size_t hash; /* 32 bits: never looks like a pointer */
} entry;

typedef struct table {
    object_type type;
    bool by_structure;
    size_t used, live; /* entries */
    size_t places;     /* a power of two, twice the capacity of entries */
    entry *entry;
    uint32_t *place; /* 0: empty, else 1 + index of an entry */
} table;

static uint32_t mix(uint64_t x)
{
    x ^= x >> 32;
    x *= 0x9e3779b97f4a7c15u;
    return (uint32_t)(x >> 32);
}

static uint32_t hash_structure(value v, int depth)
{
    if (is_flonum(v)) {
        double d = flonum_value(v) + 0.0; /* one zero */
        uint64_t bits;
        memcpy(&bits, &d, sizeof bits);
        return mix(bits);
    }
    if (is_type(v, T_STRING)) {
        uint64_t h = 1469598103934665603u;
        for (size_t i = 0; i < string_of(v)->length; i++)
            h = (h ^ (unsigned char)string_of(v)->bytes[i]) * 1099511628211u;
        return mix(h);
    }
    if (is_pair(v)) {
        uint32_t h = 17;
        for (int n = 0; is_pair(v) && n < 16 && depth < 4; v = tail(v), n++)
            h = h * 31 + hash_structure(head(v), depth + 1);
        return h;
    }
    if (is_type(v, T_VECTOR)) {
        uint32_t h = (uint32_t)vector_of(v)->length;
        for (size_t i = 0; i < vector_of(v)->length && i < 16 && depth < 4; i++)
            h = h * 31 + hash_structure(vector_of(v)->item[i], depth + 1);
        return h;
    }
    return mix(v);
}

static uint32_t hash_of(const table *t, value key)
{
    return t->by_structure ? hash_structure(key, 0) : mix(key);
}

static void resize(table *t, size_t places)
{
    uint32_t *place = new_atomic(places * sizeof *place);
    entry *fresh = new_scanned(places / 2 * sizeof *fresh);
    size_t used = 0;
    memset(place, 0, places * sizeof *place);
    for (size_t i = 0; i < t->used; i++) {
        if (t->entry[i].key == ABSENT)
            continue;
        fresh[used] = t->entry[i];
        size_t p = fresh[used].hash & (places - 1);
        while (place[p])
            p = (p + 1) & (places - 1);
        place[p] = (uint32_t)++used;
    }
    t->entry = fresh;
    t->place = place;
    t->places = places;
    t->used = used;
}

value new_table(bool by_structure)
{
    table *t = new_scanned(sizeof *t);
    t->type = T_TABLE;
    t->by_structure = by_structure;
    resize(t, 16);
    return (value)t;
}

static entry *find(const table *t, value key, uint32_t hash)
{
    for (size_t p = hash & (t->places - 1); t->place[p]; p = (p + 1) & (t->places - 1)) {
        entry *e = &t->entry[t->place[p] - 1];
        if (e->key == key ||
            (e->hash == hash && t->by_structure && e->key != ABSENT && is_equal(e->key, key)))
            return e;
    }
    return NULL;
}

value table_get(value v, value key, value otherwise)
{
    const table *t = (const table *)v;
    const entry *e = find(t, key, hash_of(t, key));
    return e ? e->content : otherwise;
}

void table_put(value v, value key, value content)
{
    table *t = (table *)v;
    uint32_t hash = hash_of(t, key);
    entry *e = find(t, key, hash);
    if (e) {
        e->content = content;
        return;
    }
    if (t->used == t->places / 2) {
        if (t->places > UINT32_MAX / 2)
            raise_error("hash table: too many keys");
        resize(t, t->live > t->places / 4 ? t->places * 2 : t->places);
    }
    size_t p = hash & (t->places - 1);
    while (t->place[p])
        p = (p + 1) & (t->places - 1);
    t->entry[t->used] = (entry){key, content, hash};
    t->place[p] = (uint32_t)++t->used;
    t->live++;
}

static table *to_table(value v)
{
    if (!is_type(v, T_TABLE))
        raise_type("a hash table", v);
    return (table *)v;
}

static value p_make(int argc, value *argv)
{
    (void)argc, (void)argv;
    return new_table(true);
}

static value p_make_eq(int argc, value *argv)
{
    (void)argc, (void)argv;
    return new_table(false);
}

static value p_get(int argc, value *argv)
{
    to_table(argv[0]);
    return table_get(argv[0], argv[1], argc == 3 ? argv[2] : FALSE);
}

static value p_has(int argc, value *argv)
{
    (void)argc;
    const table *t = to_table(argv[0]);
    return boolean(find(t, argv[1], hash_of(t, argv[1])));
}

static value p_put(int argc, value *argv)
{
    (void)argc;
    to_table(argv[0]);
    table_put(argv[0], argv[1], argv[2]);
    return UNSPECIFIED;
}

static value p_delete(int argc, value *argv)
{
    (void)argc;
    table *t = to_table(argv[0]);
    entry *e = find(t, argv[1], hash_of(t, argv[1]));
    if (e) {
        e->key = e->content = ABSENT;
        t->live--;
    }
    return boolean(e);
}

/* (hash-update! table key procedure default) */
static value p_update(int argc, value *argv)
{
    (void)argc;
    to_table(argv[0]);
    table_put(argv[0], argv[1], call1(argv[2], table_get(argv[0], argv[1], argv[3])));
    return UNSPECIFIED;
}

static value p_count(int argc, value *argv)
{
    (void)argc;
    return fixnum((intptr_t)to_table(argv[0])->live);
}

static value entry_key(const entry *e)
{
    return e->key;
}

static value entry_content(const entry *e)
{
    return e->content;
}

static value entry_pair(const entry *e)
{
    return cons(e->key, e->content);
}

static value list_entries(value v, value (*part)(const entry *))
{
    const table *t = to_table(v);
    value list = NIL;
    for (size_t i = t->used; i > 0; i--)
        if (t->entry[i - 1].key != ABSENT)
            list = cons(part(&t->entry[i - 1]), list);
    return list;
}

static value p_keys(int argc, value *argv)
{
    (void)argc;
    return list_entries(argv[0], entry_key);
}

static value p_values(int argc, value *argv)
{
    (void)argc;
    return list_entries(argv[0], entry_content);
}

static value p_to_list(int argc, value *argv)
{
    (void)argc;
    return list_entries(argv[0], entry_pair);
}

/* (hash-for-each procedure table): the entries at the start; (procedure key content) */
static value p_for_each(int argc, value *argv)
{
    (void)argc;
    for (value l = list_entries(argv[1], entry_pair); is_pair(l); l = tail(l))
        call2(argv[0], head(head(l)), tail(head(l)));
    return UNSPECIFIED;
}

static value p_is_table(int argc, value *argv)
{
    (void)argc;
    return boolean(is_type(argv[0], T_TABLE));
}

void lib_hash_init(void)
{
    static const definition list[] = {
        {"make-hash-table", 0, 0, p_make}, {"make-eq-hash-table", 0, 0, p_make_eq},
        {"hash-ref", 2, 3, p_get},         {"hash-has?", 2, 2, p_has},
        {"hash-set!", 3, 3, p_put},        {"hash-delete!", 2, 2, p_delete},
        {"hash-update!", 4, 4, p_update},  {"hash-count", 1, 1, p_count},
        {"hash-keys", 1, 1, p_keys},       {"hash-values", 1, 1, p_values},
        {"hash->list", 1, 1, p_to_list},   {"hash-for-each", 2, 2, p_for_each},
        {"hash-table?", 1, 1, p_is_table},
    };
    DEFINE_ALL(list);
}
