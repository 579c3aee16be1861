# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2154 # work, programs and source are run.sh's
# Whole programs with malloc replaced (kindgc run --malloc MODE), against glibc,
# jemalloc and mimalloc: read by run.sh, after rooted.sh.
#
# Every allocator runs a program once in each round, each time from the same
# start; the standard output must be what glibc's gives.  "measure" is "wall"
# (seconds from start to end), "cpu" (user and system time of all processes) or
# "resident" (MiB; the largest process at its largest).
#
# DROPIN_PROGRAMS, DROPIN_MODES: some of them only.
measure=$programs/measure
dropin_modes=${DROPIN_MODES:-rooted collect detect}
dropin_programs=${DROPIN_PROGRAMS:-python3 git sqlite3 gawk perl gcc bash redis-server}

# Not the scripts that some systems put in its place, which start many shells.
! command -v python3 >/dev/null || python=$(python3 -c 'import sys; print(sys.executable)')

# Each prepares its input in the present directory, once.
prepare_gawk() { # and perl
    gawk 'BEGIN { srand(5); for (i = 0; i < 150000; i++) {
        line = ""
        for (j = 0; j < 8; j++) line = line sprintf("w%d ", int(60000 * rand() * rand()))
        print line } }' >text
}
prepare_perl() { prepare_gawk; }

prepare_git() {
    git init -q -b main origin
    gawk 'BEGIN { for (i = 0; i < 400; i++) {
        printf "commit refs/heads/main\ncommitter A <a@example.org> %d +0000\ndata 2\nc%s", 1700000000 + i, "\n"
        for (f = 0; f < 12; f++) {
            text = ""
            for (l = 0; l < 60; l++) text = text sprintf("line %d of file %d at %d\n", l, f, (l * 7 + f) % 50 == i % 50 ? i : 0)
            printf "M 644 inline d%d/f%d\ndata %d\n%s\n", f % 4, f, length(text), text
        } } }' | git -C origin fast-import --quiet
}

# Each runs the program once, in a shell whose allocator has been chosen.
# shellcheck disable=SC2016,SC2034 # expanded there, and named by $script
{
program_python3='exec "$python" -S "$source/tests/bench/dropin.py"'
program_git='git clone -q --no-local origin clone.$$ && cd clone.$$ && git gc -q --aggressive &&
    git log --stat --format=%H && git rev-list --objects --all'
program_sqlite3='rm -f db; exec sqlite3 db <"$source/tests/bench/dropin.sql"'
program_gawk='exec gawk "{ for (i = 1; i <= NF; i++) { n[\$i]++; first[\$i, NR % 7] = NR } }
    END { m = asorti(n, s); for (i = 1; i <= m; i += 97) print s[i], n[s[i]]; print length(first) }" text'
program_perl='exec perl -ne "
    push @{\$at{\$_}}, \$. for split; \$long{length \$_} .= substr \$_, 0, 9;
    END { for (sort { @{\$at{\$b}} <=> @{\$at{\$a}} || \$a cmp \$b } keys %at) { print \"\$_ \", scalar @{\$at{\$_}}, \"\n\" if \$n++ % 97 == 0 }
          print join(\",\", map { length } @long{sort keys %long}), \"\n\" }" text'
program_gcc='for file in "$source"/src/kind/[d-n]*.c; do
        gcc -std=gnu17 -O2 -g -D_GNU_SOURCE -DHAVE_CONFIG_H -I"$source/include" -I"$source/src" -I"$build" -S -o - "$file" || exit
    done'
program_bash='for ((i = 0; i < 1000; i++)); do a[i]=$(echo $((i * i))); done; printf "%s\n" "${a[@]}"'
program_redis_server='redis-server --port 0 --unixsocket "$PWD/socket" --save "" --daemonize no --logfile log &
    for ((i = 0; i < 200; i++)); do [ ! -S socket ] || break; sleep 0.02; done
    unset LD_PRELOAD
    redis-benchmark -s socket -n 60000 -c 20 -P 4 -d 200 -r 1 -t set,get,lpush,lrange_100,hset -q >/dev/null
    redis-cli -s socket dbsize; redis-cli -s socket llen mylist
    redis-cli -s socket shutdown nosave; wait'
}

# The settings that kindgc run makes, but for the number of its process.
environment_of() {
    case $1 in
    glibc) echo LD_PRELOAD=libc.so.6 ;; # before a jemalloc that the program is linked with
    jemalloc) echo "LD_PRELOAD=$jemalloc" ;;
    mimalloc) echo "LD_PRELOAD=$mimalloc" ;;
    *) "$kindgc" run --malloc "$1" -- env | grep -E '^(LD_PRELOAD|KINDGC|KINDGC_COMMAND|GC_INITIAL_HEAP_SIZE|LD_LIBRARY_PATH)=' ;;
    esac
}

