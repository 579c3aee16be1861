/* SPDX-License-Identifier: MIT */
/* Numbers as text, as bits and as reals: conversions and functions of doubles. */
#include "lib.h"
#include "text.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROUND(function, rounding)                                                       \
    static value function(int argc, value *argv)                                        \
    {                                                                                   \
        (void)argc;                                                                     \
        return is_fixnum(argv[0]) ? argv[0] : new_flonum(rounding(to_double(argv[0]))); \
    }

ROUND(p_floor, floor)
ROUND(p_ceiling, ceil)
ROUND(p_truncate, trunc)
ROUND(p_round, nearbyint)

#define REAL(function, operation)                         \
    static value function(int argc, value *argv)          \
    {                                                     \
        (void)argc;                                       \
        return new_flonum(operation(to_double(argv[0]))); \
    }

REAL(p_sin, sin)
REAL(p_cos, cos)
REAL(p_exp, exp)
REAL(p_log, log)
REAL(p_inexact, )

static value p_sqrt(int argc, value *argv)
{
    (void)argc;
    double root = sqrt(to_double(argv[0]));
    return is_fixnum(argv[0]) ? number_of(root) : new_flonum(root);
}

static value p_atan(int argc, value *argv)
{
    return new_flonum(argc == 2 ? atan2(to_double(argv[0]), to_double(argv[1])) : atan(to_double(argv[0])));
}

static value p_exact(int argc, value *argv)
{
    (void)argc;
    double d = to_double(argv[0]);
    if (is_fixnum(argv[0]))
        return argv[0];
    if (d != floor(d) || fabs(d) >= 4611686018427387904.0)
        raise_type("a number that is an integer of 63 bits", argv[0]);
    return fixnum((intptr_t)d);
}

static value p_bit_and(int argc, value *argv)
{
    (void)argc;
    return fixnum(to_integer(argv[0]) & to_integer(argv[1]));
}

static value p_bit_or(int argc, value *argv)
{
    (void)argc;
    return fixnum(to_integer(argv[0]) | to_integer(argv[1]));
}

static value p_bit_xor(int argc, value *argv)
{
    (void)argc;
    return fixnum(to_integer(argv[0]) ^ to_integer(argv[1]));
}

/* To the left by n places; to the right when n is negative.  Bits that do not
   fit are lost, as hash functions want it. */
static value p_shift(int argc, value *argv)
{
    (void)argc;
    intptr_t a = to_integer(argv[0]), n = to_integer(argv[1]);
    if (n >= 0)
        return n > 62 ? fixnum(0) : (value)((uintptr_t)a << n << 1 | 1);
    return fixnum(n < -62 ? (a < 0 ? -1 : 0) : a >> -n);
}

/* The same sequence in every run. */
static value p_random(int argc, value *argv)
{
    (void)argc;
    static uint64_t state = 88172645463325252u;
    intptr_t n = to_integer(argv[0]);
    if (n <= 0)
        raise_type("a positive integer", argv[0]);
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return fixnum((intptr_t)(state % (uint64_t)n));
}

value parse_number(const char *characters, size_t length)
{
    char copy[64], *end;
    bool digits = false;
    if (length == 0 || length >= sizeof copy)
        return FALSE;
    memcpy(copy, characters, length);
    copy[length] = '\0';
    if (strcmp(copy, "+inf.0") == 0 || strcmp(copy, "-inf.0") == 0)
        return new_flonum(*copy == '-' ? -INFINITY : INFINITY);
    if (strcmp(copy, "+nan.0") == 0)
        return new_flonum(NAN);
    for (size_t i = 0; i < length; i++) {
        if (!strchr("0123456789+-.eE", copy[i]))
            return FALSE;
        digits = digits || (copy[i] >= '0' && copy[i] <= '9');
    }
    if (!digits)
        return FALSE;
    errno = 0;
    long long n = strtoll(copy, &end, 10);
    if (*end == '\0' && errno == 0 && n >= FIXNUM_MIN && n <= FIXNUM_MAX)
        return fixnum((intptr_t)n);
    double d = strtod(copy, &end);
    return *end == '\0' ? new_flonum(d) : FALSE;
}

static value p_is_number(int argc, value *argv)
{
    (void)argc;
    return boolean(is_fixnum(argv[0]) || is_flonum(argv[0]));
}

static value p_is_integer(int argc, value *argv)
{
    (void)argc;
    return boolean(is_fixnum(argv[0]) ||
                   (is_flonum(argv[0]) && flonum_value(argv[0]) == floor(flonum_value(argv[0]))));
}

static value p_is_exact(int argc, value *argv)
{
    (void)argc;
    return boolean(is_fixnum(argv[0]));
}

/* (number->string n [digits after the point]) */
static value p_to_string(int argc, value *argv)
{
    char out[400];
    if (argc == 2)
        snprintf(out, sizeof out, "%.*f", (int)to_index(argv[1], 30), to_double(argv[0]));
    else if (is_fixnum(argv[0]))
        snprintf(out, sizeof out, "%ld", (long)fixnum_value(argv[0]));
    else
        format_flonum(out, sizeof out, to_double(argv[0]));
    return new_string_of(out);
}

static value p_from_string(int argc, value *argv)
{
    (void)argc;
    const string *s = to_string(argv[0]);
    return parse_number(s->bytes, s->length);
}

void lib_math_init(void)
{
    static const definition list[] = {
        {"floor", 1, 1, p_floor},
        {"ceiling", 1, 1, p_ceiling},
        {"truncate", 1, 1, p_truncate},
        {"round", 1, 1, p_round},
        {"sqrt", 1, 1, p_sqrt},
        {"sin", 1, 1, p_sin},
        {"cos", 1, 1, p_cos},
        {"atan", 1, 2, p_atan},
        {"exp", 1, 1, p_exp},
        {"log", 1, 1, p_log},
        {"exact", 1, 1, p_exact},
        {"inexact", 1, 1, p_inexact},
        {"bitwise-and", 2, 2, p_bit_and},
        {"bitwise-or", 2, 2, p_bit_or},
        {"bitwise-xor", 2, 2, p_bit_xor},
        {"arithmetic-shift", 2, 2, p_shift},
        {"random", 1, 1, p_random},
        {"number?", 1, 1, p_is_number},
        {"integer?", 1, 1, p_is_integer},
        {"exact?", 1, 1, p_is_exact},
        {"number->string", 1, 2, p_to_string},
        {"string->number", 1, 1, p_from_string},
    };
    DEFINE_ALL(list);
}
