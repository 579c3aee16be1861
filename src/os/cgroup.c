/* SPDX-License-Identifier: MIT */
/*
 * Finding the control groups of this process.
 *
 * /proc/self/cgroup names the group of each hierarchy, from the root that the
 * process's cgroup namespace shows it; /proc/self/mountinfo says where each
 * hierarchy is mounted, and which group is at the top of that mount.  In a
 * container either may begin in the middle of the hierarchy.
 */
#include "os/cgroup.h"
#include "os/proc.h"
#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Is word one of those in list, which commas separate? */
static bool is_in(const char *list, const char *word)
{
    size_t length = strlen(word);
    for (const char *p = list; *p != '\0'; p += *p == ',') {
        size_t n = strcspn(p, ",");
        if (n == length && memcmp(p, word, n) == 0)
            return true;
        p += n;
    }
    return false;
}

/* What is looked for in one of the two files, and what was found. */
struct search {
    const char *controller;
    unsigned version;
    char *text; /* KGC__CGROUP_PATH bytes: the group; then the directory */
    const char *prefix;
    size_t top;
    bool found;
};

static bool copy(char *to, const char *from, size_t length)
{
    if (length >= KGC__CGROUP_PATH)
        return false;
    memcpy(to, from, length);
    to[length] = '\0';
    return true;
}

/* "4:memory:/group", or "0::/group" for version 2. */
static bool take_group(char *line, void *arg)
{
    struct search *s = arg;
    char *controllers = strchr(line, ':');
    char *group = controllers != NULL ? strchr(controllers + 1, ':') : NULL;
    if (group == NULL)
        return true;
    *group++ = '\0';
    controllers++;
    bool wanted = s->version == 1 ? is_in(controllers, s->controller) : *controllers == '\0';
    if (wanted)
        s->found = copy(s->text, group, strlen(group));
    return !wanted;
}

/* The path of the group below the top of the mount; "": the top itself, also
   when the group lies elsewhere ("/.." is above the root of the namespace). */
static const char *below(const char *group, const char *root)
{
    size_t n = strcmp(root, "/") == 0 ? 0 : strlen(root);
    if (strncmp(group, root, n) != 0 || (group[n] != '/' && group[n] != '\0') ||
        strncmp(group, "/..", 3) == 0)
        return "";
    return strcmp(group + n, "/") == 0 ? "" : group + n;
}

/* "36 31 0:33 ROOT MOUNT_POINT options - cgroup source rw,memory", or cgroup2. */
static bool take_mount(char *line, void *arg)
{
    struct search *s = arg;
    char *field[5], *rest = strstr(line, " - "), *state;
    if (rest == NULL)
        return true;
    *rest = '\0';
    field[0] = strtok_r(line, " ", &state);
    for (int i = 1; i < 5; i++)
        field[i] = strtok_r(NULL, " ", &state);
    char *type = strtok_r(rest + 3, " ", &state);
    strtok_r(NULL, " ", &state);
    char *options = strtok_r(NULL, " ", &state);
    if (field[4] == NULL || options == NULL || strcmp(type, s->version == 1 ? "cgroup" : "cgroup2") != 0 ||
        (s->version == 1 && !is_in(options, s->controller)))
        return true;
    char group[KGC__CGROUP_PATH];
    memcpy(group, s->text, sizeof group);
    const char *mount = strcmp(field[4], "/") == 0 ? "" : field[4];
    int n = snprintf(s->text, KGC__CGROUP_PATH, "%s%s%s", s->prefix, mount, below(group, field[3]));
    s->top = strlen(s->prefix) + strlen(mount);
    s->found = n < KGC__CGROUP_PATH;
    return false;
}

static bool look_in(const char *prefix, const char *file, bool (*fn)(char *, void *), struct search *s)
{
    char path[KGC__CGROUP_PATH];
    s->found = false;
    if (snprintf(path, sizeof path, "%s%s", prefix, file) < (int)sizeof path)
        kgc__proc_visit_lines(path, fn, s);
    return s->found;
}

