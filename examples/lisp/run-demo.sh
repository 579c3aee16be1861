#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs the Lisp programs with their heap on several memory kinds, compares what
# they print, and shows what the collector did.
#
# usage: run-demo.sh BUILD-DIR [PROGRAM...]     (or the directory in $BUILD_DIR)
# The kinds are default, thp and file:DIR, or those in $KINDS.
here=$(cd "$(dirname "$0")" && pwd) || exit 1
build=${1:-$BUILD_DIR}
[ $# -gt 0 ] && shift
if [ -z "$build" ]; then
    echo "usage: run-demo.sh BUILD-DIR [PROGRAM...]" >&2
    exit 2
fi
lisp=$build/examples/lisp/lisp
# It is an example: "make" alone does not build it.
if ! make -s -C "$build" examples/lisp/lisp >&2; then
    echo "run-demo.sh: cannot build examples/lisp/lisp in $build" >&2
    exit 1
fi
spill=${TMPDIR:-/var/tmp}
kinds=${KINDS:-default thp file:$spill}
if [ $# -eq 0 ]; then
    set -- tak queens deriv destruct trees sieve mandelbrot fft hash strings church bignum graph words ports meta
fi
dir=$(mktemp -d "$spill/lisp-demo-XXXXXX") || exit 1
trap 'rm -rf "$dir"' EXIT
trap 'exit 1' HUP INT TERM

seconds()
{
    date +%s.%N
}

echo "A Lisp interpreter whose heap lies in a memory kind: $# programs, each on $kinds."
echo "Answers are compared with the expected ones; pauses are those of the collector."
start=$(seconds)
failed=0
for kind in $kinds; do
    # One program decides whether this machine has the kind.
    if ! "$lisp" --heap "$kind" -e 1 >/dev/null 2>"$dir/err"; then
        echo
        echo "heap on $kind: not on this machine, left out"
        sed 's/^/    /' "$dir/err"
        continue
    fi
    kind_start=$(seconds)
    echo
    echo "heap on $kind"
    heading= # what sed does with the heading: keeps the first
    for name; do
        TMPDIR=$dir "$lisp" --heap "$kind" --table "$here/programs/$name.lisp" >"$dir/out" 2>"$dir/err"
        status=$?
        if [ $status -ne 0 ]; then
            echo "FAILED: $name on $kind: exit status $status"
            sed 's/^/    /' "$dir/err"
            failed=$((failed + 1))
            continue
        fi
        if ! cmp -s "$here/programs/$name.expected" "$dir/out"; then
            echo "FAILED: $name on $kind: the answer is not the expected one"
            diff "$here/programs/$name.expected" "$dir/out" | sed 's/^/    /'
            failed=$((failed + 1))
        fi
        sed -n "/^program /,\$p" "$dir/err" | sed "$heading" | sed 's/^/  /'
        heading=1d
    done
    echo "$kind_start $(seconds)" | awk -v kind="$kind" '{ printf "  all programs on %s: %.1f s\n", kind, $2 - $1 }'
done
echo
echo "$start $(seconds)" | awk -v failed="$failed" '{
    if (failed) printf "%d answers are wrong; took %.1f s\n", failed, $2 - $1
    else printf "All answers are the expected ones, the same on every kind; took %.1f s\n", $2 - $1 }'
[ "$failed" -eq 0 ]
