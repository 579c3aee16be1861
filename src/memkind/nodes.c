/* SPDX-License-Identifier: MIT */
/*
 * Which memory nodes the static kinds mean, from the environment and from the
 * system's tables in /sys.  No locks; allocates only through opendir(3).
 */
#include "memkind/kind.h"
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NODES "/sys/devices/system/node"
enum { BITS = 8 * sizeof(unsigned long) };

struct nodes {
    unsigned long bits[MEMKIND__NODE_WORDS];
};

static bool has(const struct nodes *nodes, unsigned node)
{
    return node < KGC_NODES_MAX && (nodes->bits[node / BITS] >> node % BITS & 1) != 0;
}

static bool is_empty(const struct nodes *nodes)
{
    for (unsigned i = 0; i < MEMKIND__NODE_WORDS; i++)
        if (nodes->bits[i] != 0)
            return false;
    return true;
}

static void intersect(struct nodes *nodes, const struct nodes *other)
{
    for (unsigned i = 0; i < MEMKIND__NODE_WORDS; i++)
        nodes->bits[i] &= other->bits[i];
}

bool memkind__read(const char *path, char *text, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    size_t n = 0;
    ssize_t got = 1;
    while (got > 0 && n < size - 1) {
        got = read(fd, text + n, size - 1 - n);
        n += got > 0 ? (size_t)got : 0;
    }
    close(fd);
    text[n] = '\0';
    return got >= 0;
}

/* A decimal number at *at; false when there is none, or none of a node. */
static bool parse_node(const char **at, unsigned *node)
{
    unsigned value = 0;
    const char *start = *at;
    for (; **at >= '0' && **at <= '9' && value < KGC_NODES_MAX; (*at)++)
        value = value * 10 + (unsigned)(**at - '0');
    *node = value;
    return *at != start && value < KGC_NODES_MAX;
}

bool memkind__nodes_parse(const char *list, unsigned long *bits)
{
    memset(bits, 0, sizeof(struct nodes));
    for (const char *at = list;; at++) {
        unsigned low, high;
        if (!parse_node(&at, &low))
            return false;
        high = low;
        if (*at == '-') {
            at++;
            if (!parse_node(&at, &high) || high < low)
                return false;
        }
        for (; low <= high; low++)
            bits[low / BITS] |= 1ul << low % BITS;
        if (*at == '\0' || *at == '\n')
            return true;
        if (*at != ',')
            return false;
    }
}

bool memkind__nodes_format(const unsigned long *bits, char *list, size_t size)
{
    const struct nodes *nodes = (const struct nodes *)bits;
    size_t n = 0;
    for (unsigned node = 0; node < KGC_NODES_MAX; node++) {
        if (!has(nodes, node))
            continue;
        unsigned last = node;
        while (has(nodes, last + 1))
            last++;
        n += (size_t)snprintf(list + n, size - n, last > node ? "%s%u-%u" : "%s%u", n > 0 ? "," : "", node,
                              last);
        if (n >= size)
            return false;
        node = last;
    }
    return n > 0;
}

static bool read_nodes(const char *path, struct nodes *out)
{
    char text[MEMKIND__LIST_MAX];
    return memkind__read(path, text, sizeof text) && memkind__nodes_parse(text, out->bits);
}

/* The nodes with memory that this process may use: cgroups and taskset leave some out. */
static bool usable_nodes(struct nodes *out)
{
    static const char key[] = "\nMems_allowed_list:";
    char text[8192];
    struct nodes allowed;
    if (!read_nodes(NODES "/has_memory", out))
        return false;
    if (!memkind__read("/proc/self/status", text, sizeof text))
        return true;
    char *line = strstr(text, key);
    if (line == NULL)
        return true;
    line += sizeof key - 1;
    line += strspn(line, " \t");
    if (memkind__nodes_parse(line, allowed.bits))
        intersect(out, &allowed);
    return true;
}

bool memkind__nodes_regular(char *list, size_t size)
{
    struct nodes nodes, with_cpus;
    if (!usable_nodes(&nodes) || !read_nodes(NODES "/has_cpu", &with_cpus))
        return false;
    intersect(&nodes, &with_cpus);
    return memkind__nodes_format(nodes.bits, list, size);
}

/* The nodes that a variable names: all of them must be there. */
static int named_nodes(const char *variable, const char *value, char *list, size_t size)
{
    struct nodes wanted, there;
    bool all = strcmp(value, "all") == 0;
    if (!usable_nodes(&there))
        return MEMKIND_ERROR_UNAVAILABLE;
    if (all)
        wanted = there;
    else if (!memkind__nodes_parse(value, wanted.bits)) {
        memkind__debug(variable, "not a list of memory nodes such as 0,2-3");
        return MEMKIND_ERROR_ENVIRON;
    }
    intersect(&there, &wanted);
    if (memcmp(&there, &wanted, sizeof there) != 0) {
        memkind__debug(variable, "names memory nodes that do not exist or have no memory");
        return MEMKIND_ERROR_ENVIRON;
    }
    return memkind__nodes_format(wanted.bits, list, size) ? MEMKIND_SUCCESS : MEMKIND_ERROR_ENVIRON;
}

