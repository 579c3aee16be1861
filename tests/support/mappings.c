/* SPDX-License-Identifier: MIT */
/* Mappings: see mappings.h. */
#include "mappings.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct mapping *table;
static size_t count, capacity;

static bool has_flag(const char *line, const char *flag)
{
    return strstr(line, flag) != NULL;
}

static void read_line(const char *line)
{
    size_t start, end;
    char access[8];
    int at = 0;
    if (sscanf(line, "%zx-%zx %7s %*s %*s %*s %n", &start, &end, access, &at) == 3) {
        if (count == capacity) {
            capacity = capacity == 0 ? 256 : capacity * 2;
            table = realloc(table, capacity * sizeof *table);
        }
        struct mapping *m = &table[count++];
        *m = (struct mapping){.start = start, .end = end, .shared = access[3] == 's'};
        snprintf(m->path, sizeof m->path, "%s", line + at);
        m->path[strcspn(m->path, "\n")] = '\0';
    } else if (strncmp(line, "VmFlags:", 8) == 0) {
        table[count - 1].locked = has_flag(line, " lo");
        table[count - 1].huge_advised = has_flag(line, " hg");
        table[count - 1].not_dumped = has_flag(line, " dd");
    }
}

size_t read_mappings(void)
{
    char line[512];
    FILE *f = fopen("/proc/self/smaps", "r");
    count = 0;
    while (f != NULL && fgets(line, sizeof line, f) != NULL)
        read_line(line);
    if (f != NULL)
        fclose(f);
    return count;
}

const struct mapping *mapping_of(const void *p)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (table[middle].end <= (size_t)p)
            low = middle + 1;
        else
            high = middle;
    }
    return low < count && table[low].start <= (size_t)p ? &table[low] : NULL;
}

/* The policy of an address, by the kernel's number; -1: not told. */
static int policy_of(const void *p)
{
    int mode = -1;
    return syscall(SYS_get_mempolicy, &mode, NULL, 0, p, 2 /* MPOL_F_ADDR */) == 0 ? mode : -1;
}

static int node_of(const void *p)
{
    void *page = (void *)((size_t)p & ~(size_t)4095);
    int node = -1;
    return syscall(SYS_move_pages, 0, 1ul, &page, NULL, &node, 0) == 0 ? node : -1;
}

const char *quick_file_kind(void)
{
    return access("/dev/shm", W_OK) == 0 ? "file:/dev/shm" : "file:/var/tmp";
}

bool lies_as(const char *spec, const void *p)
{
    const struct mapping *m = mapping_of(p);
    if (m == NULL)
        return false;
    int policy = policy_of(p);
    if (strncmp(spec, "file:", 5) == 0) {
        size_t length = strcspn(spec + 5, ",");
        return m->shared && strncmp(m->path, spec + 5, length) == 0;
    }
    if (m->path[0] != '\0' || m->shared)
        return false;
    if (strncmp(spec, "numa:bind=0", 11) == 0)
        return policy == 2 && node_of(p) == 0;
    if (strncmp(spec, "numa:preferred=0", 16) == 0)
        return policy == 1 && node_of(p) == 0;
    if (strncmp(spec, "numa:interleave", 15) == 0)
        return policy == 3;
    if (strncmp(spec, "numa:local", 10) == 0)
        return policy == 4;
    if (policy > 0)
        return false;
    if (strncmp(spec, "locked", 6) == 0)
        return m->locked && m->not_dumped;
    if (strncmp(spec, "thp", 3) == 0)
        return m->huge_advised && !m->locked;
    return !m->locked && !m->huge_advised && !m->not_dumped;
}