static void find(struct kgc__cgroup_place *place, const char *controller, const char *prefix)
{
    for (unsigned version = 1; version <= 2; version++) {
        struct search s = {
            .controller = controller, .version = version, .text = place->path, .prefix = prefix};
        if (look_in(prefix, "/proc/self/cgroup", take_group, &s) &&
            look_in(prefix, "/proc/self/mountinfo", take_mount, &s)) {
            place->version = version;
            place->top = s.top;
            return;
        }
    }
    *place = (struct kgc__cgroup_place){0};
}

void kgc__cgroup_find(struct kgc__cgroup *group, const char *prefix)
{
    find(&group->memory, "memory", prefix);
    find(&group->cpu, "cpu", prefix);
}

const char *kgc__cgroup_root = "";
static struct kgc__cgroup own;

static void find_own(void)
{
    kgc__cgroup_find(&own, kgc__cgroup_root);
}

const struct kgc__cgroup *kgc__cgroup(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, find_own);
    return &own;
}

/* The text of a group's file; false when it has none, as the root has not. */
static bool read_file(const char *directory, size_t length, const char *file, char *text, size_t size)
{
    char path[KGC__CGROUP_PATH + 32];
    return snprintf(path, sizeof path, "%.*s/%s", (int)length, directory, file) < (int)sizeof path &&
           kgc__proc_read(path, text, size);
}

/* Calls fn for the group's directory and those above it, up to the mount point. */
static void climb(const struct kgc__cgroup_place *place,
                  void (*fn)(const struct kgc__cgroup_place *, size_t length, void *), void *arg)
{
    if (place->version == 0)
        return;
    size_t length = strlen(place->path);
    for (;;) {
        fn(place, length, arg);
        if (length <= place->top)
            return;
        while (length > place->top && place->path[length - 1] != '/')
            length--;
        if (length > place->top)
            length--; /* the slash */
    }
}

static void take_least(const struct kgc__cgroup_place *place, size_t length, const char *file, size_t *least)
{
    char text[32], *end;
    if (!read_file(place->path, length, file, text, sizeof text))
        return;
    size_t bytes = strtoul(text, &end, 10);
    /* "max" is no number; version 1 says "none" with a number near 2^63. */
    if (end != text && bytes < (size_t)1 << 62 && bytes < *least)
        *least = bytes;
}

static void memory_of(const struct kgc__cgroup_place *place, size_t length, void *least)
{
    if (place->version == 1) {
        take_least(place, length, "memory.limit_in_bytes", least);
    } else {
        take_least(place, length, "memory.max", least);
        take_least(place, length, "memory.high", least);
    }
}

size_t kgc__cgroup_memory(const struct kgc__cgroup *group)
{
    size_t least = SIZE_MAX;
    climb(&group->memory, memory_of, &least);
    return least;
}

static void cpus_of(const struct kgc__cgroup_place *place, size_t length, void *arg)
{
    unsigned *least = arg;
    char text[64], period[32], *end;
    long quota, every;
    if (place->version == 2) {
        if (!read_file(place->path, length, "cpu.max", text,
                       sizeof text)) /* "QUOTA PERIOD" or "max PERIOD" */
            return;
        quota = strtol(text, &end, 10);
        every = strtol(end, NULL, 10);
    } else {
        if (!read_file(place->path, length, "cpu.cfs_quota_us", text, sizeof text) ||
            !read_file(place->path, length, "cpu.cfs_period_us", period, sizeof period))
            return;
        quota = strtol(text, &end, 10); /* -1: none */
        every = strtol(period, NULL, 10);
    }
    if (end == text || quota <= 0 || every <= 0)
        return;
    long cpus = (quota - 1) / every + 1;
    if (cpus < (long)*least)
        *least = (unsigned)cpus;
}

unsigned kgc__cgroup_cpus(const struct kgc__cgroup *group)
{
    unsigned least = UINT_MAX;
    climb(&group->cpu, cpus_of, &least);
    return least;
}
