# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2154 # work, programs, library and pattern are run.sh's
# The rooted heap and the drop-in malloc against other allocators: read by
# run.sh, whose functions and variables they use.
#
# Ours is kgc_malloc() ("via":"api"), the same in a program that uses the
# collector too ("via":"collector"), or malloc() of the peers' own program with
# libkindgc-malloc.so preloaded ("via":"preload").  Each round runs every
# allocator once, in a process of its own.  A line with the peer "best" is
# against the best of glibc, jemalloc and mimalloc, which "best" names.

# library_of NAME: the path of a shared library, if there is one.
library_of() {
    ldconfig -p 2>/dev/null | awk -v name="$1" '$1 == name { print $NF; exit }'
}
jemalloc=$(library_of libjemalloc.so.2)
mimalloc=$(library_of libmimalloc.so.2)
kindgc=$(dirname "$library")/../kindgc
drop_in=$(dirname "$library")/libkindgc-malloc.so

# The allocators that are here.  $1: libgc, to have that too.
rooted_allocators() {
    echo api
    echo collector
    [ ! -e "$drop_in" ] || echo preload
    [ "${1:-}" != libgc ] || echo libgc
    echo glibc
    [ -z "$jemalloc" ] || echo jemalloc
    [ -z "$mimalloc" ] || echo mimalloc
}

# with_allocator NAME COMMAND...: becomes a command that uses malloc(), with this allocator under it:
# glibc, jemalloc, mimalloc, or a mode of the drop-in.
with_allocator() {
    local allocator=$1
    shift
    case $allocator in
    glibc) "$@" ;;
    jemalloc) LD_PRELOAD=$jemalloc "$@" ;;
    mimalloc) LD_PRELOAD=$mimalloc "$@" ;;
    *) "$kindgc" run --malloc "$allocator" -- "$@" ;;
    esac
}

rooted_program() {
    local allocator=$1
    shift
    case $allocator in
    api) "$programs/rooted-ours" "$@" ;;
    collector) BENCH_COLLECTOR=1 "$programs/rooted-ours" "$@" ;;
    libgc) "$programs/rooted-peer" "$@" ;;
    preload) with_allocator rooted "$programs/rooted-malloc" "$@" ;;
    *) with_allocator "$allocator" "$programs/rooted-malloc" "$@" ;;
    esac
}

# The lines "ALLOCATOR METRIC VALUE UNIT" of $work/samples as JSON objects.
# report_allocators THREADS RUNS FIELDS OURS...: each of OURS against each other allocator.
report_allocators() {
    local threads=$1 runs=$2 fields=$3
    shift 3
    awk -v threads="$threads" -v runs="$runs" -v fields="$fields" -v ours="$*" '
        function median(list,    n, v, i, j, t) {
            n = split(list, v, " ")
            for (i = 2; i <= n; i++)
                for (j = i; j > 1 && v[j - 1] + 0 > v[j] + 0; j--) { t = v[j]; v[j] = v[j - 1]; v[j - 1] = t }
            return n % 2 ? v[(n + 1) / 2] + 0 : (v[n / 2] + v[n / 2 + 1]) / 2
        }
        function line(metric, how, mine, name, value, more) {
            printf "{\"bench\":\"%s\",\"via\":\"%s\",%s\"threads\":%d,\"ours\":%.6g,\"peer\":\"%s\",%s\"peer_value\":%.6g,\"unit\":\"%s\",\"ratio\":%.3f,\"runs\":%d}\n",
                metric, how, fields, threads, mine, name, more, value, unit[metric], (mine > 0 ? value / mine : 0), runs
        }
        !($2 in unit) { metrics[++metric_count] = $2 }
        !($1 in known) { known[$1] = 1; allocators[++allocator_count] = $1 }
        { list[$1, $2] = list[$1, $2] " " $3; unit[$2] = $4 }
        END {
            our_count = split(ours, own, " ")
            for (i = 1; i <= our_count; i++) is_ours[own[i]] = 1
            for (m = 1; m <= metric_count; m++) for (i = 1; i <= our_count; i++) {
                if (!((own[i], metrics[m]) in list)) continue
                mine = median(list[own[i], metrics[m]])
                best = ""
                for (a = 1; a <= allocator_count; a++) {
                    name = allocators[a]
                    if (name in is_ours) continue
                    value = median(list[name, metrics[m]])
                    line(metrics[m], own[i], mine, name, value, "")
                    if (name != "libgc" && (best == "" || value < best_value)) { best = name; best_value = value }
                }
                line(metrics[m], own[i], mine, "best", best_value, "\"best\":\"" best "\",")
            }
        }' "$work/samples"
}

# rooted RUNS THREADS FIELDS LIBGC NAME ARGS...: FIELDS is "" or ends with a comma.
rooted() {
    local runs=${RUNS:-$1} threads=$2 fields=$3 libgc=$4 name=$5 round allocator
    shift 5
    : >"$work/samples"
    for ((round = 0; round < runs; round++)); do
        for allocator in $(rooted_allocators "$libgc"); do
            rooted_program "$allocator" "$name" "$@" 2>"$work/errors" | sed "s/^/$allocator /" >>"$work/samples"
        done
    done
    report_allocators "$threads" "$runs" "$fields" api collector preload
}

rooted_small() {
    local way threads
    for way in pair replace; do
        for threads in 1 2; do
            rooted 7 $threads "\"pattern\":\"$way\"," libgc small $way $threads
        done
    done
}

rooted_sizes() {
    local size
    for size in 16 64 256 1024 4096 16384 65536 1048576 16777216 1073741824; do
        rooted 5 1 "\"size\":$size,\"pattern\":\"pair\"," '' sizes $size pair
        # Of the largest a batch has one block, as a pair has.
        [ $size = 1073741824 ] || rooted 5 1 "\"size\":$size,\"pattern\":\"batch\"," '' sizes $size batch
    done
    for size in 1024 65536 1048576 67108864; do
        rooted 5 1 "\"size\":$size,\"pattern\":\"grow\"," '' sizes $size grow
    done
}

rooted_cross() {
    rooted 7 2 '"largest":128,' libgc cross 1 128
    rooted 5 2 '"largest":8192,' '' cross 1 8192 1000000
    rooted 5 4 '"largest":128,' '' cross 2 128 1000000
}

rooted_churn() {
    local threads
    for threads in 1 2; do
        rooted 5 $threads '"blocks":1000,' libgc churn $threads 1000 1000
        rooted 5 $threads '"blocks":1,' '' churn $threads 1 4000
    done
}

rooted_rss() {
    local threads
    for threads in 1 2; do
        rooted 1 $threads '"mib":100,' '' rss $threads 100
    done
}

rooted_heap() {
    local name
    for name in rooted-small rooted-sizes rooted-cross rooted-churn; do
        if wanted $name; then
            ${name//-/_}
        fi
    done
    if wanted rooted-rss-peak rooted-rss-after rooted-rss-later; then
        rooted_rss
    fi
}
