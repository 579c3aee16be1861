/* SPDX-License-Identifier: MIT */
/* Vectors and records. */
#include "lib.h"
#include "text.h"
#include <string.h>

vector *to_vector(value v)
{
    if (!is_type(v, T_VECTOR))
        raise_type("a vector", v);
    return vector_of(v);
}

value list_to_vector(value list)
{
    value v = new_vector((size_t)to_list(list), NIL);
    for (size_t i = 0; is_pair(list); list = tail(list))
        vector_of(v)->item[i++] = head(list);
    return v;
}

value vector_to_list(value v)
{
    value list = NIL;
    for (size_t i = vector_of(v)->length; i > 0; i--)
        list = cons(vector_of(v)->item[i - 1], list);
    return list;
}

static value p_make(int argc, value *argv)
{
    return new_vector(to_index(argv[0], FIXNUM_MAX), argc == 2 ? argv[1] : fixnum(0));
}

static value p_vector(int argc, value *argv)
{
    value v = new_vector((size_t)argc, NIL);
    if (argc)
        memcpy(vector_of(v)->item, argv, (size_t)argc * sizeof *argv);
    return v;
}

static value p_length(int argc, value *argv)
{
    (void)argc;
    return fixnum((intptr_t)to_vector(argv[0])->length);
}

static value *place(value *argv)
{
    vector *v = to_vector(argv[0]);
    intptr_t i = to_integer(argv[1]);
    if (i < 0 || (size_t)i >= v->length)
        raise_error("%s: index %ld is not in a vector of %zu", interp.current->name, (long)i, v->length);
    return &v->item[i];
}

static value p_ref(int argc, value *argv)
{
    (void)argc;
    return *place(argv);
}

static value p_set(int argc, value *argv)
{
    (void)argc;
    *place(argv) = argv[2];
    return UNSPECIFIED;
}

static value p_fill(int argc, value *argv)
{
    (void)argc;
    vector *v = to_vector(argv[0]);
    for (size_t i = 0; i < v->length; i++)
        v->item[i] = argv[1];
    return UNSPECIFIED;
}

/* (subvector vector start [end]) */
static value p_part(int argc, value *argv)
{
    const vector *v = to_vector(argv[0]);
    size_t from = argc > 1 ? to_index(argv[1], v->length) : 0;
    size_t end = argc > 2 ? to_index(argv[2], v->length) : v->length;
    if (from > end)
        raise_error("%s: the start %zu is behind the end %zu", interp.current->name, from, end);
    value part = new_vector(end - from, NIL);
    memcpy(vector_of(part)->item, v->item + from, (end - from) * sizeof(value));
    return part;
}

static value p_to_list(int argc, value *argv)
{
    (void)argc;
    to_vector(argv[0]);
    return vector_to_list(argv[0]);
}

static value p_from_list(int argc, value *argv)
{
    (void)argc;
    return list_to_vector(argv[0]);
}

static value p_is_vector(int argc, value *argv)
{
    (void)argc;
    return boolean(is_type(argv[0], T_VECTOR));
}

/* What define-record-type is made of. */

static value p_record_type(int argc, value *argv)
{
    (void)argc;
    record_type *t = new_scanned(sizeof *t);
    t->type = T_RECORD_TYPE;
    t->name = argv[0];
    t->fields = (size_t)fixnum_value(argv[1]);
    return (value)t;
}

static value p_record(int argc, value *argv)
{
    record_type *t = (record_type *)argv[0];
    record *r = new_scanned(sizeof *r + t->fields * sizeof(value));
    r->type = T_RECORD;
    r->of = t;
    for (int i = 1; i < argc; i++)
        r->field[i - 1] = argv[i];
    return (value)r;
}

static bool is_record(value v, value type)
{
    return is_type(v, T_RECORD) && ((const record *)v)->of == (record_type *)type;
}

static value p_is_record(int argc, value *argv)
{
    (void)argc;
    return boolean(is_record(argv[0], argv[1]));
}

static value *field(value *argv)
{
    if (!is_record(argv[0], argv[1])) {
        text t = {0};
        print(&t, ((record_type *)argv[1])->name, false);
        raise_error("expected a record %s, got %s", string_of(text_to_string(&t))->bytes,
                    short_text(argv[0]));
    }
    return &((record *)argv[0])->field[fixnum_value(argv[2])];
}

static value p_record_ref(int argc, value *argv)
{
    (void)argc;
    return *field(argv);
}

static value p_record_set(int argc, value *argv)
{
    (void)argc;
    *field(argv) = argv[3];
    return UNSPECIFIED;
}

void lib_vector_init(void)
{
    static const definition list[] = {
        {"make-vector", 1, 2, p_make},         {"vector", 0, -1, p_vector},
        {"vector-length", 1, 1, p_length},     {"vector-ref", 2, 2, p_ref},
        {"vector-set!", 3, 3, p_set},          {"vector-fill!", 2, 2, p_fill},
        {"vector-copy", 1, 3, p_part},         {"vector->list", 1, 1, p_to_list},
        {"list->vector", 1, 1, p_from_list},   {"vector?", 1, 1, p_is_vector},
        {"%record-type", 2, 2, p_record_type}, {"%record", 1, -1, p_record},
        {"%record?", 2, 2, p_is_record},       {"%record-ref", 3, 3, p_record_ref},
        {"%record-set!", 4, 4, p_record_set},
    };
    DEFINE_ALL(list);
}
