# The tests.  A unit test is a program of one source file that links all
# objects of the library, so it sees every symbol; tests on programs are shell
# scripts (tests/real/).  `make check-long` runs the long ones.
unit_tests = \
	tests/allocate_test tests/allocator_test tests/arena_fork_test tests/arena_policy_test tests/arena_stats_test \
	tests/arena_test tests/arenas_test tests/blocks_test tests/rooted_kind_test tests/boehm_gc_test tests/cache_size_test tests/caller_hooks_test tests/cgroup_test tests/callbacks_test tests/classes_test tests/coroutine_test \
	tests/describe_test tests/event_test tests/explicit_fault_test tests/extent_hooks_test tests/fault_test \
	tests/file_kind_test tests/finalize_test tests/finalize_rules_test tests/finalize_threads_test tests/fixed_test tests/heap_fault_test tests/heap_test \
	tests/hook_refusal_test tests/hugetlb_test tests/inline_test tests/leak_find_test tests/leak_reclaim_test tests/leak_roots_test tests/leak_threads_test tests/large_test tests/kind_test tests/layout_test tests/lock_test tests/magazine_test tests/locked_test \
	tests/malloc_test tests/map_test tests/memkind_arena_test tests/message_test tests/nodes_test \
	tests/numa_test tests/oom_test tests/options_test tests/os_test tests/pace_test tests/place_test tests/place_objects_test tests/place_limits_test \
	tests/place_fork_test tests/place_fault_test tests/place_pages_test tests/range_test tests/ratio_test \
	tests/region_fault_test tests/region_guard_test tests/region_kind_test tests/region_misuse_test \
	tests/region_model_test tests/region_pages_test tests/region_test tests/report_test tests/rooted_fault_test tests/scanned_test \
	tests/section_test tests/size_test tests/soundness_test tests/space_test tests/spec_test tests/std_alloc_test tests/stress_test \
	tests/thread_cache_test tests/stack_test tests/thread_test tests/tier_test tests/topology_test tests/type_fault_test tests/type_test tests/weak_test tests/ephemeron_test

# For programs that name no libraries of their own.  The objects, not the
# archive: nothing refers to the constructor that attaches the library to
# libgc, so a linker would leave it out.
LDADD = tests/libsupport.la $(src_libinternal_la_OBJECTS) $(GC_LIBS) $(JEMALLOC_LIBS) $(CHECK_LIBS)

if TESTS_ENABLED
AM_CPPFLAGS += $(CHECK_CFLAGS)
check_PROGRAMS += $(unit_tests)
check_LTLIBRARIES += tests/libsupport.la tests/stress_module.la
TESTS += $(unit_tests)
endif

# What several unit tests use.
tests_libsupport_la_SOURCES = \
	tests/support/extents.h tests/support/fault.c tests/support/fault.h \
	tests/support/mappings.c tests/support/mappings.h tests/support/system.c tests/support/system.h
EXTRA_DIST += tests/tsan.sh tests/allocators.h tests/chain.h tests/leaks.h tests/coroutine.h tests/mailbox.h tests/memkind_blocks.h tests/misuse.h tests/stale.h tests/place.h tests/region.h tests/suite.h

# Stacks of allocations: the rules are compared with elfutils'.
if TESTS_ENABLED
leak_tests = tests/births_test tests/capture_test tests/depot_test tests/rule_test tests/suppressions_test
check_PROGRAMS += $(leak_tests)
TESTS += $(leak_tests)
tests_suppressions_test_SOURCES = tests/suppressions_test.c src/cli/suppressions.c
tests_suppressions_test_LDADD = $(CHECK_LIBS)
check_LTLIBRARIES += tests/capture_small.la tests/capture_large.la
capture_module_ldflags = $(AM_LDFLAGS) -module -avoid-version -rpath /nowhere
tests_capture_small_la_SOURCES = tests/capture_module.c
tests_capture_small_la_CPPFLAGS = $(AM_CPPFLAGS) -DFRAME=40
tests_capture_small_la_LDFLAGS = $(capture_module_ldflags)
tests_capture_large_la_SOURCES = tests/capture_module.c
tests_capture_large_la_CPPFLAGS = $(AM_CPPFLAGS) -DFRAME=1000
tests_capture_large_la_LDFLAGS = $(capture_module_ldflags)
tests_rule_test_CPPFLAGS = $(AM_CPPFLAGS) $(DW_CFLAGS)
tests_rule_test_LDADD = $(LDADD) $(DW_LIBS) -lelf
endif

# Machines for topology_test.
EXTRA_DIST += \
	tests/topologies/generate.c tests/topologies/cxl.xml tests/topologies/ddr.xml tests/topologies/gaps.xml \
	tests/topologies/hbm.xml tests/topologies/knl.xml tests/topologies/other.xml tests/topologies/pmem.xml \
	tests/topologies/ties.xml tests/topologies/truncated.xml tests/topologies/untold.xml

