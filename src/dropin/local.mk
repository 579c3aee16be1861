# malloc replaced: a thin library in front of libkindgc.so.  Preloaded by
# `kindgc run --malloc`, or linked.  Its name carries no version: LD_PRELOAD
# names the file.
lib_LTLIBRARIES += src/libkindgc-malloc.la

src_libkindgc_malloc_la_SOURCES = \
	src/dropin/dropin.h src/dropin/symbols.c src/dropin/slow.c src/dropin/start.c src/dropin/early.h src/dropin/early.c \
	src/dropin/foreign.h src/dropin/foreign.c src/dropin/fork.c src/dropin/operators.c src/dropin/info.c src/dropin/kernel.c \
	src/dropin/deepbind.c
# No builtins: calloc() would become a call of itself.  Without -fno-plt each
# call would be two jumps.  Exceptions: operator new throws through here.
src_libkindgc_malloc_la_CFLAGS = $(AM_CFLAGS) -fvisibility=hidden -fno-builtin -fno-plt -fexceptions \
	-ftls-model=initial-exec
src_libkindgc_malloc_la_LIBADD = src/libkindgc.la
src_libkindgc_malloc_la_LDFLAGS = $(AM_LDFLAGS) -avoid-version -Wl,-z,nodelete -Wl,-z,now -Wl,-Bsymbolic-functions
