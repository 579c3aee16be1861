/* SPDX-License-Identifier: MIT */
/*
 * Leak reports: when they are made, and what this library writes of them.
 *
 * The library writes numbers: addresses, counts, the modules they belong to.
 * A child process that runs `kindgc leaks` makes functions and lines of them,
 * so nothing of that happens inside the program.
 */
#ifndef KGC_REPORT_LEAKS_H
#define KGC_REPORT_LEAKS_H

#include <stddef.h>

/* When the library is loaded: with malloc=detect, recording starts, and a
   report will be made at exit and on the signal. */
void kgc__leaks_attach(void);

/*
 * Makes a report: to fd; below 0: to where the settings say.  `when` is a word
 * for it.  wait: until it is written.  *blocks: how many were found.  Returns
 * 0 or an errno value.  Async-signal-safe, and calls neither malloc() nor
 * handlers of fork().
 */
enum kgc__leaks_when { KGC__LEAKS_AT_EXIT, KGC__LEAKS_ON_SIGNAL, KGC__LEAKS_ON_CALL };
int kgc__leaks_report(int fd, enum kgc__leaks_when when, size_t *blocks);

/* In a forked child. */
void kgc__leaks_report_after_fork_in_child(void);

#endif
