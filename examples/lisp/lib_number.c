/* SPDX-License-Identifier: MIT */
/* Arithmetic: integers of 63 bits, which never wrap around, and doubles. */
#include "lib.h"
#include <math.h>

intptr_t to_integer(value v)
{
    if (is_fixnum(v))
        return fixnum_value(v);
    raise_type("an integer", v);
}

double to_double(value v)
{
    if (is_fixnum(v))
        return (double)fixnum_value(v);
    if (is_flonum(v))
        return flonum_value(v);
    raise_type("a number", v);
}

size_t to_index(value v, size_t limit)
{
    intptr_t n = to_integer(v);
    if (n < 0 || (size_t)n > limit)
        raise_error("%s: index %ld is not in 0..%zu", interp.current->name, (long)n, limit);
    return (size_t)n;
}

static value integer(intptr_t n)
{
    if (n > FIXNUM_MAX || n < FIXNUM_MIN)
        raise_error("%s: integer overflow", interp.current->name);
    return fixnum(n);
}

value number_of(double d)
{
    if (d == floor(d) && fabs(d) < 4611686018427387904.0)
        return fixnum((intptr_t)d);
    return new_flonum(d);
}

static value add(value a, value b)
{
    if (is_fixnum(a) && is_fixnum(b))
        return integer(fixnum_value(a) + fixnum_value(b));
    return new_flonum(to_double(a) + to_double(b));
}

static value subtract(value a, value b)
{
    if (is_fixnum(a) && is_fixnum(b))
        return integer(fixnum_value(a) - fixnum_value(b));
    return new_flonum(to_double(a) - to_double(b));
}

static value multiply(value a, value b)
{
    intptr_t r;
    if (is_fixnum(a) && is_fixnum(b)) {
        if (__builtin_mul_overflow(fixnum_value(a), fixnum_value(b), &r))
            raise_error("%s: integer overflow", interp.current->name);
        return integer(r);
    }
    return new_flonum(to_double(a) * to_double(b));
}

static value divide(value a, value b)
{
    if (is_fixnum(a) && is_fixnum(b)) {
        intptr_t x = fixnum_value(a), y = fixnum_value(b);
        if (y == 0)
            raise_error("/: division by zero");
        if (x % y == 0)
            return integer(x / y);
    }
    return new_flonum(to_double(a) / to_double(b));
}

#define FOLD(function, step, start, alone)       \
    static value function(int argc, value *argv) \
    {                                            \
        if (argc == 0)                           \
            return fixnum(start);                \
        if (argc == 1)                           \
            return (alone);                      \
        value r = argv[0];                       \
        for (int i = 1; i < argc; i++)           \
            r = step(r, argv[i]);                \
        return r;                                \
    }

FOLD(p_add, add, 0, add(fixnum(0), argv[0]))
FOLD(p_subtract, subtract, 0, subtract(fixnum(0), argv[0]))
FOLD(p_multiply, multiply, 1, multiply(fixnum(1), argv[0]))
FOLD(p_divide, divide, 1, divide(fixnum(1), argv[0]))

int compare_numbers(value a, value b)
{
    if (is_fixnum(a) && is_fixnum(b))
        return fixnum_value(a) < fixnum_value(b) ? -1 : fixnum_value(a) > fixnum_value(b);
    double x = to_double(a), y = to_double(b);
    return x < y ? -1 : x > y ? 1 : x == y ? 0 : 2;
}

#define COMPARE(function, condition)                       \
    static value function(int argc, value *argv)           \
    {                                                      \
        bool holds = true;                                 \
        for (int i = 0; i + 1 < argc; i++) {               \
            int c = compare_numbers(argv[i], argv[i + 1]); \
            holds = holds && (condition);                  \
        }                                                  \
        return boolean(holds);                             \
    }

COMPARE(p_equal, c == 0)
COMPARE(p_less, c == -1)
COMPARE(p_greater, c == 1)
COMPARE(p_at_most, c == -1 || c == 0)
COMPARE(p_at_least, c == 1 || c == 0)

