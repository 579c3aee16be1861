/* SPDX-License-Identifier: MIT */
/*
 * Kinds on chosen memory nodes.  What a machine with one node cannot show is
 * shown by system calls of this test's own: they say that the process may use
 * more nodes, note what policy is asked for, or refuse it.
 */
#include "base/size.h"
#include "misuse.h"
#include "os/os.h"
#include "suite.h"
#include "support/extents.h"
#include "support/fault.h"
#include "support/system.h"
#include <errno.h>
#include <kindgc/arena.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The policy that the kernel has for an address; nodes as a list. */
static int policy_at(const void *p, char *list)
{
    enum { OF_ADDRESS = 1 << 1 };
    struct kgc__nodes nodes = {{0}};
    int mode = -1;
    ck_assert_int_eq((int)syscall(SYS_get_mempolicy, &mode, nodes.bits, KGC__NODES_MAX + 1, p, OF_ADDRESS),
                     0);
    kgc__nodes_format(&nodes, list);
    return mode;
}

static kgc_kind_description described(kgc_kind *kind)
{
    kgc_kind_description d;
    ck_assert_int_eq(kgc_kind_describe(kind, &d), 0);
    return d;
}

START_TEST(the_kernel_has_the_policy)
{
    static const struct {
        const char *spec;
        int mode;
        kgc_policy policy;
        const char *nodes;
    } cases[] = {{"numa:bind=0", KGC__PLACE_BIND, KGC_POLICY_BIND, "0"},
                 {"numa:bind=0-0", KGC__PLACE_BIND, KGC_POLICY_BIND, "0"},
                 {"numa:interleave=0", KGC__PLACE_INTERLEAVE, KGC_POLICY_INTERLEAVE, "0"},
                 {"numa:preferred=0", KGC__PLACE_PREFERRED, KGC_POLICY_PREFERRED, "0"},
                 {"numa:local", KGC__PLACE_LOCAL, KGC_POLICY_LOCAL, "none"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char list[KGC__NODES_TEXT];
        kgc_kind *kind = open_kind(cases[i].spec);
        char *section = try_extent(kind, 16 * PAGE, KGC_ARENA_COLLECTOR),
             *extent = take_extent(kind, 16 * PAGE);
        ck_assert(all_bytes(section, 16 * PAGE, 0));
        memset(section, 1, 16 * PAGE);
        memset(extent, 1, 16 * PAGE);
        ck_assert_int_eq(policy_at(section, list), cases[i].mode);
        ck_assert_str_eq(list, cases[i].nodes);
        ck_assert_int_eq(policy_at(extent, list), cases[i].mode); /* made usable later: it has stayed */
        ck_assert_int_eq(policy_at(kind->space.range.base + kind->space.range.size / 2, list), cases[i].mode);
        kgc_kind_description d = described(kind);
        ck_assert_int_eq(d.policy, cases[i].policy);
        ck_assert_int_eq(d.backing, KGC_BACKING_ANONYMOUS);
        ck_assert_uint_eq(d.nodes[0], cases[i].policy == KGC_POLICY_LOCAL ? 0 : 1);
        ck_assert(!d.fell_back);
        kgc_kind_info info = stats_of(kind);
        ck_assert_uint_eq(info.elsewhere, 0);
        ck_assert_uint_eq(info.fallbacks, 0);
        /* The system's own policy is untouched. */
        ck_assert_int_ne(policy_at(&info, list), KGC__PLACE_BIND);
    }
}
END_TEST

START_TEST(all_nodes)
{
    struct kgc__node_sets sets;
    kgc__node_sets_read(&sets);
    kgc_kind *kind = open_kind("numa:interleave=all,limit=8M");
    ck_assert_mem_eq(described(kind).nodes, sets.allowed.bits, sizeof sets.allowed.bits);
    ck_assert_uint_eq(described(kind).limit, 8 * KGC_MIB);
    close_kind(kind);
}
END_TEST

START_TEST(explicit_memory)
{
    kgc_kind *kind = open_kind("numa:bind=0");
    char *p = kgc_kind_calloc(kind, 1000, 1000), list[KGC__NODES_TEXT];
    ck_assert_ptr_nonnull(p);
    memset(p, 1, 1000000);
    ck_assert_int_eq(policy_at(p, list), KGC__PLACE_BIND);
    ck_assert_ptr_eq(kgc_kind_of(p), kind);
    kgc_kind_free(NULL, p);
    close_kind(kind);
}
END_TEST

START_TEST(nodes_that_are_not_there)
{
    char usable[KGC__NODES_TEXT];
    struct kgc__node_sets sets;
    kgc__node_sets_read(&sets);
    if (kgc__nodes_has(&sets.possible, 999))
        SKIP("this machine has a node 999");
    kgc__nodes_format(&sets.allowed, usable);
    static const char *const specs[] = {"numa:bind=999", "numa:bind=0,998-999", "numa:interleave=0,999"};
    static const unsigned first[] = {999, 998, 999};
    kgc_kind *kind;
    kgc_kind_open(specs[0], &kind); /* makes a record, which is kept */
    for (int i = 0; i < 3; i++) {
        struct holdings before = count_holdings();
        ck_assert_int_eq(kgc_kind_open(specs[i], &kind), ENOTSUP);
        ck_assert_ptr_null(kind);
        ck_last_error("%s: node %u does not exist; nodes that this process may use: %s", specs[i], first[i],
                      usable);
        ck_assert_uint_eq(count_holdings().mappings, before.mappings);
    }
}
END_TEST

/* ---- another machine ---- */

static struct kgc__os real;
static int mode;
static struct kgc__nodes asked;
static int mbind_error;

static long two_nodes(int *policy, unsigned long *nodes, unsigned long bits, void *p, unsigned long flags)
{
    (void)policy, (void)bits, (void)p;
    ck_assert_uint_eq(flags, 1 << 2);
    nodes[0] = 5; /* 0 and 2 */
    return 0;
}

static long note_mbind(void *p, unsigned long size, int how, const unsigned long *nodes, unsigned long bits,
                       unsigned flags)
{
    (void)p, (void)size, (void)flags;
    ck_assert_uint_eq(bits, how == KGC__PLACE_LOCAL ? 0 : KGC__NODES_MAX + 1);
    ck_assert(how != KGC__PLACE_LOCAL || nodes == NULL);
    if (mbind_error != 0 && (how != KGC__PLACE_LOCAL || mbind_error == ENOSYS)) {
        errno = mbind_error;
        return -1;
    }
    mode = how;
    memset(&asked, 0, sizeof asked);
    if (nodes != NULL)
        memcpy(asked.bits, nodes, sizeof asked.bits);
    return 0;
}

static void pretend(int error)
{
    if (real.mmap == NULL)
        real = kgc__os;
    kgc__os.get_mempolicy = two_nodes;
    kgc__os.mbind = note_mbind;
    mbind_error = error;
}

static const char *asked_nodes(void)
{
    static char text[KGC__NODES_TEXT];
    return kgc__nodes_format(&asked, text);
}

START_TEST(several_nodes)
{
    pretend(0);
    open_kind("numa:bind=0,2");
    ck_assert_int_eq(mode, KGC__PLACE_BIND);
    ck_assert_str_eq(asked_nodes(), "0,2");
    open_kind("numa:interleave=all");
    ck_assert_int_eq(mode, KGC__PLACE_INTERLEAVE);
    ck_assert_str_eq(asked_nodes(), "0,2");
    open_kind("numa:preferred=2");
    ck_assert_int_eq(mode, KGC__PLACE_PREFERRED);
    ck_assert_str_eq(asked_nodes(), "2");
    kgc_kind *kind = open_kind("numa:preferred=0,2");
    ck_assert_int_eq(mode, KGC__PLACE_PREFERRED_MANY);
    ck_assert_str_eq(asked_nodes(), "0,2");
    ck_assert_int_eq(described(kind).policy, KGC_POLICY_PREFERRED);
    open_kind("numa:local");
    ck_assert_int_eq(mode, KGC__PLACE_LOCAL);
}
END_TEST

START_TEST(refused_by_the_system)
{
    static const struct {
        const char *spec;
        int given, error;
        const char *text;
    } cases[] = {
        {"numa:bind=0", ENOSYS, ENOTSUP, "this kernel does not know memory nodes (CONFIG_NUMA)"},
        {"numa:interleave=0,2", EPERM, EPERM,
         "mbind(2) is forbidden here, as containers do; give CAP_SYS_NICE or allow the call"},
        {"numa:bind=2", EINVAL, EINVAL, "mbind(2): Invalid argument"},
        {"numa:bind=2", ENOMEM, ENOMEM, "mbind(2): Cannot allocate memory"},
        {"numa:local", ENOSYS, ENOTSUP, "this kernel does not know memory nodes (CONFIG_NUMA)"},
        {"numa:preferred=0,2", EINVAL, ENOTSUP, "preferring several nodes needs Linux 5.15; name one node"},
    };
    kgc_kind *kind;
    kgc_kind_check("default"); /* makes a record, which is kept */
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        pretend(cases[i].given);
        struct holdings before = count_holdings();
        ck_assert_int_eq(kgc_kind_open(cases[i].spec, &kind), cases[i].error);
        ck_assert_ptr_null(kind);
        ck_last_error("%s: %s", cases[i].spec, cases[i].text);
        ck_assert_uint_eq(count_holdings().mappings, before.mappings);
    }
}
END_TEST

