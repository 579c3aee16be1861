/* SPDX-License-Identifier: MIT */
/* Sizes as text. */
#include "base/size.h"
#include <stdio.h>
#include <string.h>

bool kgc__parse_size(const char **text, size_t *out)
{
    static const char units[] = "kmgt";
    const char *p = *text;
    size_t n = 0;
    if (*p < '0' || *p > '9')
        return false;
    for (; *p >= '0' && *p <= '9'; p++)
        if (__builtin_mul_overflow(n, (size_t)10, &n) || __builtin_add_overflow(n, (size_t)(*p - '0'), &n))
            return false;
    const char *unit = *p != '\0' ? strchr(units, *p | 0x20) : NULL;
    if (unit != NULL) {
        unsigned shift = 10u * (unsigned)(unit - units + 1);
        if (n > SIZE_MAX >> shift)
            return false;
        n <<= shift;
        p++;
    }
    if (n == 0)
        return false;
    *text = p;
    *out = n;
    return true;
}

const char *kgc__format_size(size_t size, char text[24])
{
    static const char units[] = "KMGT";
    int unit = -1;
    while (unit < 3 && size != 0 && size % 1024 == 0) {
        size /= 1024;
        unit++;
    }
    if (unit < 0)
        snprintf(text, 24, "%zu", size);
    else
        snprintf(text, 24, "%zu%c", size, units[unit]);
    return text;
}
