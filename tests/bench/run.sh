#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Runs the benchmarks whose name contains a pattern, each against its peer in
# turn (peer, ours, peer, ours ...) so that both see the same machine, and
# prints the medians as one JSON object a line.  "ratio" is the peer's cost
# over ours: above 1 we are ahead.
#
#   run.sh BUILD_DIRECTORY [PATTERN]
#
# RUNS: how often each side runs, instead of a number that suits each.
# explicit.sh has one more such setting.
set -euo pipefail
programs=$(realpath "$1")/tests/bench
library=$1/src/.libs/libkindgc.so
library=$(realpath "$library")
source=$(realpath "$(dirname "$0")/../..")
build=$(realpath "$1")
pattern=${2:-}
work=$(mktemp -d "${TMPDIR:-/var/tmp}/kindgc-bench.XXXXXX")

# shellcheck disable=SC2317 # called by the trap
cleanup() {
    if [ $? != 0 ] && [ -s "$work/errors" ]; then
        cat "$work/errors" >&2
    fi
    [ ! -e "$work/swap" ] || swapoff "$work/swap" 2>/dev/null || true
    for directory in "$work"/cgroup.*; do
        [ ! -e "$directory" ] || rmdir "$(cat "$directory")" 2>/dev/null || true
    done
    rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 1' INT TERM HUP

wanted() {
    local name
    for name; do
        case $name in *$pattern*) return 0 ;; esac
    done
    return 1
}

# Medians of the lines "VARIANT METRIC VALUE UNIT" in $work/samples.
# report THREADS RUNS [FIELDS PEER]: without FIELDS, which are JSON, VARIANT tells kind and way.
report() {
    local threads=$1 runs=$2 fields=${3:-} peer=${4:-libgc}
    awk -v threads="$threads" -v runs="$runs" -v pattern="$pattern" -v fields="$fields" -v peer_name="$peer" '
        function median(list,    n, v, i, j, t) {
            n = split(list, v, " ")
            for (i = 2; i <= n; i++)
                for (j = i; j > 1 && v[j - 1] + 0 > v[j] + 0; j--) { t = v[j]; v[j] = v[j - 1]; v[j - 1] = t }
            return n % 2 ? v[(n + 1) / 2] + 0 : (v[n / 2] + v[n / 2 + 1]) / 2
        }
        !(($1, $2) in seen) { order[++count] = $1 SUBSEP $2; seen[$1, $2] = 1 }
        { list[$1, $2] = list[$1, $2] " " $3; unit[$2] = $4 }
        END {
            for (i = 1; i <= count; i++) {
                split(order[i], key, SUBSEP)
                if (key[1] == "peer" || index(key[2], pattern) == 0) continue
                colon = index(key[1], ";")
                ours = median(list[order[i]]); peer = median(list["peer", key[2]])
                how = fields != "" ? fields : sprintf("\"kind\":\"%s\",\"via\":\"%s\"", substr(key[1], colon + 1), substr(key[1], 1, colon - 1))
                printf "{\"bench\":\"%s\",%s,\"threads\":%d,\"ours\":%.6g,\"peer\":\"%s\",\"peer_value\":%.6g,\"unit\":\"%s\",\"ratio\":%.3f,\"runs\":%d}\n", \
                    key[2], how, threads, ours, peer_name, peer, unit[key[2]], peer / ours, runs
            }
        }' "$work/samples"
}

# start_variant VARIANT PROGRAM ARGS...: "peer", "api;KIND" (the program linked with
# this library) or "preload;KIND" (the peer's own program with the library put in).
start_variant() {
    local variant=$1 program=$2
    shift 2
    case $variant in
    peer) "$program-peer" "$@" ;;
    'api;'*) KINDGC="heap=${variant#*;}" "$program-ours" "$@" ;;
    'preload;'*) KINDGC="heap=${variant#*;}" LD_PRELOAD=$library "$program-peer" "$@" ;;
    esac 2>"$work/errors"
}

# series RUNS THREADS "VARIANT ..." PROGRAM ARGS...: one after the other, RUNS times.
series() {
    local runs=${RUNS:-$1} threads=$2 variants=$3 program=$programs/$4 round variant
    shift 4
    : >"$work/samples"
    for ((round = 0; round < runs; round++)); do
        for variant in peer $variants; do
            start_variant "$variant" "$program" "$@" | sed "s|^|$variant |" >>"$work/samples"
        done
    done
    report "$threads" "$runs"
}

