#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Leak checkers on the same programs: plain, kindgc (detect; also with sampling),
# LeakSanitizer preloaded, heaptrack, Memcheck.  A JSON object a line:
#
#   program, tool, wall and cpu (seconds, medians of RUNS), resident (MiB)
#   over_plain   cpu over the plain program's
#   blocks, bytes   reported as leaked
#   found, false    where the leaks are known: share of their blocks that was
#                   reported, and blocks that were reported and are not leaked
#   failed          the tool did not run the program
#
# heaptrack reports what was not freed, lost or not.
#
#   leak-detect.sh BUILD_DIRECTORY      environment: RUNS, LEAK_PROGRAMS, LEAK_TOOLS
set -euo pipefail
build=$(realpath "$1")
source=$(realpath "$(dirname "$0")/../..")
measure=$build/tests/bench/measure
kindgc=$build/src/kindgc
runs=${RUNS:-3}
programs=${LEAK_PROGRAMS:-shapes work python3 perl gawk gcc}
tools=${LEAK_TOOLS:-plain detect sampled lsan heaptrack memcheck}
work=$(mktemp -d "${TMPDIR:-/var/tmp}/kindgc-bench.XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work"
lsan=$(find /usr/lib /usr/lib64 -name 'liblsan.so.0' ! -path '*cross*' 2>/dev/null | head -n 1)

for name in shapes work; do
    ${CC:-cc} -g -O2 -o "$name" "$source/tests/leaks/$name.c" -pthread
done
cat >text.awk <<'TEXT'
BEGIN { for (i = 0; i < 300000; i++) { a[i % 5000] = a[i % 5000] "x" i; if (length(a[i % 5000]) > 200) a[i % 5000] = ""
    n += split("a b c d " i, p, " ") } print n }
TEXT
cat >text.pl <<'TEXT'
my %h; for my $i (1 .. 150000) { my @a = split /,/, "a,b,c,d,$i"; $h{$a[4] % 5000} = [@a]; my $s = join("-", @a) x 3; $s =~ s/a(.)/$1b/g }
TEXT
cp "$source/src/report/report.c" text.c

# The blocks and bytes that are leaked, of the programs where that is known.
truth_of() {
    case $1 in
    work) echo 6000 336000 ;;
    shapes) sed -nE 's/.*leaks: ([0-9]+) ([0-9]+).*/\1 \2/p' "$source/tests/leaks/shapes.c" | awk '{ n += $1; m += $2 } END { print n, m }' ;;
    esac
}

command_of() {
    case $1 in
    shapes | work) command=("./$1") ;;
    python3) command=(/usr/bin/python3 -S "$source/tests/bench/dropin.py") ;;
    perl) command=(perl text.pl) ;;
    gawk) command=(gawk -f text.awk) ;;
    gcc) command=(gcc -std=gnu17 -O2 -g -D_GNU_SOURCE -DHAVE_CONFIG_H "-I$source/include" "-I$source/src" "-I$build" -S -o out.s text.c) ;;
    *) echo "leak-detect.sh: unknown program $1" >&2; exit 2 ;;
    esac
}

# Puts the tool in front of $command.  It writes into the directory "found".
with_tool() {
    case $1 in
    plain) ;;
    detect) command=("$kindgc" run --malloc detect --leak-format json --leak-report "$work/found/%p" -- "${command[@]}") ;;
    sampled) command=("$kindgc" run --malloc detect --leak-sample 64K --leak-format json --leak-report "$work/found/%p" -- "${command[@]}") ;;
    lsan) command=(env "LD_PRELOAD=$lsan" "LSAN_OPTIONS=exitcode=0:fast_unwind_on_malloc=0:malloc_context_size=30:log_path=$work/found/log" "${command[@]}") ;;
    heaptrack) command=(heaptrack -o "$work/found/track" "${command[@]}") ;;
    memcheck) command=(valgrind --trace-children=yes --leak-check=full --num-callers=30 "--log-file=$work/found/%p" "${command[@]}") ;;
    *) echo "leak-detect.sh: unknown tool $1" >&2; exit 2 ;;
    esac
}

