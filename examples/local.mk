# SPDX-License-Identifier: MIT
# The examples: built and run by "make check", never installed.
check_PROGRAMS += examples/lisp/lisp examples/finalizers examples/own_hooks examples/larger_than_limit \
	examples/region_arena examples/weak_table examples/coroutines examples/legacy_leaks

examples_lisp_lisp_SOURCES = \
	examples/lisp/value.h examples/lisp/interp.h examples/lisp/node.h examples/lisp/compile.h \
	examples/lisp/text.h examples/lisp/reader.h examples/lisp/lib.h examples/lisp/measure.h \
	examples/lisp/main.h \
	examples/lisp/object.c examples/lisp/symbol.c examples/lisp/interp.c examples/lisp/reader.c \
	examples/lisp/printer.c examples/lisp/scope.c examples/lisp/compile.c examples/lisp/syntax.c \
	examples/lisp/derived.c examples/lisp/run.c examples/lisp/call.c examples/lisp/inline.c \
	examples/lisp/lib_number.c examples/lisp/lib_math.c examples/lisp/lib_list.c \
	examples/lisp/lib_higher.c \
	examples/lisp/lib_string.c examples/lisp/lib_vector.c examples/lisp/lib_hash.c \
	examples/lisp/lib_port.c examples/lisp/lib_control.c examples/lisp/measure.c examples/lisp/main.c
examples_lisp_lisp_LDADD = src/libkindgc.la -lm

# It knows nothing of kindgc.
examples_legacy_leaks_SOURCES = examples/legacy_leaks.c
examples_legacy_leaks_LDADD =

examples_finalizers_SOURCES = examples/finalizers.c
examples_finalizers_LDADD = src/libkindgc.la
examples_own_hooks_SOURCES = examples/own_hooks.c
examples_own_hooks_LDADD = src/libkindgc.la
examples_larger_than_limit_SOURCES = examples/larger_than_limit.c
examples_larger_than_limit_LDADD = src/libkindgc.la
examples_region_arena_SOURCES = examples/region_arena.c
examples_region_arena_LDADD = src/libkindgc.la
examples_weak_table_SOURCES = examples/weak_table.c
examples_weak_table_LDADD = src/libkindgc.la

if HAVE_LUA
check_PROGRAMS += examples/lua/lua_on_kind
examples_lua_lua_on_kind_SOURCES = examples/lua/lua_on_kind.c
examples_lua_lua_on_kind_CPPFLAGS = $(AM_CPPFLAGS) $(LUA_CFLAGS)
examples_lua_lua_on_kind_LDADD = src/libkindgc.la $(LUA_LIBS)
endif

# The tests of examples/cpp and examples/rust_global_allocator compile them, where there is a compiler.
examples_coroutines_SOURCES = examples/coroutines.c
examples_coroutines_LDADD = src/libkindgc.la

examples_tests = \
	examples/coroutines.test \
	examples/cpp/containers.test examples/lua/lua.test \
	examples/rust_global_allocator/rust_global_allocator.test \
	examples/finalizers.test examples/own_hooks.test examples/larger_than_limit.test \
	examples/region_arena.test examples/weak_table.test examples/legacy_leaks.test \
	examples/lisp/language.test examples/lisp/errors.test examples/lisp/programs.test \
	examples/lisp/kinds.test
TESTS += $(examples_tests)

EXTRA_DIST += $(examples_tests) \
	examples/cpp/containers.cpp examples/lua/words.lua examples/rust_global_allocator/main.rs \
	examples/lisp/README.md examples/lisp/run-demo.sh examples/lisp/language.lisp \
	examples/lisp/language.expected examples/lisp/programs/text.txt \
	examples/lisp/programs/bignum.lisp examples/lisp/programs/bignum.expected \
	examples/lisp/programs/church.lisp examples/lisp/programs/church.expected \
	examples/lisp/programs/deriv.lisp examples/lisp/programs/deriv.expected \
	examples/lisp/programs/destruct.lisp examples/lisp/programs/destruct.expected \
	examples/lisp/programs/fft.lisp examples/lisp/programs/fft.expected \
	examples/lisp/programs/graph.lisp examples/lisp/programs/graph.expected \
	examples/lisp/programs/hash.lisp examples/lisp/programs/hash.expected \
	examples/lisp/programs/mandelbrot.lisp examples/lisp/programs/mandelbrot.expected \
	examples/lisp/programs/meta.lisp examples/lisp/programs/meta.expected \
	examples/lisp/programs/ports.lisp examples/lisp/programs/ports.expected \
	examples/lisp/programs/queens.lisp examples/lisp/programs/queens.expected \
	examples/lisp/programs/sieve.lisp examples/lisp/programs/sieve.expected \
	examples/lisp/programs/strings.lisp examples/lisp/programs/strings.expected \
	examples/lisp/programs/tak.lisp examples/lisp/programs/tak.expected \
	examples/lisp/programs/trees.lisp examples/lisp/programs/trees.expected \
	examples/lisp/programs/words.lisp examples/lisp/programs/words.expected
