/* SPDX-License-Identifier: MIT */
/*
 * The report: what a process's heap was like, as JSON, when it ends.
 *
 * Nothing here calls malloc or a function of libgc that locks: a program may
 * leave through a signal handler that has interrupted either.  Other threads
 * may run on; numbers are then a moment apart.
 */
#ifndef KGC_REPORT_REPORT_H
#define KGC_REPORT_REPORT_H

#include <stdbool.h>
#include <stddef.h>

/* When the library is loaded: the report's clock starts, and this process
   is the one that reports. */
void kgc__report_start(void);

/*
 * Writes a report now; in the name %p stands for the process id and %% for %.
 * A file that exists is overwritten.  Returns 0 or an errno value with
 * kgc_last_error().
 */
int kgc__report_write(const char *file);

/*
 * What is due when the process ends: the report, if the settings ask for one
 * and the library was used; for a program that `kindgc run` has started and
 * that never asked libgc for memory, a line that says so.  Once: later calls
 * do nothing, and neither do calls in forked children.
 */
void kgc__report_at_exit(void);

/* The name of a report's file: replaces %p and %%.  False: it is too long. */
bool kgc__report_expand(const char *file, char *out, size_t size);
/* Is this the process that `kindgc run` has become? */
bool kgc__report_is_of_command(void);

#endif
