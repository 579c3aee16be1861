#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The unit tests that have threads, under ThreadSanitizer, each test in a
# process of its own.  usage: tests/tsan.sh BUILD, where BUILD was configured
# with --enable-sanitizers=thread.
#
# Processes that Check forks would give false reports: jemalloc makes its
# mutexes anew in a child, which ThreadSanitizer takes for locked ones.  So
# CK_FORK=no, and one test at a time by KINDGC_TEST (tests/suite.h).
#
# Left out are all tests that collect: libgc is not instrumented, and the
# signals by which it suspends threads come late under ThreadSanitizer.
set -uo pipefail
tests=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "${1:?usage: tests/tsan.sh BUILD}" || exit

programs=(allocator arena arena_stats arenas births caller_hooks depot explicit_fault hook_refusal kind lock map memkind_arena
    range rooted_kind space thread_cache)

# Of sweeps that take minutes here, and of tests most of which collect, those with several threads at work.
declare -A only=([allocator]=global_race [births]=threads [depot]=threads [explicit_fault]=full_disk [hook_refusal]=two_threads
    [rooted_kind]=passed_on)

# What cannot be as it is elsewhere, and why.
declare -A not_here=(
    [lock:resetting]="makes a locked mutex anew, as a forked child does"
    [thread_cache:destructors_of_all_rounds]="ThreadSanitizer's own destructor of threads is done by then"
    [thread_cache:first_use_in_the_last_round]="ThreadSanitizer's own destructor of threads is done by then"
    [caller_hooks:heap_on_failing_hooks]="collects"
)

export CK_FORK=no TSAN_OPTIONS="exitcode=66 ${TSAN_OPTIONS:-}"
passed=0 failed=0 skipped=0
names=()
for program in "${programs[@]}"; do
    names+=("tests/${program}_test")
done
make -j"$(nproc)" "${names[@]}" >tests/tsan.log 2>&1 || { tail -n 40 tests/tsan.log && exit 1; }

for program in "${programs[@]}"; do
    while read -r name; do
        if [ -n "${not_here[$program:$name]+x}" ]; then
            echo "SKIP: $program: $name: ${not_here[$program:$name]}"
            skipped=$((skipped + 1))
        elif KINDGC_TEST=$name timeout 300 "tests/${program}_test" >tests/tsan.log 2>&1; then
            passed=$((passed + 1))
        else
            echo "FAIL: $program: $name: exit status $?"
            head -n 60 tests/tsan.log
            failed=$((failed + 1))
        fi
    done < <(sed -n 's/^START_TEST(\(.*\))$/\1/p' "$tests/${program}_test.c" | grep -x "${only[$program]:-.*}")
done
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
