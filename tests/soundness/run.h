/* SPDX-License-Identifier: MIT */
/*
 * A run of the soundness checker: partitions, each with a thread, in rounds,
 * and between rounds an audit, children, and other threads for some
 * partitions.  What happens to the graph follows from the seed; when the
 * collector runs does not altogether.
 */
#ifndef KGC_TESTS_SOUNDNESS_RUN_H
#define KGC_TESTS_SOUNDNESS_RUN_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct settings {
    const char *name;
    unsigned threads; /* and partitions */
    bool incremental; /* GC_enable_incremental() */
    bool markers;     /* GC_start_mark_threads() */
    bool kinds;       /* the heap's kind is another one now and then */
    bool finalizer_thread;
    uint64_t operations; /* of all threads */
    uint64_t seed;
};

extern struct settings the_settings;
extern pthread_key_t the_key; /* IN_KEY */
extern const char *const sort_names[];

/* Runs it in this process, which has not used the library yet.  Returns "", or what is wrong. */
const char *soundness_run(const struct settings *settings);

#endif
