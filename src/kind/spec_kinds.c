/* SPDX-License-Identifier: MIT */
/*
 * The grammar of single kinds: see spec.c for the rest.
 *
 *   kind  = "default" | "thp" | "locked" | "hugetlb" [":" ("2M" | "1G")]
 *         | "numa:" ("bind" | "preferred" | "interleave") "=" nodes | "numa:local"
 *         | ("highest-bandwidth" | "lowest-latency" | "highest-capacity") [":" how]
 *         | "file:" path
 *   nodes = "all" | node ["-" node] {"," node ["-" node]}
 *   how   = "local" | "preferred" | "local,preferred"
 *
 * In a path, '\' makes the next character ordinary; ',' ends it, and inside a
 * tier or a ratio '+' and '@' too.
 */
#include "base/message.h"
#include "kind/spec.h"
#include <errno.h>
#include <string.h>

static int parse_path(struct kgc__parser *p, bool member, struct kgc__spec *out)
{
    const char *ends = member ? ",+@" : ",";
    size_t n = 0;
    if (*p->at != '/')
        return kgc__parse_wrong(p, "an absolute directory is needed, as in file:/var/tmp");
    while (*p->at != '\0' && strchr(ends, *p->at) == NULL) {
        if (*p->at == '\\' && p->at[1] != '\0')
            p->at++;
        out->directory[n++] = *p->at++;
    }
    out->directory[n] = '\0';
    return 0;
}

static int parse_hugetlb(struct kgc__parser *p, struct kgc__spec *out)
{
    out->shift = 21;
    if (!kgc__parse_accept(p, ":"))
        return 0;
    if (kgc__parse_accept(p, "1G"))
        out->shift = 30;
    else if (!kgc__parse_accept(p, "2M"))
        return kgc__parse_wrong(p, "the size of huge pages is 2M or 1G");
    return 0;
}

static int parse_numa(struct kgc__parser *p, struct kgc__spec *out)
{
    if (kgc__parse_accept(p, "local")) {
        out->policy = KGC_POLICY_LOCAL;
        return 0;
    }
    if (kgc__parse_accept(p, "bind="))
        out->policy = KGC_POLICY_BIND;
    else if (kgc__parse_accept(p, "preferred="))
        out->policy = KGC_POLICY_PREFERRED;
    else if (kgc__parse_accept(p, "interleave="))
        out->policy = KGC_POLICY_INTERLEAVE;
    else
        return kgc__parse_wrong(p, "policies are bind=NODES, preferred=NODES, interleave=NODES and local");
    out->all_nodes = kgc__parse_accept(p, "all");
    if (!out->all_nodes && !kgc__nodes_parse(&p->at, &out->nodes))
        return kgc__parse_wrong(p, KGC__NODES_SYNTAX "; a node is 0 to 1023");
    return 0;
}

static int parse_best(struct kgc__parser *p, enum kgc__attribute attribute, struct kgc__spec *out)
{
    out->family = KGC__BEST;
    out->attribute = attribute;
    out->policy = KGC_POLICY_BIND;
    if (!kgc__parse_accept(p, ":"))
        return 0;
    out->local = kgc__parse_accept(p, "local");
    if (out->local ? kgc__parse_accept(p, ",preferred") : kgc__parse_accept(p, "preferred"))
        out->policy = KGC_POLICY_PREFERRED;
    else if (!out->local)
        return kgc__parse_wrong(p, "expected local, preferred or local,preferred");
    return 0;
}

int kgc__parse_kind(struct kgc__parser *p, const char *group, struct kgc__spec *out)
{
    out->limit = SIZE_MAX;
    if (kgc__parse_accept(p, "default")) {
        out->family = KGC__DEFAULT;
    } else if (kgc__parse_accept(p, "thp")) {
        out->family = KGC__THP;
    } else if (kgc__parse_accept(p, "locked")) {
        out->family = KGC__LOCKED;
    } else if (kgc__parse_accept(p, "hugetlb")) {
        out->family = KGC__HUGETLB;
        return parse_hugetlb(p, out);
    } else if (kgc__parse_accept(p, "numa:")) {
        out->family = KGC__NUMA;
        return parse_numa(p, out);
    } else if (kgc__parse_accept(p, "highest-bandwidth")) {
        return parse_best(p, KGC__BANDWIDTH, out);
    } else if (kgc__parse_accept(p, "lowest-latency")) {
        return parse_best(p, KGC__LATENCY, out);
    } else if (kgc__parse_accept(p, "highest-capacity")) {
        return parse_best(p, KGC__CAPACITY, out);
    } else if (kgc__parse_accept(p, "file:")) {
        out->family = KGC__FILE;
        return parse_path(p, group != NULL, out);
    } else if (group == NULL) {
        return kgc__parse_wrong(p, "kinds are " KGC__SPEC_FORMS);
    } else {
        return kgc__parse_wrong(p, *group == 't' ? "members of a tier are " KGC__SPEC_MEMBERS
                                                 : "members of a ratio are " KGC__SPEC_MEMBERS);
    }
    return 0;
}
