/* SPDX-License-Identifier: MIT */
/*
 * Sizes and alignments that fit together.  Pure arithmetic: no state but
 * kgc_last_error().
 */
#include "layout/layout.h"
#include "base/message.h"
#include <errno.h>

int kgc__layout_is_bad(const char *function, kgc_layout layout)
{
    if (!kgc__is_power_of_two(layout.align))
        return kgc__fail(EINVAL, "%s: the alignment is a power of two, not %zu", function, layout.align);
    return kgc__fail(EINVAL, "%s: %zu bytes, rounded up to the alignment %zu, are more than PTRDIFF_MAX",
                     function, layout.size, layout.align);
}

int kgc_layout_make(size_t size, size_t align, kgc_layout *out)
{
    kgc_layout layout = {size, align};
    if (out == NULL)
        return kgc__fail(EINVAL, "kgc_layout_make: out is NULL");
    if (!kgc__layout_is_good(layout))
        return kgc__layout_is_bad("kgc_layout_make", layout);
    *out = layout;
    return 0;
}

kgc_layout kgc_layout_pad_to_align(kgc_layout layout)
{
    if (kgc__layout_is_good(layout))
        layout.size = kgc__round_up(layout.size, layout.align);
    return layout;
}

int kgc_layout_array(kgc_layout element, size_t count, kgc_layout *out)
{
    if (out == NULL)
        return kgc__fail(EINVAL, "kgc_layout_array: out is NULL");
    if (!kgc__layout_is_good(element))
        return kgc__layout_is_bad("kgc_layout_array", element);
    kgc_layout array = {0, element.align};
    size_t step = kgc_layout_pad_to_align(element).size;
    if (__builtin_mul_overflow(step, count, &array.size) || !kgc__layout_is_good(array))
        return kgc__fail(EINVAL, "kgc_layout_array: %zu times %zu bytes are more than PTRDIFF_MAX", count,
                         step);
    *out = array;
    return 0;
}

int kgc_layout_extend(kgc_layout first, kgc_layout next, kgc_layout *out, size_t *offset)
{
    if (out == NULL)
        return kgc__fail(EINVAL, "kgc_layout_extend: out is NULL");
    if (!kgc__layout_is_good(first))
        return kgc__layout_is_bad("kgc_layout_extend", first);
    if (!kgc__layout_is_good(next))
        return kgc__layout_is_bad("kgc_layout_extend", next);
    kgc_layout record = {0, first.align > next.align ? first.align : next.align};
    /* Each summand is at most PTRDIFF_MAX, and so is next.align - 1. */
    size_t start = kgc__round_up(first.size, next.align);
    if (__builtin_add_overflow(start, next.size, &record.size) || !kgc__layout_is_good(record))
        return kgc__fail(
            EINVAL,
            "kgc_layout_extend: %zu and %zu bytes, rounded up to the alignment %zu, are more than "
            "PTRDIFF_MAX",
            first.size, next.size, record.align);
    *out = record;
    if (offset != NULL)
        *offset = start;
    return 0;
}

int kgc_layout_align_to(kgc_layout layout, size_t align, kgc_layout *out)
{
    if (out == NULL)
        return kgc__fail(EINVAL, "kgc_layout_align_to: out is NULL");
    if (!kgc__layout_is_good(layout))
        return kgc__layout_is_bad("kgc_layout_align_to", layout);
    kgc_layout aligned = {layout.size, align > layout.align ? align : layout.align};
    /* An alignment that is no power of two is wrong, also when it is small. */
    if (!kgc__is_power_of_two(align))
        return kgc__layout_is_bad("kgc_layout_align_to", (kgc_layout){layout.size, align});
    if (!kgc__layout_is_good(aligned))
        return kgc__layout_is_bad("kgc_layout_align_to", aligned);
    *out = aligned;
    return 0;
}
