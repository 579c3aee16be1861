/* SPDX-License-Identifier: MIT */
/*
 * `kindgc run`: checks the settings and the program, then becomes the program
 * (exec), with the library preloaded and the settings in the environment.
 *
 * KINDGC_RUN tells the library the number of this process, which stays the
 * same: that process says so when it has not used libgc, others are silent.
 */
#include "base/options.h"
#include "base/size.h"
#include "cli/cli.h"
#include <dlfcn.h>
#include <errno.h>
#include <kindgc/init.h>
#include <kindgc/kind.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Checks of the types in KGC__OPTIONS: 0, or the exit status having said why. */
static int check_text(const char *name, const char *argument, const char *value)
{
    if (*value == '\0')
        return cli_fail(CLI_FAILED, "--%s: a value is needed (%s)", name, argument);
    if (strlen(value) >= KGC__OPTION_TEXT_MAX)
        return cli_fail(CLI_FAILED, "--%s: the value is longer than %d bytes", name,
                        KGC__OPTION_TEXT_MAX - 1);
    return 0;
}

/* What --limit says, in bytes; 0: it is not given, or it is the control group's. */
static size_t limit;

static int check_limit(const char *name, const char *argument, const char *value)
{
    (void)argument;
    if (!kgc__parse_limit(value, &limit))
        return cli_fail(CLI_FAILED, "--%s %s: " KGC__LIMIT_SYNTAX, name, value);
    if (limit != 0 && limit < 256 * KGC_KIB)
        return cli_fail(CLI_FAILED, "--%s %s: libgc cannot start with less than 256K", name, value);
    return 0;
}

static int check_share(const char *name, const char *argument, const char *value)
{
    (void)argument;
    double share;
    if (!kgc__parse_share(value, &share))
        return cli_fail(CLI_FAILED, "--%s %s: " KGC__SHARE_SYNTAX, name, value);
    return 0;
}

static int check_number(const char *name, const char *argument, const char *value)
{
    size_t n;
    if (!kgc__parse_number(argument, value, &n))
        return cli_fail(CLI_FAILED, "--%s %s: " KGC__NUMBER_SYNTAX, name, value, argument);
    return 0;
}

static int check_size(const char *name, const char *argument, const char *value)
{
    size_t n;
    const char *end = value;
    (void)argument;
    if (!kgc__parse_size(&end, &n) || *end != '\0')
        return cli_fail(CLI_FAILED, "--%s %s: " KGC__SIZE_SYNTAX, name, value);
    return 0;
}

static int check_choice(const char *name, const char *argument, const char *value)
{
    if (!kgc__is_choice(argument, value))
        return cli_fail(CLI_FAILED, "--%s %s: allowed are %s", name, value, argument);
    return 0;
}

static const struct option {
    const char *name;
    int (*check)(const char *name, const char *argument, const char *value);
    const char *argument;
} options[] = {
#define X(field, name, type, argument, help) {name, check_##type, argument},
    KGC__OPTIONS(X)
#undef X
};
enum { OPTIONS = sizeof options / sizeof options[0] };

static int unknown_option(const char *text)
{
    char allowed[512] = "";
    for (size_t i = 0; i < OPTIONS; i++) {
        size_t n = strlen(allowed);
        snprintf(allowed + n, sizeof allowed - n, "%s--%s", i == 0 ? "" : ", ", options[i].name);
    }
    return cli_fail(CLI_FAILED, "run: unknown option \"%s\"; allowed are %s", text, allowed);
}

static const struct option *find_option(const char *name, size_t length)
{
    for (size_t i = 0; i < OPTIONS; i++)
        if (strlen(options[i].name) == length && memcmp(options[i].name, name, length) == 0)
            return &options[i];
    return NULL;
}

static char *absolute(const char *path)
{
    char *directory = *path == '/' ? NULL : getcwd(NULL, 0);
    char *result = directory != NULL ? cli_format("%s/%s", directory, path) : cli_format("%s", path);
    free(directory);
    return result;
}

