/* SPDX-License-Identifier: MIT */
/*
 * The command: options, starting the library, the three ways to run code.
 * The interpreter runs in a thread of its own, because a thread's stack can
 * be as large as deep recursion wants; the library makes it known to the
 * collector.
 */
#include "main.h"
#include "compile.h"
#include "interp.h"
#include "lib.h"
#include "measure.h"
#include "reader.h"
#include "text.h"
#include <errno.h>
#include <getopt.h>
#include <kindgc.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STACK_SIZE ((size_t)64 << 20)

static struct {
    const char *heap, *limit, *expression;
    bool table;
    int argc; /* program and its arguments */
    char **argv;
} options;

static const char help[] =
    "usage: lisp [options] [FILE [ARGUMENT...]]\n"
    "Runs a program in a small Lisp whose heap lies in a memory kind of kindgc.\n"
    "Without FILE it reads standard input; from a terminal, line by line.\n"
    "\n"
    "  -e, --eval EXPR     evaluate EXPR and print its value\n"
    "      --heap SPEC     kind of the heap: default, thp, file:/dir, ... (kindgc(7))\n"
    "      --limit SIZE    most bytes of heap; K, M, G as suffixes\n"
    "      --table         afterwards, a table of collections, pauses and memory on\n"
    "                      standard error (also --stats)\n"
    "      --help          this text\n"
    "      --version       version of the library\n";

void finish(int status)
{
    if (!flush_output()) {
        fprintf(stderr, "lisp: cannot write the output: %s\n", strerror(errno));
        status = status ? status : 1;
    }
    if (options.table) {
        measure_heading();
        measure_row(options.argc ? options.argv[0] : options.expression ? "-e" : "stdin");
    }
    exit(status);
}

static void run_file(const char *path)
{
    value source = read_whole_file(path);
    load_text(string_of(source)->bytes, string_of(source)->length, path, false);
}

static void run_input(void)
{
    value source = read_whole_file("/dev/stdin");
    load_text(string_of(source)->bytes, string_of(source)->length, "stdin", false);
}

/* Evaluates what was typed so far; false when a datum is not complete yet. */
static bool run_typed(const text *typed)
{
    landing l;
    value source = text_to_string(typed);
    const string *s = string_of(source);
    reader r = {s->bytes, s->bytes + s->length, "stdin", 1, FALSE, false};
    enter(&l);
    if (setjmp(l.jump) == 0) {
        while (read_datum(&r) != END_OF_FILE)
            ;
        load_text(s->bytes, s->length, "stdin", true);
        leave(&l);
    } else if (r.is_incomplete)
        return false;
    else {
        flush_output();
        report(l.payload);
    }
    return true;
}

static void run_terminal(void)
{
    char line[4096];
    text typed = {0};
    printf("kindgc lisp; heap kind %s; end with Ctrl-D\n", kgc_kind_name(kgc_heap_kind()));
    for (;;) {
        fputs(typed.length ? "... " : "> ", stdout);
        fflush(stdout);
        if (!fgets(line, sizeof line, stdin))
            break;
        text_add_string(&typed, line);
        if (run_typed(&typed)) {
            flush_output();
            typed = (text){0};
        }
    }
    putchar('\n');
}

static void run_program(void)
{
    if (options.expression)
        load_text(options.expression, strlen(options.expression), "-e", true);
    else if (options.argc)
        run_file(options.argv[0]);
    else if (isatty(STDIN_FILENO))
        run_terminal();
    else
        run_input();
}

static void *interpreter(void *unused)
{
    landing l;
    (void)unused;
    enter(&l);
    if (setjmp(l.jump) == 0) {
        symbols_init();
        interp_init(STACK_SIZE);
        if (options.limit) {
            char message[100];
            snprintf(message, sizeof message, "out of memory: the heap may not grow beyond %.40s",
                     options.limit);
            ((condition *)interp.out_of_memory)->message = new_string_of(message);
        }
        lib_number_init();
        lib_math_init();
        lib_list_init();
        lib_higher_init();
        lib_string_init();
        lib_vector_init();
        lib_hash_init();
        lib_port_init();
        lib_control_init();
        compile_init();
        set_arguments(options.argc, options.argv);
        run_program();
        leave(&l);
        finish(0);
    }
    flush_output();
    report(l.payload);
    finish(1);
}

__attribute__((noreturn, format(printf, 1, 2))) static void usage(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("lisp: ", stderr);
    vfprintf(stderr, format, args);
    va_end(args);
    fputs("\nTry lisp --help.\n", stderr);
    exit(2);
}

static size_t parse_size(const char *given)
{
    char *end;
    errno = 0;
    unsigned long long n = strtoull(given, &end, 10);
    const char *unit = *end ? strchr("KMGT", *end) : NULL;
    unsigned shift = unit ? 10 * (unsigned)(unit - "KMGT" + 1) : 0;
    if (end == given || *given == '-' || errno || (*end && (!unit || end[1])) || n == 0 ||
        n > SIZE_MAX >> shift)
        usage("--limit: not a size: %s (allowed: a number with an optional K, M, G or T)", given);
    return (size_t)n << shift;
}

static void parse_options(int argc, char **argv)
{
    static const struct option known[] = {
        {"eval", required_argument, NULL, 'e'},  {"heap", required_argument, NULL, 'h'},
        {"limit", required_argument, NULL, 'l'}, {"table", no_argument, NULL, 't'},
        {"stats", no_argument, NULL, 't'},       {"help", no_argument, NULL, '?' + 256},
        {"version", no_argument, NULL, 'v'},     {NULL, 0, NULL, 0},
    };
    int c;
    opterr = 0;
    while ((c = getopt_long(argc, argv, "+:e:", known, NULL)) != -1)
        switch (c) {
        case 'e':
            options.expression = optarg;
            break;
        case 'h':
            options.heap = optarg;
            break;
        case 'l':
            options.limit = optarg;
            break;
        case 't':
            options.table = true;
            break;
        case 'v':
            printf("lisp, an example of kindgc %s\n", kgc_version());
            exit(0);
        case '?' + 256:
            fputs(help, stdout);
            exit(0);
        case ':':
            usage("the option %s needs an argument", argv[optind - 1]);
        default:
            usage("unknown option: %s", argv[optind - 1]);
        }
    options.argc = argc - optind;
    options.argv = argv + optind;
}

int main(int argc, char **argv)
{
    pthread_t thread;
    pthread_attr_t attributes;
    parse_options(argc, argv);
    kgc_options library = {.heap = options.heap, .limit = options.limit ? parse_size(options.limit) : 0};
    if (kgc_init(&library)) {
        fprintf(stderr, "lisp: %s\n", kgc_last_error());
        return 1;
    }
    measure_start();
    pthread_attr_init(&attributes);
    int error = pthread_attr_setstacksize(&attributes, STACK_SIZE);
    if (!error)
        error = pthread_create(&thread, &attributes, interpreter, NULL);
    if (error) {
        fprintf(stderr, "lisp: cannot start the interpreter's thread: %s\n", strerror(error));
        return 1;
    }
    pthread_join(thread, NULL);
    return 0;
}
