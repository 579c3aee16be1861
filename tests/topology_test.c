/* SPDX-License-Identifier: MIT */
/*
 * The choice of memory nodes, on descriptions of machines that the test does
 * not run on (tests/topologies/, made by generate.c there) and on this one.
 */
#include "os/os.h"
#include "suite.h"
#include "support/system.h"
#include "topology/topology.h"
#include <errno.h>
#include <fcntl.h>
#include <kindgc/init.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ANY = -2 }; /* not local; else the CPU */

/* `make check` says where the source is; the compiler knew it too. */
static const char *path_of(const char *machine, char path[4096])
{
    const char *source = getenv("srcdir");
    if (source != NULL)
        snprintf(path, 4096, "%s/tests/topologies/%s", source, machine);
    else
        snprintf(path, 4096, "%.*s/topologies/%s", (int)(strrchr(__FILE__, '/') - __FILE__), __FILE__,
                 machine);
    return path;
}

/* The chosen nodes as a list, or "ENOTSUP". */
static const char *chosen(const char *machine, enum kgc__attribute attribute, int cpu,
                          char text[KGC__NODES_TEXT])
{
    char path[4096];
    struct kgc__nodes nodes;
    const char *xml = machine != NULL ? path_of(machine, path) : NULL;
    int error = kgc__topology_best(xml, attribute, cpu != ANY, cpu, &nodes);
    if (error == 0)
        return kgc__nodes_format(&nodes, text);
    ck_assert_uint_eq(kgc__nodes_count(&nodes), 0);
    return error == ENOTSUP ? "ENOTSUP" : "another error";
}

struct row {
    const char *machine;
    int cpu;
    const char *bandwidth, *latency, *capacity;
};

/* CPUs 0 to 3 are of the first package, 4 to 7 of the second; knl: two in each cluster. */
static const struct row rows[] = {
    {"ddr.xml", ANY, "0-1", "0-1", "0-1"},
    {"ddr.xml", 0, "0", "0", "0"},
    {"ddr.xml", 7, "1", "1", "1"},
    {"hbm.xml", ANY, "1,3", "0,2", "0,2"},
    {"hbm.xml", 3, "1", "0", "0"},
    {"hbm.xml", 4, "3", "2", "2"},
    {"knl.xml", ANY, "1,3,5,7", "0,2,4,6", "0,2,4,6"},
    {"knl.xml", 1, "1", "0", "0"},
    {"knl.xml", 4, "5", "4", "4"},
    {"knl.xml", 7, "7", "6", "6"},
    {"cxl.xml", ANY, "0-1", "0-1", "2"},
    {"cxl.xml", 0, "0", "0", "2"},
    {"cxl.xml", 5, "1", "1", "2"},
    {"pmem.xml", ANY, "0,2", "0,2", "3"},
    {"pmem.xml", 0, "0", "0", "1"},
    {"pmem.xml", 4, "2", "2", "3"},
    {"untold.xml", ANY, "ENOTSUP", "ENOTSUP", "1"},
    {"untold.xml", 0, "ENOTSUP", "ENOTSUP", "0"},
    {"untold.xml", 4, "ENOTSUP", "ENOTSUP", "1"},
    {"ties.xml", ANY, "0-2", "3", "0-1,3"},
    {"ties.xml", 2, "0-1", "0-1", "0-1"},
    {"ties.xml", 6, "2", "3", "3"},
    {"gaps.xml", ANY, "1", "1", "2"},
    {"gaps.xml", 0, "ENOTSUP", "ENOTSUP", "ENOTSUP"}, /* no memory */
    {"gaps.xml", 4, "1", "1", "1"},
    {"gaps.xml", 8, "ENOTSUP", "ENOTSUP", "2"},        /* no figures */
    {"gaps.xml", 12, "ENOTSUP", "ENOTSUP", "ENOTSUP"}, /* no such CPU */
};