available() {
    case $1 in
    lsan) [ -n "$lsan" ] ;;
    heaptrack) command -v heaptrack heaptrack_print >/dev/null ;;
    memcheck) command -v valgrind >/dev/null ;;
    esac
}

# "BLOCKS BYTES" that the tool has reported.
found_by() {
    case $1 in
    detect | sampled) jq -s '[.[] | .direct, .indirect] | "\(map(.blocks) | add // 0) \(map(.bytes) | add // 0)"' -r found/* ;;
    lsan) cat found/log* 2>/dev/null | awk '/^SUMMARY: LeakSanitizer/ { m += $3; n += $7 } END { print n + 0, m + 0 }' ;;
    heaptrack)
        heaptrack_print -l 1 found/track* 2>/dev/null | awk '
            /MEMORY LEAKS/ { leaks = 1 }
            leaks && /^[0-9.]+[KMG]?B leaked over [0-9]+ calls from/ { n += $4 }
            /^total memory leaked:/ { m = $4; u = m; sub(/[0-9.]+/, "", u); m += 0
                m *= u == "KB" ? 1e3 : u == "MB" ? 1e6 : u == "GB" ? 1e9 : 1 }
            END { print "null", int(m + 0) }' ;;
    memcheck)
        cat found/* | tr -d , | awk '/(definitely|indirectly|possibly) lost: / { m += $4; n += $7 } END { print n + 0, m + 0 }' ;;
    *) echo null null ;;
    esac
}

median() { sort -n | awk '{ v[NR] = $1 } END { print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'; }

for program in $programs; do
    plain=
    for tool in $tools; do
        [ "$tool" != lsan ] && [ "$tool" != heaptrack ] && [ "$tool" != memcheck ] || available "$tool" || continue
        : >samples
        n=$runs
        [ "$tool" != memcheck ] && [ "$tool" != heaptrack ] || n=1
        failed=
        for ((i = 0; i < n; i++)); do
            rm -rf found
            mkdir found
            command_of "$program"
            with_tool "$tool"
            "$measure" output "${command[@]}" 2>errors >numbers || { failed="exit status $?"; break; }
            tail -n 1 numbers >>samples
        done
        if [ -n "$failed" ]; then
            printf '{"bench":"leak-detect","program":"%s","tool":"%s","failed":"%s"}\n' "$program" "$tool" "$failed"
            continue
        fi
        wall=$(cut -d' ' -f1 samples | median) cpu=$(cut -d' ' -f2 samples | median) resident=$(cut -d' ' -f3 samples | median)
        [ "$tool" != plain ] || plain=$cpu
        read -r blocks bytes <<<"$(found_by "$tool")"
        more=
        truth=$(truth_of "$program")
        if [ -n "$truth" ] && [ "$tool" != plain ]; then
            more=$(awk -v t="$truth" -v n="$blocks" -v m="$bytes" 'BEGIN { split(t, k, " ")
                if (n == "null") printf ",\"found\":%.3f,\"false_bytes\":%d", (m >= k[2] ? 1 : m / k[2]), (m > k[2] ? m - k[2] : 0)
                else printf ",\"found\":%.3f,\"false\":%d", (n >= k[1] ? 1 : n / k[1]), (n > k[1] ? n - k[1] : 0) }')
        fi
        printf '{"bench":"leak-detect","program":"%s","tool":"%s","wall":%s,"cpu":%s,"resident":%s,"over_plain":%s,"blocks":%s,"bytes":%s%s}\n' \
            "$program" "$tool" "$wall" "$cpu" "$resident" "$(awk -v a="$cpu" -v b="${plain:-0}" 'BEGIN { if (b + 0 > 0) printf "%.2f", a / b; else print "null" }')" \
            "$blocks" "$bytes" "$more"
    done
done
