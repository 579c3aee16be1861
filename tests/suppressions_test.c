/* SPDX-License-Identifier: MIT */
/* Suppression files: lines and patterns. */
#include "cli/cli.h"
#include "cli/suppressions.h"
#include "suite.h"
#include <stdarg.h>
#include <stdio.h>

/* In place of the command's. */
static char said[500];
int cli_fail(int status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(said, sizeof said, format, args);
    va_end(args);
    return status;
}

char *cli_format(const char *format, ...)
{
    char *text;
    va_list args;
    va_start(args, format);
    if (vasprintf(&text, format, args) < 0)
        abort();
    va_end(args);
    return text;
}

START_TEST(patterns)
{
    static const struct {
        const char *pattern, *name;
        bool matches;
    } cases[] = {
        {"foo", "foo", true},
        {"foo", "a foo b", true},
        {"foo", "fo", false},
        {"foo", "fofoo", true},
        {"^foo", "foobar", true},
        {"^foo", "a foo", false},
        {"foo$", "a foo", true},
        {"foo$", "foobar", false},
        {"foo$", "foo foo", true},
        {"^foo$", "foo", true},
        {"^foo$", "foo foo", false},
        {"^foo$", "foofoo", false},
        {"f*o", "fo", true},
        {"f*o", "a fxxo b", true},
        {"f*o", "of", false},
        {"^f*o$", "fxyo", true},
        {"^f*o$", "fxyoz", false},
        {"^f*o$", "xfo", false},
        {"a*b*c", "a1b2c", true},
        {"a*b*c", "acb", false},
        {"*", "", true},
        {"*", "anything", true},
        {"**x", "yx", true},
        {"^*x$", "yx", true},
        {"^*x$", "xy", false},
        {"ab*ab$", "ab", false},
        {"ab*ab$", "abab", true},
        {"^ab*", "xab", false},
        {"^", "any", true},
        {"$", "any", true},
        {"^$", "", true},
        {"^$", "a", false},
        {"/libfoo.so", "/usr/lib/libfoo.so.1", true},
        {"std::vector<", "std::vector<int>::f()", true},
        {"a$b", "a$b", true},
        {"aab", "aaab", true},
        {"a*aab", "aaab", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        ck_assert_msg(cli_pattern_matches(cases[i].pattern, cases[i].name) == cases[i].matches,
                      "\"%s\" and \"%s\"", cases[i].pattern, cases[i].name);
}
END_TEST

START_TEST(lines)
{
    static const struct {
        const char *line, *pattern; /* NULL: none */
        bool good;
    } cases[] = {
        {"", NULL, true},
        {"\n", NULL, true},
        {"  \t\r\n", NULL, true},
        {"# leak:x\n", NULL, true},
        {"   # leak:x\n", NULL, true},
        {"leak:x\n", "x", true},
        {"  leak:x y \r\n", "x y", true},
        {"leak:#x", "#x", true},
        {"leak:\n", NULL, false},
        {"leak: x\n", " x", true},
        {"Leak:x\n", NULL, false},
        {"race:x\n", NULL, false},
        {"x\n", NULL, false},
        {"leak\n", NULL, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct cli_suppressions all = {.count = 0};
        char line[100];
        strcpy(line, cases[i].line);
        ck_assert_msg(cli_suppressions_add_line(&all, line) == cases[i].good, "%s", cases[i].line);
        ck_assert_uint_eq(all.count, cases[i].pattern != NULL);
        if (cases[i].pattern != NULL)
            ck_assert_str_eq(all.list[0].pattern, cases[i].pattern);
        cli_suppressions_free(&all);
    }
}
END_TEST

START_TEST(files)
{
    struct cli_suppressions all = {.count = 0};
    char name[] = "/tmp/kindgc-suppressions-XXXXXX";
    int fd = mkstemp(name);
    FILE *f = fdopen(fd, "w");
    fputs("# two\nleak:one\n\nleak:two\n", f);
    fflush(f);
    ck_assert_int_eq(cli_suppressions_read(&all, name), 0);
    ck_assert_int_eq(cli_suppressions_read(&all, name), 0); /* added */
    ck_assert_uint_eq(all.count, 4);
    fputs("  wrong one  \nleak:three", f);
    fclose(f);
    ck_assert_int_eq(cli_suppressions_read(&all, name), CLI_FAILED);
    char expected[200];
    snprintf(expected, sizeof expected,
             "%s:5: \"wrong one\": allowed are \"leak:PATTERN\", comments (#) and empty lines", name);
    ck_assert_str_eq(said, expected);
    remove(name);
    ck_assert_int_eq(cli_suppressions_read(&all, name), CLI_FAILED);
    cli_suppressions_free(&all);
}
END_TEST

SUITE("suppressions", patterns, lines, files)
