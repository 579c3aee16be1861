/* SPDX-License-Identifier: MIT */
/* Reading the JSON files that the library has written. */
#ifndef KGC_CLI_JSON_H
#define KGC_CLI_JSON_H

#include <jansson.h>

/*
 * Reads a file, "-" for standard input, whose object has this version under
 * this key; `what` it is to be, for messages.  NULL after saying what is wrong.
 */
json_t *cli_load_json(const char *file, const char *what, const char *key, int version);

#endif
