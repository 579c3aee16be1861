/* SPDX-License-Identifier: MIT */
/* Procedures that call procedures: map and its relatives, sorting. */
#include "lib.h"
#include "text.h"
#include <string.h>

/* Lists that grow at their end. */
typedef struct queue {
    value first, last;
} queue;

static void queue_add(queue *q, value v)
{
    value p = cons(v, NIL);
    if (q->first == NIL)
        q->first = p;
    else
        pair_of(q->last)->tail = p;
    q->last = p;
}

/* The next element of each list; false when one is empty. */
static bool next_of_each(int lists, value *list, value *out)
{
    for (int i = 0; i < lists; i++) {
        if (!is_pair(list[i])) {
            if (list[i] != NIL)
                raise_type("a list", list[i]);
            return false;
        }
        out[i] = head(list[i]);
        list[i] = tail(list[i]);
    }
    return true;
}

#define MOST_LISTS 8

static value p_map(int argc, value *argv)
{
    queue q = {NIL, NIL};
    value items[MOST_LISTS];
    while (next_of_each(argc - 1, argv + 1, items))
        queue_add(&q, call(argv[0], argc - 1, items));
    return q.first;
}

static value p_for_each(int argc, value *argv)
{
    value items[MOST_LISTS];
    while (next_of_each(argc - 1, argv + 1, items))
        call(argv[0], argc - 1, items);
    return UNSPECIFIED;
}

static value p_append_map(int argc, value *argv)
{
    queue q = {NIL, NIL};
    value items[MOST_LISTS];
    while (next_of_each(argc - 1, argv + 1, items))
        for (value part = call(argv[0], argc - 1, items); is_pair(part); part = tail(part))
            queue_add(&q, head(part));
    return q.first;
}

static value p_filter(int argc, value *argv)
{
    (void)argc;
    queue q = {NIL, NIL};
    to_list(argv[1]);
    for (value l = argv[1]; is_pair(l); l = tail(l))
        if (call1(argv[0], head(l)) != FALSE)
            queue_add(&q, head(l));
    return q.first;
}

/* (fold f start list): (f element result) */
static value p_fold(int argc, value *argv)
{
    (void)argc;
    value result = argv[1];
    to_list(argv[2]);
    for (value l = argv[2]; is_pair(l); l = tail(l))
        result = call2(argv[0], head(l), result);
    return result;
}

static value p_fold_right(int argc, value *argv)
{
    (void)argc;
    value result = argv[1], reversed = NIL;
    to_list(argv[2]);
    for (value l = argv[2]; is_pair(l); l = tail(l))
        reversed = cons(head(l), reversed);
    for (value l = reversed; is_pair(l); l = tail(l))
        result = call2(argv[0], head(l), result);
    return result;
}

static value p_any(int argc, value *argv)
{
    (void)argc;
    to_list(argv[1]);
    for (value l = argv[1]; is_pair(l); l = tail(l)) {
        value v = call1(argv[0], head(l));
        if (v != FALSE)
            return v;
    }
    return FALSE;
}

static value p_every(int argc, value *argv)
{
    (void)argc;
    value v = TRUE;
    to_list(argv[1]);
    for (value l = argv[1]; is_pair(l) && v != FALSE; l = tail(l))
        v = call1(argv[0], head(l));
    return v;
}

static value p_find(int argc, value *argv)
{
    (void)argc;
    to_list(argv[1]);
    for (value l = argv[1]; is_pair(l); l = tail(l))
        if (call1(argv[0], head(l)) != FALSE)
            return head(l);
    return FALSE;
}

static value p_delete(int argc, value *argv)
{
    (void)argc;
    queue q = {NIL, NIL};
    to_list(argv[1]);
    for (value l = argv[1]; is_pair(l); l = tail(l))
        if (!is_equal(argv[0], head(l)))
            queue_add(&q, head(l));
    return q.first;
}

/* Merges the halves of from into to; stable. */
static void merge_sort(value less, value *from, value *to, size_t n)
{
    if (n < 2)
        return;
    size_t half = n / 2, a = 0, b = half;
    merge_sort(less, to, from, half);
    merge_sort(less, to + half, from + half, n - half);
    for (size_t i = 0; i < n; i++)
        if (b == n || (a < half && call2(less, from[b], from[a]) == FALSE))
            to[i] = from[a++];
        else
            to[i] = from[b++];
}

static value sorted_vector(value v, value less)
{
    size_t n = vector_of(v)->length;
    value copy = new_vector(n, NIL), result = new_vector(n, NIL);
    memcpy(vector_of(copy)->item, vector_of(v)->item, n * sizeof(value));
    memcpy(vector_of(result)->item, vector_of(v)->item, n * sizeof(value));
    merge_sort(less, vector_of(copy)->item, vector_of(result)->item, n);
    return result;
}

/* (sort list-or-vector less): a new one; stable */
static value p_sort(int argc, value *argv)
{
    (void)argc;
    if (!is_procedure(argv[1]))
        raise_type("a procedure", argv[1]);
    if (is_type(argv[0], T_VECTOR))
        return sorted_vector(argv[0], argv[1]);
    to_list(argv[0]);
    return vector_to_list(sorted_vector(list_to_vector(argv[0]), argv[1]));
}

static value p_vector_map(int argc, value *argv)
{
    (void)argc;
    const vector *v = to_vector(argv[1]);
    value result = new_vector(v->length, NIL);
    for (size_t i = 0; i < v->length; i++)
        vector_of(result)->item[i] = call1(argv[0], v->item[i]);
    return result;
}

static value p_vector_for_each(int argc, value *argv)
{
    (void)argc;
    const vector *v = to_vector(argv[1]);
    for (size_t i = 0; i < v->length; i++)
        call1(argv[0], v->item[i]);
    return UNSPECIFIED;
}

void lib_higher_init(void)
{
    static const definition list[] = {
        {"map", 2, MOST_LISTS + 1, p_map},
        {"for-each", 2, MOST_LISTS + 1, p_for_each},
        {"append-map", 2, MOST_LISTS + 1, p_append_map},
        {"filter", 2, 2, p_filter},
        {"fold", 3, 3, p_fold},
        {"fold-right", 3, 3, p_fold_right},
        {"any", 2, 2, p_any},
        {"every", 2, 2, p_every},
        {"find", 2, 2, p_find},
        {"delete", 2, 2, p_delete},
        {"sort", 2, 2, p_sort},
        {"vector-map", 2, 2, p_vector_map},
        {"vector-for-each", 2, 2, p_vector_for_each},
    };
    DEFINE_ALL(list);
}
