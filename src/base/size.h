/* SPDX-License-Identifier: MIT */
/* Sizes: rounding, and text such as "64M" in both directions. */
#ifndef KGC_BASE_SIZE_H
#define KGC_BASE_SIZE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KGC_KIB ((size_t)1 << 10)
#define KGC_MIB ((size_t)1 << 20)
#define KGC_GIB ((size_t)1 << 30)

/* unit is a power of two. */
static inline size_t kgc__round_down(size_t n, size_t unit)
{
    return n & ~(unit - 1);
}

/* The caller has made sure that it does not overflow. */
static inline size_t kgc__round_up(size_t n, size_t unit)
{
    return kgc__round_down(n + unit - 1, unit);
}

static inline bool kgc__is_power_of_two(size_t n)
{
    return n != 0 && (n & (n - 1)) == 0;
}

/*
 * Reads a size: digits and an optional K, M, G or T, upper or lower case.
 * *text moves behind it.  False, *text unmoved, when there is none, it is 0
 * or it does not fit.
 */
bool kgc__parse_size(const char **text, size_t *out);
#define KGC__SIZE_SYNTAX "a size is a number above 0 with an optional K, M, G or T"

/* "64M", "1536K", "123": exact, into at least 24 bytes. */
const char *kgc__format_size(size_t size, char text[24]);

#endif
