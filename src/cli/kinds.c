/* SPDX-License-Identifier: MIT */
/* `kindgc kinds`: a table of what this machine has to give. */
#include "base/size.h"
#include "cli/cli.h"
#include <kindgc/init.h>
#include <kindgc/kind.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* What an example tier takes of its first member. */
#define TIER_AMOUNT "512M"
enum { TIER_AMOUNT_MIB = 512 };

/* The number behind a key in a file of "Key: number kB" lines, in bytes; -1: none. */
static double read_meminfo(const char *key)
{
    char line[256];
    double bytes = -1;
    FILE *f = fopen("/proc/meminfo", "re");
    while (f != NULL && bytes < 0 && fgets(line, sizeof line, f) != NULL)
        if (strncmp(line, key, strlen(key)) == 0 && line[strlen(key)] == ':')
            bytes = strtod(line + strlen(key) + 1, NULL) * 1024;
    if (f != NULL)
        fclose(f);
    return bytes;
}

static double read_pool(size_t page, const char *what)
{
    char path[128];
    double number = -1;
    snprintf(path, sizeof path, "/sys/kernel/mm/hugepages/hugepages-%zukB/%s", page / 1024, what);
    FILE *f = fopen(path, "re");
    if (f != NULL && fscanf(f, "%lf", &number) != 1)
        number = -1;
    if (f != NULL)
        fclose(f);
    return number;
}

/* Free pages that nobody has a claim on, and those that may be added on demand. */
static double hugetlb_capacity(size_t page)
{
    double free_pages = read_pool(page, "free_hugepages");
    if (free_pages < 0)
        return -1;
    double more = read_pool(page, "nr_overcommit_hugepages") - read_pool(page, "surplus_hugepages");
    return (free_pages - read_pool(page, "resv_hugepages") + (more > 0 ? more : 0)) * (double)page;
}

static double disk_capacity(const char *directory)
{
    struct statvfs fs;
    return statvfs(directory, &fs) == 0 ? (double)fs.f_bavail * (double)fs.f_frsize : -1;
}

/* A path as it is written in a specification. */
static char *escape(const char *path)
{
    char *text = cli_allocate(2 * strlen(path) + 1), *out = text;
    for (; *path != '\0'; path++) {
        if (strchr("\\,+@", *path) != NULL)
            *out++ = '\\';
        *out++ = *path;
    }
    return text;
}

static size_t page_size(const char *spec)
{
    kgc_kind *kind;
    kgc_kind_info info;
    if (kgc_kind_open(spec, &kind) != 0)
        return 0;
    size_t size = kgc_kind_stats(kind, &info) == 0 ? info.page_size : 0;
    kgc_kind_close(kind);
    return size;
}

/* The reason of a failure; the table names the kind already. */
static const char *reason(const char *spec)
{
    const char *text = kgc_last_error();
    size_t length = strlen(spec);
    if (strncmp(text, spec, length) == 0 && strncmp(text + length, ": ", 2) == 0)
        return text + length + 2;
    const char *colon = strstr(text, ": ");
    size_t family = strcspn(spec, ":");
    return colon != NULL && (size_t)(colon - text) == family && strncmp(text, spec, family) == 0 ? colon + 2
                                                                                                 : text;
}

static void print_row(int width, const char *spec, double capacity, const char *of)
{
    char amount[24], page[24], text[64] = "-";
    bool usable = kgc_kind_check(spec) == 0;
    char *why = cli_format("%s", usable ? "" : reason(spec));
    size_t size = usable ? page_size(spec) : 0;
    if (capacity >= 0)
        snprintf(text, sizeof text, "%s %s", cli_human(capacity, amount), of);
    printf("%-*s %-4s %-5s %-*s%s%s\n", width, spec, usable ? "yes" : "no",
           size != 0 ? kgc__format_size(size, page) : "-", usable ? 0 : 22, text, usable ? "" : " ", why);
    free(why);
}

int cli_kinds(int argc, char **argv)
{
    (void)argv;
    if (argc > 1)
        return cli_fail(CLI_FAILED, "kinds takes no argument");
    const char *set = getenv("TMPDIR"), *directory = set != NULL && *set == '/' ? set : "/var/tmp";
    double memory = read_meminfo("MemAvailable"), disk = disk_capacity(directory);
    char *path = escape(directory), *file = cli_format("file:%s", path);
    char *tier = cli_format("tier:default@" TIER_AMOUNT "+%s", file);
    int width = (int)strlen(tier);
    printf("%-*s %-4s %-5s %s\n", width, "KIND", "HERE", "PAGE", "CAPACITY");
    print_row(width, "default", memory, "of memory");
    print_row(width, "thp", memory, "of memory");
    print_row(width, "hugetlb:2M", hugetlb_capacity(2 * KGC_MIB), "in free pages");
    print_row(width, "hugetlb:1G", hugetlb_capacity(KGC_GIB), "in free pages");
    print_row(width, file, disk, "on disk");
    print_row(width, tier, disk >= 0 ? disk + (double)(TIER_AMOUNT_MIB * KGC_MIB) : -1, "in all");
    free(tier);
    free(file);
    free(path);
    return cli_finish_output();
}
