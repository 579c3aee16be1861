/* SPDX-License-Identifier: MIT */
/* What a run of the soundness checker did: a few lines on standard output. */
#ifndef KGC_TESTS_SOUNDNESS_STATISTICS_H
#define KGC_TESTS_SOUNDNESS_STATISTICS_H

#include <stdint.h>

struct statistics_start {
    uint64_t nanoseconds, collections;
};
struct statistics_start statistics_begin(void);
/* Were enough of the objects collected that nothing pointed to? */
void statistics_check_retention(void);
/* When KINDGC_SOUNDNESS_VERBOSE or KINDGC_TEST_LONG is set. */
void statistics_print(const struct statistics_start *since);

#endif
