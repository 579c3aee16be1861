/* SPDX-License-Identifier: MIT */
/* The grammar of specifications of kinds. */
#include "base/message.h"
#include "base/size.h"
#include "kind/spec.h"
#include "misuse.h"
#include "suite.h"
#include <errno.h>
#include <string.h>

static struct kgc__spec spec, members[KGC__TIER_MAX];

static void parse(const char *text)
{
    ck_assert_msg(kgc__spec_parse(text, &spec, members) == 0, "%s", kgc_last_error());
    ck_assert_str_eq(spec.text, text);
}

START_TEST(simple_kinds)
{
    parse("default");
    ck_assert_int_eq(spec.family, KGC__DEFAULT);
    ck_assert_uint_eq(spec.limit, SIZE_MAX);
    ck_assert_uint_eq(spec.members, 0);
    parse("thp");
    ck_assert_int_eq(spec.family, KGC__THP);
    parse("hugetlb");
    ck_assert_int_eq(spec.family, KGC__HUGETLB);
    ck_assert_uint_eq(spec.shift, 21);
    parse("hugetlb:2M");
    ck_assert_uint_eq(spec.shift, 21);
    parse("hugetlb:1G");
    ck_assert_uint_eq(spec.shift, 30);
}
END_TEST

START_TEST(files)
{
    parse("file:/var/tmp");
    ck_assert_int_eq(spec.family, KGC__FILE);
    ck_assert_str_eq(spec.directory, "/var/tmp");
    ck_assert_uint_eq(spec.limit, SIZE_MAX);
    parse("file:/var/tmp,limit=8G");
    ck_assert_str_eq(spec.directory, "/var/tmp");
    ck_assert_uint_eq(spec.limit, 8 * KGC_GIB);
    parse("file:/,limit=1g,limit=2k"); /* the last one holds */
    ck_assert_str_eq(spec.directory, "/");
    ck_assert_uint_eq(spec.limit, 2 * KGC_KIB);
    parse("file:/a b:c+d@e"); /* special in a tier only */
    ck_assert_str_eq(spec.directory, "/a b:c+d@e");
    parse("file:/a\\,limit=1\\\\\\b\\");
    ck_assert_str_eq(spec.directory, "/a,limit=1\\b\\");
    ck_assert_uint_eq(spec.limit, SIZE_MAX);
}
END_TEST

static bool has_only(const struct kgc__nodes *nodes, const char *list)
{
    char text[KGC__NODES_TEXT];
    return strcmp(kgc__nodes_format(nodes, text), list) == 0;
}

START_TEST(numa_kinds)
{
    parse("numa:bind=0");
    ck_assert_int_eq(spec.family, KGC__NUMA);
    ck_assert_int_eq(spec.policy, KGC_POLICY_BIND);
    ck_assert(has_only(&spec.nodes, "0") && !spec.all_nodes);
    parse("numa:preferred=3,1");
    ck_assert_int_eq(spec.policy, KGC_POLICY_PREFERRED);
    ck_assert(has_only(&spec.nodes, "1,3"));
    parse("numa:interleave=0,2-4,1023,limit=1G"); /* a comma and a letter end the list */
    ck_assert_int_eq(spec.policy, KGC_POLICY_INTERLEAVE);
    ck_assert(has_only(&spec.nodes, "0,2-4,1023"));
    ck_assert_uint_eq(spec.limit, KGC_GIB);
    parse("numa:interleave=all,arenas=2");
    ck_assert(spec.all_nodes && has_only(&spec.nodes, "none"));
    ck_assert_uint_eq(spec.arenas, 2);
    parse("numa:local");
    ck_assert_int_eq(spec.policy, KGC_POLICY_LOCAL);
    parse("numa:bind=7-7");
    ck_assert(has_only(&spec.nodes, "7"));
}
END_TEST

