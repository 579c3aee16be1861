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
