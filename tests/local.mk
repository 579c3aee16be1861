# The tests.  Unit tests link the internal library, so they see every symbol;
# tests on programs are shell scripts.  `make check-long` runs the long ones.
dist_check_SCRIPTS =
UNIT_TESTS =

if TESTS_ENABLED
check_PROGRAMS += $(UNIT_TESTS)
TESTS += $(UNIT_TESTS)
endif

# The objects, not the archive: nothing refers to the constructor that attaches
# the library to libgc, so a linker would leave it out.
UNIT_LIBS = $(src_libinternal_la_OBJECTS) $(GC_LIBS) $(JEMALLOC_LIBS) $(CHECK_LIBS)

UNIT_TESTS += tests/thread_test tests/arena_test tests/allocate_test tests/malloc_test tests/heap_test \
	tests/finalize_test
tests_thread_test_SOURCES = tests/thread_test.c tests/chain.h tests/misuse.h tests/suite.h
tests_thread_test_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_thread_test_LDADD = $(UNIT_LIBS)
tests_arena_test_SOURCES = tests/arena_test.c tests/chain.h tests/misuse.h tests/suite.h
tests_arena_test_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_arena_test_LDADD = $(UNIT_LIBS)
tests_allocate_test_SOURCES = tests/allocate_test.c tests/chain.h tests/misuse.h tests/suite.h
tests_allocate_test_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_allocate_test_LDADD = $(UNIT_LIBS)
tests_malloc_test_SOURCES = tests/malloc_test.c tests/chain.h tests/misuse.h tests/suite.h
tests_malloc_test_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_malloc_test_LDADD = $(UNIT_LIBS)
tests_heap_test_SOURCES = tests/heap_test.c tests/chain.h tests/misuse.h tests/suite.h
tests_heap_test_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_heap_test_LDADD = $(UNIT_LIBS)
tests_finalize_test_SOURCES = tests/finalize_test.c tests/chain.h tests/misuse.h tests/suite.h
tests_finalize_test_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_finalize_test_LDADD = $(UNIT_LIBS)

UNIT_TESTS += tests/section_test tests/stress_test tests/heap_fault_test
tests_section_test_SOURCES = tests/section_test.c tests/misuse.h
tests_section_test_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_section_test_LDADD = $(UNIT_LIBS)
tests_stress_test_SOURCES = tests/stress_test.c
tests_stress_test_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_stress_test_LDADD = $(UNIT_LIBS)
tests_heap_fault_test_SOURCES = tests/heap_fault_test.c tests/support/fault.c tests/support/fault.h
tests_heap_fault_test_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tests $(CHECK_CFLAGS)
tests_heap_fault_test_LDADD = $(UNIT_LIBS)

# A module that the stress test loads and unloads.
check_LTLIBRARIES += tests/stress_module.la
tests_stress_module_la_SOURCES = tests/stress_module.c
tests_stress_module_la_LDFLAGS = $(AM_LDFLAGS) -module -avoid-version -rpath /nowhere

# The lower layers: a program for each file or family of kinds, all with the
# same helpers.
check_LTLIBRARIES += tests/libsupport.la
tests_libsupport_la_SOURCES = \
	tests/support/fault.c tests/support/fault.h tests/support/system.c tests/support/system.h \
	tests/support/extents.h
tests_libsupport_la_CPPFLAGS = $(LAYER_CPPFLAGS)
LAYER_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tests $(CHECK_CFLAGS)
LAYER_LIBS = tests/libsupport.la $(UNIT_LIBS)
LAYER_TESTS =
UNIT_TESTS += $(LAYER_TESTS)

