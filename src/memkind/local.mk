# memkind's interface, a library of its own on kindgc's public one.
lib_LTLIBRARIES += src/libkindgc-memkind.la

compatincludedir = $(includedir)/kindgc/compat
compatinclude_HEADERS = \
	include/kindgc/compat/memkind.h include/kindgc/compat/memkind_memtier.h \
	include/kindgc/compat/hbwmalloc.h include/kindgc/compat/memkind_allocator.h \
	include/kindgc/compat/pmem_allocator.h include/kindgc/compat/fixed_allocator.h \
	include/kindgc/compat/hbw_allocator.h

src_libkindgc_memkind_la_SOURCES = \
	src/memkind/kind.h src/memkind/kinds.c src/memkind/table.c src/memkind/nodes.c src/memkind/malloc.c src/memkind/defrag.c \
	src/memkind/create.h src/memkind/create.c src/memkind/config.c src/memkind/stat.c src/memkind/jemalloc.c \
	src/memkind/error.c src/memkind/memtier.h src/memkind/memtier.c src/memkind/builder.c src/memkind/hbw.c
src_libkindgc_memkind_la_CPPFLAGS = -I$(top_srcdir)/include/kindgc/compat $(AM_CPPFLAGS)
# Without -fno-plt each call of kgc_kind_malloc() would be two jumps.
src_libkindgc_memkind_la_CFLAGS = $(AM_CFLAGS) -fno-plt
src_libkindgc_memkind_la_LIBADD = src/libkindgc.la
src_libkindgc_memkind_la_LDFLAGS = $(AM_LDFLAGS) -version-info 0:0:0 -Wl,-z,nodelete -Wl,-Bsymbolic-functions \
	-Wl,--version-script=$(top_srcdir)/src/memkind/memkind.map
EXTRA_src_libkindgc_memkind_la_DEPENDENCIES = src/memkind/memkind.map

pkgconfig_DATA += src/kindgc-memkind.pc
EXTRA_DIST += src/memkind/memkind.map
