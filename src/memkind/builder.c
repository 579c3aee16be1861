/* SPDX-License-Identifier: MIT */
/*
 * Building tiers: what may be combined, the settings of dynamic thresholds and
 * their defaults, which are those of libmemtier(3).
 */
#include "memkind/memtier.h"
#include <stdlib.h>
#include <string.h>

/* 1024 between the first two tiers, 1024 more between each two further ones. */
enum { FIRST_LEAST = 513, FIRST_VALUE = 1024, FIRST_MOST = 1536, STRIDE = 1024 };
static const struct memkind__tuning default_tuning = {.interval = 20, .trigger = 0.02f, .degree = 0.15f};

struct memtier_builder {
    memtier_policy_t policy;
    unsigned tiers;
    struct memkind__tier *tier;
    struct {
        size_t value, least, most;
    } * threshold; /* with dynamic thresholds: tiers - 1 */
    struct memkind__tuning tuning;
};

struct memtier_builder *memtier_builder_new(memtier_policy_t policy)
{
    if ((unsigned)policy >= MEMTIER_POLICY_MAX_VALUE)
        return NULL;
    struct memtier_builder *builder = calloc(1, sizeof *builder);
    if (builder != NULL) {
        builder->policy = policy;
        builder->tuning = default_tuning;
    }
    return builder;
}

void memtier_builder_delete(struct memtier_builder *builder)
{
    if (builder == NULL)
        return;
    free(builder->tier);
    free(builder->threshold);
    free(builder);
}

int memtier_builder_add_tier(struct memtier_builder *builder, memkind_t kind, unsigned kind_ratio)
{
    if (builder == NULL || kind == NULL || kind_ratio == 0)
        return -1;
    unsigned n = builder->tiers;
    for (unsigned i = 0; i < n; i++)
        if (builder->tier[i].kind == kind)
            return -1;
    void *tier = realloc(builder->tier, (n + 1) * sizeof *builder->tier);
    if (tier == NULL)
        return -1;
    builder->tier = tier;
    if (n > 0) {
        void *threshold = realloc(builder->threshold, n * sizeof *builder->threshold);
        if (threshold == NULL)
            return -1;
        builder->threshold = threshold;
        builder->threshold[n - 1].value = FIRST_VALUE + (n - 1) * (size_t)STRIDE;
        builder->threshold[n - 1].least = FIRST_LEAST + (n - 1) * (size_t)STRIDE;
        builder->threshold[n - 1].most = FIRST_MOST + (n - 1) * (size_t)STRIDE;
    }
    builder->tier[n] = (struct memkind__tier){.kind = kind, .weight = kind_ratio};
    builder->tiers = n + 1;
    return 0;
}

/*
 * A value is text, as the manual says, or the number itself, as memkind takes
 * it.  Characters of a number up to a zero byte are text; a number whose own
 * bytes look so (48 to 57 are one digit and zeros) is the price of taking both.
 * Reads no further than the first byte that is no such character: val may
 * point at a number of four bytes.
 */
static bool is_text(const char *val, const char *characters)
{
    size_t n = 0;
    while (val[n] != '\0' && strchr(characters, val[n]) != NULL)
        n++;
    return n > 0 && val[n] == '\0';
}

static size_t whole_number(const void *val, size_t width)
{
    size_t number = 0;
    if (is_text(val, "0123456789"))
        return strtoull(val, NULL, 10);
    memcpy(&number, val, width); /* little-endian */
    return number;
}

static float fraction(const void *val)
{
    float number;
    if (is_text(val, "0123456789.eE+-"))
        return strtof(val, NULL);
    memcpy(&number, val, sizeof number);
    return number;
}

static int set_threshold(struct memtier_builder *builder, const char *name, const void *val)
{
    char *end;
    if (*name < '0' || *name > '9')
        return -1;
    unsigned long i = strtoul(name, &end, 10);
    if (builder->tiers == 0 || i >= builder->tiers - 1)
        return -1;
    if (strcmp(end, "].val") == 0)
        builder->threshold[i].value = whole_number(val, sizeof(size_t));
    else if (strcmp(end, "].min") == 0)
        builder->threshold[i].least = whole_number(val, sizeof(size_t));
    else if (strcmp(end, "].max") == 0)
        builder->threshold[i].most = whole_number(val, sizeof(size_t));
    else
        return -1;
    return 0;
}

int memtier_ctl_set(struct memtier_builder *builder, const char *name, const void *val)
{
    static const char prefix[] = "policy.dynamic_threshold.", thresholds[] = "thresholds[";
    if (builder == NULL || name == NULL || val == NULL ||
        builder->policy != MEMTIER_POLICY_DYNAMIC_THRESHOLD || strncmp(name, prefix, sizeof prefix - 1) != 0)
        return -1;
    name += sizeof prefix - 1;
    if (strncmp(name, thresholds, sizeof thresholds - 1) == 0)
        return set_threshold(builder, name + sizeof thresholds - 1, val);
    if (strcmp(name, "check_cnt") == 0)
        builder->tuning.interval = (unsigned)whole_number(val, sizeof(unsigned));
    else if (strcmp(name, "trigger") == 0)
        builder->tuning.trigger = fraction(val);
    else if (strcmp(name, "degree") == 0)
        builder->tuning.degree = fraction(val);
    else
        return -1;
    return 0;
}

static bool is_sound(const struct memtier_builder *builder)
{
    if (builder->tiers == 0)
        return false;
    if (builder->policy == MEMTIER_POLICY_STATIC_RATIO)
        return true;
    if (builder->tiers < 2 || !(builder->tuning.trigger >= 0) || !(builder->tuning.degree >= 0))
        return false;
    for (unsigned i = 0; i < builder->tiers - 1; i++) {
        if (builder->threshold[i].value < builder->threshold[i].least ||
            builder->threshold[i].value > builder->threshold[i].most)
            return false;
        if (i > 0 && builder->threshold[i - 1].most > builder->threshold[i].least)
            return false;
    }
    return true;
}

struct memtier_memory *memtier_builder_construct_memtier_memory(struct memtier_builder *builder)
{
    if (builder == NULL || !is_sound(builder))
        return NULL;
    struct memtier_memory *memory = aligned_alloc(_Alignof(struct memtier_memory), sizeof *memory);
    struct memkind__tier *tier = malloc(builder->tiers * sizeof *tier);
    struct memkind__threshold *threshold = calloc(builder->tiers, sizeof *threshold);
    if (memory == NULL || tier == NULL || threshold == NULL) {
        free(memory);
        free(tier);
        free(threshold);
        return NULL;
    }
    memset(memory, 0, sizeof *memory);
    memcpy(tier, builder->tier, builder->tiers * sizeof *tier);
    if (builder->policy == MEMTIER_POLICY_DYNAMIC_THRESHOLD)
        for (unsigned i = 0; i < builder->tiers - 1; i++) {
            atomic_init(&threshold[i].value, builder->threshold[i].value);
            threshold[i].least = builder->threshold[i].least;
            threshold[i].most = builder->threshold[i].most;
        }
    memory->policy = builder->policy;
    memory->tiers = builder->tiers;
    memory->tier = tier;
    memory->threshold = threshold;
    memory->tuning = builder->tuning;
    return memory;
}

void memtier_delete_memtier_memory(struct memtier_memory *memory)
{
    if (memory == NULL)
        return;
    free(memory->tier);
    free(memory->threshold);
    free(memory);
}
