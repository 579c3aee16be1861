/* SPDX-License-Identifier: MIT */
/*
 * The first process of a virtual machine with three memory nodes, which
 * numa-vm.sh starts: node 0 with CPU 0, node 1 with CPU 1, and node 2, which
 * has the most memory and the most bandwidth, no CPU, and is near CPU 1.
 * Looks where the pages of each kind really lie.  Prints a line "ok: ..." or
 * "FAILED: ..." for each check, "done" at the end, and switches the machine off.
 */
#include <errno.h>
#include <fcntl.h>
#include <kindgc.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NODES = 3, PAGE = 4096, MIB = 1 << 20 };
#define ALL (1u << 0 | 1u << 1 | 1u << 2)

__attribute__((format(printf, 2, 3))) static void report(bool good, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs(good ? "ok: " : "FAILED: ", stdout);
    vprintf(format, args);
    putchar('\n');
    fflush(stdout);
    va_end(args);
}

static void run_on(int cpu)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    if (sched_setaffinity(0, sizeof set, &set) != 0)
        report(false, "CPU %d: %s", cpu, strerror(errno));
}

/* ---- where pages lie ---- */

struct places {
    size_t pages[NODES], unknown;
};

/* Touches every page of a block. */
static void add_places(void *block, size_t size, struct places *out)
{
    for (char *p = block; p < (char *)block + size; p += PAGE) {
        void *page = p;
        int node = -1;
        *p = 1;
        if (syscall(SYS_move_pages, 0, 1ul, &page, NULL, &node, 0) == 0 && node >= 0 && node < NODES)
            out->pages[node]++;
        else
            out->unknown++;
    }
}

/* Blocks of three sizes, 6 MiB in all. */
static bool fill(kgc_kind *kind, struct places *out)
{
    static const size_t sizes[] = {PAGE, 256 * 1024, 4 * MIB}, counts[] = {256, 4, 1};
    memset(out, 0, sizeof *out);
    for (int i = 0; i < 3; i++)
        for (size_t n = 0; n < counts[i]; n++) {
            void *block = kgc_kind_malloc(kind, sizes[i]);
            if (block == NULL)
                return false;
            add_places(block, sizes[i], out);
        }
    return true;
}

static size_t total(const struct places *p)
{
    return p->pages[0] + p->pages[1] + p->pages[2] + p->unknown;
}

/* Opens a kind from a CPU and looks that its pages lie on these nodes and no others. */
static void check_kind(const char *spec, int cpu, unsigned nodes)
{
    kgc_kind *kind;
    kgc_kind_info info;
    kgc_kind_description description;
    struct places places;
    run_on(cpu);
    if (kgc_kind_open(spec, &kind) != 0) {
        report(false, "%s: %s", spec, kgc_last_error());
        return;
    }
    bool good = fill(kind, &places) && places.unknown == 0;
    for (unsigned node = 0; node < NODES; node++)
        good = good && (places.pages[node] == 0 || (nodes >> node & 1) != 0);
    if (strstr(spec, "interleave") != NULL) /* in turn: the shares differ by little */
        for (unsigned node = 0; node < NODES; node++)
            good =
                good && ((nodes >> node & 1) == 0 ||
                         places.pages[node] > total(&places) / (unsigned)__builtin_popcount(nodes) * 8 / 10);
    report(good, "%s from CPU %d: %zu, %zu and %zu pages, %zu unknown", spec, cpu, places.pages[0],
           places.pages[1], places.pages[2], places.unknown);
    bool local = strcmp(spec, "numa:local") == 0;
    good = kgc_kind_describe(kind, &description) == 0 && (local || description.nodes[0] == nodes) &&
           kgc_kind_stats(kind, &info) == 0 && info.elsewhere == 0 && !description.fell_back;
    good = good && kgc_kind_reset(kind) == 0 && kgc_kind_close(kind) == 0;
    report(good, "%s: policy %d, nodes %#lx, %zu bytes elsewhere; closed", spec, (int)description.policy,
           description.nodes[0], info.elsewhere);
}

static void check_error(const char *spec, int error, const char *part)
{
    kgc_kind *kind;
    int got = kgc_kind_open(spec, &kind);
    report(got == error && strstr(kgc_last_error(), part) != NULL, "%s: %s: %s", spec, strerror(got),
           kgc_last_error());
}

