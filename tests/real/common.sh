# SPDX-License-Identifier: MIT
# What the tests of real programs and of the command share.  Sourced by them,
# in the build directory; POSIX shell.
#
# Each test works in a directory of its own, $dir, and leaves nothing behind.
# $kindgc is the command, with its library, as built or as installed: set
# KINDGC_COMMAND to test another one.

kindgc=${KINDGC_COMMAND:-$PWD/src/kindgc}
sources=$(cd "${srcdir:-.}/tests" && pwd) || exit 99
unset KINDGC KINDGC_RUN KINDGC_COMMAND LD_PRELOAD GC_INITIAL_HEAP_SIZE SMAPS
LC_ALL=C.UTF-8 # names of bytes that are no UTF-8 are a test's own affair
export LC_ALL

skip() {
    echo "skipped: $*"
    exit 77
}

# A check that did not hold.  The test goes on and fails at its end.
failures=0
fail() {
    echo "FAILED: $*"
    failures=$((failures + 1))
}

# need PROGRAM...: skips the test when one is missing.
need() {
    for needed; do
        command -v "$needed" >/dev/null 2>&1 || skip "$needed is not installed"
    done
}

# A library with a sanitizer inside cannot be preloaded into programs without.
can_preload() {
    [ ! -f src/.libs/libkindgc.so ] || ! ldd src/.libs/libkindgc.so | grep -Eq 'lib(asan|tsan|ubsan)'
}

need_preload() {
    can_preload || skip "a library with sanitizers cannot be preloaded"
}

# What --malloc takes, besides off, in which programs behave as without it.
malloc_modes=${KINDGC_TEST_MODES:-rooted collect}

# A short test's number, or that of `make check-long`.
short_or_long() {
    [ "${KINDGC_TEST_LONG:-0}" = 0 ] && echo "$1" || echo "$2"
}

# same COMMAND...: its output and exit status with malloc replaced, in each
# mode, are those without.  Standard input is $dir/in where there is one.
same() {
    [ -e "$dir/in" ] || : >"$dir/in"
    wanted=0
    "$@" <"$dir/in" >"$dir/plain.out" 2>"$dir/plain.err" || wanted=$?
    for mode in $malloc_modes; do
        status=0
        "$kindgc" run --malloc "$mode" -- "$@" <"$dir/in" >"$dir/out" 2>"$dir/err" || status=$?
        [ "$status" = "$wanted" ] || { fail "$mode: $*: exit status $status instead of $wanted"; show; }
        cmp -s "$dir/plain.out" "$dir/out" || {
            fail "$mode: $*: other output"
            diff "$dir/plain.out" "$dir/out" | head -20
        }
        cmp -s "$dir/plain.err" "$dir/err" || {
            fail "$mode: $*: other output on standard error"
            diff "$dir/plain.err" "$dir/err" | head -20
        }
    done
}

cleanups=
# at_end COMMAND: run when the test ends, the last one first.
at_end() {
    cleanups="$1
$cleanups"
}
trap 'status=$?; trap - EXIT; eval "$cleanups"; exit $status' EXIT
trap 'exit 1' HUP INT TERM

# Not below $TMPDIR's default: /tmp may be memory, which is no place to spill to.
dir=$(mktemp -d "${TMPDIR:-/var/tmp}/kindgc-test-XXXXXX") || exit 99
at_end 'rm -rf "$dir"'
mkdir "$dir/spill"

finish() {
    [ "$failures" = 0 ] || { echo "$failures checks failed"; exit 1; }
    exit 0
}

# status_of COMMAND...: runs it with output in $dir/out and $dir/err; sets $status.
status_of() {
    status=0
    "$@" >"$dir/out" 2>"$dir/err" </dev/null || status=$?
}

show() {
    sed 's/^/  out: /' "$dir/out"
    sed 's/^/  err: /' "$dir/err"
}

# expect_status N COMMAND...
expect_status() {
    wanted=$1
    shift
    status_of "$@"
    [ "$status" = "$wanted" ] || { fail "$*: exit status $status instead of $wanted"; show; }
}

# expect_err TEXT: standard error of the last command holds it.
expect_err() {
    grep -Fq -- "$1" "$dir/err" || { fail "standard error lacks \"$1\""; show; }
}

expect_out() {
    grep -Fq -- "$1" "$dir/out" || { fail "standard output lacks \"$1\""; show; }
}

expect_silence() {
    [ ! -s "$dir/err" ] || { fail "standard error is not empty"; show; }
}
