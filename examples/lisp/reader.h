/* SPDX-License-Identifier: MIT */
/* From text to data. */
#ifndef LISP_READER_H
#define LISP_READER_H

#include "value.h"

typedef struct reader {
    const char *at, *end; /* the text left */
    const char *file;     /* for messages */
    unsigned line;
    value positions;    /* table that receives pair -> line, or FALSE */
    bool is_incomplete; /* an error was raised because the text ended */
} reader;

/* The next datum; END_OF_FILE when there is none. */
value read_datum(reader *r);

#endif
