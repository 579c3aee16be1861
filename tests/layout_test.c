/* SPDX-License-Identifier: MIT */
/* Layouts: kindgc/layout.h's arithmetic against a model with wider numbers. */
#include "misuse.h"
#include "suite.h"
#include <errno.h>
#include <kindgc.h>
#include <stdint.h>

typedef unsigned __int128 wide;

static const kgc_layout untouched = {77, 2};

#define ck_layout(layout, expected_size, expected_align)   \
    do {                                                   \
        ck_assert_uint_eq((layout).size, expected_size);   \
        ck_assert_uint_eq((layout).align, expected_align); \
    } while (0)

/* The call returns EINVAL with this text, and leaves `out` alone. */
#define ck_refused(call, ...)                            \
    do {                                                 \
        ck_assert_int_eq(call, EINVAL);                  \
        ck_last_error(__VA_ARGS__);                      \
        ck_layout(out, untouched.size, untouched.align); \
    } while (0)

START_TEST(simple)
{
    kgc_layout out = untouched;
    ck_assert_int_eq(kgc_layout_make(0, 1, &out), 0);
    ck_layout(out, 0, 1);
    ck_assert_int_eq(kgc_layout_make(10, 16, &out), 0);
    ck_layout(out, 10, 16);
    ck_layout(KGC_LAYOUT_OF(double), sizeof(double), _Alignof(double));
    struct {
        char c;
        long l[3];
    } record;
    ck_layout(KGC_LAYOUT_OF_VALUE(record), sizeof record, _Alignof(long));
    ck_layout(KGC_LAYOUT_OF_VALUE("four"), 5, 1);
}
END_TEST

START_TEST(bad_alignment)
{
    kgc_layout out = untouched;
    const size_t bad[] = {0, 3, 5, 6, 24, 65537, SIZE_MAX, (size_t)1 << 63 | 1};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        kgc_layout odd = {1, bad[i]}, one = {1, 1};
        size_t offset = 5;
        ck_refused(kgc_layout_make(1, bad[i], &out),
                   "kgc_layout_make: the alignment is a power of two, not %zu", bad[i]);
        ck_refused(kgc_layout_array(odd, 1, &out),
                   "kgc_layout_array: the alignment is a power of two, not %zu", bad[i]);
        ck_refused(kgc_layout_extend(odd, one, &out, &offset),
                   "kgc_layout_extend: the alignment is a power of two, not %zu", bad[i]);
        ck_refused(kgc_layout_extend(one, odd, &out, &offset),
                   "kgc_layout_extend: the alignment is a power of two, not %zu", bad[i]);
        ck_refused(kgc_layout_align_to(odd, 1, &out),
                   "kgc_layout_align_to: the alignment is a power of two, not %zu", bad[i]);
        ck_refused(kgc_layout_align_to(one, bad[i], &out),
                   "kgc_layout_align_to: the alignment is a power of two, not %zu", bad[i]);
        ck_assert_uint_eq(offset, 5);
        ck_layout(kgc_layout_pad_to_align(odd), 1, bad[i]);
    }
}
END_TEST

/* The largest size of each alignment, and one more. */
START_TEST(largest)
{
    for (int bit = 0; bit < 64; bit++) {
        kgc_layout out = untouched;
        size_t align = (size_t)1 << bit, most = (size_t)PTRDIFF_MAX - (align - 1);
        ck_refused(kgc_layout_make(most + 1, align, &out),
                   "kgc_layout_make: %zu bytes, rounded up to the alignment %zu, are more than PTRDIFF_MAX",
                   most + 1, align);
        ck_assert_int_eq(kgc_layout_make(SIZE_MAX, align, &out), EINVAL);
        ck_assert_int_eq(kgc_layout_make(most, align, &out), 0);
        ck_layout(out, most, align);
        kgc_layout padded = kgc_layout_pad_to_align(out);
        ck_assert_uint_le(padded.size, PTRDIFF_MAX);
        ck_assert_uint_eq(padded.size % align, 0);
        /* Which is as large as it gets. */
        kgc_layout again;
        ck_assert_int_eq(kgc_layout_make(padded.size, align, &again), 0);
        ck_assert_int_eq(kgc_layout_make(padded.size + 1, align, &again), EINVAL);
    }
}
END_TEST

START_TEST(overflows)
{
    kgc_layout out = untouched, element = {24, 8}, half = {(size_t)PTRDIFF_MAX / 2 + 1, 1};
    size_t offset = 5;
    ck_refused(kgc_layout_array(element, SIZE_MAX, &out),
               "kgc_layout_array: %zu times 24 bytes are more than PTRDIFF_MAX", SIZE_MAX);
    ck_refused(kgc_layout_array(element, SIZE_MAX / 24 + 1, &out), /* wraps round to a few bytes */
               "kgc_layout_array: %zu times 24 bytes are more than PTRDIFF_MAX", SIZE_MAX / 24 + 1);
    ck_refused(
        kgc_layout_extend(half, half, &out, &offset),
        "kgc_layout_extend: %zu and %zu bytes, rounded up to the alignment 1, are more than PTRDIFF_MAX",
        half.size, half.size);
    ck_refused(kgc_layout_align_to(half, (size_t)1 << 63, &out),
               "kgc_layout_align_to: %zu bytes, rounded up to the alignment %zu, are more than PTRDIFF_MAX",
               half.size, (size_t)1 << 63);
    ck_assert_uint_eq(offset, 5);
    ck_assert_int_eq(kgc_layout_make(1, 1, NULL), EINVAL);
    ck_last_error("kgc_layout_make: out is NULL");
    ck_assert_int_eq(kgc_layout_array(element, 1, NULL), EINVAL);
    ck_assert_int_eq(kgc_layout_extend(element, element, NULL, &offset), EINVAL);
    ck_assert_int_eq(kgc_layout_align_to(element, 1, NULL), EINVAL);
    ck_assert_int_eq(kgc_layout_extend(element, element, &out, NULL), 0); /* who does not ask */
    ck_layout(out, 48, 8);
}
END_TEST