LAYER_TESTS += tests/message_test
tests_message_test_SOURCES = tests/message_test.c tests/suite.h tests/misuse.h
tests_message_test_CPPFLAGS = $(LAYER_CPPFLAGS)
tests_message_test_LDADD = $(LAYER_LIBS)
LAYER_TESTS += tests/size_test
tests_size_test_SOURCES = tests/size_test.c tests/suite.h
tests_size_test_CPPFLAGS = $(LAYER_CPPFLAGS)
tests_size_test_LDADD = $(LAYER_LIBS)
LAYER_TESTS += tests/options_test
tests_options_test_SOURCES = tests/options_test.c tests/suite.h tests/misuse.h
tests_options_test_CPPFLAGS = $(LAYER_CPPFLAGS)
tests_options_test_LDADD = $(LAYER_LIBS)
LAYER_TESTS += tests/lock_test
tests_lock_test_SOURCES = tests/lock_test.c tests/suite.h
tests_lock_test_CPPFLAGS = $(LAYER_CPPFLAGS)
tests_lock_test_LDADD = $(LAYER_LIBS)
LAYER_TESTS += tests/map_test
tests_map_test_SOURCES = tests/map_test.c tests/suite.h
tests_map_test_CPPFLAGS = $(LAYER_CPPFLAGS)
tests_map_test_LDADD = $(LAYER_LIBS)
LAYER_TESTS += tests/range_test
tests_range_test_SOURCES = tests/range_test.c tests/suite.h tests/misuse.h
tests_range_test_CPPFLAGS = $(LAYER_CPPFLAGS)
tests_range_test_LDADD = $(LAYER_LIBS)
LAYER_TESTS += tests/space_test
tests_space_test_SOURCES = tests/space_test.c tests/suite.h
tests_space_test_CPPFLAGS = $(LAYER_CPPFLAGS)
tests_space_test_LDADD = $(LAYER_LIBS)
LAYER_TESTS += tests/spec_test
tests_spec_test_SOURCES = tests/spec_test.c tests/suite.h tests/misuse.h
tests_spec_test_CPPFLAGS = $(LAYER_CPPFLAGS)
tests_spec_test_LDADD = $(LAYER_LIBS)
LAYER_TESTS += tests/kind_test
tests_kind_test_SOURCES = tests/kind_test.c tests/suite.h tests/misuse.h
tests_kind_test_CPPFLAGS = $(LAYER_CPPFLAGS)
tests_kind_test_LDADD = $(LAYER_LIBS)
LAYER_TESTS += tests/file_kind_test
tests_file_kind_test_SOURCES = tests/file_kind_test.c tests/suite.h tests/misuse.h
tests_file_kind_test_CPPFLAGS = $(LAYER_CPPFLAGS)
tests_file_kind_test_LDADD = $(LAYER_LIBS)
LAYER_TESTS += tests/hugetlb_test
tests_hugetlb_test_SOURCES = tests/hugetlb_test.c tests/suite.h tests/misuse.h
tests_hugetlb_test_CPPFLAGS = $(LAYER_CPPFLAGS)
tests_hugetlb_test_LDADD = $(LAYER_LIBS)
LAYER_TESTS += tests/tier_test
tests_tier_test_SOURCES = tests/tier_test.c tests/suite.h tests/misuse.h
tests_tier_test_CPPFLAGS = $(LAYER_CPPFLAGS)
tests_tier_test_LDADD = $(LAYER_LIBS)
LAYER_TESTS += tests/caller_hooks_test
tests_caller_hooks_test_SOURCES = tests/caller_hooks_test.c tests/suite.h tests/misuse.h
tests_caller_hooks_test_CPPFLAGS = $(LAYER_CPPFLAGS)
tests_caller_hooks_test_LDADD = $(LAYER_LIBS)
LAYER_TESTS += tests/fault_test
tests_fault_test_SOURCES = tests/fault_test.c tests/suite.h
tests_fault_test_CPPFLAGS = $(LAYER_CPPFLAGS)
tests_fault_test_LDADD = $(LAYER_LIBS)

# What src/LAYERS says holds.
dist_check_SCRIPTS += tests/layers.sh
TESTS += tests/layers.sh

# The same at a hundred times the length; not part of `make check`.
LONG_TESTS = tests/stress_test
.PHONY: check-long
check-long:
	KINDGC_TEST_LONG=1 $(MAKE) $(AM_MAKEFLAGS) check TESTS="$(LONG_TESTS)"