/* Is the value a file's name?  The program may change its directory. */
static bool names_file(const char *name, const char *value)
{
    return strcmp(name, "report") == 0 || strcmp(name, "leak-suppressions") == 0 ||
           (strcmp(name, "leak-report") == 0 && strcmp(value, "stderr") != 0);
}

/* What was given to --malloc; NULL: nothing was. */
static const char *malloc_mode;

/* A file that is read when there is something to report: it may be long until
   somebody learns that its name was wrong. */
static int check_readable(const char *name, const char *path)
{
    FILE *f = fopen(path, "re");
    bool can = f != NULL && (fgetc(f) != EOF || !ferror(f)); /* a directory can be opened */
    int status = can ? 0 : cli_fail(CLI_FAILED, "--%s: %s: %m", name, path);
    if (f != NULL)
        fclose(f);
    return status;
}

/* Checks a value beyond its form and adds it. */
static int take_option(char **settings, const struct option *o, const char *value)
{
    int status = o->check(o->name, o->argument, value);
    if (status != 0)
        return status;
    if (cli_settings_has(*settings, o->name, strlen(o->name)))
        return cli_fail(CLI_FAILED, "--%s is given twice", o->name);
    if (strcmp(o->name, "heap") == 0 && kgc_kind_check(value) != 0)
        return cli_fail(CLI_FAILED, "--heap: %s", kgc_last_error()); /* which begins with the kind */
    if (strcmp(o->name, "malloc") == 0)
        malloc_mode = value;
    if (strcmp(o->name, "leak-suppressions") == 0 && (status = check_readable(o->name, value)) != 0)
        return status;
    char *text = names_file(o->name, value) ? absolute(value) : cli_format("%s", value);
    *settings = cli_settings_add(*settings, o->name, text);
    free(text);
    return 0;
}

/* Takes "--name=value" and "--name value"; *next is where the program begins. */
static int take_options(int argc, char **argv, char **settings, int *next)
{
    int i = 1;
    for (; i < argc && argv[i][0] == '-' && argv[i][1] != '\0'; i++) {
        if (strcmp(argv[i], "--") == 0) {
            i++;
            break;
        }
        const char *equals = strchr(argv[i], '=');
        size_t length = equals != NULL ? (size_t)(equals - argv[i]) : strlen(argv[i]);
        const struct option *o =
            length > 2 && argv[i][1] == '-' ? find_option(argv[i] + 2, length - 2) : NULL;
        if (o == NULL)
            return unknown_option(argv[i]);
        if (equals == NULL && i + 1 == argc)
            return cli_fail(CLI_FAILED, "%s: a value is needed (%s)", argv[i], o->argument);
        int status = take_option(settings, o, equals != NULL ? equals + 1 : argv[++i]);
        if (status != 0)
            return status;
    }
    *next = i;
    return 0;
}

/* Options that mean nothing without a mode are mistakes.  A command that runs
   this one may have set the mode. */
static int check_mode(const char *settings)
{
    const char *outer = getenv("KINDGC");
    if (malloc_mode == NULL && outer != NULL && cli_settings_has(outer, "malloc", strlen("malloc")))
        return 0;
    for (const struct option *o = options; o < options + OPTIONS; o++) {
        const char *mode = strncmp(o->name, "leak-", 5) == 0     ? "detect"
                           : strcmp(o->name, "second-look") == 0 ? "collect"
                                                                 : NULL;
        if (mode != NULL && (malloc_mode == NULL || strcmp(malloc_mode, mode) != 0) &&
            cli_settings_has(settings, o->name, strlen(o->name)))
            return cli_fail(CLI_FAILED, "--%s: only with --malloc %s", o->name, mode);
    }
    return 0;
}

