# Benchmarks: built and run by `make bench [BENCH=part of a name]` only.  Each
# source is compiled against this library and, as its peer, against stock libgc
# or memkind.
bench_programs = \
	tests/bench/small-ours tests/bench/small-peer \
	tests/bench/gcbench-ours tests/bench/gcbench-peer \
	tests/bench/large-ours tests/bench/large-peer \
	tests/bench/graph-ours tests/bench/graph-peer \
	tests/bench/spill-ours tests/bench/spill-peer \
	tests/bench/pause-ours tests/bench/pause-peer \
	tests/bench/place \
	tests/bench/typed-ours tests/bench/typed-peer \
	tests/bench/weak-ours tests/bench/weak-peer \
	tests/bench/rooted-ours tests/bench/rooted-malloc tests/bench/rooted-peer \
	tests/bench/hello tests/bench/start tests/bench/measure
if HAVE_MEMKIND
bench_programs += \
	tests/bench/kind-malloc-ours tests/bench/kind-malloc-peer \
	tests/bench/kind-of-ours tests/bench/kind-of-peer \
	tests/bench/kind-open-close-ours tests/bench/kind-open-close-peer \
	tests/bench/kind-rss-ours tests/bench/kind-rss-peer
endif
EXTRA_PROGRAMS += $(bench_programs)
CLEANFILES += $(bench_programs)
EXTRA_DIST += tests/bench/run.sh tests/bench/explicit.sh tests/bench/rooted.sh tests/bench/dropin.sh tests/bench/dropin.py tests/bench/dropin.sql tests/bench/leak-detect.sh

bench_peer_cppflags = $(AM_CPPFLAGS) -DBENCH_PEER
tests_bench_small_ours_SOURCES = tests/bench/small.c tests/bench/bench.h
tests_bench_small_ours_LDADD = src/libkindgc.la
tests_bench_small_peer_SOURCES = $(tests_bench_small_ours_SOURCES)
tests_bench_small_peer_CPPFLAGS = $(bench_peer_cppflags)
tests_bench_small_peer_LDADD = $(GC_LIBS)
tests_bench_large_ours_SOURCES = tests/bench/large.c tests/bench/bench.h
tests_bench_large_ours_LDADD = src/libkindgc.la
tests_bench_large_peer_SOURCES = $(tests_bench_large_ours_SOURCES)
tests_bench_large_peer_CPPFLAGS = $(bench_peer_cppflags)
tests_bench_large_peer_LDADD = $(GC_LIBS)
tests_bench_gcbench_ours_SOURCES = tests/bench/gcbench.c tests/bench/bench.h
tests_bench_gcbench_ours_LDADD = src/libkindgc.la
tests_bench_gcbench_peer_SOURCES = $(tests_bench_gcbench_ours_SOURCES)
tests_bench_gcbench_peer_CPPFLAGS = $(bench_peer_cppflags)
tests_bench_gcbench_peer_LDADD = $(GC_LIBS)
tests_bench_graph_ours_SOURCES = tests/bench/graph.c tests/bench/bench.h
tests_bench_graph_ours_LDADD = src/libkindgc.la
tests_bench_graph_peer_SOURCES = $(tests_bench_graph_ours_SOURCES)
tests_bench_graph_peer_CPPFLAGS = $(bench_peer_cppflags)
tests_bench_graph_peer_LDADD = $(GC_LIBS)
tests_bench_spill_ours_SOURCES = tests/bench/spill.c tests/bench/bench.h
tests_bench_spill_ours_LDADD = src/libkindgc.la
tests_bench_spill_peer_SOURCES = $(tests_bench_spill_ours_SOURCES)
tests_bench_spill_peer_CPPFLAGS = $(bench_peer_cppflags)
tests_bench_spill_peer_LDADD = $(GC_LIBS)
tests_bench_typed_ours_SOURCES = tests/bench/typed.c tests/bench/bench.h
tests_bench_typed_ours_LDADD = src/libkindgc.la
tests_bench_typed_peer_SOURCES = $(tests_bench_typed_ours_SOURCES)
tests_bench_typed_peer_CPPFLAGS = $(bench_peer_cppflags)
tests_bench_typed_peer_LDADD = $(GC_LIBS)
tests_bench_pause_ours_SOURCES = tests/bench/pause.c tests/bench/bench.h
tests_bench_pause_ours_LDADD = src/libkindgc.la
tests_bench_pause_peer_SOURCES = $(tests_bench_pause_ours_SOURCES)
tests_bench_pause_peer_CPPFLAGS = $(bench_peer_cppflags)
tests_bench_pause_peer_LDADD = $(GC_LIBS)
tests_bench_place_SOURCES = tests/bench/place.c tests/bench/bench.h
tests_bench_place_LDADD = src/libkindgc.la
tests_bench_weak_ours_SOURCES = tests/bench/weak.c tests/bench/bench.h
tests_bench_weak_ours_LDADD = src/libkindgc.la
tests_bench_weak_peer_SOURCES = $(tests_bench_weak_ours_SOURCES)
tests_bench_weak_peer_CPPFLAGS = $(bench_peer_cppflags)
tests_bench_weak_peer_LDADD = $(GC_LIBS)
tests_bench_rooted_ours_SOURCES = \
	tests/bench/bench.h tests/bench/rooted.h tests/bench/rooted.c tests/bench/rooted-small.c \
	tests/bench/rooted-sizes.c tests/bench/rooted-cross.c tests/bench/rooted-churn.c tests/bench/rooted-rss.c