/* MEMKIND_HBW_THRESHOLD is looked at and has no effect: which memory is fast
   is decided by comparing, not by an absolute bandwidth. */
static bool threshold_is_sensible(void)
{
    const char *value = secure_getenv("MEMKIND_HBW_THRESHOLD");
    char *end;
    if (value == NULL)
        return true;
    errno = 0;
    long long threshold = strtoll(value, &end, 10);
    if (end != value && *end == '\0' && errno == 0 && threshold >= 0)
        return true;
    memkind__debug("MEMKIND_HBW_THRESHOLD", "not a number from 0");
    return false;
}

int memkind__nodes_hbw(char *list, size_t size)
{
    const char *value = secure_getenv("MEMKIND_HBW_NODES");
    if (value != NULL)
        return named_nodes("MEMKIND_HBW_NODES", value, list, size);
    if (!threshold_is_sensible())
        return MEMKIND_ERROR_ENVIRON;
    kgc_kind *fastest;
    kgc_kind_description description;
    struct nodes there, nodes;
    if (!usable_nodes(&there) || kgc_kind_open("highest-bandwidth", &fastest) != 0)
        return MEMKIND_ERROR_MEMTYPE_NOT_AVAILABLE;
    int error = kgc_kind_describe(fastest, &description);
    kgc_kind_close(fastest);
    if (error != 0)
        return MEMKIND_ERROR_MEMTYPE_NOT_AVAILABLE;
    /* Fastest of one sort is not high bandwidth. */
    memcpy(nodes.bits, description.nodes, sizeof nodes.bits);
    intersect(&nodes, &there);
    if (is_empty(&nodes) || memcmp(&nodes, &there, sizeof there) == 0)
        return MEMKIND_ERROR_MEMTYPE_NOT_AVAILABLE;
    return memkind__nodes_format(nodes.bits, list, size) ? MEMKIND_SUCCESS
                                                         : MEMKIND_ERROR_MEMTYPE_NOT_AVAILABLE;
}

/* Adds the node of a memory device that is in use as system memory. */
static void add_device(const char *device, struct nodes *nodes)
{
    char path[PATH_MAX], driver[PATH_MAX], text[32];
    snprintf(path, sizeof path, "/sys/bus/dax/devices/%s/driver", device);
    ssize_t n = readlink(path, driver, sizeof driver - 1);
    if (n <= 0)
        return;
    driver[n] = '\0';
    const char *name = strrchr(driver, '/');
    if (name == NULL || strcmp(name, "/kmem") != 0)
        return;
    snprintf(path, sizeof path, "/sys/bus/dax/devices/%s/target_node", device);
    const char *at = text;
    unsigned node;
    if (memkind__read(path, text, sizeof text) && parse_node(&at, &node))
        nodes->bits[node / BITS] |= 1ul << node % BITS;
}

int memkind__nodes_kmem(char *list, size_t size)
{
    const char *value = secure_getenv("MEMKIND_DAX_KMEM_NODES");
    if (value != NULL)
        return named_nodes("MEMKIND_DAX_KMEM_NODES", value, list, size);
    struct nodes nodes = {{0}}, there;
    DIR *devices = opendir("/sys/bus/dax/devices");
    if (devices == NULL)
        return MEMKIND_ERROR_UNAVAILABLE;
    for (struct dirent *entry; (entry = readdir(devices)) != NULL;)
        if (entry->d_name[0] != '.')
            add_device(entry->d_name, &nodes);
    closedir(devices);
    if (!usable_nodes(&there))
        return MEMKIND_ERROR_UNAVAILABLE;
    intersect(&nodes, &there);
    return memkind__nodes_format(nodes.bits, list, size) ? MEMKIND_SUCCESS : MEMKIND_ERROR_UNAVAILABLE;
}

/* The figure behind a key in a node's table of kilobytes; -1 when unknown. */
static ssize_t node_bytes(unsigned node)
{
    char path[64], text[4096];
    unsigned long long kilobytes;
    snprintf(path, sizeof path, NODES "/node%u/meminfo", node);
    if (!memkind__read(path, text, sizeof text))
        return -1;
    const char *line = strstr(text, "MemTotal:");
    return line != NULL && sscanf(line, "MemTotal: %llu", &kilobytes) == 1 ? (ssize_t)(kilobytes * 1024) : -1;
}

ssize_t memkind__nodes_bytes(const char *list)
{
    struct nodes nodes;
    ssize_t sum = 0;
    if (list != NULL ? !memkind__nodes_parse(list, nodes.bits) : !usable_nodes(&nodes))
        return -1;
    for (unsigned node = 0; node < KGC_NODES_MAX; node++) {
        if (!has(&nodes, node))
            continue;
        ssize_t bytes = node_bytes(node);
        if (bytes < 0)
            return -1;
        sum += bytes;
    }
    return sum;
}
