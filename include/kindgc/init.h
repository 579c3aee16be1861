/* SPDX-License-Identifier: MIT */
/*
 * Settings, errors, and what happens on misuse.
 *
 * The library starts by itself on first use.  Call kgc_init() first only to
 * give settings.  The environment variable KINDGC ("heap=thp limit=4G", see
 * kindgc(7)) overrides what the program asks for, so that the person who runs
 * a program has the last word; it is ignored in setuid programs.
 */
#ifndef KINDGC_INIT_H
#define KINDGC_INIT_H

#include <kindgc/base.h>

KGC_BEGIN_DECLS

/*
 * Settings.  Zero-initialise, then set what you want to change: a zero or
 * NULL field keeps its default.
 */
typedef struct kgc_options {
    const char *heap;       /* specification of the heap's kind (kindgc/kind.h); default "default" */
    size_t limit;           /* most bytes of GC heap; 0: what the control group allows; SIZE_MAX: none */
    const char *report;     /* file for a JSON report at exit; %p becomes the process id; NULL: none */
    const char *fork;       /* file kinds in a forked child: "copy" (default) or "none" */
    const char *finalizers; /* "collected" (default): of objects that were collected; "exit": also of all
                               others when the process exits (kindgc/finalize.h) */
    double pace; /* share of its time that the program may spend collecting, as kgc_heap_set_pace();
                    0: the default; below 0: off */
} kgc_options;

/*
 * Starts the library with these settings (NULL: defaults) and initialises
 * libgc.  Strings are copied.
 * Returns 0; EBUSY when the heap is already in use and `options` asks for
 * something (settings come too late then; kgc_heap_set_kind() and
 * kgc_heap_set_limit() work at any time); EINVAL for a bad setting; ENOTSUP
 * when libgc cannot be given memory, or what opening the kind returned.
 * Call it from the main thread.
 */
KGC_API int kgc_init(const kgc_options *options);

/* The version of the library in use, as "major.minor.patch".  Static. */
KGC_API const char *kgc_version(void);

/*
 * Why the last function of this library that failed in this thread failed,
 * and what to do about it; "" when none has.  The text is overwritten by this
 * thread's next failure.  May be called anywhere.
 */
KGC_API const char *kgc_last_error(void);

/*
 * Misuse that leaves no sound way on (a block freed twice, a foreign pointer
 * given to kgc_free()) calls the fatal handler with one line of text, without
 * a newline.  The default handler writes the line to standard error and calls
 * abort(3).  When a handler returns, the misused call does nothing.
 * Returns the previous handler; NULL restores the default.
 */
typedef void (*kgc_fatal_fn)(const char *message);
KGC_API kgc_fatal_fn kgc_set_fatal_handler(kgc_fatal_fn handler);

KGC_END_DECLS
#endif
