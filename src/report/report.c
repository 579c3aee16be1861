/* SPDX-License-Identifier: MIT */
/* The report's contents: see report.h.  doc/report.md lists the fields. */
#include "report/report.h"
#include "base/message.h"
#include "base/options.h"
#include "collect/pace.h"
#include "kind/kind.h"
#include "leak/reclaim.h"
#include "os/proc.h"
#include "report/json.h"
#include "section/section.h"
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#define GC_THREADS             1 /* declares the calls that do not lock */
#define GC_NO_THREAD_REDIRECTS 1
#include <gc/gc.h>

/* Rises when a field changes its meaning; new fields do not raise it. */
enum { REPORT_VERSION = 1 };

static uint64_t start_us;
static pid_t owner;

static uint64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

void kgc__report_start(void)
{
    start_us = now_us();
    owner = getpid();
}

static uint64_t microseconds(const struct timeval *t)
{
    return (uint64_t)t->tv_sec * 1000000 + (uint64_t)t->tv_usec;
}

static void put_process(struct kgc__json *j)
{
    char path[4096];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    path[n > 0 ? n : 0] = '\0';
    kgc__json_text(j, "program", n > 0 ? path : program_invocation_name);
    kgc__json_number(j, "pid", (uint64_t)getpid());
    kgc__json_seconds(j, "seconds", now_us() - start_us);
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) == 0) {
        kgc__json_seconds(j, "user_seconds", microseconds(&usage.ru_utime));
        kgc__json_seconds(j, "system_seconds", microseconds(&usage.ru_stime));
        kgc__json_number(j, "peak_resident", (uint64_t)usage.ru_maxrss * 1024);
    }
}

static void put_limit(struct kgc__json *j, size_t limit)
{
    if (limit == 0 || limit == SIZE_MAX)
        kgc__json_null(j, "limit");
    else
        kgc__json_number(j, "limit", limit);
}

static void put_heap(struct kgc__json *j)
{
    struct GC_prof_stats_s s = {0};
    GC_get_prof_stats_unsafe(&s, sizeof s);
    kgc__json_open(j, "heap", '{');
    kgc__json_number(j, "size", s.heapsize_full);
    kgc__json_number(j, "free", s.free_bytes_full);
    /* Blocks in use: objects, with those that died since the last collection
       and with what is free inside of blocks. */
    kgc__json_number(j, "live_estimate", s.heapsize_full - s.free_bytes_full);
    kgc__json_number(j, "total", s.allocd_bytes_before_gc + s.bytes_allocd_since_gc);
    put_limit(j, kgc__section_limit());
    if (kgc__pace_share() > 0)
        kgc__json_number(j, "pace_percent", (uint64_t)(kgc__pace_share() * 100 + 0.5));
    kgc__json_close(j, '{');
}

/* GC_get_gc_no() counts also what the callback was not told, when a program has
   put its own in its place behind our back (callbacks.h); then the pauses are
   fewer. */
static void put_collections(struct kgc__json *j)
{
    struct kgc__pauses p = kgc__world_pauses();
    kgc__json_number(j, "collections", GC_get_gc_no());
    kgc__json_open(j, "pause", '{');
    kgc__json_number(j, "count", p.count);
    kgc__json_number(j, "total_ns", p.total_ns);
    kgc__json_number(j, "longest_ns", p.longest_ns);
    kgc__json_close(j, '{');
}

static void put_family(struct kgc__json *j, const kgc_kind *kind)
{
    char family[KGC__SPEC_MAX];
    snprintf(family, sizeof family, "%.*s", (int)strcspn(kind->name, ":,"), kind->name);
    kgc__json_text(j, "family", kind->caller_hooks != NULL ? "caller" : family);
}

static void put_file(struct kgc__json *j, const kgc_kind *kind)
{
    struct stat st;
    kgc__json_text(j, "directory", kind->directory);
    if (kgc__file_is_open(&kind->space.file) && fstat(kind->space.file.fd, &st) == 0)
        kgc__json_number(j, "file_blocks", (uint64_t)st.st_blocks * 512);
}

static void put_kind(kgc_kind *kind, void *arg)
{
    struct kgc__json *j = arg;
    kgc_kind_info info;
    if (kgc_kind_stats(kind, &info) != 0)
        return;
    kgc__json_open(j, NULL, '{');
    kgc__json_text(j, "kind", kind->name);
    put_family(j, kind);
    if (kind->parent != NULL)
        kgc__json_text(j, "member_of", kind->parent->name);
    kgc__json_number(j, "section_bytes", info.section_bytes);
    kgc__json_number(j, "explicit_bytes", info.explicit_bytes);
    kgc__json_number(j, "resident", info.resident);
    kgc__json_number(j, "huge", info.huge);
    kgc__json_number(j, "purged", info.purged);
    kgc__json_number(j, "page_size", info.page_size);
    put_limit(j, info.limit);
    kgc__json_number(j, "refusals", info.refusals);
    if (info.placed != 0 || info.placement_refusals != 0) {
        kgc__json_number(j, "placed", info.placed);
        kgc__json_number(j, "placement_refusals", info.placement_refusals);
    }
    if (kind->directory[0] != '\0')
        put_file(j, kind);
    kgc__json_close(j, '{');
}

/* What sections add up to. */
struct sum {
    struct kgc__json *json; /* NULL: only add */
    uint64_t plain, purged;
};

static int put_section(const kgc_section *s, void *arg)
{
    struct sum *sum = arg;
    struct kgc__json *j = sum->json;
    sum->purged += s->purged;
    if (s->kind == NULL)
        sum->plain += s->size;
    kgc__json_open(j, NULL, '{');
    kgc__json_address(j, "base", s->base);
    kgc__json_number(j, "size", s->size);
    kgc__json_text(j, "kind", s->kind != NULL ? kgc_kind_name(s->kind) : "plain");
    kgc__json_number(j, "resident", s->resident);
    kgc__json_number(j, "huge", s->huge);
    kgc__json_number(j, "purged", s->purged);
    kgc__json_close(j, '{');
    return 0;
}

