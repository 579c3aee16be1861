/* SPDX-License-Identifier: MIT */
/*
 * The grammar of specifications, by recursive descent: settings, tiers and
 * ratios.  The kinds themselves are parsed in spec_kinds.c.
 *
 *   spec    = kind {"," setting}
 *           | "tier:"  member {"+" member} {"," setting}
 *           | "ratio:" member {"+" member} {"," setting}
 *   member  = kind {",limit=" size} ["@" amount]
 *   setting = "limit=" size | "arenas=" number | "scanned"
 *
 * An amount is a size in a tier, where all but the last member need one or a
 * limit, and a number in a ratio, where all need one.  So a limit that follows
 * the last member's kind is that member's, and one that follows its amount is
 * the whole's.
 */
#include "kind/spec.h"
#include "base/message.h"
#include "base/size.h"
#include <errno.h>
#include <stdbool.h>
#include <string.h>

enum { SHARE_MOST = 65535 };

int kgc__parse_wrong(const struct kgc__parser *p, const char *allowed)
{
    if (*p->at == '\0')
        return kgc__fail(EINVAL, "%s: at the end: %s", p->text, allowed);
    return kgc__fail(EINVAL, "%s: at %d (\"%.20s\"): %s", p->text, (int)(p->at - p->text) + 1, p->at,
                     allowed);
}

bool kgc__parse_accept(struct kgc__parser *p, const char *word)
{
    size_t n = strlen(word);
    if (strncmp(p->at, word, n) != 0)
        return false;
    p->at += n;
    return true;
}

static int parse_size(struct kgc__parser *p, size_t *out)
{
    return kgc__parse_size(&p->at, out) ? 0 : kgc__parse_wrong(p, KGC__SIZE_SYNTAX);
}

/* A number from 1 to `most`, which has at most five digits. */
static int parse_number(struct kgc__parser *p, unsigned most, const char *allowed, unsigned *out)
{
    const char *q = p->at;
    unsigned n = 0;
    while (*q >= '0' && *q <= '9' && n <= most)
        n = n * 10 + (unsigned)(*q++ - '0');
    if (n == 0 || n > most)
        return kgc__parse_wrong(p, allowed);
    p->at = q;
    *out = n;
    return 0;
}

static int parse_settings(struct kgc__parser *p, struct kgc__spec *out)
{
    int error = 0;
    while (error == 0 && kgc__parse_accept(p, ",")) {
        if (kgc__parse_accept(p, "limit="))
            error = parse_size(p, &out->limit);
        else if (kgc__parse_accept(p, "arenas="))
            error = parse_number(p, KGC__ARENAS_MOST, "the number of arenas is 1 to 64", &out->arenas);
        else if (kgc__parse_accept(p, "scanned"))
            out->scanned = true;
        else
            error = kgc__parse_wrong(p, "settings are limit=SIZE, arenas=N and scanned");
    }
    return error;
}

static int parse_amount(struct kgc__parser *p, struct kgc__spec *whole, struct kgc__spec *m)
{
    bool given = kgc__parse_accept(p, "@");
    if (whole->family == KGC__RATIO) {
        if (!given)
            return kgc__parse_wrong(p, "every member of a ratio has a share; write KIND@N");
        return parse_number(p, SHARE_MOST, "a share is a number from 1 to 65535", &m->share);
    }
    if (!given)
        return *p->at != '+' || m->limit != SIZE_MAX
                   ? 0
                   : kgc__parse_wrong(p,
                                      "only the last member of a tier may have no amount; write KIND@SIZE");
    size_t amount;
    int error = parse_size(p, &amount);
    if (error == 0 && amount < m->limit)
        m->limit = amount;
    return error;
}

static int parse_member(struct kgc__parser *p, struct kgc__spec *whole, struct kgc__spec *m)
{
    const char *start = p->at;
    int error = kgc__parse_kind(p, whole->family == KGC__TIER ? "tier" : "ratio", m);
    while (error == 0 && kgc__parse_accept(p, ",limit="))
        error = parse_size(p, &m->limit);
    if (error != 0)
        return error;
    memcpy(m->text, start, (size_t)(p->at - start)); /* the rest is zeroed */
    return parse_amount(p, whole, m);
}

static int parse_group(struct kgc__parser *p, struct kgc__spec *out, struct kgc__spec members[KGC__TIER_MAX])
{
    bool tier = out->family == KGC__TIER;
    out->member = members;
    do {
        if (out->members == KGC__TIER_MAX)
            return kgc__parse_wrong(p,
                                    tier ? "a tier has at most 8 members" : "a ratio has at most 8 members");
        int error = parse_member(p, out, &members[out->members++]);
        if (error == 0)
            error = parse_settings(p, out);
        if (error != 0)
            return error;
        if (*p->at == '+' && (out->limit != SIZE_MAX || out->arenas != 0 || out->scanned))
            return kgc__parse_wrong(
                p, "settings stand after the last member; a member has only limit=SIZE, before '@'");
    } while (kgc__parse_accept(p, "+"));
    if (out->members < 2 && *p->at == '\0')
        return kgc__parse_wrong(p, tier ? "a tier has at least 2 members: KIND@SIZE+KIND"
                                        : "a ratio has at least 2 members: KIND@N+KIND@N");
    return 0;
}

static const char *what_may_follow(const struct kgc__spec *spec)
{
    switch (spec->family) {
    case KGC__TIER:
        return "expected '+', '@', ',' or the end";
    case KGC__RATIO:
        return "expected '+', ',' or the end";
    case KGC__HUGETLB:
        return "expected ':2M', ':1G', ',' or the end";
    case KGC__BEST:
        return "expected ':local', ':preferred', ':local,preferred', ',' or the end";
    case KGC__NUMA:
    case KGC__FILE:
        return "expected ',' or the end";
    default:
        return "expected ',' or the end; kinds are " KGC__SPEC_FORMS;
    }
}

int kgc__spec_parse(const char *text, struct kgc__spec *out, struct kgc__spec members[KGC__TIER_MAX])
{
    memset(out, 0, sizeof *out);
    memset(members, 0, KGC__TIER_MAX * sizeof *members);
    if (text == NULL || *text == '\0')
        return kgc__fail(EINVAL, "no kind is named; kinds are " KGC__SPEC_FORMS);
    if (strlen(text) >= KGC__SPEC_MAX)
        return kgc__fail(EINVAL, "the specification of a kind is longer than %d bytes", KGC__SPEC_MAX - 1);
    struct kgc__parser p = {text, text};
    int error;
    strcpy(out->text, text);
    out->limit = SIZE_MAX;
    if (kgc__parse_accept(&p, "tier:") || kgc__parse_accept(&p, "ratio:")) {
        out->family = *text == 't' ? KGC__TIER : KGC__RATIO;
        error = parse_group(&p, out, members);
    } else {
        error = kgc__parse_kind(&p, NULL, out);
        if (error == 0)
            error = parse_settings(&p, out);
    }
    if (error == 0 && *p.at != '\0')
        error = kgc__parse_wrong(&p, what_may_follow(out));
    return error;
}
