# malloc replaced: programs that know nothing of the library, and what runs them.
dropin_tests = tests/dropin/collect.test tests/dropin/semantics.test tests/dropin/forks.test tests/dropin/threads.test tests/dropin/memory.test tests/dropin/command.test
TESTS += $(dropin_tests)
LONG_TESTS += tests/dropin/forks.test tests/dropin/threads.test tests/dropin/memory.test
EXTRA_DIST += $(dropin_tests) tests/dropin/cxx.cc

# No builtins: the compiler knows malloc too well.
dropin_cflags = $(AM_CFLAGS) -fno-builtin -pthread
check_PROGRAMS += tests/dropin/collect
tests_dropin_collect_SOURCES = tests/dropin/collect.c tests/dropin/check.h
tests_dropin_collect_CFLAGS = $(dropin_cflags)
tests_dropin_collect_LDADD = -ldl
check_PROGRAMS += tests/dropin/semantics tests/dropin/information tests/dropin/misuse tests/dropin/loading \
	tests/dropin/forks tests/dropin/threads tests/dropin/signals tests/dropin/memory
tests_dropin_semantics_SOURCES = tests/dropin/semantics.c tests/dropin/check.h
tests_dropin_semantics_CFLAGS = $(dropin_cflags)
tests_dropin_semantics_LDADD =
tests_dropin_information_SOURCES = tests/dropin/information.c tests/dropin/check.h
tests_dropin_information_CFLAGS = $(dropin_cflags)
tests_dropin_information_LDADD =
tests_dropin_misuse_SOURCES = tests/dropin/misuse.c
tests_dropin_misuse_CFLAGS = $(dropin_cflags)
tests_dropin_misuse_LDADD =
tests_dropin_loading_SOURCES = tests/dropin/loading.c tests/dropin/check.h
tests_dropin_loading_CFLAGS = $(dropin_cflags)
tests_dropin_loading_LDADD =
tests_dropin_forks_SOURCES = tests/dropin/forks.c tests/dropin/check.h
tests_dropin_forks_CFLAGS = $(dropin_cflags)
tests_dropin_forks_LDADD =
tests_dropin_threads_SOURCES = tests/dropin/threads.c tests/dropin/check.h
tests_dropin_threads_CFLAGS = $(dropin_cflags)
tests_dropin_threads_LDADD =
tests_dropin_signals_SOURCES = tests/dropin/signals.c tests/dropin/check.h
tests_dropin_signals_CFLAGS = $(dropin_cflags)
tests_dropin_signals_LDADD =
tests_dropin_memory_SOURCES = tests/dropin/memory.c tests/dropin/check.h
tests_dropin_memory_CFLAGS = $(dropin_cflags)
tests_dropin_memory_LDADD =

check_LTLIBRARIES += tests/dropin/module.la tests/dropin/early.la
tests_dropin_module_la_SOURCES = tests/dropin/module.c
tests_dropin_module_la_LDFLAGS = $(AM_LDFLAGS) -module -avoid-version -rpath /nowhere
tests_dropin_early_la_SOURCES = tests/dropin/early.c
tests_dropin_early_la_LDFLAGS = $(AM_LDFLAGS) -module -avoid-version -rpath /nowhere -Wl,-z,initfirst
