/* SPDX-License-Identifier: MIT */
/*
 * Writes JSON to a descriptor, piece by piece, from a fixed buffer: nothing
 * allocates or locks, and neither the locale nor stdio is involved.
 *
 * A value inside an object has a name, a value inside an array has NULL.
 * The caller balances opening and closing.
 */
#ifndef KGC_REPORT_JSON_H
#define KGC_REPORT_JSON_H

#include <stddef.h>
#include <stdint.h>

struct kgc__json {
    int fd;
    int error;       /* the first error of write(2); later output is dropped */
    unsigned depth;  /* objects and arrays that are open; at most 64 */
    uint64_t filled; /* bit d - 1: what is open at depth d has a value already */
    size_t used;     /* of the buffer */
    char buffer[4096];
};

void kgc__json_start(struct kgc__json *json, int fd);
/* Writes what is left.  Returns 0 or the first error. */
int kgc__json_finish(struct kgc__json *json);

/* bracket is '{' or '['. */
void kgc__json_open(struct kgc__json *json, const char *name, char bracket);
void kgc__json_close(struct kgc__json *json, char bracket);

void kgc__json_null(struct kgc__json *json, const char *name);
void kgc__json_number(struct kgc__json *json, const char *name, uint64_t value);
/* Microseconds, written as seconds. */
void kgc__json_seconds(struct kgc__json *json, const char *name, uint64_t microseconds);
/* Any bytes: what is not UTF-8 is replaced by U+FFFD. */
void kgc__json_text(struct kgc__json *json, const char *name, const char *text);
/* "0x7f..."; JSON's numbers are not exact enough for addresses. */
void kgc__json_address(struct kgc__json *json, const char *name, const void *address);

#endif