# equal RUNS THREADS BENCH PROGRAM ARGS...: with this library's default settings, and a
# peer that starts with as large a heap as this library's has become.
equal() {
    local runs=${RUNS:-$1} threads=$2 name=$3 program=$programs/$4 round heap
    shift 4
    : >"$work/samples"
    for ((round = 0; round < runs; round++)); do
        start_variant 'api;default' "$program" "$@" >"$work/ours"
        heap=$(awk '/-heap / { printf "%d", $2 * 1048576 }' "$work/ours")
        GC_INITIAL_HEAP_SIZE=$heap start_variant peer "$program" "$@" >"$work/peer"
        sed "s|^$name|api;default $name-equal|" "$work/ours" >>"$work/samples"
        sed "s|^$name|peer $name-equal|" "$work/peer" >>"$work/samples"
    done
    report "$threads" "$runs"
}

# turns TIMES RUNS "VARIANT ..." PROGRAM ARGS...: all are started, and measure in turn
# when told, RUNS times; all of that TIMES times, because where in memory a
# process happens to lie makes 10 % and more.
turns() {
    local times=$1 runs=${RUNS:-$2} variants="peer $3" program=$programs/$4 again
    shift 4
    : >"$work/samples"
    for ((again = 0; again < times; again++)); do
        take_turns "$runs" "$variants" "$program" "$@"
    done
    report 1 $((times * runs))
}

take_turns() {
    local runs=$1 variants=$2 program=$3 round variant line n=0 fd
    local -A to from
    shift 3
    for variant in $variants; do
        n=$((n + 1))
        mkfifo "$work/to.$n" "$work/from.$n"
        start_variant "$variant" "$program" "$@" <"$work/to.$n" >"$work/from.$n" &
        exec {fd}>"$work/to.$n"
        to[$variant]=$fd
        exec {fd}<"$work/from.$n"
        from[$variant]=$fd
        read -r line <&"${from[$variant]}" # ready
    done
    for ((round = 0; round < runs; round++)); do
        for variant in $variants; do
            echo >&"${to[$variant]}"
            read -r line <&"${from[$variant]}"
            echo "$variant $line" >>"$work/samples"
        done
    done
    for fd in "${to[@]}" "${from[@]}"; do
        exec {fd}>&-
    done
    wait
    rm "$work"/to.* "$work"/from.*
}

# startup KIND RUNS PROGRAM ARGS...
startup() {
    local kind=$1 runs=${RUNS:-$2} program ours plain
    shift 2
    program=$(basename "$1")
    read -r ours plain < <("$programs/start" "$runs" "$library" "heap=$kind" "$@")
    awk -v kind="$kind" -v program="$program" -v ours="$ours" -v plain="$plain" -v runs="$runs" 'BEGIN {
        printf "{\"bench\":\"startup\",\"kind\":\"%s\",\"via\":\"preload\",\"program\":\"%s\",\"threads\":1,\"ours\":%s,\"peer\":\"without preload\",\"peer_value\":%s,\"unit\":\"ms\",\"ratio\":%.3f,\"difference\":%.3f,\"runs\":%d}\n",
            kind, program, ours, plain, plain / ours, ours - plain, runs }'
}

skip() {
    printf '{"bench":"%s","skipped":"%s"}\n' "$1" "$2"
}

# make_cgroup NAME MEMORY SWAP: a memory cgroup with limits in bytes; SWAP 0
# forbids swapping, -1 leaves it to the system.  Prints its directory.
make_cgroup() {
    local name=kindgc-bench-$$-$1 directory
    if [ -e /sys/fs/cgroup/memory/memory.limit_in_bytes ]; then
        directory=/sys/fs/cgroup/memory/$name
        mkdir "$directory" && echo "$directory" >"$work/cgroup.$1" &&
            echo "$2" >"$directory/memory.limit_in_bytes" &&
            { [ "$3" != 0 ] || echo 0 >"$directory/memory.swappiness"; } || return 1
    elif grep -qw memory /sys/fs/cgroup/cgroup.controllers 2>/dev/null; then
        directory=/sys/fs/cgroup/$name
        { grep -qw memory /sys/fs/cgroup/cgroup.subtree_control || echo +memory >/sys/fs/cgroup/cgroup.subtree_control; } &&
            mkdir "$directory" && echo "$directory" >"$work/cgroup.$1" &&
            echo "$2" >"$directory/memory.max" &&
            { [ "$3" != 0 ] || echo 0 >"$directory/memory.swap.max"; } || return 1
    else
        return 1
    fi
    echo "$directory"
}

make_swap() {
    dd if=/dev/zero of="$work/swap" bs=1M count=1024 && chmod 600 "$work/swap" && mkswap "$work/swap" &&
        swapon "$work/swap"
}