START_TEST(choices_on_known_machines)
{
    char text[KGC__NODES_TEXT];
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct row *r = &rows[i];
        const char *expected[] = {r->bandwidth, r->latency, r->capacity};
        for (int attribute = KGC__BANDWIDTH; attribute <= KGC__CAPACITY; attribute++) {
            const char *found = chosen(r->machine, (enum kgc__attribute)attribute, r->cpu, text);
            ck_assert_msg(strcmp(found, expected[attribute]) == 0,
                          "%s, CPU %d, attribute %d: %s instead of %s", r->machine, r->cpu, attribute, found,
                          expected[attribute]);
        }
    }
}
END_TEST

/* Without `local` the CPU does not matter, not even one that is not there. */
START_TEST(cpu_counts_only_for_local)
{
    char path[4096], text[KGC__NODES_TEXT];
    struct kgc__nodes nodes;
    for (int cpu = -1; cpu < 100; cpu += 5) {
        ck_assert_int_eq(kgc__topology_best(path_of("hbm.xml", path), KGC__BANDWIDTH, false, cpu, &nodes), 0);
        ck_assert_str_eq(kgc__nodes_format(&nodes, text), "1,3");
    }
}
END_TEST

static void check_text(const char *machine, enum kgc__attribute attribute, int cpu, const char *expected)
{
    char text[KGC__NODES_TEXT];
    ck_assert_str_eq(chosen(machine, attribute, cpu, text), "ENOTSUP");
    ck_assert_str_eq(kgc_last_error(), expected);
}

#define REASON                                                                                           \
    " (no HMAT from the firmware, or a kernel before 5.2 or without CONFIG_ACPI_HMAT); name the nodes: " \
    "numa:bind=N"

START_TEST(errors_say_what_is_missing)
{
    check_text("untold.xml", KGC__BANDWIDTH, ANY,
               "this machine does not tell the bandwidth of its memory nodes" REASON);
    check_text("untold.xml", KGC__LATENCY, 0,
               "this machine does not tell the latency of the memory nodes near this CPU" REASON);
    check_text("gaps.xml", KGC__CAPACITY, 3,
               "near CPU 3 there is no memory node with memory that this process may use; "
               "leave out \"local\" or name the nodes: numa:bind=N");
    check_text("gaps.xml", KGC__LATENCY, 40, "the description of the machine has no CPU 40");
}
END_TEST

START_TEST(descriptions_that_cannot_be_read)
{
    char path[4096], expected[8192];
    struct kgc__nodes nodes;
    static const char *const wrong[] = {"missing.xml", "generate.c", ".", "other.xml", "truncated.xml"};
    /* hwloc 2.9 leaks a few hundred bytes over a file that ends too soon. */
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0] - SANITIZED; i++) {
        errno = ENOLCK;
        ck_assert_int_eq(kgc__topology_best(path_of(wrong[i], path), KGC__LATENCY, true, 0, &nodes), EINVAL);
        ck_assert_int_eq(errno, ENOLCK);
        snprintf(expected, sizeof expected, "%s cannot be read as a machine description in hwloc's XML",
                 path);
        ck_assert_str_eq(kgc_last_error(), expected);
    }
}
END_TEST

/* ---- this machine ---- */

/* Bytes of a node, read without hwloc. */
static unsigned long size_of_node(unsigned node)
{
    char path[128], line[256];
    unsigned long kib = 0;
    snprintf(path, sizeof path, "/sys/devices/system/node/node%u/meminfo", node);
    FILE *f = fopen(path, "re");
    while (f != NULL && kib == 0 && fgets(line, sizeof line, f) != NULL)
        sscanf(line, "Node %*u MemTotal: %lu", &kib);
    if (f != NULL)
        fclose(f);
    return kib;
}

