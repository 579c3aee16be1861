# The library is linked twice from one set of objects: libkindgc.la exports the
# public names only; the unit tests link src/libinternal.la and see everything.
noinst_LTLIBRARIES += src/libinternal.la
lib_LTLIBRARIES += src/libkindgc.la
bin_PROGRAMS += src/kindgc

include_HEADERS = include/kindgc.h
kindgcincludedir = $(includedir)/kindgc
kindgcinclude_HEADERS = \
	include/kindgc/allocate.h include/kindgc/arena.h include/kindgc/base.h \
	include/kindgc/finalize.h include/kindgc/heap.h include/kindgc/init.h include/kindgc/inline.h \
	include/kindgc/kind.h include/kindgc/kindgc.hpp include/kindgc/layout.h include/kindgc/leak.h include/kindgc/malloc.h include/kindgc/region.h \
	include/kindgc/weak.h

src_libinternal_la_SOURCES = \
	src/base/check.h src/base/message.h src/base/message.c src/base/lock.h src/base/lock.c \
	src/base/size.h src/base/size.c src/base/options.h src/base/options.c src/base/next.h \
	src/os/os.h src/os/memory.c src/os/cgroup.h src/os/cgroup.c src/os/proc.h src/os/proc.c src/os/meta.h src/os/meta.c \
	src/os/file.h src/os/file.c src/os/zero.h src/os/zero.c src/os/nodes.h src/os/nodes.c \
	src/topology/hwloc.h src/topology/hwloc.c src/topology/topology.h src/topology/topology.c \
	src/extent/map.h src/extent/map.c src/extent/placed.h src/extent/placed.c src/extent/range.h src/extent/range.c \
	src/extent/space.h src/extent/space.c \
	src/kind/kind.h src/kind/spec.h src/kind/spec.c src/kind/spec_kinds.c src/kind/options.c \
	src/kind/registry.c src/kind/stats.c src/kind/describe.c src/kind/plain.c src/kind/hugetlb.c \
	src/kind/numa.c src/kind/locked.c src/kind/file.c src/kind/members.c src/kind/tier.c src/kind/ratio.c \
	src/kind/fixed.c src/kind/caller.c src/kind/fork.c \
	src/section/section.h src/section/callbacks.h src/section/callbacks.c src/section/event.h src/section/event.c src/section/table.h src/section/table.c \
	src/section/intercept.c src/section/world.c src/section/supply.c src/section/protect.c \
	src/section/place.h src/section/place.c src/section/place_memory.c \
	src/section/place_limit.c src/section/place_fork.c src/section/purge.c src/section/limit.c src/section/exclude.c src/section/visit.c \
	src/arena/arena.h src/arena/classes.h src/arena/explicit.h src/arena/marks.h src/arena/marks.c src/arena/blocks.h src/arena/blocks.c \
	src/arena/arenas.c src/arena/cache.c src/arena/thread_caches.c src/arena/policy.c \
	src/arena/jemalloc.c src/arena/exchange.c src/arena/fork.c src/arena/arena.c \
	src/region/region.h src/region/region.c src/region/create.c src/region/pages.c src/region/guard.c \
	src/collect/libgc.h src/collect/start.h src/collect/start.c src/collect/thread.h src/collect/thread.c \
	src/collect/tls.c src/collect/create.c src/collect/roots.h src/collect/roots.c src/collect/allocate.c \
	src/collect/pace.h src/collect/pace.c src/collect/magazine.h src/collect/magazine.c src/collect/allocate_in.h src/collect/allocate_in.c src/collect/retain.h src/collect/retain.c \
	src/collect/large.h src/collect/large.c src/collect/type.h src/collect/type.c src/collect/type_mark.c src/collect/object_kind.h src/collect/object_kind.c src/collect/scan.h src/collect/scan.c src/collect/heap.c src/collect/finalize.c src/collect/references.h src/collect/references.c \
	src/collect/stack.h src/collect/stack.c src/collect/intervals.c src/collect/closure.h src/collect/closure.c src/collect/weak.c src/collect/ephemeron.c src/collect/unload.h src/collect/unload.c \
	src/rooted/kind.h src/rooted/kind.c src/rooted/misuse.h src/rooted/misuse.c src/rooted/rooted.h src/rooted/usage.h src/rooted/usage.c src/rooted/malloc.c \
	src/layout/layout.h src/layout/layout.c src/layout/allocator.c src/layout/objects.c src/layout/collector.c \
	src/layout/global.c \
	src/report/json.h src/report/json.c src/report/report.h src/report/report.c \
	src/leak/find.h src/leak/find.c src/leak/hidden.h src/leak/hidden.c src/leak/maps.h src/leak/maps.c src/leak/mark.h src/leak/mark.c src/leak/pages.h src/leak/pages.c src/leak/pin.h src/leak/pin.c \
	src/leak/raw.h src/leak/reclaim.h src/leak/reclaim.c src/leak/roots.h src/leak/roots.c src/leak/scratch.h src/leak/scratch.c src/leak/stop.h src/leak/stop.c \
	src/leak/start.h src/leak/start.c \
	src/leak/object.h src/leak/object.c src/leak/rule.h src/leak/rule.c src/leak/sites.h src/leak/sites.c \
	src/leak/depot.h src/leak/depot.c src/leak/capture.h src/leak/capture.c src/leak/births.h src/leak/births.c \
	src/report/leaks.h src/report/leaks.c \
	src/preload/exit.c src/preload/load.h src/preload/load.c src/preload/operators.c
src_libinternal_la_CPPFLAGS = $(AM_CPPFLAGS) -DKGC_BINDIR='"$(bindir)"'
src_libinternal_la_CFLAGS = $(AM_CFLAGS) -fvisibility=hidden
src_libinternal_la_LIBADD = $(GC_LIBS) $(JEMALLOC_LIBS)

src_libkindgc_la_SOURCES =
src_libkindgc_la_LIBADD = src/libinternal.la
src_libkindgc_la_LDFLAGS = $(AM_LDFLAGS) -version-info 0:0:0 -Wl,-z,nodelete \
	-Wl,--version-script=$(top_srcdir)/src/kindgc.map
EXTRA_src_libkindgc_la_DEPENDENCIES = src/kindgc.map

src_kindgc_SOURCES = \
	src/cli/cli.h src/cli/main.c src/cli/run.c src/cli/settings.c src/cli/program.c src/cli/elf.c \
	src/cli/kinds.c src/cli/json.h src/cli/json.c src/cli/report.c src/cli/leaks.c \
	src/cli/leak_report.h src/cli/leak_report.c src/cli/leak_text.c src/cli/leak_json.c src/cli/suppressions.h src/cli/suppressions.c \
	src/cli/symbols.h src/cli/symbols.c \
	src/base/size.h src/base/size.c
src_kindgc_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS) $(DW_CFLAGS)
src_kindgc_LDADD = src/libkindgc.la $(JANSSON_LIBS) $(DW_LIBS)

pkgconfigdir = $(libdir)/pkgconfig
pkgconfig_DATA = src/kindgc.pc
EXTRA_DIST += src/LAYERS src/kindgc.map
