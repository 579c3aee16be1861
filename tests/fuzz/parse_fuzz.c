/* SPDX-License-Identifier: MIT */
/* The parsers of settings and of kinds' specifications: whatever the text, they
   return, and say why when it is wrong. */
#include "base/options.h"
#include "fuzz.h"
#include "kind/spec.h"
#include <errno.h>
#include <string.h>

const char fuzz_target[] = "parse";

const unsigned fuzz_ways = 1;

enum { LONGEST = 8192 };

void fuzz_prepare(unsigned way)
{
    (void)way;
}

static void check_result(int error)
{
    fuzz_check(error == 0 || (error == EINVAL && *kgc_last_error() != '\0'));
}

static void check_terminated(const char *text, size_t size)
{
    fuzz_check(memchr(text, '\0', size) != NULL);
}

static void parse_settings(const char *text)
{
    struct kgc__settings before = kgc__settings;
    check_result(kgc__options_parse(text));
    check_terminated(kgc__settings.heap, sizeof kgc__settings.heap);
    check_terminated(kgc__settings.report, sizeof kgc__settings.report);
    check_terminated(kgc__settings.fork, sizeof kgc__settings.fork);
    check_terminated(kgc__settings.finalizers, sizeof kgc__settings.finalizers);
    check_terminated(kgc__settings.malloc, sizeof kgc__settings.malloc);
    kgc__settings = before;
}

/* What was understood is understood again, in the same way. */
static void parse_spec(const char *text)
{
    static struct kgc__spec spec, again, members[KGC__TIER_MAX], members_again[KGC__TIER_MAX];
    int error = kgc__spec_parse(text, &spec, members);
    check_result(error);
    if (error != 0)
        return;
    check_terminated(spec.text, sizeof spec.text);
    check_terminated(spec.directory, sizeof spec.directory);
    fuzz_check(spec.members <= KGC__TIER_MAX);
    fuzz_check(kgc__spec_parse(spec.text, &again, members_again) == 0);
    fuzz_check(again.family == spec.family && again.members == spec.members);
    fuzz_check(strcmp(again.text, spec.text) == 0 && strcmp(again.directory, spec.directory) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char text[LONGEST + 1];
    if (size == 0 || size > LONGEST)
        return 0;
    memcpy(text, data + 1, size - 1);
    text[size - 1] = '\0';
    (data[0] % 2 == 0 ? parse_settings : parse_spec)(text);
    return 0;
}