# run_program ALLOCATOR PROGRAM OUTPUT: a line of $work/samples for each measure.
run_program() {
    local allocator=$1 name=$2 output=$3 settings numbers script=program_${2//-/_}
    mapfile -t settings <"$work/environment.$allocator"
    numbers=$(source=$source build=$build python=${python-} "$measure" "$output" env "${settings[@]}" bash -c "${!script}" 2>"$work/errors") || return 1
    awk -v a="$allocator" '{ print a, "wall", $1, "s"; print a, "cpu", $2, "s"; print a, "resident", $3, "MiB" }' \
        <<<"$numbers" >>"$work/samples"
}

# fail_program PROGRAM ALLOCATOR WHAT
fail_program() {
    printf '{"bench":"dropin","program":"%s","mode":"%s","failed":"%s: %s"}\n' "$1" "$2" "$3" \
        "$(head -n 1 "$work/errors" | tr -d '"\\\n')"
}

report_program() {
    # shellcheck disable=SC2086 # a list of words
    report_allocators 1 "$2" "\"program\":\"$1\"," $dropin_modes |
        sed -E '/"peer":"best"/d; s/"bench":"([a-z]*)","via":"([a-z]*)"/"bench":"dropin","measure":"\1","mode":"\2"/'
}

dropin_program() {
    local name=$1 runs=${RUNS:-3} round allocator allocators="glibc" bad=' '
    [ -z "$jemalloc" ] || allocators+=" jemalloc"
    [ -z "$mimalloc" ] || allocators+=" mimalloc"
    mkdir "$work/$name"
    cd "$work/$name" || return
    ! declare -F "prepare_$name" >/dev/null || "prepare_$name"
    : >"$work/samples"
    for ((round = 0; round < runs; round++)); do
        for allocator in $allocators $dropin_modes; do
            [[ $bad != *" $allocator "* ]] || continue
            if ! run_program "$allocator" "$name" "$work/output"; then
                fail_program "$name" "$allocator" "it failed"
                bad+="$allocator "
            elif [ ! -e "$work/expected.$name" ]; then
                mv "$work/output" "$work/expected.$name"
            elif ! cmp -s "$work/output" "$work/expected.$name"; then
                fail_program "$name" "$allocator" "the output is another one than with glibc"
                bad+="$allocator "
            fi
        done
    done
    for allocator in $bad; do
        sed -i "/^$allocator /d" "$work/samples"
    done
    report_program "$name" "$runs"
    cd "$work" || return
    rm -rf "${work:?}/$name"
}

dropin() {
    local name allocator
    [ -e "$drop_in" ] || { skip dropin "libkindgc-malloc.so was not built"; return; }
    for allocator in glibc ${jemalloc:+jemalloc} ${mimalloc:+mimalloc} $dropin_modes; do
        environment_of "$allocator" >"$work/environment.$allocator"
    done
    for name in $dropin_programs; do
        if command -v "$name" >/dev/null; then
            (dropin_program "$name")
        else
            printf '{"bench":"dropin","program":"%s","skipped":"%s is not installed"}\n' "$name" "$name"
        fi
    done
}
