/* SPDX-License-Identifier: MIT */
/*
 * What the fuzz targets share.  A target is a function on bytes that aborts
 * when it finds something wrong.  libFuzzer calls it (`make fuzz`), or
 * driver.c, which replays the corpus (`make check`).
 */
#ifndef KGC_TESTS_FUZZ_FUZZ_H
#define KGC_TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

extern const char fuzz_target[]; /* its folder in the corpus */
extern const unsigned fuzz_ways; /* in how many ways it can be run */
/* Chooses one of them, before the first input. */
void fuzz_prepare(unsigned way);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Under libFuzzer KINDGC_FUZZ_WAY in the environment chooses; at each input. */
static inline void fuzz_settle(void)
{
    static int settled;
    const char *way = getenv("KINDGC_FUZZ_WAY");
    if (!settled && way != NULL)
        fuzz_prepare((unsigned)strtoul(way, NULL, 10));
    settled = 1;
}

#define fuzz_fail(...)                                                   \
    do {                                                                 \
        fprintf(stderr, "%s:%d: %s: ", fuzz_target, __LINE__, __func__); \
        fprintf(stderr, __VA_ARGS__);                                    \
        fputc('\n', stderr);                                             \
        abort();                                                         \
    } while (0)
#define fuzz_check(condition)            \
    do {                                 \
        if (!(condition))                \
            fuzz_fail("%s", #condition); \
    } while (0)

/* Bytes are taken from the front; behind the end all are 0. */
struct fuzz_input {
    const uint8_t *at, *end;
};

static inline unsigned fuzz_byte(struct fuzz_input *in)
{
    return in->at < in->end ? *in->at++ : 0;
}

static inline unsigned fuzz_word(struct fuzz_input *in)
{
    unsigned low = fuzz_byte(in);
    return low | fuzz_byte(in) << 8;
}

#endif