START_TEST(best_nodes)
{
    static const struct {
        const char *name;
        enum kgc__attribute attribute;
    } best[] = {{"highest-bandwidth", KGC__BANDWIDTH},
                {"lowest-latency", KGC__LATENCY},
                {"highest-capacity", KGC__CAPACITY}};
    static const struct {
        const char *how;
        bool local;
        kgc_policy policy;
    } how[] = {{"", false, KGC_POLICY_BIND},
               {":local", true, KGC_POLICY_BIND},
               {":preferred", false, KGC_POLICY_PREFERRED},
               {":local,preferred", true, KGC_POLICY_PREFERRED},
               {":local,limit=1M", true, KGC_POLICY_BIND}};
    for (size_t i = 0; i < sizeof best / sizeof best[0]; i++)
        for (size_t k = 0; k < sizeof how / sizeof how[0]; k++) {
            char text[64];
            snprintf(text, sizeof text, "%s%s", best[i].name, how[k].how);
            parse(text);
            ck_assert_int_eq(spec.family, KGC__BEST);
            ck_assert_int_eq(spec.attribute, best[i].attribute);
            ck_assert(spec.local == how[k].local);
            ck_assert_int_eq(spec.policy, how[k].policy);
        }
    ck_assert_uint_eq(spec.limit, KGC_MIB);
}
END_TEST

START_TEST(settings_of_kinds)
{
    static const char *const kinds[] = {"default",           "thp",         "hugetlb",
                                        "hugetlb:1G",        "numa:bind=0", "numa:local",
                                        "highest-bandwidth", "locked",      "file:/d"};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        char text[128];
        snprintf(text, sizeof text, "%s,limit=3M,scanned,arenas=64", kinds[i]);
        parse(text);
        ck_assert_uint_eq(spec.limit, 3 * KGC_MIB);
        ck_assert_uint_eq(spec.arenas, 64);
        ck_assert(spec.scanned);
        parse(kinds[i]);
        ck_assert_uint_eq(spec.limit, SIZE_MAX);
        ck_assert_uint_eq(spec.arenas, 0);
        ck_assert(!spec.scanned);
    }
    parse("default,arenas=1,arenas=07"); /* the last one holds */
    ck_assert_uint_eq(spec.arenas, 7);
}
END_TEST

START_TEST(settings_of_a_whole)
{
    parse("tier:default@1M+file:/d,limit=2M,scanned,limit=9M,arenas=3");
    ck_assert_uint_eq(members[1].limit, 2 * KGC_MIB); /* behind its kind: the member's */
    ck_assert_str_eq(members[1].text, "file:/d,limit=2M");
    ck_assert_uint_eq(spec.limit, 9 * KGC_MIB);
    ck_assert(spec.scanned && !members[1].scanned);
    ck_assert_uint_eq(spec.arenas, 3);
    parse("tier:default@1M+thp@2M,limit=2560K"); /* behind its amount: the whole's */
    ck_assert_uint_eq(members[1].limit, 2 * KGC_MIB);
    ck_assert_uint_eq(spec.limit, 2560 * KGC_KIB);
}
END_TEST

START_TEST(ratios)
{
    parse("ratio:default@3+numa:bind=0,1@1+file:/d,limit=1M@65535,limit=1G");
    ck_assert_int_eq(spec.family, KGC__RATIO);
    ck_assert_ptr_eq(spec.member, members);
    ck_assert_uint_eq(spec.members, 3);
    ck_assert_uint_eq(members[0].share, 3);
    ck_assert_uint_eq(members[0].limit, SIZE_MAX);
    ck_assert_uint_eq(members[1].share, 1);
    ck_assert(has_only(&members[1].nodes, "0-1"));
    ck_assert_str_eq(members[1].text, "numa:bind=0,1");
    ck_assert_uint_eq(members[2].share, 65535);
    ck_assert_uint_eq(members[2].limit, KGC_MIB);
    ck_assert_uint_eq(spec.limit, KGC_GIB);
    parse("ratio:locked@1+highest-bandwidth:local,preferred@2");
    ck_assert_int_eq(members[0].family, KGC__LOCKED);
    ck_assert_str_eq(members[1].text, "highest-bandwidth:local,preferred");
}
END_TEST

