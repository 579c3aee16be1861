/* SPDX-License-Identifier: MIT */
/* What the soundness checker found wrong: see failure.h. */
#include "failure.h"
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

static char text[400];
static _Atomic bool taken, ready;

void broken(const char *format, ...)
{
    if (atomic_exchange(&taken, true))
        return;
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    atomic_store(&ready, true);
    if (getenv("KINDGC_SOUNDNESS_ABORT") != NULL) {
        fprintf(stderr, "%s\n", text);
        abort();
    }
}

bool is_broken(void)
{
    return atomic_load_explicit(&ready, memory_order_acquire);
}

const char *failure_text(void)
{
    return is_broken() ? text : "";
}