START_TEST(largest_node_of_this_machine)
{
    struct kgc__node_sets sets;
    struct kgc__nodes nodes;
    unsigned long largest = 0;
    if (access("/sys/devices/system/node/node0", F_OK) != 0)
        SKIP("the kernel tells no memory nodes");
    kgc__node_sets_read(&sets);
    for (unsigned node = 0; node < KGC__NODES_MAX; node++)
        if (kgc__nodes_has(&sets.allowed, node) && size_of_node(node) > largest)
            largest = size_of_node(node);
    errno = ENOLCK;
    ck_assert_int_eq(kgc__topology_best(NULL, KGC__CAPACITY, false, 0, &nodes), 0);
    ck_assert_int_eq(errno, ENOLCK);
    ck_assert_uint_ne(kgc__nodes_count(&nodes), 0);
    for (unsigned node = 0; node < KGC__NODES_MAX; node++)
        ck_assert_int_eq(kgc__nodes_has(&nodes, node),
                         kgc__nodes_has(&sets.allowed, node) && size_of_node(node) == largest);
}
END_TEST

/* The calling thread's CPU, whichever it is, is one of this machine. */
START_TEST(near_the_calling_thread)
{
    struct kgc__nodes nodes;
    int error = kgc__topology_best(NULL, KGC__CAPACITY, true, -1, &nodes);
    if (error == ENOTSUP)
        SKIP("%s", kgc_last_error());
    ck_assert_int_eq(error, 0);
    ck_assert_uint_ne(kgc__nodes_count(&nodes), 0);
}
END_TEST

/* hwloc's own variables go before the machine, not before a description. */
START_TEST(hwlocs_variables_are_honoured)
{
    char path[4096], text[KGC__NODES_TEXT];
    setenv("HWLOC_XMLFILE", path_of("hbm.xml", path), 1);
    ck_assert_str_eq(chosen(NULL, KGC__BANDWIDTH, ANY, text), "1,3");
    ck_assert_str_eq(chosen(NULL, KGC__BANDWIDTH, 5, text), "3");
    ck_assert_str_eq(chosen("cxl.xml", KGC__CAPACITY, ANY, text), "2");
    unsetenv("HWLOC_XMLFILE");
}
END_TEST

/* Nodes 0 and 1, whatever the machine has. */
static long two_allowed(int *mode, unsigned long *nodes, unsigned long bits, void *p, unsigned long flags)
{
    (void)mode;
    (void)p;
    ck_assert_uint_eq(flags, 4); /* MPOL_F_MEMS_ALLOWED */
    memset(nodes, 0, bits / 8);
    nodes[0] = 3;
    return 0;
}

/* A cpuset that leaves out the best nodes: the best of the others. */
START_TEST(forbidden_nodes_do_not_count)
{
    char path[4096], text[KGC__NODES_TEXT];
    struct kgc__os real = kgc__os;
    kgc__os.get_mempolicy = two_allowed;
    setenv("HWLOC_XMLFILE", path_of("pmem.xml", path), 1);
    setenv("HWLOC_THISSYSTEM", "1", 1); /* "it describes this machine" */
    ck_assert_str_eq(chosen(NULL, KGC__CAPACITY, ANY, text), "1");
    ck_assert_str_eq(chosen(NULL, KGC__LATENCY, ANY, text), "0");
    ck_assert_str_eq(chosen(NULL, KGC__LATENCY, 4, text), "ENOTSUP");
    ck_assert_str_eq(kgc_last_error(), "near CPU 4 there is no memory node with memory that this process may "
                                       "use; leave out \"local\" or name the nodes: numa:bind=N");
    unsetenv("HWLOC_THISSYSTEM");
    ck_assert_str_eq(chosen(NULL, KGC__CAPACITY, ANY, text), "3");
    unsetenv("HWLOC_XMLFILE");
    kgc__os = real;
}
END_TEST

static int fail_all(void *arg)
{
    char path[4096];
    struct kgc__nodes nodes;
    (void)arg;
    return kgc__topology_best(path_of("untold.xml", path), KGC__LATENCY, false, 0, &nodes) == ENOTSUP &&
                   kgc__topology_best(path_of("truncated.xml", path), KGC__LATENCY, false, 0, &nodes) ==
                       EINVAL &&
                   kgc__topology_best(path_of("missing.xml", path), KGC__LATENCY, false, 0, &nodes) == EINVAL
               ? 0
               : 1;
}