START_TEST(options_are_added)
{
    kgc_kind_options options = {
        .limit = 5 * KGC_MIB, .arenas = 2, .scanned = true, .decay = KGC_DECAY_AFTER, .decay_ms = 7};
    parse("default");
    ck_assert_int_eq(kgc__spec_take_options(&spec, NULL, "f"), 0);
    ck_assert_uint_eq(spec.limit, SIZE_MAX);
    ck_assert_int_eq(kgc__spec_take_options(&spec, &options, "f"), 0);
    ck_assert_uint_eq(spec.limit, 5 * KGC_MIB);
    ck_assert_uint_eq(spec.arenas, 2);
    ck_assert(spec.scanned);
    ck_assert_int_eq(spec.decay, KGC_DECAY_AFTER);
    ck_assert_int_eq(spec.decay_ms, 7);
    parse("default,limit=6M,arenas=3"); /* the text goes before, of limits the smaller one */
    ck_assert_int_eq(kgc__spec_take_options(&spec, &options, "f"), 0);
    ck_assert_uint_eq(spec.limit, 5 * KGC_MIB);
    ck_assert_uint_eq(spec.arenas, 3);
    parse("default,limit=4M");
    ck_assert_int_eq(kgc__spec_take_options(&spec, &options, "f"), 0);
    ck_assert_uint_eq(spec.limit, 4 * KGC_MIB);
}
END_TEST

START_TEST(bad_options)
{
    parse("default");
    ck_assert_int_eq(kgc__spec_take_options(&spec, &(kgc_kind_options){.arenas = 65}, "f"), EINVAL);
    ck_last_error("f: the number of arenas is at most 64, not 65");
    ck_assert_int_eq(kgc__spec_take_options(&spec, &(kgc_kind_options){.decay = (kgc_decay)4}, "f"), EINVAL);
    ck_last_error("f: 4 is no decay policy");
    ck_assert_int_eq(kgc__spec_take_options(&spec, &(kgc_kind_options){.decay = (kgc_decay)-1}, "f"), EINVAL);
    ck_last_error("f: -1 is no decay policy");
    ck_assert_int_eq(
        kgc__spec_take_options(&spec, &(kgc_kind_options){.decay = KGC_DECAY_AFTER, .decay_ms = -1}, "f"),
        EINVAL);
    ck_last_error("f: the time of decay is 0 or more milliseconds, not -1");
    ck_assert_int_eq(
        kgc__spec_take_options(&spec, &(kgc_kind_options){.decay = KGC_DECAY_NEVER, .decay_ms = -1}, "f"), 0);
}
END_TEST

START_TEST(tiers)
{
    parse("tier:default@512M+file:/dir,limit=8G");
    ck_assert_int_eq(spec.family, KGC__TIER);
    ck_assert_ptr_eq(spec.member, members);
    ck_assert_uint_eq(spec.members, 2);
    ck_assert_int_eq(members[0].family, KGC__DEFAULT);
    ck_assert_str_eq(members[0].text, "default");
    ck_assert_uint_eq(members[0].limit, 512 * KGC_MIB);
    ck_assert_int_eq(members[1].family, KGC__FILE);
    ck_assert_str_eq(members[1].text, "file:/dir,limit=8G");
    ck_assert_str_eq(members[1].directory, "/dir");
    ck_assert_uint_eq(members[1].limit, 8 * KGC_GIB);
    parse("tier:hugetlb:1G@4G+thp@1G+default");
    ck_assert_uint_eq(spec.members, 3);
    ck_assert_uint_eq(members[0].shift, 30);
    ck_assert_uint_eq(members[0].limit, 4 * KGC_GIB);
    ck_assert_str_eq(members[0].text, "hugetlb:1G");
    ck_assert_uint_eq(members[2].limit, SIZE_MAX);
    parse("tier:default@1M+thp@2M"); /* the last one may have an amount */
    ck_assert_uint_eq(members[1].limit, 2 * KGC_MIB);
}
END_TEST

START_TEST(the_smaller_of_amount_and_limit)
{
    parse("tier:file:/a,limit=1M@2M+file:/b,limit=2M@1M+file:/c,limit=3M+default");
    ck_assert_uint_eq(members[0].limit, KGC_MIB);
    ck_assert_uint_eq(members[1].limit, KGC_MIB);
    ck_assert_uint_eq(members[2].limit, 3 * KGC_MIB); /* a limit is an amount */
    ck_assert_uint_eq(spec.members, 4);
}
END_TEST

START_TEST(paths_in_tiers)
{
    parse("tier:file:/a\\+b\\@c@1M+file:/d");
    ck_assert_str_eq(members[0].directory, "/a+b@c");
    ck_assert_str_eq(members[1].directory, "/d");
}
END_TEST

