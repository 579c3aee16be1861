/* SPDX-License-Identifier: MIT */
/*
 * Calls of common primitives, run without a call as long as the program has
 * not given their names another meaning.  kids are the arguments; data is the
 * symbol.
 */
#include "lib.h"
#include "node.h"
#include <string.h>

static inline bool is_intact(const node *n)
{
    const symbol *s = n->data;
    return s->global == s->builtin;
}

/* The general way, with arguments that were computed already. */
static value miss(const node *n, int argc, value *argv)
{
    interp.where = n;
    value fn = ((const symbol *)n->data)->global;
    if (fn == UNBOUND)
        raise_error("unbound variable: %s", ((const symbol *)n->data)->name->bytes);
    return apply(fn, argc, argv);
}

static value miss1(const node *n, value a)
{
    return miss(n, 1, &a);
}

static value miss2(const node *n, value a, value b)
{
    value args[] = {a, b};
    return miss(n, 2, args);
}

#define ARITHMETIC(function, operation, fast)                                 \
    static value function(const node *n, value *slot)                         \
    {                                                                         \
        value a = run(n->kid[0], slot), b = run(n->kid[1], slot);             \
        if (__builtin_expect(is_intact(n), 1)) {                              \
            if (a & b & 1) {                                                  \
                intptr_t r;                                                   \
                if (fast)                                                     \
                    return (value)r;                                          \
            } else if (is_flonum(a) && is_flonum(b))                          \
                return new_flonum(flonum_value(a) operation flonum_value(b)); \
        }                                                                     \
        return miss2(n, a, b);                                                \
    }

/* Tagged n is 2n + 1: sums carry the tag of one operand only. */
ARITHMETIC(run_add, +, !__builtin_add_overflow((intptr_t)a, (intptr_t)b - 1, &r))
ARITHMETIC(run_subtract, -, (!__builtin_sub_overflow((intptr_t)a, (intptr_t)b - 1, &r)))
ARITHMETIC(run_multiply, *,
           (!__builtin_mul_overflow((intptr_t)a - 1, (intptr_t)b >> 1, &r) && (r += 1, true)))

#define COMPARISON(function, operation)                                    \
    static value function(const node *n, value *slot)                      \
    {                                                                      \
        value a = run(n->kid[0], slot), b = run(n->kid[1], slot);          \
        if (__builtin_expect(is_intact(n), 1)) {                           \
            if (a & b & 1)                                                 \
                return boolean((intptr_t)a operation(intptr_t) b);         \
            if (is_flonum(a) && is_flonum(b))                              \
                return boolean(flonum_value(a) operation flonum_value(b)); \
        }                                                                  \
        return miss2(n, a, b);                                             \
    }

COMPARISON(run_less, <)
COMPARISON(run_greater, >)
COMPARISON(run_at_most, <=)
COMPARISON(run_at_least, >=)
COMPARISON(run_equal, ==)

#define UNARY(function, condition, result)                                                \
    static value function(const node *n, value *slot)                                     \
    {                                                                                     \
        value a = run(n->kid[0], slot);                                                   \
        return __builtin_expect(is_intact(n) && (condition), 1) ? (result) : miss1(n, a); \
    }

UNARY(run_head, is_pair(a), head(a))
UNARY(run_tail, is_pair(a), tail(a))
UNARY(run_is_null, true, boolean(a == NIL))
UNARY(run_is_pair, true, boolean(is_pair(a)))
UNARY(run_not, true, boolean(a == FALSE))
UNARY(run_is_zero, is_fixnum(a), boolean(a == fixnum(0)))

static value run_cons(const node *n, value *slot)
{
    value a = run(n->kid[0], slot), b = run(n->kid[1], slot);
    interp.where = n; /* it may fail */
    return __builtin_expect(is_intact(n), 1) ? cons(a, b) : miss2(n, a, b);
}

static value run_is_eq(const node *n, value *slot)
{
    value a = run(n->kid[0], slot), b = run(n->kid[1], slot);
    return __builtin_expect(is_intact(n), 1) ? boolean(a == b) : miss2(n, a, b);
}

static inline bool is_place(value v, value i)
{
    return is_type(v, T_VECTOR) && is_fixnum(i) && (size_t)fixnum_value(i) < vector_of(v)->length;
}

static value run_vector_ref(const node *n, value *slot)
{
    value v = run(n->kid[0], slot), i = run(n->kid[1], slot);
    return __builtin_expect(is_intact(n) && is_place(v, i), 1) ? vector_of(v)->item[fixnum_value(i)]
                                                               : miss2(n, v, i);
}

static value run_vector_set(const node *n, value *slot)
{
    value v = run(n->kid[0], slot), i = run(n->kid[1], slot), x = run(n->kid[2], slot);
    if (__builtin_expect(is_intact(n) && is_place(v, i), 1)) {
        vector_of(v)->item[fixnum_value(i)] = x;
        return UNSPECIFIED;
    }
    value args[] = {v, i, x};
    return miss(n, 3, args);
}

run_fn inline_call(value builtin, int argc)
{
    static const struct {
        const char *name;
        int argc;
        run_fn run;
    } known[] = {
        {"+", 2, run_add},
        {"-", 2, run_subtract},
        {"*", 2, run_multiply},
        {"<", 2, run_less},
        {">", 2, run_greater},
        {"<=", 2, run_at_most},
        {">=", 2, run_at_least},
        {"=", 2, run_equal},
        {"car", 1, run_head},
        {"cdr", 1, run_tail},
        {"cons", 2, run_cons},
        {"null?", 1, run_is_null},
        {"pair?", 1, run_is_pair},
        {"not", 1, run_not},
        {"zero?", 1, run_is_zero},
        {"eq?", 2, run_is_eq},
        {"vector-ref", 2, run_vector_ref},
        {"vector-set!", 3, run_vector_set},
    };
    if (!is_type(builtin, T_PRIMITIVE))
        return NULL;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i].argc == argc && strcmp(known[i].name, ((const primitive *)builtin)->name) == 0)
            return known[i].run;
    return NULL;
}
