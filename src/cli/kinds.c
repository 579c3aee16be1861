/* SPDX-License-Identifier: MIT */
/*
 * `kindgc kinds`: a table of what this machine has to give.  Each row is a
 * specification that is opened and asked what it is; what cannot be opened has
 * its reason in place of an amount.
 */
#include "base/size.h"
#include "cli/cli.h"
#include <kindgc/init.h>
#include <kindgc/kind.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What an example tier takes of its first member. */
#define TIER_AMOUNT "512M"

/* A path as it is written in a specification. */
static char *escape(const char *path)
{
    char *text = cli_allocate(2 * strlen(path) + 1), *out = text;
    for (; *path != '\0'; path++) {
        if (strchr("\\,+@", *path) != NULL)
            *out++ = '\\';
        *out++ = *path;
    }
    *out = '\0';
    return text;
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

/* ---- nodes ---- */

enum { NODE_BITS = sizeof(unsigned long) * CHAR_BIT };

static bool has_node(const kgc_kind_description *of, unsigned node)
{
    return node < KGC_NODES_MAX && (of->nodes[node / NODE_BITS] >> node % NODE_BITS & 1) != 0;
}

/* The first node from `node` on; KGC_NODES_MAX: none. */
static unsigned next_node(const kgc_kind_description *of, unsigned node)
{
    while (node < KGC_NODES_MAX && !has_node(of, node))
        node++;
    return node;
}

/* "0,2-3" */
static void format_nodes(const kgc_kind_description *of, char *text, size_t size)
{
    size_t used = 0;
    text[0] = '\0';
    for (unsigned first = next_node(of, 0), last; first < KGC_NODES_MAX && used < size;
         first = next_node(of, last + 1)) {
        for (last = first; has_node(of, last + 1);)
            last++;
        used += (size_t)snprintf(text + used, size - used, first == last ? "%s%u" : "%s%u-%u",
                                 used != 0 ? "," : "", first, last);
    }
}

/* ---- rows ---- */

/* What the capacity is an amount of. */
static void describe_amount(const kgc_kind_description *d, char *text, size_t size)
{
    char nodes[64];
    bool keeps = d->policy == KGC_POLICY_BIND || d->policy == KGC_POLICY_INTERLEAVE;
    if (d->backing == KGC_BACKING_HUGETLB)
        snprintf(text, size, "in free pages");
    else if (d->backing == KGC_BACKING_FILE)
        snprintf(text, size, "on disk");
    else if (d->backing == KGC_BACKING_MEMBERS)
        snprintf(text, size, "in all");
    else if (d->locked)
        snprintf(text, size, "that may be locked");
    else if (keeps) {
        format_nodes(d, nodes, sizeof nodes);
        snprintf(text, size, "free on node%s %s",
                 next_node(d, next_node(d, 0) + 1) < KGC_NODES_MAX ? "s" : "", nodes);
    } else
        snprintf(text, size, "of memory");
}

static bool describe(const char *spec, kgc_kind_description *out)
{
    kgc_kind *kind;
    if (kgc_kind_open(spec, &kind) != 0)
        return false;
    bool good = kgc_kind_describe(kind, out) == 0;
    kgc_kind_close(kind);
    return good;
}

static void print_row(int width, const char *spec)
{
    kgc_kind_description d;
    char amount[24], page[24], of[96];
    if (!describe(spec, &d)) {
        printf("%-*s no   -     %s\n", width, spec, reason(spec));
        return;
    }
    describe_amount(&d, of, sizeof of);
    printf("%-*s yes  %-5s %s %s\n", width, spec, kgc__format_size(d.page_size, page),
           d.capacity != SIZE_MAX ? cli_human((double)d.capacity, amount) : "-", of);
}

/* Its row for each memory node that this process may use; a row for node 0
   where nodes cannot be had at all. */
static void print_nodes(int width, const kgc_kind_description *all)
{
    unsigned node = next_node(all, 0);
    do {
        char *spec = cli_format("numa:bind=%u", node < KGC_NODES_MAX ? node : 0);
        print_row(width, spec);
        free(spec);
        node = next_node(all, node + 1);
    } while (node < KGC_NODES_MAX);
}

static unsigned last_node(const kgc_kind_description *all)
{
    unsigned last = 0;
    for (unsigned node = next_node(all, 0); node < KGC_NODES_MAX; node = next_node(all, node + 1))
        last = node;
    return last;
}

int cli_kinds(int argc, char **argv)
{
    (void)argv;
    if (argc > 1)
        return cli_fail(CLI_FAILED, "kinds takes no argument");
    const char *set = getenv("TMPDIR"), *directory = set != NULL && *set == '/' ? set : "/var/tmp";
    kgc_kind_description all = {0};
    describe("numa:interleave=all", &all);
    char *path = escape(directory), *file = cli_format("file:%s", path);
    char *tier = cli_format("tier:default@" TIER_AMOUNT "+%s", file);
    char *ratio = cli_format("ratio:default@3+numa:bind=%u@1", last_node(&all));
    int width = (int)(strlen(tier) > strlen(ratio) ? strlen(tier) : strlen(ratio));
    printf("%-*s %-4s %-5s %s\n", width, "KIND", "HERE", "PAGE", "CAPACITY, OR WHY NOT");
    print_row(width, "default");
    print_row(width, "thp");
    print_row(width, "hugetlb:2M");
    print_row(width, "hugetlb:1G");
    print_row(width, "numa:local");
    print_nodes(width, &all);
    print_row(width, "numa:interleave=all");
    print_row(width, "highest-bandwidth");
    print_row(width, "lowest-latency");
    print_row(width, "highest-capacity");
    print_row(width, "locked");
    print_row(width, file);
    print_row(width, tier);
    print_row(width, ratio);
    free(ratio);
    free(tier);
    free(file);
    free(path);
    return cli_finish_output();
}