static value p_max(int argc, value *argv)
{
    value r = argv[0];
    to_double(r);
    for (int i = 1; i < argc; i++)
        if (compare_numbers(argv[i], r) == 1)
            r = argv[i];
    return r;
}

static value p_min(int argc, value *argv)
{
    value r = argv[0];
    to_double(r);
    for (int i = 1; i < argc; i++)
        if (compare_numbers(argv[i], r) == -1)
            r = argv[i];
    return r;
}

static intptr_t divisor(value v)
{
    intptr_t n = to_integer(v);
    if (n == 0)
        raise_error("%s: division by zero", interp.current->name);
    return n;
}

static value p_quotient(int argc, value *argv)
{
    (void)argc;
    intptr_t b = divisor(argv[1]);
    return integer(to_integer(argv[0]) / b);
}

static value p_remainder(int argc, value *argv)
{
    (void)argc;
    intptr_t b = divisor(argv[1]);
    return fixnum(to_integer(argv[0]) % b);
}

static value p_modulo(int argc, value *argv)
{
    (void)argc;
    intptr_t b = divisor(argv[1]), r = to_integer(argv[0]) % b;
    return fixnum(r != 0 && (r < 0) != (b < 0) ? r + b : r);
}

static value p_gcd(int argc, value *argv)
{
    (void)argc;
    intptr_t a = to_integer(argv[0]), b = to_integer(argv[1]);
    while (b != 0) {
        intptr_t r = a % b;
        a = b;
        b = r;
    }
    return integer(a < 0 ? -a : a);
}

static value p_abs(int argc, value *argv)
{
    (void)argc;
    if (is_fixnum(argv[0]))
        return fixnum_value(argv[0]) < 0 ? integer(-fixnum_value(argv[0])) : argv[0];
    return new_flonum(fabs(to_double(argv[0])));
}

static value p_is_even(int argc, value *argv)
{
    (void)argc;
    return boolean(to_integer(argv[0]) % 2 == 0);
}

static value p_is_odd(int argc, value *argv)
{
    (void)argc;
    return boolean(to_integer(argv[0]) % 2 != 0);
}

static value p_is_zero(int argc, value *argv)
{
    (void)argc;
    return boolean(to_double(argv[0]) == 0);
}

static value p_is_positive(int argc, value *argv)
{
    (void)argc;
    return boolean(to_double(argv[0]) > 0);
}

static value p_is_negative(int argc, value *argv)
{
    (void)argc;
    return boolean(to_double(argv[0]) < 0);
}

static value p_expt(int argc, value *argv)
{
    (void)argc;
    if (is_fixnum(argv[0]) && is_fixnum(argv[1]) && fixnum_value(argv[1]) >= 0) {
        value r = fixnum(1), base = argv[0];
        for (intptr_t n = fixnum_value(argv[1]); n > 0; n >>= 1) {
            if (n & 1)
                r = multiply(r, base);
            if (n > 1)
                base = multiply(base, base);
        }
        return r;
    }
    return new_flonum(pow(to_double(argv[0]), to_double(argv[1])));
}

void lib_number_init(void)
{
    static const definition list[] = {
        {"+", 0, -1, p_add},
        {"-", 1, -1, p_subtract},
        {"*", 0, -1, p_multiply},
        {"/", 1, -1, p_divide},
        {"=", 1, -1, p_equal},
        {"<", 1, -1, p_less},
        {">", 1, -1, p_greater},
        {"<=", 1, -1, p_at_most},
        {">=", 1, -1, p_at_least},
        {"max", 1, -1, p_max},
        {"min", 1, -1, p_min},
        {"quotient", 2, 2, p_quotient},
        {"remainder", 2, 2, p_remainder},
        {"modulo", 2, 2, p_modulo},
        {"gcd", 2, 2, p_gcd},
        {"abs", 1, 1, p_abs},
        {"even?", 1, 1, p_is_even},
        {"odd?", 1, 1, p_is_odd},
        {"zero?", 1, 1, p_is_zero},
        {"positive?", 1, 1, p_is_positive},
        {"negative?", 1, 1, p_is_negative},
        {"expt", 2, 2, p_expt},
    };
    DEFINE_ALL(list);
}
