/* SPDX-License-Identifier: MIT */
/* Memory nodes: see nodes.h. */
#include "os/nodes.h"
#include "os/os.h"
#include "os/proc.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define FOLDER "/sys/devices/system/node/"

enum { WORDS = KGC__NODES_MAX / KGC__NODE_BITS };

/* The kernel takes one off the number of bits that it is told. */
enum { KERNEL_BITS = KGC__NODES_MAX + 1 };

unsigned kgc__nodes_count(const struct kgc__nodes *nodes)
{
    unsigned count = 0;
    for (unsigned i = 0; i < WORDS; i++)
        count += (unsigned)__builtin_popcountl(nodes->bits[i]);
    return count;
}

struct kgc__nodes kgc__nodes_common(const struct kgc__nodes *a, const struct kgc__nodes *b)
{
    struct kgc__nodes common;
    for (unsigned i = 0; i < WORDS; i++)
        common.bits[i] = a->bits[i] & b->bits[i];
    return common;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool parse_number(const char **text, unsigned *out)
{
    const char *p = *text;
    unsigned n = 0;
    if (!is_digit(*p))
        return false;
    for (; is_digit(*p); p++) {
        n = n * 10 + (unsigned)(*p - '0');
        if (n >= KGC__NODES_MAX)
            return false;
    }
    *text = p;
    *out = n;
    return true;
}

bool kgc__nodes_parse(const char **text, struct kgc__nodes *out)
{
    for (;;) {
        unsigned first, last;
        if (!parse_number(text, &first))
            return false;
        last = first;
        if (**text == '-') {
            const char *p = *text + 1;
            if (!parse_number(&p, &last) || last < first) {
                ++*text;
                return false;
            }
            *text = p;
        }
        for (unsigned node = first; node <= last; node++)
            kgc__nodes_add(out, node);
        if (**text != ',' || !is_digit((*text)[1]))
            return true;
        ++*text;
    }
}

const char *kgc__nodes_format(const struct kgc__nodes *nodes, char text[KGC__NODES_TEXT])
{
    size_t n = 0;
    strcpy(text, "none");
    for (unsigned first = 0; first < KGC__NODES_MAX; first++) {
        if (!kgc__nodes_has(nodes, first))
            continue;
        unsigned last = first;
        while (kgc__nodes_has(nodes, last + 1))
            last++;
        if (n > KGC__NODES_TEXT - sizeof ",1000-1001,...") {
            strcpy(text + n, ",...");
            break;
        }
        const char *comma = n != 0 ? "," : "";
        if (first == last)
            n += (size_t)snprintf(text + n, KGC__NODES_TEXT - n, "%s%u", comma, first);
        else
            n += (size_t)snprintf(text + n, KGC__NODES_TEXT - n, "%s%u-%u", comma, first, last);
        first = last;
    }
    return text;
}

static void read_set(const char *path, struct kgc__nodes *out)
{
    char text[4096];
    const char *p = text;
    memset(out, 0, sizeof *out);
    if (!kgc__proc_read(path, text, sizeof text) || !kgc__nodes_parse(&p, out)) {
        memset(out, 0, sizeof *out);
        kgc__nodes_add(out, 0);
    }
}

void kgc__node_sets_read(struct kgc__node_sets *out)
{
    enum { MEMS_ALLOWED = 1 << 2 };
    read_set(FOLDER "possible", &out->possible);
    read_set(FOLDER "online", &out->online);
    read_set(FOLDER "has_memory", &out->memory);
    memset(&out->allowed, 0, sizeof out->allowed);
    if (kgc__os.get_mempolicy(NULL, out->allowed.bits, KERNEL_BITS, NULL, MEMS_ALLOWED) != 0)
        out->allowed = out->memory; /* a kernel without nodes, or a container that forbids to ask */
}

const char *kgc__node_obstacle(const struct kgc__node_sets *sets, unsigned node)
{
    if (kgc__nodes_has(&sets->allowed, node))
        return NULL;
    return !kgc__nodes_has(&sets->possible, node) ? "does not exist"
           : !kgc__nodes_has(&sets->online, node) ? "is offline"
           : !kgc__nodes_has(&sets->memory, node) ? "has no memory"
                                                  : "is forbidden to this process";
}

size_t kgc__node_free(unsigned node)
{
    char path[64];
    snprintf(path, sizeof path, FOLDER "node%u/meminfo", node);
    size_t bytes = kgc__proc_kilobytes(path, "MemFree");
    return bytes != SIZE_MAX ? bytes : 0;
}

int kgc__os_place(void *p, size_t size, enum kgc__placement placement, const struct kgc__nodes *nodes)
{
    bool named = placement != KGC__PLACE_LOCAL;
    long failed = kgc__os.mbind(p, size, placement, named ? nodes->bits : NULL, named ? KERNEL_BITS : 0, 0);
    return failed == 0 ? 0 : errno;
}

size_t kgc__os_elsewhere(void *p, size_t size, const struct kgc__nodes *nodes)
{
    enum { BATCH = 512 };
    void *pages[BATCH];
    int where[BATCH];
    size_t page = kgc__page_size(), bytes = 0;
    for (char *at = p, *end = at + size; at < end;) {
        unsigned long n = 0;
        for (; n < BATCH && at < end; at += page)
            pages[n++] = at;
        if (kgc__os.move_pages(0, n, pages, NULL, where, 0) != 0)
            return 0;
        for (unsigned long i = 0; i < n; i++) /* below 0: not in memory */
            bytes += where[i] >= 0 && !kgc__nodes_has(nodes, (unsigned)where[i]) ? page : 0;
    }
    return bytes;
}