/* ---- the next choice of "preferred" ---- */

struct fallback {
    const char *spec;
    int mbind_error;
    kgc_policy policy;
    bool fell_back;
    const char *nodes; /* that were asked for in the end */
};

/* In a child, whose warnings the test reads. */
static int fall_back(void *arg)
{
    const struct fallback *f = arg;
    kgc_kind *kind;
    kgc_kind_info info;
    kgc_kind_description d;
    pretend(f->mbind_error);
    if (kgc_kind_check(f->spec) != 0) /* says nothing */
        return 1;
    if (kgc_kind_open(f->spec, &kind) != 0)
        return 2;
    char *p = try_extent(kind, PAGE, ARENA);
    if (p == NULL || !all_bytes(p, PAGE, 0))
        return 3;
    *p = 1;
    if (kgc_kind_describe(kind, &d) != 0 || d.policy != f->policy || d.fell_back != f->fell_back)
        return 4;
    if (kgc_kind_stats(kind, &info) != 0 || info.fallbacks != 1 || info.elsewhere > PAGE)
        return 5;
    if (strcmp(asked_nodes(), f->nodes) != 0)
        return 6;
    return kgc_kind_close(kind) == 0 ? 0 : 7;
}

START_TEST(preferred_falls_back)
{
    static const struct {
        struct fallback f;
        const char *warning;
    } cases[] = {
        {{"numa:preferred=999", 0, KGC_POLICY_LOCAL, true, "none"},
         "numa:preferred=999: node 999 does not exist; nodes that this process may use: 0,2; memory comes "
         "from the "
         "local node"},
        {{"numa:preferred=0", EPERM, KGC_POLICY_LOCAL, true, "none"},
         "numa:preferred=0: mbind(2) is forbidden here, as containers do; give CAP_SYS_NICE or allow the "
         "call; "
         "memory comes from the local node"},
        {{"numa:preferred=0", ENOSYS, KGC_POLICY_SYSTEM, true, "none"},
         "numa:preferred=0: this kernel does not know memory nodes (CONFIG_NUMA); memory comes from the "
         "local node"},
        {{"numa:preferred=2,999", 0, KGC_POLICY_PREFERRED, false, "2"},
         "numa:preferred=2,999: node 999 does not exist; nodes that this process may use: 0,2; the others "
         "are "
         "preferred"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char said[1024], expected[1024];
        int status = in_child_with_stderr(fall_back, (void *)&cases[i].f, said, sizeof said);
        ck_assert_msg(exited(status, 0), "%s: %x", cases[i].f.spec, status);
        snprintf(expected, sizeof expected, "kindgc: %s\n", cases[i].warning);
        ck_assert_str_eq(said, expected);
    }
}
END_TEST

/* Whatever this machine tells: "preferred" always opens, and says when it fell back. */
START_TEST(best_nodes_are_preferred)
{
    static const char *const best[] = {"highest-bandwidth", "lowest-latency", "highest-capacity"};
    static const char *const how[] = {"", ":local"};
    for (int i = 0; i < 3; i++)
        for (int k = 0; k < 2; k++) {
            char strict[64], preferred[64];
            snprintf(strict, sizeof strict, "%s%s", best[i], how[k]);
            snprintf(preferred, sizeof preferred, "%s%s", best[i],
                     k == 0 ? ":preferred" : ":local,preferred");
            kgc_kind *kind;
            int error = kgc_kind_open(strict, &kind);
            bool told = error == 0;
            if (told) {
                kgc_kind_description d = described(kind);
                ck_assert_int_eq(d.policy, KGC_POLICY_BIND);
                struct kgc__nodes nodes;
                memcpy(nodes.bits, d.nodes, sizeof nodes.bits);
                ck_assert_uint_ge(kgc__nodes_count(&nodes), 1);
            } else {
                ck_assert_int_eq(error, ENOTSUP);
                ck_assert_msg(strncmp(kgc_last_error(), strict, strlen(strict)) == 0, "%s", kgc_last_error());
            }
            kind = open_kind(preferred);
            kgc_kind_description d = described(kind);
            ck_assert(d.fell_back == !told);
            ck_assert_uint_eq(stats_of(kind).fallbacks, !told);
            ck_assert_int_eq(d.policy, told ? KGC_POLICY_PREFERRED : KGC_POLICY_LOCAL);
            memset(take_extent(kind, PAGE), 1, PAGE);
        }
}
END_TEST

START_TEST(pages_elsewhere)
{
    kgc_kind *kind = open_kind("numa:bind=0");
    memset(take_extent(kind, 64 * PAGE), 1, 64 * PAGE);
    ck_assert_uint_eq(stats_of(kind).elsewhere, 0);
    memset(&kind->nodes, 0, sizeof kind->nodes); /* as if the policy had named another node */
    kgc__nodes_add(&kind->nodes, 1000);
    size_t elsewhere = stats_of(kind).elsewhere;
    if (elsewhere == 0)
        SKIP("move_pages is not to be had here");
    ck_assert_uint_ge(elsewhere, 64 * PAGE);
    fault_arm(FAULT_MOVE_PAGES, 1, true, EPERM);
    ck_assert_uint_eq(stats_of(kind).elsewhere, 0);
    fault_disarm();
}
END_TEST

static int policy_in_child(void *p)
{
    char list[KGC__NODES_TEXT];
    memset(p, 2, PAGE);
    return policy_at(p, list) == KGC__PLACE_BIND && strcmp(list, "0") == 0 ? 0 : 1;
}

START_TEST(forked_child)
{
    kgc_kind *kind = open_kind("numa:bind=0");
    char *p = take_extent(kind, PAGE);
    memset(p, 1, PAGE);
    ck_assert(exited(in_child(policy_in_child, p), 0));
    ck_assert(all_bytes(p, PAGE, 1));
}
END_TEST

SUITE("numa", the_kernel_has_the_policy, all_nodes, explicit_memory, nodes_that_are_not_there, several_nodes,
      refused_by_the_system, preferred_falls_back, best_nodes_are_preferred, pages_elsewhere, forked_child)
