# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2154 # work, programs and pattern are run.sh's
# The benchmarks of explicit memory, whose peer is memkind: read by run.sh,
# whose functions and variables they use.
#
# BENCH_DIRECTORY: where file kinds have their files.  On a disk, as they are
# meant to be; on a tmpfs the kernel's part is another one.
bench_directory=$(realpath "${BENCH_DIRECTORY:-/var/tmp}")
bench_file=file:$bench_directory

# MEMKIND_REGULAR binds to the nodes that have processors.
bench_bind=numa:bind=$(cat /sys/devices/system/node/has_cpu 2>/dev/null || echo 0)

# The first line that a program left in $work/errors, fit for a JSON string.
reason() {
    head -n 1 "$work/errors" | tr -d '"\\\n'
}

# against_memkind RUNS THREADS FIELDS PROGRAM ARGS...: both sides in turns, one line
# with these fields.  A side that cannot do it is the reason why it is skipped.
against_memkind() {
    local runs=${RUNS:-$1} threads=$2 fields=$3 name=$4 program=$programs/$4 round side
    shift 4
    : >"$work/samples"
    for ((round = 0; round < runs; round++)); do
        for side in peer ours; do
            if ! "$program-$side" "$@" >"$work/line" 2>"$work/errors"; then
                printf '{"bench":"%s",%s,"skipped":"%s: %s"}\n' "$name" "$fields" "$side" "$(reason)"
                return
            fi
            sed "s/^/$side /" "$work/line" >>"$work/samples"
        done
    done
    report "$threads" "$runs" "$fields" memkind
}

kind_malloc() {
    local kind size order threads
    for kind in default "$bench_bind" numa:interleave=all "$bench_file"; do
        for size in 64 1024 16384 1048576; do
            for order in pair batch; do
                for threads in 1 2; do
                    against_memkind 5 $threads "\"kind\":\"$kind\",\"size\":$size,\"pattern\":\"$order\"" \
                        kind-malloc "$kind" $size $order $threads
                done
            done
        done
    done
}

kind_open_close() {
    local kind
    for kind in "$bench_file" fixed; do
        against_memkind 5 1 "\"kind\":\"$kind\"" kind-open-close "$kind"
    done
}

# rss KIND POLICY MIB AFTER WAVES
rss() {
    against_memkind 3 1 "\"kind\":\"$1\",\"policy\":\"$2\",\"mib\":$3,\"after_ms\":$4,\"waves\":$5" kind-rss "$@"
}

kind_rss() {
    local kind policy
    for kind in default "$bench_file"; do
        for policy in default conservative; do
            rss "$kind" $policy 100 0 1
            rss "$kind" $policy 100 1000 1
        done
        rss "$kind" default 16 0 30
    done
}

explicit_memory() {
    local name
    for name in kind-malloc kind-of kind-open-close kind-rss; do
        wanted $name || continue
        if [ ! -e "$programs/$name-peer" ]; then
            skip $name "memkind was not there when this was configured: install libmemkind-dev (Debian)"
            continue
        fi
        case $name in
        kind-of) against_memkind 5 1 '"kinds":4' kind-of default "$bench_bind" numa:interleave=all "$bench_file" ;;
        *) ${name//-/_} ;;
        esac
    done
}
