# The tests.  A unit test is a program of one source file that links all
# objects of the library, so it sees every symbol; tests on programs are shell
# scripts (tests/real/).  `make check-long` runs the long ones.
unit_tests = \
	tests/allocate_test tests/arena_test tests/caller_hooks_test tests/fault_test tests/file_kind_test \
	tests/finalize_test tests/heap_fault_test tests/heap_test tests/hugetlb_test tests/kind_test \
	tests/lock_test tests/malloc_test tests/map_test tests/message_test tests/options_test tests/os_test \
	tests/range_test tests/report_test tests/section_test tests/size_test tests/space_test tests/spec_test \
	tests/stress_test tests/thread_test tests/tier_test

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
	tests/support/system.c tests/support/system.h
EXTRA_DIST += tests/chain.h tests/misuse.h tests/suite.h

# A module that the stress test loads and unloads.
tests_stress_module_la_SOURCES = tests/stress_module.c
tests_stress_module_la_LDFLAGS = $(AM_LDFLAGS) -module -avoid-version -rpath /nowhere

# What src/LAYERS says holds.
dist_check_SCRIPTS = tests/layers.sh
TESTS += tests/layers.sh

# What takes minutes: the stress test at a hundred times its length, and the
# library on the other architecture.
LONG_TESTS = tests/stress_test tests/aarch64.sh
EXTRA_DIST += tests/aarch64.sh
.PHONY: check-long
check-long:
	KINDGC_TEST_LONG=1 $(MAKE) $(AM_MAKEFLAGS) check TESTS="$(LONG_TESTS)"