START_TEST(eight_members)
{
    parse("tier:thp@1M+thp@1M+thp@1M+thp@1M+thp@1M+thp@1M+thp@1M+thp");
    ck_assert_uint_eq(spec.members, KGC__TIER_MAX);
}
END_TEST

#define MEMBERS                                                                         \
    "default, thp, hugetlb[:2M|1G], numa:bind|preferred|interleave=NODES, numa:local, " \
    "highest-bandwidth|lowest-latency|highest-capacity[:HOW], locked, file:/dir"
#define KINDS    "kinds are " MEMBERS ", tier:KIND@SIZE+...+KIND, ratio:KIND@N+...+KIND@N"
#define MEMBER   "members of a tier are " MEMBERS
#define SETTING  "settings are limit=SIZE, arenas=N and scanned"
#define FOLLOWS  "expected ',' or the end"
#define NODES    "nodes are \"all\" or a list such as 0,2-3; a node is 0 to 1023"
#define POLICIES "policies are bind=NODES, preferred=NODES, interleave=NODES and local"
#define HOW      "expected local, preferred or local,preferred"
#define SHARE    "a share is a number from 1 to 65535"
#define WHOLE    "settings stand after the last member; a member has only limit=SIZE, before '@'"
#define SIZES    "a size is a number above 0 with an optional K, M, G or T"
#define PATH     "an absolute directory is needed, as in file:/var/tmp"

