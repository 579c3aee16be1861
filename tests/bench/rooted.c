/* SPDX-License-Identifier: MIT */
/*
 * rooted NAME ARGS...: the benchmark rooted-NAME (rooted-NAME.c) of one of three allocators.
 *
 * The rooted heap does not need the collector.  BENCH_COLLECTOR in the
 * environment: it was started all the same.
 */
#include "rooted.h"

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(int, char **);
    } benches[] = {{"small", rooted_small},
                   {"sizes", rooted_sizes},
                   {"cross", rooted_cross},
                   {"churn", rooted_churn},
                   {"rss", rooted_rss}};
#if defined BENCH_PEER
    bench_start();
#elif !defined BENCH_MALLOC
    if (getenv("BENCH_COLLECTOR") != NULL)
        bench_start();
#endif
    for (size_t i = 0; i < sizeof benches / sizeof benches[0]; i++)
        if (argc > 1 && strcmp(argv[1], benches[i].name) == 0)
            return benches[i].run(argc - 1, argv + 1);
    return 2;
}