static bool skip(const struct kgc__mapping *m, void *arg)
{
    (void)m;
    (void)arg;
    return false;
}

/* Asking kgc_heap_kind() before libgc needed memory would open a kind. */
static const char *heap_kind(void)
{
    if (kgc__section_requests() != 0)
        return kgc_kind_name(kgc_heap_kind());
    return kgc__settings.heap[0] != '\0' ? kgc__settings.heap : "default";
}

/* malloc=collect. */
static void put_malloc(struct kgc__json *j)
{
    struct kgc__reclaim_stats s;
    kgc__reclaim_stats(&s);
    if (!s.started)
        return;
    kgc__json_open(j, "malloc", '{');
    kgc__json_text(j, "mode", "collect");
    kgc__json_number(j, "cycles", s.cycles);
    kgc__json_number(j, "reclaimed_blocks", s.blocks);
    kgc__json_number(j, "reclaimed_bytes", s.bytes);
    kgc__json_number(j, "suspect_blocks", s.suspects);
    kgc__json_number(j, "suspect_bytes", s.suspect_bytes);
    kgc__json_number(j, "live_blocks", s.live_blocks);
    kgc__json_number(j, "live_bytes", s.live_bytes);
    kgc__json_number(j, "unproven", s.unproven);
    kgc__json_text(j, "unproven_reason", s.reason);
    kgc__json_number(j, "longest_ns", s.longest_ns);
    kgc__json_number(j, "total_ns", s.total_ns);
    kgc__json_close(j, '{');
}

static void put_report(struct kgc__json *j)
{
    struct sum sum = {.json = j};
    kgc__json_open(j, NULL, '{');
    kgc__json_number(j, "kindgc_report", REPORT_VERSION);
    kgc__json_text(j, "version", kgc_version());
    put_process(j);
    kgc__json_text(j, "heap_kind", heap_kind());
    put_heap(j);
    put_collections(j);
    put_malloc(j);
    kgc__json_open(j, "kinds", '[');
    kgc_kind_visit(put_kind, j);
    kgc__json_close(j, '[');
    kgc__json_open(j, "sections", '[');
    kgc_heap_visit_sections(put_section, &sum);
    kgc__json_close(j, '[');
    kgc__json_number(j, "plain", sum.plain);
    kgc__json_number(j, "purged", sum.purged);
    kgc__json_number(j, "mappings", kgc__proc_visit_mappings(skip, NULL));
    kgc__json_close(j, '{');
}

bool kgc__report_expand(const char *file, char *out, size_t size)
{
    size_t n = 0;
    for (const char *p = file; *p != '\0'; p++) {
        char pid[16] = {*p};
        if (p[0] == '%' && (p[1] == 'p' || p[1] == '%')) {
            if (*++p == 'p')
                snprintf(pid, sizeof pid, "%ld", (long)getpid());
        }
        size_t length = strlen(pid);
        if (n + length >= size)
            return false;
        memcpy(out + n, pid, length);
        n += length;
    }
    out[n] = '\0';
    return true;
}

int kgc__report_write(const char *file)
{
    char path[KGC__OPTION_TEXT_MAX];
    struct kgc__json j;
    if (!kgc__report_expand(file, path, sizeof path))
        return kgc__fail(ENAMETOOLONG, "the report cannot be written: the name is too long: %.200s...", file);
    /* Not written beside it and renamed: the name may be a pipe or /dev/stderr. */
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0666);
    if (fd < 0)
        return kgc__fail_errno(errno, "the report cannot be written: %s", path);
    kgc__json_start(&j, fd);
    put_report(&j);
    int error = kgc__json_finish(&j);
    if (close(fd) != 0 && error == 0)
        error = errno; /* network file systems write late */
    return error == 0 ? 0 : kgc__fail_errno(error, "the report cannot be written: %s", path);
}

static void note_kind(kgc_kind *kind, void *arg)
{
    (void)kind;
    *(bool *)arg = true;
}

/* A shell around the program inherits the settings, and must not overwrite
   the program's report with an empty one. */
static bool was_used(void)
{
    bool used = kgc__section_requests() != 0;
    kgc_kind_visit(note_kind, &used);
    return used;
}

/* `kindgc run` names its own process; exec keeps the number. */
bool kgc__report_is_of_command(void)
{
    const char *pid = secure_getenv("KINDGC_RUN");
    return pid != NULL && strtol(pid, NULL, 10) == (long)getpid();
}

static void say_unused(void)
{
    const char *program = program_invocation_name, *heap = kgc__settings.heap;
    const char *end = kgc__settings.report[0] != '\0' ? "; it has written no report" : "";
    if (heap[0] != '\0')
        kgc__warn(
            "%.200s itself did not use the shared libgc (libgc.so.1): --heap %.200s had no effect on it%s",
            program, heap, end);
    else
        kgc__warn("%.200s itself did not use the shared libgc (libgc.so.1)%s", program, end);
}

void kgc__report_at_exit(void)
{
    static atomic_flag done = ATOMIC_FLAG_INIT;
    if (getpid() != owner || atomic_flag_test_and_set(&done))
        return;
    if (!was_used()) {
        if (kgc__report_is_of_command() && (kgc__settings.malloc[0] == '\0' || kgc__settings.heap[0] != '\0'))
            say_unused();
    } else if (kgc__settings.report[0] != '\0' && kgc__report_write(kgc__settings.report) != 0) {
        kgc__warn("%s", kgc_last_error());
    }
}