START_TEST(bad_specifications)
{
    static const struct {
        const char *text, *error;
    } bad[] = {
        {NULL, "no kind is named; " KINDS},
        {"", "no kind is named; " KINDS},
        {"huge", "huge: at 1 (\"huge\"): " KINDS},
        {"Default", "Default: at 1 (\"Default\"): " KINDS},
        {" thp", " thp: at 1 (\" thp\"): " KINDS},
        {"numa", "numa: at 1 (\"numa\"): " KINDS},
        {"numa:", "numa:: at the end: " POLICIES},
        {"numa:bind", "numa:bind: at 6 (\"bind\"): " POLICIES},
        {"numa:locals", "numa:locals: at 11 (\"s\"): " FOLLOWS},
        {"numa:bind=", "numa:bind=: at the end: " NODES},
        {"numa:bind=x", "numa:bind=x: at 11 (\"x\"): " NODES},
        {"numa:bind=all,0", "numa:bind=all,0: at 15 (\"0\"): " SETTING},
        {"numa:bind=1024", "numa:bind=1024: at 11 (\"1024\"): " NODES},
        {"numa:bind=0,99999999999999999999",
         "numa:bind=0,99999999999999999999: at 13 (\"99999999999999999999\"): " NODES},
        {"numa:bind=0-", "numa:bind=0-: at the end: " NODES},
        {"numa:bind=3-1", "numa:bind=3-1: at 13 (\"1\"): " NODES},
        {"numa:bind=1,", "numa:bind=1,: at the end: " SETTING},
        {"numa:bind=1,x", "numa:bind=1,x: at 13 (\"x\"): " SETTING},
        {"numa:bind=1 2", "numa:bind=1 2: at 12 (\" 2\"): " FOLLOWS},
        {"highest", "highest: at 1 (\"highest\"): " KINDS},
        {"highest-capacity:", "highest-capacity:: at the end: " HOW},
        {"lowest-latency:near", "lowest-latency:near: at 16 (\"near\"): " HOW},
        {"highest-bandwidth:preferred,local",
         "highest-bandwidth:preferred,local: at 29 (\"local\"): " SETTING},
        {"highest-bandwidth=0", "highest-bandwidth=0: at 18 (\"=0\"): expected ':local', ':preferred', "
                                "':local,preferred', ',' or the end"},
        {"default,", "default,: at the end: " SETTING},
        {"default,limit", "default,limit: at 9 (\"limit\"): " SETTING},
        {"default,arenas=0", "default,arenas=0: at 16 (\"0\"): the number of arenas is 1 to 64"},
        {"default,arenas=65", "default,arenas=65: at 16 (\"65\"): the number of arenas is 1 to 64"},
        {"default,arenas=", "default,arenas=: at the end: the number of arenas is 1 to 64"},
        {"default,arenas=99999999999",
         "default,arenas=99999999999: at 16 (\"99999999999\"): the number of arenas is 1 to 64"},
        {"default,scanned=1", "default,scanned=1: at 16 (\"=1\"): " FOLLOWS "; " KINDS},
        {"ratio:default@1", "ratio:default@1: at the end: a ratio has at least 2 members: KIND@N+KIND@N"},
        {"ratio:default+thp@1",
         "ratio:default+thp@1: at 14 (\"+thp@1\"): every member of a ratio has a share; write KIND@N"},
        {"ratio:default@1+thp",
         "ratio:default@1+thp: at the end: every member of a ratio has a share; write KIND@N"},
        {"ratio:default@0+thp@1", "ratio:default@0+thp@1: at 15 (\"0+thp@1\"): " SHARE},
        {"ratio:default@65536+thp@1", "ratio:default@65536+thp@1: at 15 (\"65536+thp@1\"): " SHARE},
        {"ratio:default@1M+thp@1",
         "ratio:default@1M+thp@1: at 16 (\"M+thp@1\"): expected '+', ',' or the end"},
        {"ratio:default@1+tier:thp@1M+thp@1",
         "ratio:default@1+tier:thp@1M+thp@1: at 17 (\"tier:thp@1M+thp@1\"): members of a ratio are " MEMBERS},
        {"tier:default@1M,limit=2M+thp", "tier:default@1M,limit=2M+thp: at 25 (\"+thp\"): " WHOLE},
        {"tier:default,scanned@1M+thp",
         "tier:default,scanned@1M+thp: at 21 (\"@1M+thp\"): expected '+', '@', ',' or the end"},
        {"ratio:thp@1,arenas=2+thp@1", "ratio:thp@1,arenas=2+thp@1: at 21 (\"+thp@1\"): " WHOLE},
        {"a-name-of-more-than-twenty-bytes",
         "a-name-of-more-than-twenty-bytes: at 1 (\"a-name-of-more-than-\"): " KINDS},
        {"defaults", "defaults: at 8 (\"s\"): expected ',' or the end; " KINDS},
        {"thp ", "thp : at 4 (\" \"): expected ',' or the end; " KINDS},
        {"default@1M", "default@1M: at 8 (\"@1M\"): expected ',' or the end; " KINDS},
        {"hugetlb:", "hugetlb:: at the end: the size of huge pages is 2M or 1G"},
        {"hugetlb:4K", "hugetlb:4K: at 9 (\"4K\"): the size of huge pages is 2M or 1G"},
        {"hugetlb:2m", "hugetlb:2m: at 9 (\"2m\"): the size of huge pages is 2M or 1G"},
        {"hugetlb:2MB", "hugetlb:2MB: at 11 (\"B\"): expected ':2M', ':1G', ',' or the end"},
        {"hugetlbs", "hugetlbs: at 8 (\"s\"): expected ':2M', ':1G', ',' or the end"},
        {"file", "file: at 1 (\"file\"): " KINDS},
        {"file:", "file:: at the end: " PATH},
        {"file:tmp", "file:tmp: at 6 (\"tmp\"): " PATH},
        {"file:,limit=1M", "file:,limit=1M: at 6 (\",limit=1M\"): " PATH},
        {"file:/tmp,", "file:/tmp,: at the end: " SETTING},
        {"file:/tmp,size=1M", "file:/tmp,size=1M: at 11 (\"size=1M\"): " SETTING},
        {"file:/tmp,limit=", "file:/tmp,limit=: at the end: " SIZES},
        {"file:/tmp,limit=0", "file:/tmp,limit=0: at 17 (\"0\"): " SIZES},
        {"file:/tmp,limit=x", "file:/tmp,limit=x: at 17 (\"x\"): " SIZES},
        {"file:/tmp,limit=1GB", "file:/tmp,limit=1GB: at 19 (\"B\"): " FOLLOWS},
        {"tier:", "tier:: at the end: " MEMBER},
        {"tier:x@1M+thp", "tier:x@1M+thp: at 6 (\"x@1M+thp\"): " MEMBER},
        {"tier:default", "tier:default: at the end: a tier has at least 2 members: KIND@SIZE+KIND"},
        {"tier:default@1M", "tier:default@1M: at the end: a tier has at least 2 members: KIND@SIZE+KIND"},
        {"tier:default+thp", "tier:default+thp: at 13 (\"+thp\"): only the last member of a tier may have no "
                             "amount; write KIND@SIZE"},
        {"tier:default@+thp", "tier:default@+thp: at 14 (\"+thp\"): " SIZES},
        {"tier:default@0+thp", "tier:default@0+thp: at 14 (\"0+thp\"): " SIZES},
        {"tier:default@x+thp", "tier:default@x+thp: at 14 (\"x+thp\"): " SIZES},
        {"tier:default@1M+", "tier:default@1M+: at the end: " MEMBER},
        {"tier:default@1M+thp,", "tier:default@1M+thp,: at the end: " SETTING},
        {"tier:default@1M+tier:thp@1M+thp",
         "tier:default@1M+tier:thp@1M+thp: at 17 (\"tier:thp@1M+thp\"): " MEMBER},
        {"tier:default@1M+file:x", "tier:default@1M+file:x: at 22 (\"x\"): " PATH},
        {"tier:thp@1M+thp@1M+thp@1M+thp@1M+thp@1M+thp@1M+thp@1M+thp@1M+thp",
         "tier:thp@1M+thp@1M+thp@1M+thp@1M+thp@1M+thp@1M+thp@1M+thp@1M+thp: at 62 (\"thp\"): "
         "a tier has at most 8 members"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ck_assert_msg(kgc__spec_parse(bad[i].text, &spec, members) == EINVAL, "%s", bad[i].text);
        ck_last_error("%s", bad[i].error);
    }
}
END_TEST

START_TEST(long_specifications)
{
    char text[KGC__SPEC_MAX + 1];
    memset(text, 'x', sizeof text);
    memcpy(text, "file:/", 6);
    text[KGC__SPEC_MAX - 1] = '\0';
    parse(text);
    ck_assert_uint_eq(strlen(spec.directory), KGC__SPEC_MAX - 1 - 5);
    text[KGC__SPEC_MAX - 1] = 'x';
    text[KGC__SPEC_MAX] = '\0';
    ck_assert_int_eq(kgc__spec_parse(text, &spec, members), EINVAL);
    ck_last_error("the specification of a kind is longer than 1023 bytes");
}
END_TEST

/* Texts made of the grammar's own pieces, at random: each is parsed or refused
   with a text, and what is parsed is parsed the same way again. */
START_TEST(pieces_at_random)
{
    static const char *const piece[] = {"default",  "thp",
                                        "hugetlb",  ":2M",
                                        ":1G",      "file:",
                                        "/d",       ",limit=",
                                        "tier:",    "@",
                                        "+",        "1M",
                                        "8G",       "\\",
                                        ",",        "0",
                                        "x",        "numa:",
                                        "bind=",    "1-2",
                                        "local",    "lowest-latency",
                                        "ratio:",   ",arenas=",
                                        ",scanned", "locked",
                                        "preferred"};
    unsigned x = 12345;
    int good = 0;
    for (int i = 0; i < 50000; i++) {
        char text[256] = "";
        x = x * 1103515245 + 12345;
        for (unsigned n = 1 + (x >> 16) % 8; n > 0; n--) {
            x = x * 1103515245 + 12345;
            strcat(text, piece[(x >> 16) % (sizeof piece / sizeof piece[0])]);
        }
        kgc__fail(0, "%s", "");
        int error = kgc__spec_parse(text, &spec, members);
        ck_assert(error == 0 || error == EINVAL);
        ck_assert((error == 0) == (*kgc_last_error() == '\0'));
        if (error != 0)
            continue;
        good++;
        ck_assert_str_eq(spec.text, text);
        ck_assert(spec.family != KGC__FILE || spec.directory[0] == '/');
        ck_assert((spec.family != KGC__TIER && spec.family != KGC__RATIO) ||
                  (spec.members >= 2 && spec.members <= KGC__TIER_MAX));
        for (unsigned m = 0; m < spec.members; m++)
            if (spec.family == KGC__RATIO)
                ck_assert(members[m].share != 0);
            else
                ck_assert(members[m].limit != 0 && (members[m].limit != SIZE_MAX || m + 1 == spec.members));
    }
    ck_assert_int_gt(good, 50);
}
END_TEST

SUITE("spec", simple_kinds, files, numa_kinds, best_nodes, settings_of_kinds, settings_of_a_whole, ratios,
      options_are_added, bad_options, tiers, the_smaller_of_amount_and_limit, paths_in_tiers, eight_members,
      bad_specifications, long_specifications, pieces_at_random)
