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

#define FORMS   "default, thp, hugetlb[:2M|1G], file:/dir[,limit=SIZE], tier:KIND@SIZE+...+KIND"
#define KINDS   "kinds are " FORMS
#define MEMBER  "a member of a tier is default, thp, hugetlb[:2M|1G] or file:/dir[,limit=SIZE]"
#define SIZES   "a size is a number above 0 with an optional K, M, G or T"
#define SETTING "the setting of a file kind is limit=SIZE"
#define PATH    "an absolute directory is needed, as in file:/var/tmp"

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
        {"numa:bind=0", "numa:bind=0: at 1 (\"numa:bind=0\"): " KINDS},
        {"a-name-of-more-than-twenty-bytes",
         "a-name-of-more-than-twenty-bytes: at 1 (\"a-name-of-more-than-\"): " KINDS},
        {"defaults", "defaults: at 8 (\"s\"): expected the end; " KINDS},
        {"thp ", "thp : at 4 (\" \"): expected the end; " KINDS},
        {"thp,limit=1G", "thp,limit=1G: at 4 (\",limit=1G\"): expected the end; " KINDS},
        {"default@1M", "default@1M: at 8 (\"@1M\"): expected the end; " KINDS},
        {"hugetlb:", "hugetlb:: at the end: the size of huge pages is 2M or 1G"},
        {"hugetlb:4K", "hugetlb:4K: at 9 (\"4K\"): the size of huge pages is 2M or 1G"},
        {"hugetlb:2m", "hugetlb:2m: at 9 (\"2m\"): the size of huge pages is 2M or 1G"},
        {"hugetlb:2MB", "hugetlb:2MB: at 11 (\"B\"): expected ':2M', ':1G' or the end"},
        {"hugetlbs", "hugetlbs: at 8 (\"s\"): expected ':2M', ':1G' or the end"},
        {"file", "file: at 1 (\"file\"): " KINDS},
        {"file:", "file:: at the end: " PATH},
        {"file:tmp", "file:tmp: at 6 (\"tmp\"): " PATH},
        {"file:,limit=1M", "file:,limit=1M: at 6 (\",limit=1M\"): " PATH},
        {"file:/tmp,", "file:/tmp,: at the end: " SETTING},
        {"file:/tmp,size=1M", "file:/tmp,size=1M: at 11 (\"size=1M\"): " SETTING},
        {"file:/tmp,limit=", "file:/tmp,limit=: at the end: " SIZES},
        {"file:/tmp,limit=0", "file:/tmp,limit=0: at 17 (\"0\"): " SIZES},
        {"file:/tmp,limit=x", "file:/tmp,limit=x: at 17 (\"x\"): " SIZES},
        {"file:/tmp,limit=1GB", "file:/tmp,limit=1GB: at 19 (\"B\"): expected ',limit=SIZE' or the end"},
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
        {"tier:default@1M+thp,", "tier:default@1M+thp,: at 20 (\",\"): expected '+', '@' or the end"},
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
    static const char *const piece[] = {"default", "thp",     "hugetlb", ":2M", ":1G", "file:",
                                        "/d",      ",limit=", "tier:",   "@",   "+",   "1M",
                                        "8G",      "\\",      ",",       "0",   "x"};
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
        ck_assert(spec.family != KGC__TIER || (spec.members >= 2 && spec.members <= KGC__TIER_MAX));
        for (unsigned m = 0; m + 1 < spec.members; m++)
            ck_assert(members[m].limit != 0 && members[m].limit != SIZE_MAX);
    }
    ck_assert_int_gt(good, 50);
}
END_TEST

SUITE("spec", simple_kinds, files, tiers, the_smaller_of_amount_and_limit, paths_in_tiers, eight_members,
      bad_specifications, long_specifications, pieces_at_random)
