/* SPDX-License-Identifier: MIT */
/*
 * The kindgc command.  It uses the public interface of the library; of its
 * internals only the table of settings and the text form of sizes.
 *
 * One rule for exit statuses, that of env(1): 125 when kindgc itself fails,
 * 126 for a program that is found and cannot be run this way, 127 for one
 * that is not found, otherwise the program's own.
 */
#ifndef KGC_CLI_CLI_H
#define KGC_CLI_CLI_H

#include <stdbool.h>
#include <stddef.h>

enum { CLI_FAILED = 125, CLI_CANNOT_RUN = 126, CLI_NOT_FOUND = 127 };

/* The commands; argv[0] is the command's name.  They return the exit status. */
int cli_run(int argc, char **argv);
int cli_kinds(int argc, char **argv);
int cli_report(int argc, char **argv);
int cli_leaks(int argc, char **argv);
int cli_help(int argc, char **argv);

/* Writes "kindgc: TEXT\n" to standard error and returns status. */
int cli_fail(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Standard output is complete, or the failure to write it is told. */
int cli_finish_output(void);

/* malloc and friends; out of memory ends the command. */
void *cli_allocate(size_t size);
char *cli_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* "1.5 GiB" into at least 24 bytes: for people. */
const char *cli_human(double bytes, char text[24]);

/*
 * Finds a program in PATH.  On failure returns NULL and the exit
 * status, having said why.  The result is the caller's.
 */
char *cli_find_program(const char *name, int *status);

/*
 * Why the dynamic linker would not load a library into this file when it is
 * run, as text to follow "NAME: "; NULL when it would, or when that cannot be
 * told.  Follows "#!" lines.  The text is the caller's.
 */
char *cli_why_not_preloadable(const char *path);

/*
 * The settings as text for the environment variable KINDGC.  Each function
 * takes and returns a malloc'ed string.
 */
char *cli_settings_add(char *settings, const char *name, const char *value);
char *cli_settings_keep(char *settings, const char *old);
/* Has it a setting of this name? */
bool cli_settings_has(const char *settings, const char *name, size_t length);

#endif
