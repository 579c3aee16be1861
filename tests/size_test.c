/* SPDX-License-Identifier: MIT */
/* Sizes: rounding, reading and writing them. */
#include "base/size.h"
#include "suite.h"

START_TEST(rounding)
{
    ck_assert_uint_eq(kgc__round_down(0, 4096), 0);
    ck_assert_uint_eq(kgc__round_down(4095, 4096), 0);
    ck_assert_uint_eq(kgc__round_down(4096, 4096), 4096);
    ck_assert_uint_eq(kgc__round_up(0, 4096), 0);
    ck_assert_uint_eq(kgc__round_up(1, 4096), 4096);
    ck_assert_uint_eq(kgc__round_up(4096, 4096), 4096);
    ck_assert_uint_eq(kgc__round_up(4097, 4096), 8192);
    ck_assert_uint_eq(kgc__round_down(SIZE_MAX, KGC_GIB), SIZE_MAX - KGC_GIB + 1);
    for (unsigned bit = 0; bit < 64; bit++) {
        ck_assert(kgc__is_power_of_two((size_t)1 << bit));
        ck_assert(bit < 2 || !kgc__is_power_of_two(((size_t)1 << bit) + 1));
    }
    ck_assert(!kgc__is_power_of_two(0));
    ck_assert(!kgc__is_power_of_two(SIZE_MAX));
}
END_TEST

START_TEST(reading)
{
    static const struct {
        const char *text;
        size_t size;
        const char *rest;
    } good[] = {
        {"1", 1, ""},
        {"123", 123, ""},
        {"4K", 4 * KGC_KIB, ""},
        {"4k", 4 * KGC_KIB, ""},
        {"64M", 64 * KGC_MIB, ""},
        {"3g", 3 * KGC_GIB, ""},
        {"2T", 2048 * KGC_GIB, ""},
        {"007", 7, ""},
        {"8M+file:/tmp", 8 * KGC_MIB, "+file:/tmp"},
        {"8MB", 8 * KGC_MIB, "B"},
        {"1.5G", 1, ".5G"},
        {"12 K", 12, " K"},
        {"18446744073709551615", SIZE_MAX, ""},
        {"16777215T", (size_t)16777215 << 40, ""},
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        const char *p = good[i].text;
        size_t size = 0;
        ck_assert_msg(kgc__parse_size(&p, &size), "%s", good[i].text);
        ck_assert_uint_eq(size, good[i].size);
        ck_assert_str_eq(p, good[i].rest);
    }
}
END_TEST

START_TEST(refusing)
{
    static const char *const bad[] = {"",
                                      "K",
                                      "-1",
                                      "+1",
                                      " 1",
                                      "0",
                                      "0K",
                                      "00",
                                      "x1",
                                      "@",
                                      "18446744073709551616",
                                      "99999999999999999999",
                                      "16777216T",
                                      "18014398509481984K"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const char *p = bad[i];
        size_t size = 4711;
        ck_assert_msg(!kgc__parse_size(&p, &size), "%s", bad[i]);
        ck_assert_ptr_eq(p, bad[i]);
        ck_assert_uint_eq(size, 4711);
    }
}
END_TEST

START_TEST(writing)
{
    static const struct {
        size_t size;
        const char *text;
    } sizes[] = {
        {0, "0"},
        {1, "1"},
        {1023, "1023"},
        {KGC_KIB, "1K"},
        {1536 * KGC_KIB, "1536K"},
        {64 * KGC_MIB, "64M"},
        {KGC_GIB, "1G"},
        {5 * 1024 * KGC_GIB, "5T"},
        {2048 * 1024 * KGC_GIB, "2048T"},
        {SIZE_MAX, "18446744073709551615"},
    };
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        char text[24];
        ck_assert_ptr_eq(kgc__format_size(sizes[i].size, text), text);
        ck_assert_str_eq(text, sizes[i].text);
    }
}
END_TEST

START_TEST(there_and_back)
{
    size_t n = 1;
    for (unsigned i = 0; i < 2000; i++) {
        char text[24];
        const char *p = kgc__format_size(n, text);
        size_t back;
        ck_assert(kgc__parse_size(&p, &back));
        ck_assert_int_eq(*p, '\0');
        ck_assert_uint_eq(back, n);
        n = (n * 6364136223846793005u + 1442695040888963407u) >> (i % 50) | 1024;
    }
}
END_TEST

SUITE("size", rounding, reading, refusing, writing, there_and_back)