/* Nothing of it is there, so it is the local kind, and says so. */
static void check_fallback(const char *spec, int cpu)
{
    kgc_kind *kind;
    kgc_kind_info info;
    kgc_kind_description description;
    struct places places;
    run_on(cpu);
    if (kgc_kind_open(spec, &kind) != 0) {
        report(false, "%s: %s", spec, kgc_last_error());
        return;
    }
    bool good = fill(kind, &places) && places.pages[cpu] == total(&places);
    good = good && kgc_kind_describe(kind, &description) == 0 && description.fell_back &&
           description.policy == KGC_POLICY_LOCAL && kgc_kind_stats(kind, &info) == 0 && info.fallbacks == 1;
    report(good && kgc_kind_reset(kind) == 0 && kgc_kind_close(kind) == 0,
           "%s falls back: %zu pages on node %d", spec, places.pages[cpu], cpu);
}

/* ---- more than pages on nodes ---- */

/* A quarter and three quarters; jemalloc asks for some MiB at a time, so only about. */
static void check_ratio(void)
{
    enum { BLOCKS = 1024, SIZE = 64 * 1024 };
    kgc_kind *kind;
    struct places places = {{0}, 0};
    if (kgc_kind_open("ratio:numa:bind=0@1+numa:bind=2@3", &kind) != 0) {
        report(false, "ratio: %s", kgc_last_error());
        return;
    }
    for (int i = 0; i < BLOCKS; i++) {
        void *block = kgc_kind_malloc(kind, SIZE);
        if (block != NULL)
            add_places(block, SIZE, &places);
    }
    size_t pages = (size_t)BLOCKS * SIZE / PAGE;
    bool good = places.pages[0] + places.pages[2] == pages && places.pages[0] > pages / 10 &&
                places.pages[0] < pages * 4 / 10;
    report(good, "ratio 1 to 3: %zu, %zu and %zu pages", places.pages[0], places.pages[1], places.pages[2]);
    report(kgc_kind_reset(kind) == 0 && kgc_kind_close(kind) == 0, "it closes");
}

/* 240 MiB, preferably of the node that has 192: the rest comes from others. */
static void check_full_node(void)
{
    enum { SIZE = 240 * MIB };
    kgc_kind *kind;
    kgc_kind_info info = {0};
    struct places places = {{0}, 0};
    run_on(0);
    if (kgc_kind_open("numa:preferred=1", &kind) != 0) {
        report(false, "preferred: %s", kgc_last_error());
        return;
    }
    void *block = kgc_kind_malloc(kind, SIZE);
    if (block != NULL)
        add_places(block, SIZE, &places);
    size_t other = places.pages[0] + places.pages[2];
    bool good = block != NULL && places.unknown == 0 && places.pages[1] > 0 && other > 0;
    report(good, "numa:preferred=1 and a full node: %zu pages there, %zu elsewhere", places.pages[1], other);
    good = kgc_kind_stats(kind, &info) == 0 && info.elsewhere >= other * PAGE &&
           info.elsewhere - other * PAGE <= MIB;
    report(good, "its statistics: %zu pages elsewhere", info.elsewhere / PAGE);
    kgc_kind_free(kind, block);
    report(kgc_kind_close(kind) == 0, "it closes");
}

/* Collectable objects on a node, when the heap is set to it. */
static void check_heap(void)
{
    kgc_kind *kind;
    struct places places = {{0}, 0};
    run_on(0);
    if (kgc_kind_open("numa:bind=2", &kind) != 0 || kgc_heap_set_kind(kind) != 0) {
        report(false, "heap: %s", kgc_last_error());
        return;
    }
    size_t wrong = 0, inside = 0;
    for (int i = 0; i < 64; i++) {
        char *object = kgc_allocate(64 * 1024);
        char *first = (char *)(((uintptr_t)object + PAGE - 1) & -(uintptr_t)PAGE);
        if (kgc_kind_of(object) != kind)
            continue; /* of a section that was there before */
        add_places(first, 60 * 1024, &places);
        inside++;
    }
    wrong = places.pages[0] + places.pages[1] + places.unknown;
    report(inside > 32 && wrong == 0, "the heap on numa:bind=2: %zu objects, %zu pages right, %zu wrong",
           inside, places.pages[2], wrong);
}

/* ---- what a cpuset forbids ---- */

static bool write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool good = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    if (fd >= 0)
        close(fd);
    return good;
}

