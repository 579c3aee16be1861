/* SPDX-License-Identifier: MIT */
/*
 * Functions and lines of addresses in programs and libraries, inlined calls
 * too, by elfutils: from the file's own debugging information, or from a
 * separate file found by build id or by name, else from its table of symbols.
 * Nothing is downloaded (debuginfod).
 */
#ifndef KGC_CLI_SYMBOLS_H
#define KGC_CLI_SYMBOLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One call.  What is not known is NULL or 0. */
struct cli_frame {
    char *function;
    char *file;
    int line;
    bool inlined;    /* into the next frame */
    uint64_t offset; /* from the function's beginning, when file is not known */
};

/* A file. */
struct cli_module;

/* build_id: hexadecimal; "": not known.  Opening cannot fail: a file that is
   missing or is another one has no names, and *why says so. */
struct cli_module *cli_module_open(const char *path, const char *build_id);
/* NULL, or why there are no names. */
const char *cli_module_problem(const struct cli_module *module);
void cli_module_close(struct cli_module *module);

/* The calls at an address of the file, the innermost first; at least one.
   They belong to the module.  briefly: the function's symbol only, for which no
   debugging information is read. */
const struct cli_frame *cli_module_frames(struct cli_module *module, uint64_t address, bool briefly,
                                          size_t *count);

#endif
