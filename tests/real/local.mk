# Tests of the command and of real programs; shell scripts that run what was
# built (or, with KINDGC_COMMAND, an installed kindgc).
command_tests = \
	tests/real/usage.test tests/real/run.test tests/real/refuse.test tests/real/report.test \
	tests/real/kinds.test tests/real/leaks.test tests/real/leaks-lsan.test
real_tests = \
	tests/real/guile.test tests/real/ecl.test tests/real/w3m.test \
	tests/real/memory-limit.test tests/real/killed.test tests/real/memkind.test tests/real/cxx-library.test
# Programs that exist, with malloc replaced.
malloc_real_tests = \
	tests/real/malloc-python.test tests/real/malloc-git.test tests/real/malloc-tools.test \
	tests/real/malloc-bash.test tests/real/malloc-redis.test tests/real/malloc-php.test \
	tests/real/malloc-nginx.test
TESTS += $(command_tests) $(real_tests) $(malloc_real_tests)
EXTRA_DIST += $(malloc_real_tests) tests/real/malloc.py
EXTRA_DIST += $(command_tests) $(real_tests) \
	tests/real/common.sh tests/real/heaps.sh tests/real/guile.scm tests/real/ecl.lisp tests/real/memkind-behaviour.c

# On stock libgc: it knows nothing of this library.
check_PROGRAMS += tests/real/live-heap tests/real/finalizers
tests_real_live_heap_SOURCES = tests/real/live-heap.c
tests_real_live_heap_LDADD = $(GC_LIBS)
tests_real_finalizers_SOURCES = tests/real/finalizers.c
tests_real_finalizers_LDADD = $(GC_LIBS)

# What the tests of leak reports compile by themselves.
EXTRA_DIST += tests/leaks/basic.c tests/leaks/control.c tests/leaks/shapes.c tests/leaks/cxx.cc tests/leaks/plugin.c tests/leaks/work.c
