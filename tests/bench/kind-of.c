/* SPDX-License-Identifier: MIT */
/*
 * kind-of: nanoseconds to find the kind of a block, in no order, while a
 * million of several kinds and of 16 to 4,096 bytes are live.  Ends with 1 if
 * an answer is wrong.
 *
 *   kind-of KIND...
 */
#include "explicit.h"

/* So few are asked for that the list of them is not what is measured. */
enum { LIVE = 1000000, ASKED = 50000, KINDS = 16 };

static bench_kind kind[KINDS];
static struct {
    void *address;
    bench_kind kind;
} block[ASKED];

static void allocate(unsigned kinds)
{
    uint64_t state = 42;
    for (size_t i = 0; i < LIVE; i++) {
        uint64_t r = bench_random(&state);
        bench_kind of = kind[(r >> 16) % kinds];
        void *p = bench_check(bench_kind_malloc(of, (size_t)16 << (r >> 32) % 9));
        if (i % (LIVE / ASKED) == 0) {
            block[i / (LIVE / ASKED)].address = p;
            block[i / (LIVE / ASKED)].kind = of;
        }
    }
    for (size_t i = ASKED - 1; i > 0; i--) {
        size_t j = bench_random(&state) % (i + 1);
        __typeof__(block[0]) swap = block[i];
        block[i] = block[j];
        block[j] = swap;
    }
}

static double look_up(long times)
{
    double start = bench_now();
    for (long t = 0; t < times; t++)
        for (size_t i = 0; i < ASKED; i++)
            if (bench_kind_of(block[i].address) != block[i].kind)
                bench_fail("kind-of", "wrong kind");
    return bench_now() - start;
}

int main(int argc, char **argv)
{
    unsigned kinds = (unsigned)argc - 1;
    if (kinds < 1 || kinds > KINDS)
        return 2;
    for (unsigned i = 0; i < kinds; i++)
        kind[i] = bench_kind_open(argv[1 + i], false);
    allocate(kinds);
    printf("kind-of %.3f ns\n", bench_repeat(look_up, 0.2) * 1e9 / ASKED);
    return 0;
}