/* The library that this command itself uses; NULL having said why not. */
static char *library_path(void)
{
    Dl_info info;
    /* A string inside the library: the address of a function could be the
       command's own entry for it in the procedure linkage table. */
    const void *inside = kgc_version();
    char *path = dladdr(inside, &info) != 0 && info.dli_fname != NULL ? realpath(info.dli_fname, NULL) : NULL;
    if (path == NULL) {
        cli_fail(CLI_FAILED, "the file of libkindgc.so cannot be found");
    } else if (strpbrk(path, " :") != NULL) {
        cli_fail(CLI_FAILED,
                 "%s: a library with a blank or a colon in its path cannot be preloaded (ld.so(8))", path);
        free(path);
        path = NULL;
    }
    return path;
}

/* The library that replaces malloc, beside the other, and that one, in the
   order in which they are searched; NULL having said why not. */
static char *libraries_with_malloc(char *library)
{
    char *path = cli_format("%.*s/libkindgc-malloc.so", (int)(strrchr(library, '/') - library), library),
         *both = NULL;
    if (access(path, R_OK) == 0)
        both = cli_format("%s:%s", path, library);
    else
        cli_fail(CLI_FAILED, "%s: %s", path, strerror(errno));
    free(path);
    free(library);
    return both;
}

/* Leak reports are made by this command. */
static void set_command(void)
{
    char *self = realpath("/proc/self/exe", NULL);
    if (self != NULL)
        setenv(KGC__COMMAND_VARIABLE, self, 1);
    free(self);
}

static int set_environment(char *settings)
{
    char *library = library_path();
    if (library != NULL && malloc_mode != NULL && strcmp(malloc_mode, "off") != 0)
        library = libraries_with_malloc(library);
    if (library == NULL)
        return CLI_FAILED;
    set_command();
    const char *preload = getenv("LD_PRELOAD"), *old = getenv("KINDGC");
    char *all = preload != NULL && *preload != '\0' ? cli_format("%s:%s", library, preload)
                                                    : cli_format("%s", library);
    char *pid = cli_format("%ld", (long)getpid());
    settings = cli_settings_keep(settings, old != NULL ? old : "");
    setenv("LD_PRELOAD", all, 1);
    setenv("KINDGC", settings, 1);
    setenv("KINDGC_RUN", pid, 1);
    /* libgc's first heap comes in one piece of more than 64 KiB, so that
       requests of that size are its tables (src/section/supply.c); but not
       where it would be much of the limit, or more. */
    bool limited = cli_settings_has(settings, "limit", strlen("limit"));
    if (!limited || limit >= 4 * KGC_MIB) /* --limit cgroup: libgc's own choice does too */
        setenv("GC_INITIAL_HEAP_SIZE", "1M", 0);
    free(library);
    free(all);
    free(pid);
    free(settings);
    return 0;
}

int cli_run(int argc, char **argv)
{
    char *settings = cli_format("%s", "");
    int next = argc, status = take_options(argc, argv, &settings, &next);
    if (status == 0)
        status = check_mode(settings);
    if (status == 0 && next == argc)
        status = cli_fail(CLI_FAILED,
                          "run: a program is needed: kindgc run [OPTION]... [--] PROGRAM [ARGUMENT]...");
    if (status != 0) {
        free(settings);
        return status;
    }
    char *path = cli_find_program(argv[next], &status);
    if (path == NULL) {
        free(settings);
        return status;
    }
    char *why = cli_why_not_preloadable(path);
    if (why != NULL) {
        status = cli_fail(CLI_CANNOT_RUN, "%s: %s", argv[next], why);
        free(settings);
    } else {
        status = set_environment(settings);
        if (status == 0) {
            execvp(path, argv + next);
            status = cli_fail(errno == ENOENT ? CLI_NOT_FOUND : CLI_CANNOT_RUN, "%s: %s", argv[next],
                              strerror(errno));
        }
    }
    free(why);
    free(path);
    return status;
}