/* Field after field is what the compiler does. */
START_TEST(as_the_compiler)
{
    struct record {
        char a;
        short b;
        char c;
        double d;
        char e[3];
        _Alignas(64) int f;
        char g;
    };
    const struct {
        kgc_layout layout;
        size_t offset;
    } field[] = {
        {KGC_LAYOUT_OF(char), offsetof(struct record, a)},
        {KGC_LAYOUT_OF(short), offsetof(struct record, b)},
        {KGC_LAYOUT_OF(char), offsetof(struct record, c)},
        {KGC_LAYOUT_OF(double), offsetof(struct record, d)},
        {KGC_LAYOUT_OF(char[3]), offsetof(struct record, e)},
        {{sizeof(int), 64}, offsetof(struct record, f)},
        {KGC_LAYOUT_OF(char), offsetof(struct record, g)},
    };
    kgc_layout record = {0, 1}, list;
    for (size_t i = 0; i < sizeof field / sizeof field[0]; i++) {
        size_t offset;
        ck_assert_int_eq(kgc_layout_extend(record, field[i].layout, &record, &offset), 0);
        ck_assert_uint_eq(offset, field[i].offset);
    }
    record = kgc_layout_pad_to_align(record);
    ck_layout(record, sizeof(struct record), _Alignof(struct record));
    ck_assert_int_eq(kgc_layout_array(record, 7, &list), 0);
    ck_layout(list, sizeof(struct record[7]), _Alignof(struct record));
    ck_assert_int_eq(kgc_layout_array(record, 0, &list), 0);
    ck_layout(list, 0, _Alignof(struct record));
}
END_TEST

/* The model: the same in 128 bits. */
static uint64_t state = 1;

static uint64_t any(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

/* Small ones, and those near what overflows. */
static size_t some_size(void)
{
    size_t near[] = {0, 1 << 12, (size_t)PTRDIFF_MAX, SIZE_MAX, (size_t)PTRDIFF_MAX / 2, SIZE_MAX / 3};
    size_t size = near[any() % (sizeof near / sizeof near[0])];
    switch (any() % 3) {
    case 0:
        return size + any() % 70;
    case 1:
        return size - any() % 70;
    default:
        return any() >> any() % 64;
    }
}

static size_t some_alignment(void)
{
    size_t align = (size_t)1 << any() % 64;
    return any() % 8 != 0 ? align : align + any() % 3;
}

static bool is_good(wide size, wide align)
{
    return align != 0 && (align & (align - 1)) == 0 && align <= SIZE_MAX &&
           (size + align - 1) / align * align <= PTRDIFF_MAX;
}

static wide round_up(wide n, wide unit)
{
    return (n + unit - 1) / unit * unit;
}

enum result { REFUSED, MADE, WRONG };

/* What the call made, or that it refused, against what the model says. */
static enum result judge(int error, kgc_layout out, wide size, wide align, bool arguments_good)
{
    if (!arguments_good || !is_good(size, align))
        return error == EINVAL && out.size == untouched.size && out.align == untouched.align ? REFUSED
                                                                                             : WRONG;
    return error == 0 && out.size == size && out.align == align ? MADE : WRONG;
}

static enum result extended(kgc_layout a, kgc_layout b)
{
    kgc_layout out = untouched;
    size_t offset = 99;
    int error = kgc_layout_extend(a, b, &out, &offset);
    bool good = is_good(a.size, a.align) && is_good(b.size, b.align);
    wide start = good ? round_up(a.size, b.align) : 0;
    enum result result = judge(error, out, start + b.size, a.align > b.align ? a.align : b.align, good);
    return offset == (result == MADE ? start : 99) ? result : WRONG;
}

static enum result some_call(unsigned which)
{
    kgc_layout a = {some_size(), some_alignment()}, b = {some_size(), some_alignment()}, out = untouched;
    bool good = is_good(a.size, a.align);
    size_t count = some_size();
    int error;
    switch (which) {
    case 0:
        error = kgc_layout_make(a.size, a.align, &out);
        if (kgc_layout_pad_to_align(a).size != (good ? round_up(a.size, a.align) : a.size))
            return WRONG;
        return judge(error, out, a.size, a.align, true);
    case 1:
        error = kgc_layout_array(a, count, &out);
        return judge(error, out, good ? round_up(a.size, a.align) * count : 0, a.align, good);
    case 2:
        return extended(a, b);
    default:
        error = kgc_layout_align_to(a, b.align, &out);
        return judge(error, out, a.size, a.align > b.align ? a.align : b.align, good && is_good(0, b.align));
    }
}

START_TEST(against_a_model)
{
    enum { ROUNDS = 1000000 };
    unsigned results[4][WRONG + 1] = {{0}};
    for (unsigned i = 0; i < ROUNDS; i++)
        results[i % 4][some_call(i % 4)]++;
    for (int which = 0; which < 4; which++) {
        ck_assert_uint_eq(results[which][WRONG], 0);
        ck_assert_uint_gt(results[which][MADE], ROUNDS / 40);
        ck_assert_uint_gt(results[which][REFUSED], ROUNDS / 40);
    }
}
END_TEST

SUITE("layout", simple, bad_alignment, largest, overflows, as_the_compiler, against_a_model)
