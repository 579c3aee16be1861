# SPDX-License-Identifier: MIT
# Runs a real program on each kind of memory: the output must be that of a
# plain run, and the heap must really lie there, by the kernel's word
# (/proc/PID/smaps, copied by the program) and by the report's.
# Sourced after common.sh.

# The least heap that the programs have at their end.
least=$((30 * 1024 * 1024))

# report FILTER: of the last run.
report() {
    jq -r "$1" "$dir/report.json"
}

# expect_report CONDITION: a jq expression that must be true.
expect_report() {
    [ "$(report "$1")" = true ] || {
        fail "$spec: not true of the report: $1"
        jq -c 'del(.sections)' "$dir/report.json"
    }
}

# smaps_sum KEY [PATH]: kB of that key over the mappings that hold a section of
# the heap, and whose line in smaps holds the path.  Addresses have the same
# number of digits, so they compare as text.
smaps_sum() {
    report '.sections[] | select(.kind != "plain") | .base[2:]' >"$dir/bases"
    awk -v key="$1:" -v path="${2-}" '
        FNR == NR { base[n++] = $1; next }
        $1 ~ /^[0-9a-f]+-[0-9a-f]+$/ {
            split($1, range, "-")
            inside = 0
            if (path == "" || index($0, path))
                for (i = 0; i < n; i++)
                    if (length(base[i]) == length(range[1]) && base[i] >= range[1] && base[i] < range[2])
                        inside = 1
        }
        inside && $1 == key { sum += $2 }
        END { print sum + 0 }' "$dir/bases" "$dir/smaps"
}

# expect_smaps KEY LEAST_BYTES [PATH]; programs that cannot copy it are not asked.
expect_smaps() {
    [ -n "$copies_smaps" ] || return 0
    sum=$(smaps_sum "$1" "${3-}")
    [ "$((sum * 1024))" -ge "$2" ] || fail "$spec: $1 is $sum kB in the sections of the heap"
}

# Where the heap of the last run lies, for each specification.
expect_place() {
    expect_report '.heap_kind as $h | .heap_kind == "'"$spec"'"'
    expect_report ".heap.size >= $least and .collections >= 3 and .mappings > 10 and .pause.count > 0"
    # Each pause was seen, whatever callbacks the program has set.
    expect_report '.pause.count >= .collections'
    expect_report '.pause.longest_ns > 0 and .pause.longest_ns <= .pause.total_ns'
    case $spec in
    default)
        expect_report 'all(.sections[].kind; . == "default" or . == "plain")'
        expect_report ".kinds[0].section_bytes >= $least and .kinds[0].resident >= $least"
        expect_smaps Rss $least
        ;;
    thp)
        expect_report 'all(.sections[].kind; . == "thp" or . == "plain")'
        # Memory may be short of whole huge pages: some must be there.
        expect_report ".kinds[0].huge >= 8388608"
        expect_smaps AnonHugePages 8388608
        ;;
    hugetlb*)
        expect_report "all(.sections[].kind; . == \"$spec\" or . == \"plain\")"
        expect_report ".kinds[0].huge >= $least"
        expect_smaps Private_Hugetlb $least
        ;;
    file:*)
        expect_report "all(.sections[].kind; . == \"$spec\" or . == \"plain\")"
        expect_report ".kinds[0].file_blocks >= $least and .plain < $least"
        expect_smaps Rss $least "$dir/spill/"
        ;;
    tier:*)
        expect_report 'all(.sections[].kind; . == "default" or . == "plain" or startswith("file:"))'
        expect_report '.kinds[] | select(.kind == "default") | .section_bytes <= 8388608 and .section_bytes >= 4194304'
        expect_report '.kinds[] | select(.family == "file") | .file_blocks >= 20000000'
        expect_smaps Rss 20000000 "$dir/spill/"
        ;;
    esac
}

# on_kind SPEC COMMAND...: one run, compared with "$dir/plain".
on_kind() {
    spec=$1
    shift
    rm -f "$dir/report.json" "$dir/smaps"
    started=$(date +%s%N)
    expect_status 0 env "SMAPS=$dir/smaps" "$kindgc" run --heap "$spec" --report "$dir/report.json" -- "$@"
    echo "$spec: $((($(date +%s%N) - started) / 1000000)) ms"
    expect_silence
    cmp "$dir/plain" "$dir/out" || fail "$spec: the output differs from that of a plain run"
    if [ -s "$dir/report.json" ]; then
        expect_place
    else
        fail "$spec: there is no report"
    fi
    # Nothing with a name is left of a file kind.
    [ -z "$(ls -A "$dir/spill")" ] || fail "$spec: files are left in $dir/spill"
}

# Reserves $1 more huge pages of 2 MiB; they go back when the test ends.  The
# tests that do this take turns.  Says why not in $why.
reserve_huge_pages() {
    pool=/sys/kernel/mm/hugepages/hugepages-2048kB
    if [ "$(id -u)" != 0 ]; then
        why="only root can reserve huge pages"
        return 1
    fi
    if [ ! -w $pool/nr_hugepages ]; then
        why="this system has no huge pages of 2 MiB"
        return 1
    fi
    exec 9>/var/lock/kindgc-test-hugetlb || return 1
    flock 9
    before=$(cat $pool/nr_hugepages)
    free=$(cat $pool/free_hugepages)
    at_end 'echo "$before" >$pool/nr_hugepages'
    echo $((before + $1)) >$pool/nr_hugepages
    if [ "$(($(cat $pool/free_hugepages) - free))" -lt "$1" ]; then
        why="$1 huge pages of 2 MiB cannot be had"
        return 1
    fi
}

return_huge_pages() {
    echo "$before" >$pool/nr_hugepages
    after=$(cat $pool/nr_hugepages)
    [ "$after" = "$before" ] || fail "huge pages: $before before, $after after"
    flock -u 9
}

# on_all_kinds COMMAND...: a plain run, and one on each kind.
on_all_kinds() {
    expect_status 0 "$@"
    [ -s "$dir/out" ] || fail "the plain run printed nothing"
    mv "$dir/out" "$dir/plain"
    on_kind default "$@"
    if "$kindgc" kinds | grep -q '^thp  *yes'; then
        on_kind thp "$@"
    else
        echo "not on thp: $("$kindgc" kinds | grep '^thp')"
    fi
    on_kind "file:$dir/spill" "$@"
    on_kind "tier:default@8M+file:$dir/spill" "$@"
    if reserve_huge_pages 100; then
        on_kind hugetlb "$@"
        on_kind hugetlb:2M "$@"
        return_huge_pages
    else
        echo "not on hugetlb: $why"
    fi
}
