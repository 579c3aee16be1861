/* SPDX-License-Identifier: MIT */
/*
 * The grammar of specifications, by recursive descent.
 *
 *   kind   = "default" | "thp" | "hugetlb" [":" ("2M" | "1G")]
 *          | "file:" path [",limit=" size] | "tier:" member {"+" member}
 *   member = kind ["@" size]      not a tier; all but the last need a size
 *
 * In a path, '\' makes the next character ordinary; ',' ends it, and inside a
 * tier '+' and '@' too.
 */
#include "kind/spec.h"
#include "base/message.h"
#include "base/size.h"
#include <errno.h>
#include <stdbool.h>
#include <string.h>

struct parser {
    const char *text, *at;
};

/* An error at the present place: "tier:default@x: at 14 ("x"): a size is ...". */
static int wrong(const struct parser *p, const char *allowed)
{
    if (*p->at == '\0')
        return kgc__fail(EINVAL, "%s: at the end: %s", p->text, allowed);
    return kgc__fail(EINVAL, "%s: at %d (\"%.20s\"): %s", p->text, (int)(p->at - p->text) + 1, p->at, allowed);
}

static bool accept(struct parser *p, const char *word)
{
    size_t n = strlen(word);
    if (strncmp(p->at, word, n) != 0)
        return false;
    p->at += n;
    return true;
}

static int parse_size(struct parser *p, size_t *out)
{
    return kgc__parse_size(&p->at, out) ? 0 : wrong(p, KGC__SIZE_SYNTAX);
}

static int parse_path(struct parser *p, bool in_tier, struct kgc__spec *out)
{
    const char *ends = in_tier ? ",+@" : ",";
    size_t n = 0;
    if (*p->at != '/')
        return wrong(p, "an absolute directory is needed, as in file:/var/tmp");
    while (*p->at != '\0' && strchr(ends, *p->at) == NULL) {
        if (*p->at == '\\' && p->at[1] != '\0')
            p->at++;
        out->directory[n++] = *p->at++;
    }
    out->directory[n] = '\0';
    return 0;
}

static int parse_file(struct parser *p, bool in_tier, struct kgc__spec *out)
{
    out->family = KGC__FILE;
    int error = parse_path(p, in_tier, out);
    if (error != 0)
        return error;
    while (*p->at == ',') {
        p->at++;
        if (!accept(p, "limit="))
            return wrong(p, "the setting of a file kind is limit=SIZE");
        error = parse_size(p, &out->limit);
        if (error != 0)
            return error;
    }
    return 0;
}

static int parse_hugetlb(struct parser *p, struct kgc__spec *out)
{
    out->family = KGC__HUGETLB;
    out->shift = 21;
    if (!accept(p, ":"))
        return 0;
    if (accept(p, "1G"))
        out->shift = 30;
    else if (!accept(p, "2M"))
        return wrong(p, "the size of huge pages is 2M or 1G");
    return 0;
}

/* Everything but a tier. */
static int parse_simple(struct parser *p, bool in_tier, struct kgc__spec *out)
{
    const char *start = p->at;
    int error = 0;
    out->limit = SIZE_MAX;
    if (accept(p, "default"))
        out->family = KGC__DEFAULT;
    else if (accept(p, "thp"))
        out->family = KGC__THP;
    else if (accept(p, "hugetlb"))
        error = parse_hugetlb(p, out);
    else if (accept(p, "file:"))
        error = parse_file(p, in_tier, out);
    else
        return wrong(p, in_tier ? "a member of a tier is default, thp, hugetlb[:2M|1G] or file:/dir[,limit=SIZE]"
                                : "kinds are " KGC__SPEC_FORMS);
    if (error == 0) {
        memcpy(out->text, start, (size_t)(p->at - start));
        out->text[p->at - start] = '\0';
    }
    return error;
}

static int parse_tier(struct parser *p, struct kgc__spec *out, struct kgc__spec members[KGC__TIER_MAX])
{
    out->family = KGC__TIER;
    out->limit = SIZE_MAX;
    out->member = members;
    strcpy(out->text, p->text);
    do {
        if (out->members == KGC__TIER_MAX)
            return wrong(p, "a tier has at most 8 members");
        struct kgc__spec *m = &members[out->members++];
        int error = parse_simple(p, true, m);
        if (error != 0)
            return error;
        if (accept(p, "@")) {
            size_t amount;
            error = parse_size(p, &amount);
            if (error != 0)
                return error;
            if (amount < m->limit)
                m->limit = amount;
        } else if (*p->at == '+' && m->limit == SIZE_MAX) {
            return wrong(p, "only the last member of a tier may have no amount; write KIND@SIZE");
        }
    } while (accept(p, "+"));
    return out->members >= 2 ? 0 : wrong(p, "a tier has at least 2 members: KIND@SIZE+KIND");
}

int kgc__spec_parse(const char *text, struct kgc__spec *out, struct kgc__spec members[KGC__TIER_MAX])
{
    memset(out, 0, sizeof *out);
    memset(members, 0, KGC__TIER_MAX * sizeof *members);
    if (text == NULL || *text == '\0')
        return kgc__fail(EINVAL, "no kind is named; kinds are " KGC__SPEC_FORMS);
    if (strlen(text) >= KGC__SPEC_MAX)
        return kgc__fail(EINVAL, "the specification of a kind is longer than %d bytes", KGC__SPEC_MAX - 1);
    struct parser p = {text, text};
    int error = accept(&p, "tier:") ? parse_tier(&p, out, members) : parse_simple(&p, false, out);
    if (error == 0 && *p.at != '\0')
        error = wrong(&p, out->family == KGC__TIER ? "expected '+', '@' or the end"
                          : out->family == KGC__FILE ? "expected ',limit=SIZE' or the end"
                          : out->family == KGC__HUGETLB ? "expected ':2M', ':1G' or the end"
                                                        : "expected the end; kinds are " KGC__SPEC_FORMS);
    return error;
}