tests_bench_rooted_ours_LDADD = src/libkindgc.la
tests_bench_rooted_malloc_SOURCES = $(tests_bench_rooted_ours_SOURCES)
tests_bench_rooted_malloc_CPPFLAGS = $(AM_CPPFLAGS) -DBENCH_MALLOC
tests_bench_rooted_malloc_LDADD =
tests_bench_rooted_peer_SOURCES = $(tests_bench_rooted_ours_SOURCES)
tests_bench_rooted_peer_CPPFLAGS = $(bench_peer_cppflags)
tests_bench_rooted_peer_LDADD = $(GC_LIBS)
tests_bench_hello_SOURCES = tests/bench/hello.c
tests_bench_hello_LDADD = $(GC_LIBS)
tests_bench_start_SOURCES = tests/bench/start.c
tests_bench_start_LDADD =
tests_bench_measure_SOURCES = tests/bench/measure.c
tests_bench_measure_LDADD =

bench_explicit_headers = tests/bench/bench.h tests/bench/explicit.h
bench_memkind_cppflags = $(AM_CPPFLAGS) $(MEMKIND_CFLAGS) -DBENCH_MEMKIND
tests_bench_kind_malloc_ours_SOURCES = tests/bench/kind-malloc.c $(bench_explicit_headers)
tests_bench_kind_malloc_ours_LDADD = src/libkindgc.la
tests_bench_kind_malloc_peer_SOURCES = $(tests_bench_kind_malloc_ours_SOURCES)
tests_bench_kind_malloc_peer_CPPFLAGS = $(bench_memkind_cppflags)
tests_bench_kind_malloc_peer_LDADD = $(MEMKIND_LIBS)
tests_bench_kind_of_ours_SOURCES = tests/bench/kind-of.c $(bench_explicit_headers)
tests_bench_kind_of_ours_LDADD = src/libkindgc.la
tests_bench_kind_of_peer_SOURCES = $(tests_bench_kind_of_ours_SOURCES)
tests_bench_kind_of_peer_CPPFLAGS = $(bench_memkind_cppflags)
tests_bench_kind_of_peer_LDADD = $(MEMKIND_LIBS)
tests_bench_kind_open_close_ours_SOURCES = tests/bench/kind-open-close.c $(bench_explicit_headers)
tests_bench_kind_open_close_ours_LDADD = src/libkindgc.la
tests_bench_kind_open_close_peer_SOURCES = $(tests_bench_kind_open_close_ours_SOURCES)
tests_bench_kind_open_close_peer_CPPFLAGS = $(bench_memkind_cppflags)
tests_bench_kind_open_close_peer_LDADD = $(MEMKIND_LIBS)
tests_bench_kind_rss_ours_SOURCES = tests/bench/kind-rss.c $(bench_explicit_headers)
tests_bench_kind_rss_ours_LDADD = src/libkindgc.la
tests_bench_kind_rss_peer_SOURCES = $(tests_bench_kind_rss_ours_SOURCES)
tests_bench_kind_rss_peer_CPPFLAGS = $(bench_memkind_cppflags)
tests_bench_kind_rss_peer_LDADD = $(MEMKIND_LIBS)

.PHONY: bench
bench: $(bench_programs) src/libkindgc.la src/libkindgc-malloc.la src/kindgc
	@BENCH_DIRECTORY="$(BENCH_DIRECTORY)" bash $(srcdir)/tests/bench/run.sh . "$(BENCH)"
