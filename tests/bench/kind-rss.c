/* SPDX-License-Identifier: MIT */
/*
 * kind-rss: by how much the resident memory of the process, in bytes, has
 * grown when blocks of a kind, of 16 bytes to 256 KiB, have been taken, written
 * in full and all freed.
 *
 *   kind-rss KIND POLICY MIB AFTER WAVES
 *
 * POLICY is "default" or "conservative"; MIB, up to 100, is how much; AFTER is
 * the number of milliseconds until it is measured, in which a few small blocks
 * come and go; WAVES is how often they are taken and freed: what is free must
 * be used again.
 */
#include "explicit.h"

enum { MOST = 100 << 20, SMALLEST = 4, LARGEST = 18, BLOCKS = MOST / 64 };

static void *block[BLOCKS];

/* At least a page: there is no ratio to nothing. */
static long resident(void)
{
    char text[128] = "";
    FILE *statm = fopen("/proc/self/statm", "re");
    if (statm == NULL || fgets(text, sizeof text, statm) == NULL)
        bench_fail("/proc/self/statm", "cannot be read");
    fclose(statm);
    char *second;
    strtol(text, &second, 10);
    return strtol(second, NULL, 10) * sysconf(_SC_PAGESIZE);
}

/* As many bytes of each size, so that most blocks are small. */
static size_t fill(bench_kind kind, size_t total)
{
    size_t count = 0;
    for (int order = SMALLEST; order <= LARGEST; order++) {
        size_t size = (size_t)1 << order;
        for (size_t bytes = 0; bytes < total / (LARGEST - SMALLEST + 1); bytes += size) {
            block[count] = bench_check(bench_kind_malloc(kind, size));
            memset(block[count++], 1, size);
        }
    }
    return count;
}

static void small_activity(bench_kind kind, long milliseconds)
{
    for (long i = 0; i < milliseconds; i += 10) {
        void *few[10];
        for (size_t j = 0; j < 10; j++)
            few[j] = bench_kind_block(kind, (size_t)16 << j);
        for (size_t j = 0; j < 10; j++)
            bench_kind_free(kind, few[j]);
        usleep(10000);
    }
}

int main(int argc, char **argv)
{
    size_t total = (size_t)bench_argument(argc, argv, 3, 100) << 20;
    if (argc < 3 || total > MOST)
        return 2;
    memset(block, 1, sizeof block); /* our own records are there before it begins */
    long before = resident();
    bench_kind kind = bench_kind_open(argv[1], strcmp(argv[2], "conservative") == 0);
    for (long waves = bench_argument(argc, argv, 5, 1); waves > 0; waves--)
        for (size_t i = fill(kind, total); i > 0; i--)
            bench_kind_free(kind, block[i - 1]);
    small_activity(kind, bench_argument(argc, argv, 4, 0));
    long grown = resident() - before;
    printf("kind-rss %ld bytes\n", grown < 4096 ? 4096 : grown);
    return 0;
}
