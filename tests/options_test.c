/* SPDX-License-Identifier: MIT */
/* The settings: from text, from kgc_options, and what is wrong with bad ones. */
#include "base/options.h"
#include "misuse.h"
#include "suite.h"
#include <errno.h>
#include <string.h>

START_TEST(nothing_is_set_at_first)
{
    ck_assert_str_eq(kgc__settings.heap, "");
    ck_assert_uint_eq(kgc__settings.limit, 0);
    ck_assert_str_eq(kgc__settings.report, "");
    ck_assert_str_eq(kgc__settings.fork, "");
    ck_assert_int_eq(kgc__options_parse(""), 0);
    ck_assert_int_eq(kgc__options_parse(" \t\n "), 0);
    ck_assert_str_eq(kgc__settings.heap, "");
}
END_TEST

START_TEST(good_settings)
{
    ck_assert_int_eq(
        kgc__options_parse("heap=file:/var/tmp,limit=8G limit=4G\treport=/tmp/r%p.json\nfork=none "), 0);
    ck_assert_str_eq(kgc__settings.heap, "file:/var/tmp,limit=8G");
    ck_assert_uint_eq(kgc__settings.limit, 4 * KGC_GIB);
    ck_assert_str_eq(kgc__settings.report, "/tmp/r%p.json");
    ck_assert_str_eq(kgc__settings.fork, "none");
    ck_assert_int_eq(kgc__options_parse("fork=copy fork=none fork=copy"), 0); /* the last one holds */
    ck_assert_str_eq(kgc__settings.fork, "copy");
}
END_TEST

START_TEST(backslashes)
{
    ck_assert_int_eq(kgc__options_parse("report=/tmp/a\\ b\\\\c\\=d heap=thp\\"), 0);
    ck_assert_str_eq(kgc__settings.report, "/tmp/a b\\c=d");
    ck_assert_str_eq(kgc__settings.heap, "thp\\"); /* nothing follows: it stands for itself */
}
END_TEST

#define ALLOWED                                                                                   \
    "allowed are heap, limit, pace, report, fork, finalizers, malloc, second-look, leak-report, " \
    "leak-format, "                                                                               \
    "leak-exit, leak-signal, leak-suppressions, leak-frames, leak-sample, leak-max, leak-min"
#define SIZES "allowed are cgroup, none and a size; a size is a number above 0 with an optional K, M, G or T"

#define SHARES "allowed are off and a number of per cent from 1 to 90"

START_TEST(limits_and_shares)
{
    ck_assert_int_eq(kgc__options_parse("limit=none pace=25"), 0);
    ck_assert_uint_eq(kgc__settings.limit, KGC__NO_LIMIT);
    ck_assert_double_eq(kgc__settings.pace, 0.25);
    ck_assert_int_eq(kgc__options_parse("limit=cgroup pace=off"), 0);
    ck_assert_uint_eq(kgc__settings.limit, 0);
    ck_assert_double_lt(kgc__settings.pace, 0);
    ck_assert_int_eq(kgc__options_take(&(kgc_options){.limit = 5, .pace = 0.5}), 0);
    ck_assert_uint_eq(kgc__settings.limit, 0); /* "cgroup" is the user's word as well */
    ck_assert_double_lt(kgc__settings.pace, 0);
}
END_TEST

START_TEST(bad_settings)
{
    static const struct {
        const char *text, *error;
    } bad[] = {
        {"colour=red", "unknown setting \"colour\"; " ALLOWED},
        {"Heap=thp", "unknown setting \"Heap\"; " ALLOWED},
        {"hea=thp", "unknown setting \"hea\"; " ALLOWED},
        {"heaps=thp", "unknown setting \"heaps\"; " ALLOWED},
        {"=thp", "unknown setting \"\"; " ALLOWED},
        {"heap", "\"heap\": settings have the form name=value"},
        {"heap thp", "\"heap\": settings have the form name=value"},
        {"limit=1G heap", "\"heap\": settings have the form name=value"},
        {"heap=", "heap=: a value is needed (SPEC)"},
        {"report= heap=thp", "report=: a value is needed (FILE)"},
        {"limit=", "limit=: " SIZES},
        {"limit=0", "limit=0: " SIZES},
        {"limit=many", "limit=many: " SIZES},
        {"limit=1GB", "limit=1GB: " SIZES},
        {"limit=-1", "limit=-1: " SIZES},
        {"limit=99999999T", "limit=99999999T: " SIZES},
        {"limit=None", "limit=None: " SIZES},
        {"pace=", "pace=: " SHARES},
        {"pace=0", "pace=0: " SHARES},
        {"pace=91", "pace=91: " SHARES},
        {"pace=100", "pace=100: " SHARES},
        {"pace=10%", "pace=10%: " SHARES},
        {"pace=-5", "pace=-5: " SHARES},
        {"pace=never", "pace=never: " SHARES},
        {"fork=", "fork=: allowed are copy|none"},
        {"fork=cop", "fork=cop: allowed are copy|none"},
        {"fork=copy|none", "fork=copy|none: allowed are copy|none"},
        {"fork=nonesuch", "fork=nonesuch: allowed are copy|none"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ck_assert_msg(kgc__options_parse(bad[i].text) == EINVAL, "%s", bad[i].text);
        ck_last_error("%s", bad[i].error);
    }
    ck_assert_str_eq(kgc__settings.fork, "");
}
END_TEST

START_TEST(long_values)
{
    static char text[8192];
    memset(text, 'x', sizeof text - 1);
    memcpy(text, "heap=", 5);
    text[5 + 4095] = '\0';
    ck_assert_int_eq(kgc__options_parse(text), 0);
    ck_assert_uint_eq(strlen(kgc__settings.heap), 4095);
    text[5 + 4095] = 'x';
    ck_assert_int_eq(kgc__options_parse(text), EINVAL);
    ck_last_error("heap: the value is longer than 4095 bytes");
    ck_assert_int_eq(kgc__option_set("heap", 4, text), EINVAL); /* as an option of a program */
    ck_last_error("heap: the value is longer than 4095 bytes");
}
END_TEST

START_TEST(the_environment_wins)
{
    ck_assert_int_eq(kgc__options_parse("heap=thp limit=1G"), 0);
    ck_assert_int_eq(
        kgc__options_take(&(kgc_options){.heap = "default", .limit = 5, .report = "r.json", .fork = "none"}),
        0);
    ck_assert_str_eq(kgc__settings.heap, "thp");
    ck_assert_uint_eq(kgc__settings.limit, KGC_GIB);
    ck_assert_str_eq(kgc__settings.report, "r.json");
    ck_assert_str_eq(kgc__settings.fork, "none");
    ck_assert_int_eq(kgc__options_take(&(kgc_options){.report = "s.json"}), 0); /* not from the environment */
    ck_assert_str_eq(kgc__settings.report, "s.json");
    ck_assert_str_eq(kgc__settings.fork, "none");
}
END_TEST

START_TEST(bad_options_of_a_program)
{
    ck_assert_int_eq(kgc__options_take(&(kgc_options){0}), 0);
    ck_assert_int_eq(kgc__options_take(&(kgc_options){.fork = "maybe"}), EINVAL);
    ck_last_error("fork=maybe: allowed are copy|none");
    ck_assert_int_eq(kgc__options_take(&(kgc_options){.heap = ""}), EINVAL);
    ck_last_error("heap=: a value is needed (SPEC)");
}
END_TEST

SUITE("options", nothing_is_set_at_first, good_settings, limits_and_shares, backslashes, bad_settings,
      long_values, the_environment_wins, bad_options_of_a_program)
