/* SPDX-License-Identifier: MIT */
/* Control groups (os/cgroup.h), from files that the tests write, and the limit
   of the heap that follows them (section/limit.c). */
#include "base/options.h"
#include "base/size.h"
#include "misuse.h"
#include "os/cgroup.h"
#include "section/section.h"
#include "suite.h"
#include "support/system.h"
#include <errno.h>
#include <fcntl.h>
#include <gc/gc.h>
#include <kindgc.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *root; /* stands for "/" */

/* Writes a file below root, with the directories on the way. */
static void put(const char *path, const char *text)
{
    char full[1024];
    int n = snprintf(full, sizeof full, "%s%s", root, path);
    ck_assert_int_lt(n, (int)sizeof full);
    for (char *slash = full + strlen(root) + 1; (slash = strchr(slash, '/')) != NULL; slash++) {
        *slash = '\0';
        mkdir(full, 0700);
        *slash = '/';
    }
    int fd = open(full, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

static void make_root(void)
{
    root = make_directory();
}

static struct kgc__cgroup found(void)
{
    struct kgc__cgroup group;
    kgc__cgroup_find(&group, root);
    return group;
}

static size_t memory(void)
{
    struct kgc__cgroup group = found();
    return kgc__cgroup_memory(&group);
}

static unsigned cpus(void)
{
    struct kgc__cgroup group = found();
    return kgc__cgroup_cpus(&group);
}

/* Version 1, not in a container: the group's path is below the mount points. */
static void version_1(const char *group)
{
    char text[512];
    snprintf(text, sizeof text, "9:name=systemd:/\n4:cpuset,memory:%s\n2:cpu,cpuacct:%s\n0::/\n", group,
             group);
    put("/proc/self/cgroup", text);
    put("/proc/self/mountinfo",
        "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n"
        "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,cpuset,memory\n"
        "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct\n"
        "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n");
}

static void version_2(const char *group, const char *top)
{
    char text[512];
    snprintf(text, sizeof text, "0::%s\n", group);
    put("/proc/self/cgroup", text);
    snprintf(text, sizeof text,
             "30 23 0:26 %s /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n", top);
    put("/proc/self/mountinfo", text);
}

START_TEST(no_groups)
{
    make_root();
    ck_assert_uint_eq(memory(), SIZE_MAX);
    ck_assert_uint_eq(cpus(), UINT_MAX);
    put("/proc/self/cgroup", "");
    put("/proc/self/mountinfo", "22 1 8:1 / / rw - ext4 /dev/sda1 rw\nnonsense\n - \n1 2 - cgroup2\n");
    ck_assert_uint_eq(memory(), SIZE_MAX);
    put("/proc/self/cgroup", "0::/\nnonsense\n:\n");
    ck_assert_uint_eq(memory(), SIZE_MAX);
}
END_TEST

START_TEST(version_1_groups)
{
    make_root();
    version_1("/a/b");
    ck_assert_uint_eq(memory(), SIZE_MAX); /* no files */
    put("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
    put("/sys/fs/cgroup/memory/a/memory.limit_in_bytes", "9223372036854771712\n");
    put("/sys/fs/cgroup/memory/a/b/memory.limit_in_bytes", "9223372036854771712\n");
    ck_assert_uint_eq(memory(), SIZE_MAX);
    put("/sys/fs/cgroup/memory/a/b/memory.limit_in_bytes", "104857600\n");
    ck_assert_uint_eq(memory(), 100 * KGC_MIB);
    put("/sys/fs/cgroup/memory/a/memory.limit_in_bytes", "52428800\n"); /* the parent's is less */
    ck_assert_uint_eq(memory(), 50 * KGC_MIB);
    put("/sys/fs/cgroup/memory/memory.limit_in_bytes", "1048576\n");
    ck_assert_uint_eq(memory(), KGC_MIB);
    put("/sys/fs/cgroup/memory/ab/memory.limit_in_bytes", "4096\n"); /* another's */
    put("/memory.limit_in_bytes", "4096\n");                         /* above the mount point */
    ck_assert_uint_eq(memory(), KGC_MIB);

    ck_assert_uint_eq(cpus(), UINT_MAX);
    put("/sys/fs/cgroup/cpu,cpuacct/a/b/cpu.cfs_quota_us", "-1\n");
    put("/sys/fs/cgroup/cpu,cpuacct/a/b/cpu.cfs_period_us", "100000\n");
    ck_assert_uint_eq(cpus(), UINT_MAX);
    put("/sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us", "250000\n");
    put("/sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us", "100000\n");
    ck_assert_uint_eq(cpus(), 3);
    put("/sys/fs/cgroup/cpu,cpuacct/a/b/cpu.cfs_quota_us", "1000\n");
    ck_assert_uint_eq(cpus(), 1);
}
END_TEST

/* The container's group is mounted, and named from the host's root. */
START_TEST(version_1_container)
{
    make_root();
    put("/proc/self/cgroup", "4:memory:/docker/abc/job\n");
    put("/proc/self/mountinfo",
        "35 31 0:32 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n");
    put("/sys/fs/cgroup/memory/memory.limit_in_bytes", "104857600\n");
    ck_assert_uint_eq(memory(), 100 * KGC_MIB);
    put("/sys/fs/cgroup/memory/job/memory.limit_in_bytes", "10485760\n");
    ck_assert_uint_eq(memory(), 10 * KGC_MIB);
    put("/sys/fs/cgroup/memoryd/memory.limit_in_bytes", "4096\n");
    put("/proc/self/cgroup", "4:memory:/docker/abcd\n"); /* not below the mount: its top is all there is */
    ck_assert_uint_eq(memory(), 100 * KGC_MIB);
    put("/proc/self/cgroup", "4:memory:/docker/abc\n");
    ck_assert_uint_eq(memory(), 100 * KGC_MIB);
}
END_TEST

START_TEST(version_2_groups)
{
    make_root();
    version_2("/user.slice/job", "/");
    put("/sys/fs/cgroup/user.slice/memory.max", "max\n");
    put("/sys/fs/cgroup/user.slice/job/memory.max", "max\n");
    put("/sys/fs/cgroup/user.slice/job/memory.high", "max\n");
    put("/sys/fs/cgroup/user.slice/job/cpu.max", "max 100000\n");
    ck_assert_uint_eq(memory(), SIZE_MAX);
    ck_assert_uint_eq(cpus(), UINT_MAX);
    put("/sys/fs/cgroup/user.slice/memory.max", "209715200\n");
    ck_assert_uint_eq(memory(), 200 * KGC_MIB);
    put("/sys/fs/cgroup/user.slice/job/memory.max", "104857600\n");
    ck_assert_uint_eq(memory(), 100 * KGC_MIB);
    put("/sys/fs/cgroup/user.slice/job/memory.high", "62914560\n");
    ck_assert_uint_eq(memory(), 60 * KGC_MIB);
    put("/sys/fs/cgroup/user.slice/job/memory.max", "0\n");
    ck_assert_uint_eq(memory(), 0);
    put("/sys/fs/cgroup/user.slice/cpu.max", "200000 100000\n");
    ck_assert_uint_eq(cpus(), 2);
    put("/sys/fs/cgroup/user.slice/job/cpu.max", "50000 100000\n");
    ck_assert_uint_eq(cpus(), 1);
}
END_TEST

/* A namespace: the group is "/", or above its root. */
START_TEST(version_2_container)
{
    make_root();
    version_2("/", "/");
    put("/sys/fs/cgroup/memory.max", "104857600\n");
    ck_assert_uint_eq(memory(), 100 * KGC_MIB);
    version_2("/../other", "/../..");
    ck_assert_uint_eq(memory(), 100 * KGC_MIB);
    version_2("/..", "/");
    ck_assert_uint_eq(memory(), 100 * KGC_MIB);
}
END_TEST

START_TEST(long_paths)
{
    char group[600];
    memset(group, 'x', sizeof group);
    group[0] = '/';
    group[sizeof group - 1] = '\0';
    make_root();
    char text[700];
    snprintf(text, sizeof text, "0::%s\n", group);
    version_2("/", "/");
    put("/sys/fs/cgroup/memory.max", "104857600\n");
    put("/proc/self/cgroup", text);
    ck_assert_uint_eq(memory(), SIZE_MAX); /* not looked at rather than a wrong one */
}
END_TEST

/* A group with 100 MiB, which the library takes for its own. */
static void enter_group(void)
{
    make_root();
    version_2("/", "/");
    put("/sys/fs/cgroup/memory.max", "104857600\n");
    kgc__cgroup_root = root;
}

START_TEST(limit_follows)
{
    enter_group();
    ck_assert_int_eq(kgc_init(NULL), 0);
    ck_assert_uint_eq(kgc__section_limit(), 75 * KGC_MIB);
    put("/sys/fs/cgroup/memory.max", "41943040\n");
    kgc__limit_follow();
    ck_assert_uint_eq(kgc__section_limit(), 30 * KGC_MIB);
    GC_set_warn_proc(GC_ignore_warn_proc);
    void **volatile list = NULL;
    size_t bytes = 0;
    for (void **p; (p = kgc_allocate(100000)) != NULL; list = p, bytes += 100000)
        p[0] = list;
    ck_assert_uint_ge(bytes, 20 * KGC_MIB);
    ck_assert_uint_le(kgc_heap_size(), 30 * KGC_MIB);
    put("/sys/fs/cgroup/memory.max", "max\n");
    kgc__limit_follow();
    ck_assert_uint_eq(kgc__section_limit(), 0);
    ck_assert_ptr_nonnull(kgc_allocate(20 * KGC_MIB));
    ck_assert_ptr_nonnull(list);
}
END_TEST

/* The program's own wish goes beside the group's, the user's comes before. */
START_TEST(other_limits)
{
    enter_group();
    ck_assert_int_eq(kgc_init(&(kgc_options){.limit = KGC_GIB}), 0);
    ck_assert_uint_eq(kgc__section_limit(), 75 * KGC_MIB);
    ck_assert_int_eq(kgc_heap_set_limit(64 * KGC_MIB), 0);
    ck_assert_uint_eq(kgc__section_limit(), 64 * KGC_MIB);
    GC_set_max_heap_size(32 * KGC_MIB);
    ck_assert_uint_eq(kgc__section_limit(), 32 * KGC_MIB);
    kgc__limit_follow();
    ck_assert_uint_eq(kgc__section_limit(), 32 * KGC_MIB);
    GC_set_max_heap_size(0);
    ck_assert_int_eq(kgc_heap_set_limit(0), 0);
    ck_assert_uint_eq(kgc__section_limit(), 75 * KGC_MIB);
    ck_assert_int_eq(kgc_heap_set_limit(SIZE_MAX), 0);
    ck_assert_uint_eq(kgc__section_limit(), 0);
    ck_assert_int_eq(kgc__options_parse("limit=2G"), 0);
    ck_assert_int_eq(kgc_heap_set_limit(4 * KGC_GIB), 0);
    ck_assert_uint_eq(kgc__section_limit(), 2 * KGC_GIB);
    ck_assert_int_eq(kgc__options_parse("limit=cgroup"), 0);
    ck_assert_int_eq(kgc_heap_set_limit(SIZE_MAX), 0);
    ck_assert_uint_eq(kgc__section_limit(), 75 * KGC_MIB);
    ck_assert_int_eq(kgc__options_parse("limit=none"), 0);
    ck_assert_int_eq(kgc_heap_set_limit(0), 0);
    ck_assert_uint_eq(kgc__section_limit(), 0);
    ck_assert_int_eq(kgc_heap_set_limit(KGC_GIB), 0);
    ck_assert_uint_eq(kgc__section_limit(), KGC_GIB);
}
END_TEST

START_TEST(which_kinds_count)
{
    static const struct {
        const char *spec;
        bool counts;
    } kinds[] = {
        {"file:/var/tmp", false},
        {"tier:default@16M+file:/var/tmp", false},
        {"default", true},
        {"tier:default@16M+default", true},
    };
    enter_group();
    ck_assert_int_eq(kgc_init(NULL), 0);
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        kgc_kind *kind;
        ck_assert_msg(kgc_kind_open(kinds[i].spec, &kind) == 0, "%s", kgc_last_error());
        ck_assert_int_eq(kgc_heap_set_kind(kind), 0);
        ck_assert_msg((kgc__section_limit() != 0) == kinds[i].counts, "%s", kinds[i].spec);
    }
}
END_TEST

START_TEST(smallest)
{
    enter_group();
    put("/sys/fs/cgroup/memory.max", "65536\n");
    ck_assert_int_eq(kgc_init(NULL), 0);
    ck_assert_uint_eq(kgc__section_limit(), KGC_MIB); /* libgc could not start with less */
    ck_assert_ptr_nonnull(kgc_allocate(100));
}
END_TEST

SUITE("cgroup", no_groups, version_1_groups, version_1_container, version_2_groups, version_2_container,
      long_paths, limit_follows, other_limits, which_kinds_count, smallest)
