/* SPDX-License-Identifier: MIT */
/*
 * What the soundness checker found wrong: the first line counts, and everybody
 * stops.  Check's assertions are not for threads, finalizers and children.
 */
#ifndef KGC_TESTS_SOUNDNESS_FAILURE_H
#define KGC_TESTS_SOUNDNESS_FAILURE_H

#include <stdbool.h>

/* Keeps the text, unless there is one already.  Any thread, finalizers too.
   With KINDGC_SOUNDNESS_ABORT set the process ends there, for a debugger. */
void broken(const char *format, ...) __attribute__((format(printf, 1, 2)));
bool is_broken(void);
const char *failure_text(void);

#endif