static void in_cpuset(const char *name, const char *cpus, const char *nodes, void (*fn)(void))
{
    char path[128], file[160], pid[16];
    int status = -1;
    snprintf(path, sizeof path, "/cgroup/%s", name);
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        snprintf(pid, sizeof pid, "%d", getpid());
        bool good = mkdir(path, 0700) == 0;
        snprintf(file, sizeof file, "%s/cpuset.cpus", path);
        good = good && write_file(file, cpus);
        snprintf(file, sizeof file, "%s/cpuset.mems", path);
        good = good && write_file(file, nodes);
        snprintf(file, sizeof file, "%s/cgroup.procs", path);
        if (!good || !write_file(file, pid))
            report(false, "cpuset %s: %s", name, strerror(errno));
        else
            fn();
        fflush(stdout);
        _exit(0);
    }
    bool good = child > 0 && waitpid(child, &status, 0) == child && status == 0;
    report(good, "cpuset %s: status %#x", name, (unsigned)status);
}

static void without_node_2(void)
{
    check_kind("highest-capacity", 0, 1 << 0);
    check_kind("highest-bandwidth:local", 1, 1 << 1);
    check_kind("numa:interleave=all", 1, 1 << 0 | 1 << 1);
    check_error("numa:bind=2", ENOTSUP, "forbidden");
    check_fallback("numa:preferred=2", 0);
}

/* The CPUs near node 2 are not allowed; what is known of it counts all the same. */
static void without_cpu_1(void)
{
    check_kind("highest-bandwidth", 0, 1 << 2);
    check_kind("numa:bind=1", 0, 1 << 1);
}

/* ---- the machine ---- */

static void run_command(void)
{
    int status = -1;
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        execl("/kindgc", "kindgc", "kinds", NULL);
        _exit(127);
    }
    bool good = child > 0 && waitpid(child, &status, 0) == child && status == 0;
    report(good, "kindgc kinds: status %#x", (unsigned)status);
}

static void mount_all(void)
{
    static const char *const folders[] = {"/proc", "/sys", "/tmp", "/cgroup"};
    for (int i = 0; i < 4; i++)
        mkdir(folders[i], 0755);
    bool good = mount("proc", "/proc", "proc", 0, NULL) == 0 &&
                mount("sysfs", "/sys", "sysfs", 0, NULL) == 0 &&
                mount("tmpfs", "/tmp", "tmpfs", 0, NULL) == 0 &&
                mount("cgroup2", "/cgroup", "cgroup2", 0, NULL) == 0 &&
                write_file("/cgroup/cgroup.subtree_control", "+cpuset");
    report(good, "mounts (last error: %s)", good ? "none" : strerror(errno));
}

static void power_off(void)
{
    puts("done");
    fflush(stdout);
    reboot(RB_POWER_OFF);
}

/* The same machine, but its firmware tells nothing. */
static void without_figures(void)
{
    check_error("highest-bandwidth", ENOTSUP, "no HMAT");
    check_error("lowest-latency:local", ENOTSUP, "no HMAT");
    check_fallback("highest-bandwidth:preferred", 1);
    check_fallback("lowest-latency:local,preferred", 0);
    check_kind("highest-capacity", 0, 1 << 2);
    check_kind("numa:interleave=all", 0, ALL);
}

int main(int argc, char **argv)
{
    setenv("TMPDIR", "/tmp", 1);
    mount_all();
    run_command();
    if (argc > 1 && strcmp(argv[1], "without-figures") == 0) {
        without_figures();
        power_off();
    }
    check_kind("numa:bind=0", 1, 1 << 0);
    check_kind("numa:bind=1", 0, 1 << 1);
    check_kind("numa:bind=0,2", 0, 1 << 0 | 1 << 2);
    check_kind("numa:interleave=all", 0, ALL);
    check_kind("numa:interleave=1-2", 0, 1 << 1 | 1 << 2);
    check_kind("numa:preferred=2", 0, 1 << 2);
    check_kind("numa:preferred=1-2", 0, 1 << 1 | 1 << 2);
    check_kind("numa:local", 0, 1 << 0);
    check_kind("numa:local", 1, 1 << 1);
    check_kind("highest-capacity", 0, 1 << 2);
    check_kind("highest-capacity:local", 0, 1 << 0);
    check_kind("highest-bandwidth", 0, 1 << 2);
    check_kind("highest-bandwidth:local", 0, 1 << 0);
    check_kind("highest-bandwidth:local", 1, 1 << 2);
    check_kind("highest-bandwidth:preferred", 0, 1 << 2);
    check_kind("lowest-latency", 1, 1 << 0);
    check_kind("lowest-latency:local", 1, 1 << 1);
    check_error("numa:bind=7", ENOTSUP, "7 does not exist");
    check_fallback("numa:preferred=7", 1);
    check_ratio();
    in_cpuset("without-node-2", "0-1", "0-1", without_node_2);
    in_cpuset("without-cpu-1", "0", "0-2", without_cpu_1);
    check_full_node();
    check_heap();
    power_off();
    return 1;
}
