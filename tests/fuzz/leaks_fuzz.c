/* SPDX-License-Identifier: MIT */
/* What `kindgc leaks` reads: suppression files and raw reports.  Whatever they
   hold, the command ends, says why when something is wrong with them, and its
   JSON is JSON. */
#include "cli/cli.h"
#include "cli/suppressions.h"
#include "fuzz.h"
#include <jansson.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

const char fuzz_target[] = "leaks";
const unsigned fuzz_ways = 1;

static unsigned failures;

void fuzz_prepare(unsigned way)
{
    (void)way;
}

/* ---- what src/cli/main.c has for the command ---- */

int cli_fail(int status, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    fuzz_check(vsnprintf(text, sizeof text, format, args) > 0);
    va_end(args);
    failures++;
    return status;
}

int cli_finish_output(void)
{
    return fflush(stdout);
}

void *cli_allocate(size_t size)
{
    void *p = calloc(1, size);
    fuzz_check(p != NULL);
    return p;
}

char *cli_format(const char *format, ...)
{
    char *text;
    va_list args;
    va_start(args, format);
    fuzz_check(vasprintf(&text, format, args) >= 0);
    va_end(args);
    return text;
}

/* ---- files ---- */

struct file {
    int fd;
    char path[32];
};

static struct file make_file(const uint8_t *data, size_t size)
{
    struct file f = {.fd = memfd_create("fuzz", MFD_CLOEXEC)};
    fuzz_check(f.fd >= 0 && write(f.fd, data, size) == (ssize_t)size);
    snprintf(f.path, sizeof f.path, "/proc/self/fd/%d", f.fd);
    return f;
}

/* ---- the command ---- */

static int run(const char *format, const char *suppressions, const char *report, char **out, size_t *size)
{
    char *argv[] = {"leaks", "--format", (char *)format, "--max", "3", "--exit", "9", NULL, NULL, NULL, NULL};
    int argc = 7;
    if (suppressions != NULL) {
        argv[argc++] = "--suppressions";
        argv[argc++] = (char *)suppressions;
    }
    argv[argc++] = (char *)report;
    FILE *saved = stdout;
    failures = 0;
    stdout = open_memstream(out, size);
    fuzz_check(stdout != NULL);
    int status = cli_leaks(argc, argv);
    fclose(stdout);
    stdout = saved;
    fuzz_check((failures != 0) == (status == CLI_FAILED));
    fuzz_check(status == 0 || status == 9 || status == CLI_FAILED);
    fuzz_check(status == CLI_FAILED ? *size == 0 : *size != 0);
    return status;
}

static void check_json(const char *text, size_t size)
{
    json_t *all = json_loadb(text, size, JSON_REJECT_DUPLICATES, NULL);
    fuzz_check(json_is_integer(json_object_get(all, "kindgc_leaks")));
    fuzz_check(json_is_array(json_object_get(all, "leaks")));
    fuzz_check(json_array_size(json_object_get(all, "leaks")) <= 3);
    json_decref(all);
}

static void read_report(const uint8_t *data, size_t size, const char *suppressions)
{
    struct file report = make_file(data, size);
    char *out;
    size_t written;
    int as_text = run("text", suppressions, report.path, &out, &written);
    free(out);
    int as_json = run("json", suppressions, report.path, &out, &written);
    /* Each reads fields that the other does not. */
    fuzz_check(as_text == as_json || as_text == CLI_FAILED || as_json == CLI_FAILED);
    if (written != 0)
        check_json(out, written);
    free(out);
    close(report.fd);
}

/* ---- suppressions ---- */

static void read_suppressions(const uint8_t *data, size_t size)
{
    static const char *const names[] = {"", "a", "main", "$", "^leak", "/usr/lib/libc.so.6", "leak_texts"};
    struct file file = make_file(data, size);
    struct cli_suppressions all = {.count = 0};
    failures = 0;
    int status = cli_suppressions_read(&all, file.path);
    fuzz_check((status == 0) == (failures == 0));
    for (size_t i = 0; i < all.count; i++) {
        char *pattern = all.list[i].pattern, *free_one = cli_format("*%s", pattern);
        fuzz_check(*pattern != '\0');
        for (size_t k = 0; k < sizeof names / sizeof names[0]; k++)
            if (cli_pattern_matches(pattern, names[k]) && *pattern != '^')
                fuzz_check(cli_pattern_matches(free_one, names[k]));
        if (strpbrk(pattern, "*^$") == NULL) { /* a text is found in itself */
            fuzz_check(cli_pattern_matches(pattern, pattern));
            fuzz_check(cli_pattern_matches(pattern, free_one));
        }
        free(free_one);
    }
    cli_suppressions_free(&all);
    close(file.fd);
}

/* The first byte: whether a report follows, or suppressions, or both, with a
   byte 0 between them. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    const uint8_t *end = data + size, *zero = memchr(++data, 0, size - 1);
    if (data[-1] % 4 == 0) {
        read_suppressions(data, (size_t)(end - data));
    } else if (data[-1] % 4 == 1 || zero == NULL) {
        read_report(data, (size_t)(end - data), NULL);
    } else {
        struct file suppressions = make_file(data, (size_t)(zero - data));
        read_report(zero + 1, (size_t)(end - zero - 1), suppressions.path);
        close(suppressions.fd);
    }
    return 0;
}