START_TEST(nothing_is_printed)
{
    char text[4096];
    int status = in_child_with_stderr(fail_all, NULL, text, sizeof text);
    ck_assert(exited(status, 0));
    ck_assert_str_eq(text, "");
}
END_TEST

static void *choose_often(void *arg)
{
    char path[4096];
    struct kgc__nodes nodes;
    size_t wrong = 0;
    (void)arg;
    for (int i = 0; i < 20; i++)
        wrong += kgc__topology_best(path_of("hbm.xml", path), KGC__BANDWIDTH, true, 0, &nodes) != 0 ||
                 nodes.bits[0] != 2;
    return (void *)wrong;
}

START_TEST(threads_may_ask_at_once)
{
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, choose_often, NULL), 0);
    for (int i = 0; i < 4; i++) {
        void *wrong;
        ck_assert_int_eq(pthread_join(threads[i], &wrong), 0);
        ck_assert_ptr_null(wrong);
    }
}
END_TEST

/* ---- a program with more rights than its caller ---- */

/* What the copy of this program does: exit status 0 for the error that is
   expected, 1 for nodes, 2 for another error. */
static int ask_with_privileges(void)
{
    struct kgc__nodes nodes;
    int error = kgc__topology_best(NULL, KGC__CAPACITY, false, 0, &nodes);
    if (error == 0)
        return 1;
    return error == ENOTSUP &&
                   strstr(kgc_last_error(), "HWLOC_... of the environment cannot be trusted") != NULL
               ? 0
               : 2;
}

static int run_copy(void *program)
{
    char *argv[] = {program, (char *)"--ask", NULL};
    execv(program, argv);
    return 3;
}

static bool copy_self(const char *to)
{
    char buffer[65536];
    ssize_t n = 0;
    int in = open("/proc/self/exe", O_RDONLY | O_CLOEXEC),
        out = open(to, O_WRONLY | O_CREAT | O_CLOEXEC, 0700);
    while (in >= 0 && out >= 0 && (n = read(in, buffer, sizeof buffer)) > 0)
        if (write(out, buffer, (size_t)n) != n)
            break;
    close(in);
    return close(out) == 0 && n == 0;
}

/* Setuid to somebody else: the kernel sets AT_SECURE.  The variable that is
   refused would otherwise have the program open a file of its caller's choice. */
START_TEST(privileged_programs_do_not_trust_the_environment)
{
    char program[4096], path[4096];
    if (geteuid() != 0)
        SKIP("only root can make a setuid program of another user");
    if (SANITIZED)
        SKIP("the sanitizer's own settings do not survive");
    const char *directory = make_directory();
    snprintf(program, sizeof program, "%s/copy", directory);
    ck_assert_int_eq(chmod(directory, 0755), 0);
    ck_assert(copy_self(program));
    ck_assert_int_eq(chown(program, 65534, 65534), 0);
    ck_assert_int_eq(chmod(program, 04755), 0);
    setenv("HWLOC_XMLFILE", path_of("hbm.xml", path), 1);
    int with = in_child(run_copy, program);
    unsetenv("HWLOC_XMLFILE");
    int without = in_child(run_copy, program);
    unlink(program);
    remove_directory(directory);
    ck_assert_msg(exited(with, 0), "with the variable: status %#x", (unsigned)with);
    ck_assert_msg(exited(without, 1), "without: status %#x", (unsigned)without);
}
END_TEST

SUITE_FUNCTION(run_suite, "topology", choices_on_known_machines, cpu_counts_only_for_local,
               errors_say_what_is_missing, descriptions_that_cannot_be_read, largest_node_of_this_machine,
               near_the_calling_thread, hwlocs_variables_are_honoured, forbidden_nodes_do_not_count,
               nothing_is_printed, threads_may_ask_at_once, privileged_programs_do_not_trust_the_environment)

int main(int argc, char **argv)
{
    return argc == 2 && strcmp(argv[1], "--ask") == 0 ? ask_with_privileges() : run_suite();
}
