/* SPDX-License-Identifier: MIT */
/* The kindgc command: finds the subcommand, and gives help. */
#include "base/options.h"
#include "cli/cli.h"
#include <errno.h>
#include <kindgc/init.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct command {
    const char *name;
    int (*function)(int, char **);
} commands[] = {{"run", cli_run}, {"kinds", cli_kinds}, {"report", cli_report}, {"leaks", cli_leaks}, {"help", cli_help}};

int cli_fail(int status, const char *format, ...)
{
    va_list args;
    fflush(stdout);
    fputs("kindgc: ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    return status;
}

int cli_finish_output(void)
{
    if (fflush(stdout) != 0 || ferror(stdout))
        return cli_fail(CLI_FAILED, "standard output: %s", strerror(errno));
    return 0;
}

void *cli_allocate(size_t size)
{
    void *p = calloc(1, size);
    if (p == NULL)
        exit(cli_fail(CLI_FAILED, "out of memory"));
    return p;
}

char *cli_format(const char *format, ...)
{
    char *text;
    va_list args;
    va_start(args, format);
    if (vasprintf(&text, format, args) < 0)
        exit(cli_fail(CLI_FAILED, "out of memory"));
    va_end(args);
    return text;
}

const char *cli_human(double bytes, char text[24])
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
    size_t unit = 0;
    for (; bytes >= 1024 && unit < sizeof units / sizeof units[0] - 1; unit++)
        bytes /= 1024;
    snprintf(text, 24, unit == 0 || bytes >= 100 ? "%.0f %s" : "%.1f %s", bytes, units[unit]);
    return text;
}

static void print_settings(void)
{
#define X(field, name, type, argument, help) printf("  --%-26s %s\n", name " " argument, help);
    KGC__OPTIONS(X)
#undef X
}

int cli_help(int argc, char **argv)
{
    (void)argv;
    if (argc > 1)
        return cli_fail(CLI_FAILED, "help takes no argument; see kindgc(1)");
    puts("usage: kindgc run [OPTION]... [--] PROGRAM [ARGUMENT]...\n"
         "       kindgc kinds\n"
         "       kindgc report [--sections] FILE\n"
         "       kindgc leaks [OPTION]... FILE\n"
         "       kindgc --help | --version\n"
         "\n"
         "run starts a program that uses the shared libgc with its heap on a kind of\n"
         "memory.  Exit status, signals and standard streams are the program's own;\n"
         "125, 126 and 127 are kindgc's, as in env(1).\n");
    print_settings();
    puts("\nKinds (SPEC):\n"
         "  default                   ordinary pages\n"
         "  thp                       transparent huge pages\n"
         "  hugetlb[:2M|1G]           huge pages that the administrator has reserved\n"
         "  file:/DIR[,limit=SIZE]    an unlinked temporary file in a directory\n"
         "  tier:KIND@SIZE+...+KIND   the first until SIZE is used, then the next\n"
         "SIZE is a number with an optional K, M, G or T.\n"
         "\n"
         "kinds shows which kinds can be had here.  report shows a run's report,\n"
         "leaks a raw leak report with functions and lines.");
    return cli_finish_output();
}

static int print_version(void)
{
    printf("kindgc %s\n", kgc_version());
    return cli_finish_output();
}

int main(int argc, char **argv)
{
    if (argc < 2)
        return cli_fail(CLI_FAILED, "a command is needed: run, kinds, report, leaks or help; see kindgc --help");
    const char *name = argv[1];
    if (strcmp(name, "--version") == 0)
        return print_version();
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
        name = "help";
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        if (strcmp(commands[i].name, name) == 0)
            return commands[i].function(argc - 1, argv + 1);
    return cli_fail(CLI_FAILED, "unknown command \"%s\"; allowed are run, kinds, report, leaks and help", name);
}