# The live heap is twice what the cgroup may hold.  The peer has a swap file,
# ours a file of its own and no swap.
spill() {
    local memory=$((80 << 20)) live=160 swapping not_swapping round runs=${RUNS:-1} kind=tier:default@40M+file:$work
    [ "$(id -u)" = 0 ] || { skip spill "root is needed, for a swap file and memory cgroups"; return; }
    if ! swapping=$(make_cgroup swap $memory -1 2>/dev/null) ||
        ! not_swapping=$(make_cgroup none $memory 0 2>/dev/null); then
        skip spill "no memory cgroup can be made here"
        return
    fi
    if ! make_swap >/dev/null 2>"$work/errors"; then
        skip spill "no swap file can be used here"
        return
    fi
    : >"$work/samples"
    for ((round = 0; round < runs; round++)); do
        bash -c 'echo $$ >"$1/cgroup.procs"; exec "$2" "$3"' - "$swapping" "$programs/spill-peer" $live |
            sed 's/^/peer /' >>"$work/samples" ||
            { skip spill "stock libgc did not survive on swap"; return; }
        bash -c 'echo $$ >"$1/cgroup.procs"; KINDGC="heap=$4" exec "$2" "$3"' - "$not_swapping" "$programs/spill-ours" $live "$kind" |
            sed "s|^|api;tier:default@40M+file: |" >>"$work/samples"
    done
    report 1 "$runs"
}

# typed RUNS THREADS WHAT NUMBER...: against both ways in which stock libgc can allocate.
typed() {
    local runs=${RUNS:-$1} threads=$2 what=$3 way round
    shift 3
    for way in conservative explicit; do
        : >"$work/samples"
        for ((round = 0; round < runs; round++)); do
            start_variant peer "$programs/typed" "$what" $way "$@" | sed 's/^/peer /' >>"$work/samples"
            start_variant 'api;default' "$programs/typed" "$what" $way "$@" | sed 's/^/api;default /' >>"$work/samples"
        done
        report "$threads" "$runs" '"kind":"default","via":"api"' "libgc, $way"
    done
}

# place RUNS KIND SIZE OPERATIONS: objects on a kind beside the heap's own.
place() {
    local runs=${RUNS:-$1} kind=$2 size=$3 operations=$4 round
    : >"$work/samples"
    for ((round = 0; round < runs; round++)); do
        "$programs/place" heap "$size" "$operations" 2>"$work/errors" | sed 's/^/peer /' >>"$work/samples"
        "$programs/place" "$kind" "$size" "$operations" 2>"$work/errors" | sed 's/^/ours /' >>"$work/samples"
    done
    report 1 "$runs" "\"kind\":\"$kind\",\"size\":$size" "the heap's own kind"
}

# shellcheck source=tests/bench/explicit.sh disable=SC1091
. "$(dirname "$0")/explicit.sh"
# shellcheck source=tests/bench/rooted.sh disable=SC1091
. "$(dirname "$0")/rooted.sh"
# shellcheck source=tests/bench/dropin.sh disable=SC1091
. "$(dirname "$0")/dropin.sh"

for threads in 1 2; do
    wanted collect-small && series 7 $threads 'api;default preload;default' small $threads 10000000
    wanted collect-small-equal && equal 7 $threads collect-small small $threads 10000000
    wanted gcbench-equal && equal 7 $threads gcbench gcbench $threads 2000000
    wanted pause && series 5 $threads 'api;default' pause $threads
    wanted pause-equal && equal 5 $threads pause pause $threads
    wanted gcbench && series 7 $threads 'api;default preload;default api;thp' gcbench $threads 2000000
done
wanted collect-large && series 5 1 'api;default' large 2000
wanted graph-mark && turns 2 3 'api;default api;thp' graph mark 4000000
wanted graph-walk && turns 3 5 'api;default api;thp' graph walk 24000000 1000000
if wanted startup; then
    startup default 200 "$programs/hello"
    startup thp 200 "$programs/hello"
    if command -v guile >/dev/null; then
        startup default 20 guile -c 0
    fi
fi
wanted typed-mark && typed 5 1 mark 2000000
wanted typed-mark-at-random && typed 3 1 mark-at-random 2000000
wanted typed-retention && typed 1 1 retention 400000
for threads in 1 2; do
    wanted typed-allocate && typed 7 $threads allocate 10000000 $threads
done
wanted weak-create weak-get weak-collect weak-ephemerons && series 5 1 'api;default' weak
wanted spill && spill
if wanted place; then
    for kind in default numa:bind=0 thp "$bench_file"; do
        place 5 "$kind" 64 4000000
        place 5 "$kind" 512 1000000
        place 5 "$kind" 65536 4000
        place 5 "$kind" 1048576 500
    done
fi
explicit_memory
rooted_heap
if wanted dropin; then
    dropin
fi
if wanted leak-detect; then
    "$source/tests/bench/leak-detect.sh" "$build"
fi
exit 0
