/* SPDX-License-Identifier: MIT */
/*
 * Runs a fuzz target without a fuzzer: on the files and folders that are named,
 * or else on its part of the corpus in the source tree and on pseudo-random
 * inputs, the same ones each time.
 *
 * KINDGC_FUZZ_RANDOM in the environment: how many of those.  KINDGC_FUZZ_SEED:
 * other ones.  KINDGC_FUZZ_WAY: in one way only.
 */
#include "fuzz.h"
#include <dirent.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LARGEST = 4096, RANDOM_INPUTS = 40 };

static unsigned replayed;
static uint8_t data[LARGEST];
static size_t data_size;
static char data_name[4096];

/* Says which input it was, and keeps a random one; then abort() ends the process. */
static void blame(int signal)
{
    (void)signal;
    int fd = dup(2);
    dprintf(fd, "%s: failed on %s\n", fuzz_target, data_name);
    FILE *kept = strchr(data_name, '/') == NULL ? fopen("crash-input", "wb") : NULL;
    if (kept != NULL) {
        fwrite(data, 1, data_size, kept);
        fclose(kept);
        dprintf(fd, "%s: that is in ./crash-input now\n", fuzz_target);
    }
}

static void replay_file(const char *path)
{
    FILE *file = fopen(path, "rbe");
    if (file == NULL) {
        perror(path);
        exit(1);
    }
    data_size = fread(data, 1, sizeof data, file);
    fclose(file);
    snprintf(data_name, sizeof data_name, "%s", path);
    replayed++;
    LLVMFuzzerTestOneInput(data, data_size);
}

static void replay(const char *path)
{
    struct stat s;
    if (stat(path, &s) == 0 && !S_ISDIR(s.st_mode)) {
        replay_file(path);
        return;
    }
    struct dirent **names;
    int n = scandir(path, &names, NULL, alphasort);
    if (n < 0) {
        perror(path);
        exit(1);
    }
    for (int i = 0; i < n; i++) {
        char file[4096];
        snprintf(file, sizeof file, "%s/%s", path, names[i]->d_name);
        if (names[i]->d_name[0] != '.')
            replay_file(file);
        free(names[i]);
    }
    free(names);
}

static unsigned long number(const char *variable, unsigned long otherwise)
{
    const char *text = getenv(variable);
    return text != NULL ? strtoul(text, NULL, 10) : otherwise;
}

static void replay_random(unsigned long count, uint64_t state)
{
    for (unsigned long i = 0; i < count; i++) {
        data_size = (size_t)(16 << i % 8);
        for (size_t j = 0; j < data_size; j++) {
            state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
            data[j] = (uint8_t)(state >> 56);
        }
        snprintf(data_name, sizeof data_name, "random input %lu", i);
        LLVMFuzzerTestOneInput(data, data_size);
    }
}

/* All in one way. */
static void run(unsigned way, int argc, char **argv)
{
    char corpus[4096], text[16];
    const char *source = getenv("srcdir");
    snprintf(text, sizeof text, "%u", way);
    setenv("KINDGC_FUZZ_WAY", text, 1);
    for (int i = 1; i < argc; i++)
        replay(argv[i]);
    if (argc > 1) {
        printf("%s, way %u: %u inputs\n", fuzz_target, way, replayed);
        return;
    }
    snprintf(corpus, sizeof corpus, "%s/tests/fuzz/corpus/%s", source != NULL ? source : ".", fuzz_target);
    replay(corpus);
    unsigned long random_inputs = number("KINDGC_FUZZ_RANDOM", RANDOM_INPUTS);
    replay_random(random_inputs, number("KINDGC_FUZZ_SEED", 1) + way);
    printf("%s, way %u: %u inputs of the corpus, %lu random ones\n", fuzz_target, way, replayed,
           random_inputs);
}

int main(int argc, char **argv)
{
    int failed = 0;
    signal(SIGABRT, blame);
    const char *only = getenv("KINDGC_FUZZ_WAY");
    for (unsigned way = 0; way < fuzz_ways; way++) {
        if (only != NULL && number("KINDGC_FUZZ_WAY", 0) != way)
            continue;
        int status = 0;
        pid_t child = fuzz_ways == 1 ? 0 : fork();
        if (child == 0) {
            run(way, argc, argv);
            return 0;
        }
        waitpid(child, &status, 0);
        failed |= status != 0;
    }
    return failed;
}
