# Fuzz targets.  `make check` replays their corpus; `make fuzz [TIME=seconds]
# [FUZZ=malloc|parse|leaks]` builds one with clang and libFuzzer and looks for more.
fuzz_tests = tests/fuzz/malloc_fuzz tests/fuzz/parse_fuzz tests/fuzz/leaks_fuzz
check_PROGRAMS += $(fuzz_tests)
TESTS += $(fuzz_tests)
EXTRA_DIST += tests/fuzz/corpus

fuzz_libs = $(src_libinternal_la_OBJECTS) $(src_libinternal_la_LIBADD)
tests_fuzz_malloc_fuzz_SOURCES = tests/fuzz/malloc_fuzz.c tests/fuzz/driver.c tests/fuzz/fuzz.h
tests_fuzz_malloc_fuzz_LDADD = $(fuzz_libs)
tests_fuzz_parse_fuzz_SOURCES = tests/fuzz/parse_fuzz.c tests/fuzz/driver.c tests/fuzz/fuzz.h
tests_fuzz_parse_fuzz_LDADD = $(fuzz_libs)
fuzz_more_leaks = src/cli/leaks.c src/cli/leak_report.c src/cli/leak_text.c src/cli/leak_json.c src/cli/json.c src/cli/suppressions.c src/cli/symbols.c
tests_fuzz_leaks_fuzz_SOURCES = tests/fuzz/leaks_fuzz.c tests/fuzz/driver.c tests/fuzz/fuzz.h $(fuzz_more_leaks)
tests_fuzz_leaks_fuzz_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS) $(DW_CFLAGS)
tests_fuzz_leaks_fuzz_LDADD = $(fuzz_libs) $(JANSSON_LIBS) $(DW_LIBS)

# What is found lies in fuzz/TARGET; what it fails on, in fuzz/.
FUZZ = malloc
TIME = 60
FUZZ_CC = clang
.PHONY: fuzz
fuzz:
	$(MKDIR_P) fuzz/$(FUZZ)
	$(FUZZ_CC) -std=gnu17 -g -O1 -fsanitize=fuzzer $(DEFS) $(DEFAULT_INCLUDES) $(src_libinternal_la_CPPFLAGS) $(JANSSON_CFLAGS) $(DW_CFLAGS) \
		$(addprefix $(srcdir)/,$(filter %.c,$(src_libinternal_la_SOURCES)) tests/fuzz/$(FUZZ)_fuzz.c $(fuzz_more_$(FUZZ))) \
		-o fuzz/$(FUZZ)_fuzz $(src_libinternal_la_LIBADD) $(JANSSON_LIBS) $(DW_LIBS)
	fuzz/$(FUZZ)_fuzz -max_total_time=$(TIME) -max_len=2048 -len_control=0 -artifact_prefix=fuzz/ fuzz/$(FUZZ) \
		$(srcdir)/tests/fuzz/corpus/$(FUZZ)
