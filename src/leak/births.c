/* SPDX-License-Identifier: MIT */
/*
 * Records of blocks: see births.h.
 *
 * The record is a word: the stack's number in the lower half, and what the
 * block is larger than was asked for in the upper one.
 */
#include "leak/births.h"
#include "arena/blocks.h"
#include "arena/explicit.h"
#include "base/check.h"
#include "base/message.h"
#include "collect/unload.h"
#include "leak/capture.h"
#include "leak/sites.h"
#include "rooted/rooted.h"
#include <errno.h>
#include <kindgc/leak.h>

#define INITIAL_EXEC __attribute__((tls_model("initial-exec")))

static bool recording;
static size_t sample_bytes;

static __thread unsigned disabled INITIAL_EXEC;
static __thread int64_t until_sample INITIAL_EXEC;
static __thread uint64_t random_state INITIAL_EXEC;

/* Even numbers from 1 to twice the mean: on average the mean. */
static int64_t next_gap(void)
{
    if (random_state == 0)
        random_state = (uint64_t)(uintptr_t)&random_state * 0x9e3779b97f4a7c15 | 1;
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (int64_t)(1 + (random_state >> 1) % (2 * sample_bytes));
}

static bool is_sampled(size_t asked)
{
    if (random_state == 0)
        until_sample = next_gap();
    until_sample -= (int64_t)(asked != 0 ? asked : 1);
    if (until_sample > 0)
        return false;
    until_sample = next_gap();
    return true;
}

static void born(void *block, size_t asked, uint64_t *tail)
{
    size_t more = (size_t)((char *)tail - (char *)block) - asked;
    uint32_t stack = 0;
    if (kgc__likely(sample_bytes == 0) || is_sampled(asked))
        stack = kgc__capture();
    *tail = stack | (uint64_t)(more < UINT32_MAX ? more : 0) << 32;
    if (kgc__unlikely(disabled != 0))
        kgc__block_pin(block, true);
}

void kgc__births_start(unsigned frames, size_t sample)
{
    static const struct kgc__rooted_tail tail = {.extra = sizeof(uint64_t), .born = born};
    if (recording)
        return;
    recording = true;
    sample_bytes = sample;
    kgc__capture_start(frames != 0 ? frames : KGC__FRAMES_DEFAULT);
    kgc__after_dlclose = kgc__sites_check_modules;
    kgc__caches_alone = true; /* what jemalloc keeps would be taken for reachable */
    kgc__rooted_set_tail(&tail);
}

bool kgc__births_are_recorded(void)
{
    return recording;
}

struct kgc__birth kgc__birth_of(char *start, size_t size)
{
    if (!recording)
        return (struct kgc__birth){.asked = size};
    uint64_t word = *kgc__tail_of(start, size);
    return (struct kgc__birth){.stack = (uint32_t)word, .asked = size - sizeof word - (size_t)(word >> 32)};
}

int kgc_leak_ignore(const void *p)
{
    if (p == NULL || kgc__block_pin((void *)p, true))
        return 0;
    return kgc__fail(EINVAL, "kgc_leak_ignore: no block of the rooted heap begins at %p", p);
}

void kgc_leak_disable(void)
{
    disabled++;
}

void kgc_leak_enable(void)
{
    if (disabled == 0)
        kgc__fatal("kgc_leak_enable: the thread has not called kgc_leak_disable()");
    else
        disabled--;
}
