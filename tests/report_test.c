/* SPDX-License-Identifier: MIT */
/*
 * The report layer from inside: the JSON writer's text to the byte, its
 * errors, and writing a report while the program runs.
 */
#include "suite.h"
#include "report/json.h"
#include "report/report.h"
#include <errno.h>
#include <fcntl.h>
#include <gc/gc.h>
#include <kindgc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct kgc__json json;
static char text[64 * 1024];
static int file = -1;

static void start(void)
{
    char name[] = "/tmp/kindgc-test-XXXXXX";
    file = mkstemp(name);
    ck_assert_int_ge(file, 0);
    unlink(name);
    kgc__json_start(&json, file);
}

static const char *finish(void)
{
    ck_assert_int_eq(kgc__json_finish(&json), 0);
    ssize_t n = pread(file, text, sizeof text - 1, 0);
    ck_assert_int_ge(n, 0);
    text[n] = '\0';
    close(file);
    return text;
}

/* The text between the quotation marks. */
static const char *quoted(const char *raw)
{
    start();
    kgc__json_text(&json, NULL, raw);
    finish();
    size_t n = strlen(text);
    ck_assert(n >= 3 && text[0] == '"' && strcmp(text + n - 2, "\"\n") == 0);
    text[n - 2] = '\0';
    return text + 1;
}

START_TEST(structure)
{
    start();
    kgc__json_open(&json, NULL, '{');
    kgc__json_number(&json, "most", UINT64_MAX);
    kgc__json_seconds(&json, "t", 1000042);
    kgc__json_open(&json, "list", '[');
    for (int i = 0; i < 2; i++) {
        kgc__json_open(&json, NULL, '{');
        kgc__json_null(&json, "a");
        kgc__json_address(&json, "b", (void *)0x7f00001000);
        kgc__json_close(&json, '{');
    }
    kgc__json_close(&json, '[');
    kgc__json_open(&json, "none", '[');
    kgc__json_close(&json, '[');
    kgc__json_open(&json, "deep", '{');
    kgc__json_open(&json, "in", '[');
    kgc__json_number(&json, NULL, 1);
    kgc__json_number(&json, NULL, 2);
    kgc__json_close(&json, '[');
    kgc__json_close(&json, '{');
    kgc__json_close(&json, '{');
    ck_assert_str_eq(finish(), "{\n"
                               "  \"most\": 18446744073709551615,\n"
                               "  \"t\": 1.000042,\n"
                               "  \"list\": [\n"
                               "    {\"a\": null, \"b\": \"0x7f00001000\"},\n"
                               "    {\"a\": null, \"b\": \"0x7f00001000\"}\n"
                               "  ],\n"
                               "  \"none\": [],\n"
                               "  \"deep\": {\n"
                               "    \"in\": [1, 2]\n"
                               "  }\n"
                               "}\n");
}
END_TEST

START_TEST(any_bytes)
{
    ck_assert_str_eq(quoted("a\"b\\c\n\x01"), "a\\u0022b\\u005cc\\u000a\\u0001");
    /* The first and the last of each length are kept. */
    const char *good = "\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf\xf0\x90\x80\x80"
                       "\xf4\x8f\xbf\xbf";
    ck_assert_str_eq(quoted(good), good);
#define BAD "\xef\xbf\xbd"
    ck_assert_str_eq(quoted("\x80x"), BAD "x");
    ck_assert_str_eq(quoted("\xff"), BAD);
    ck_assert_str_eq(quoted("\xc0\x80"), BAD BAD);         /* overlong */
    ck_assert_str_eq(quoted("\xe0\x9f\xbf"), BAD BAD BAD); /* overlong */
    ck_assert_str_eq(quoted("\xf0\x8f\xbf\xbf"), BAD BAD BAD BAD);
    ck_assert_str_eq(quoted("\xed\xa0\x80"), BAD BAD BAD);         /* surrogate */
    ck_assert_str_eq(quoted("\xf4\x90\x80\x80"), BAD BAD BAD BAD); /* above U+10FFFF */
    ck_assert_str_eq(quoted("\xe2\x82"), BAD BAD);                 /* cut off */
    ck_assert_str_eq(quoted("\xe2y"), BAD "y");
}
END_TEST

START_TEST(longer_than_the_buffer)
{
    char *longest = malloc(20001);
    memset(longest, 'x', 20000);
    longest[20000] = '\0';
    ck_assert_str_eq(quoted(longest), longest);
    free(longest);
}
END_TEST

START_TEST(write_errors)
{
    int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
    if (full >= 0) {
        kgc__json_start(&json, full);
        for (int i = 0; i < 10000; i++)
            kgc__json_number(&json, NULL, (uint64_t)i);
        ck_assert_int_eq(kgc__json_finish(&json), ENOSPC);
        close(full);
    }
    kgc__json_start(&json, -1);
    ck_assert_int_eq(kgc__json_finish(&json), EBADF);
}
END_TEST

START_TEST(names)
{
    static char name[8192];
    memset(name, 'n', sizeof name - 1);
    ck_assert_int_eq(kgc__report_write(name), ENAMETOOLONG);
    ck_assert_ptr_nonnull(strstr(kgc_last_error(), "the name is too long"));
    ck_assert_int_eq(kgc__report_write("/nonexistent/r.json"), ENOENT);
    ck_assert_str_eq(kgc_last_error(),
                     "the report cannot be written: /nonexistent/r.json: No such file or directory");
    ck_assert_int_eq(kgc__report_write("/"), EISDIR);
}
END_TEST

static size_t read_report(const char *name)
{
    FILE *f = fopen(name, "re");
    ck_assert_ptr_nonnull(f);
    size_t n = fread(text, 1, sizeof text - 1, f);
    text[n] = '\0';
    fclose(f);
    unlink(name);
    return n;
}

/* Of a running program, with a kind of its own that the heap does not use. */
START_TEST(while_running)
{
    char directory[] = "/tmp/kindgc-test-XXXXXX", pattern[64], name[64];
    kgc_kind *kind;
    ck_assert_ptr_nonnull(mkdtemp(directory));
    snprintf(pattern, sizeof pattern, "%s/%%%%%%p%%", directory);
    snprintf(name, sizeof name, "%s/%%%ld%%", directory, (long)getpid());
    ck_assert_int_eq(kgc_kind_open("tier:default@1M+thp", &kind), 0);
    ck_assert_ptr_nonnull(kgc_allocate(1000));
    kgc_collect();
    ck_assert_int_eq(kgc__report_write(pattern), 0);
    ck_assert_uint_gt(read_report(name), 500);
    ck_assert_ptr_nonnull(strstr(text, "\"heap_kind\": \"default\""));
    ck_assert_ptr_nonnull(strstr(text, "\"kind\": \"tier:default@1M+thp\", \"family\": \"tier\""));
    ck_assert_ptr_nonnull(
        strstr(text, "\"kind\": \"thp\", \"family\": \"thp\", \"member_of\": \"tier:default@1M+thp\""));
    ck_assert_ptr_nonnull(strstr(text, "\"limit\": null"));
    ck_assert_ptr_nonnull(strstr(text, "\"sections\": [\n    {\"base\": \"0x"));
    ck_assert_int_eq(kgc_kind_close(kind), 0);
    rmdir(directory);
}
END_TEST

SUITE("report", structure, any_bytes, longer_than_the_buffer, write_errors, names, while_running)