# A module that the stress test loads and unloads.
tests_stress_module_la_SOURCES = tests/stress_module.c
tests_stress_module_la_LDFLAGS = $(AM_LDFLAGS) -module -avoid-version -rpath /nowhere

# Scripts of either sort can be named in `make check TESTS=...`, also those that
# are not part of TESTS.
TEST_EXTENSIONS = .sh .test

# Unit tests make thousands of processes, and the library takes nothing from
# malloc.  LeakSanitizer, which stops each of these processes by ptrace at its
# end, sometimes fails at that on a busy machine ("has encountered a fatal
# error", "was not suspended") and ends a test that was right.  So it searches
# the runs of the commands only (the tests with an extension).  Check ends a
# test that hangs, not one that a busy machine makes slow.
LOG_COMPILER = env ASAN_OPTIONS=detect_leaks=0 CK_TIMEOUT_MULTIPLIER=4

# What src/LAYERS says holds.
dist_check_SCRIPTS = tests/layers.sh
TESTS += tests/layers.sh

# The checker of soundness: a shadow of the heap beside it (doc/soundness.md).
tests_soundness_test_SOURCES = \
	tests/soundness_test.c \
	tests/soundness/addresses.c tests/soundness/addresses.h tests/soundness/audit.c tests/soundness/audit.h \
	tests/soundness/content.c tests/soundness/content.h tests/soundness/failure.c tests/soundness/failure.h \
	tests/soundness/lifetime.c tests/soundness/lifetime.h tests/soundness/model.c tests/soundness/model.h \
	tests/soundness/objects.c tests/soundness/objects.h tests/soundness/operations.c \
	tests/soundness/operations.h tests/soundness/roots.c tests/soundness/roots.h tests/soundness/run.c \
	tests/soundness/run.h tests/soundness/statistics.c tests/soundness/statistics.h

# What takes minutes or a download: 10^8 operations on objects, the stress test at a hundred times its
# length, every call of every hook and system call failing, the library on the other architecture, and on a machine with several
# memory nodes.
LONG_TESTS = tests/coroutine_test tests/place_fault_test tests/soundness_test tests/stress_test tests/hook_refusal_test tests/explicit_fault_test tests/rooted_fault_test tests/finalize_threads_test tests/aarch64.sh tests/numa-vm.sh
EXTRA_DIST += tests/aarch64.sh tests/numa-vm.sh
check_PROGRAMS += tests/numa_vm_init
tests_numa_vm_init_SOURCES = tests/numa_vm_init.c
tests_numa_vm_init_LDADD = src/libkindgc.la
.PHONY: check-long
check-long:
	KINDGC_TEST_LONG=1 $(MAKE) $(AM_MAKEFLAGS) check TESTS="$(LONG_TESTS)"

# A program that names libgc first.
if TESTS_ENABLED
check_PROGRAMS += tests/linked_after_test
TESTS += tests/linked_after_test
tests_linked_after_test_LDADD = $(GC_LIBS) src/libkindgc.la $(CHECK_LIBS)
endif

# memkind's interface: as its programs see it, and the parts inside.
if TESTS_ENABLED
memkind_tests = tests/memkind_test tests/memkind_kinds_test tests/hbwmalloc_test tests/memtier_test tests/memkind_decorators_test tests/memkind_parts_test
check_PROGRAMS += $(memkind_tests)
TESTS += $(memkind_tests)
memkind_cppflags = -I$(top_srcdir)/include/kindgc/compat $(AM_CPPFLAGS)
memkind_libs = src/libkindgc-memkind.la src/libkindgc.la $(CHECK_LIBS)
tests_memkind_test_CPPFLAGS = $(memkind_cppflags)
tests_memkind_test_LDADD = $(memkind_libs)
tests_memkind_kinds_test_CPPFLAGS = $(memkind_cppflags)
tests_memkind_kinds_test_LDADD = $(memkind_libs)
tests_hbwmalloc_test_CPPFLAGS = $(memkind_cppflags)
tests_hbwmalloc_test_LDADD = $(memkind_libs)
tests_memtier_test_CPPFLAGS = $(memkind_cppflags)
tests_memtier_test_LDADD = $(memkind_libs)
tests_memkind_decorators_test_CPPFLAGS = $(memkind_cppflags)
tests_memkind_decorators_test_LDADD = $(memkind_libs)
tests_memkind_parts_test_CPPFLAGS = $(memkind_cppflags)
tests_memkind_parts_test_LDADD = $(src_libkindgc_memkind_la_OBJECTS) src/libkindgc.la $(CHECK_LIBS)
endif
