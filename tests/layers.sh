#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Checks src/LAYERS against what the sources include: headers of the same layer
# and of lower ones only, outside interfaces only where they are allowed, and
# every folder listed.  First sees that it finds each sort of violation in
# small trees of its own.
#
# usage: layers.sh [SRC]     default: src beside the folder of this script
set -euo pipefail

# check SRC: prints each violation; false when there is one.
check() {
    local src=$1
    (
        cd "$src" || exit 1
        find . -mindepth 1 -maxdepth 1 -type d -printf 'folder %f\n' | LC_ALL=C sort
        find . -maxdepth 1 -name '*.[ch]' -printf 'stray %f\n'
        find . -mindepth 2 -name '*.[ch]' -printf '%P\n' | LC_ALL=C sort |
            xargs grep -HnE '^[[:space:]]*#[[:space:]]*include' |
            sed -E 's/^([^:]+:[0-9]+):[[:space:]]*#[[:space:]]*include[[:space:]]*([<"][^>"]*[>"]).*/include \1 \2/'
    ) | awk -v layers="$src/LAYERS" '
        function wrong(text) { print text; bad = 1 }
        BEGIN {
            split("gc jemalloc jansson check hwloc elfutils", outside)
            while ((getline line < layers) > 0) {
                if (line ~ /^#/ || line ~ /^[ \t]*$/) continue
                if (line !~ /^[a-z]+:/) { wrong("LAYERS: not \"layer: interfaces\": " line); continue }
                name = line; sub(/:.*/, "", name)
                if (name in rank) wrong("LAYERS: " name " is listed twice")
                rank[name] = ++count
                n = split(substr(line, length(name) + 2), word, " ")
                for (i = 1; i <= n; i++) allowed[name, word[i]] = 1
            }
            if (count == 0) wrong("LAYERS: no layer is listed")
        }
        $1 == "folder" { exists[$2] = 1; if (!($2 in rank)) wrong($2 "/: not in LAYERS"); next }
        $1 == "stray" { wrong($2 ": a source outside of every layer"); next }
        {
            layer = $2; sub(/\/.*/, "", layer); h = $3
            if (h ~ /^"/) {
                gsub(/"/, "", h)
                if (h == "config.h") next
                target = h; sub(/\/.*/, "", target)
                if (h !~ /\// || !(target in rank)) wrong($2 ": \"" h "\" is not of the form \"layer/header\"")
                else if (rank[target] < rank[layer]) wrong($2 ": " layer " includes \"" h "\" of a higher layer")
                next
            }
            for (i in outside)
                if (h ~ "^<" outside[i] "(/[a-z_]+)?\\.h>$" || h ~ "^<" outside[i] "/")
                    if (!((layer, outside[i]) in allowed)) wrong($2 ": " layer " may not include " h)
        }
        END {
            for (name in rank) if (!(name in exists)) wrong("LAYERS: there is no folder " name "/")
            exit bad
        }'
}

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# A tree without faults.
fresh() {
    rm -rf "$scratch/src"
    mkdir -p "$scratch/src/top" "$scratch/src/middle" "$scratch/src/low"
    printf '# highest first\ntop: gc jansson\nmiddle: jemalloc\nlow:\n' >"$scratch/src/LAYERS"
    printf '#include "config.h"\n#include "top/a.h"\n#include "middle/b.h" /* why */\n#include <gc/gc.h>\n' >"$scratch/src/top/a.c"
    printf '#include "low/c.h"\n#  include <jansson.h>\n' >"$scratch/src/top/a.h"
    printf '#include "low/c.h"\n#include <jemalloc/jemalloc.h>\n#include <kindgc/kind.h>\n' >"$scratch/src/middle/b.h"
    printf '#include <stddef.h>\n#include <checked.h>\n' >"$scratch/src/low/c.h"
}

# finds WHAT TEXT: the present tree must be faulted with this text.
finds() {
    local output
    if output=$(check "$scratch/src"); then
        echo "self-test: $1 was not noticed"
        exit 1
    fi
    if [ "$output" != "$2" ]; then
        printf 'self-test: %s: expected\n  %s\ngot\n  %s\n' "$1" "$2" "$output"
        exit 1
    fi
    fresh
}

fresh
if ! check "$scratch/src"; then
    echo "self-test: a tree without faults was faulted"
    exit 1
fi
echo '#include "middle/b.h"' >>"$scratch/src/low/c.h"
finds "an upward include" 'low/c.h:3: low includes "middle/b.h" of a higher layer'
echo ' # include "top/a.h"' >>"$scratch/src/middle/b.h"
finds "an upward include with blanks" 'middle/b.h:4: middle includes "top/a.h" of a higher layer'
echo '#include <gc/gc_mark.h>' >>"$scratch/src/middle/b.h"
finds "libgc where it is not allowed" 'middle/b.h:4: middle may not include <gc/gc_mark.h>'
echo '#include <gc.h>' >>"$scratch/src/low/c.h"
finds "libgc by its short name" 'low/c.h:3: low may not include <gc.h>'
echo '#include <jemalloc/jemalloc.h>' >>"$scratch/src/top/a.h"
finds "jemalloc where it is not allowed" 'top/a.h:3: top may not include <jemalloc/jemalloc.h>'
echo '#include <jansson.h>' >>"$scratch/src/low/c.h"
finds "jansson where it is not allowed" 'low/c.h:3: low may not include <jansson.h>'
echo '#include <check.h>' >>"$scratch/src/low/c.h"
finds "Check in the library" 'low/c.h:3: low may not include <check.h>'
echo '#include "c.h"' >>"$scratch/src/low/c.h"
finds "a header without its layer" 'low/c.h:3: "c.h" is not of the form "layer/header"'
echo '#include "../middle/b.h"' >>"$scratch/src/low/c.h"
finds "a relative path" 'low/c.h:3: "../middle/b.h" is not of the form "layer/header"'
mkdir "$scratch/src/extra"
finds "a folder that is not listed" 'extra/: not in LAYERS'
echo 'gone:' >>"$scratch/src/LAYERS"
finds "a layer without a folder" 'LAYERS: there is no folder gone/'
echo 'low:' >>"$scratch/src/LAYERS"
finds "a layer listed twice" 'LAYERS: low is listed twice'
: >"$scratch/src/main.c"
finds "a source outside of every layer" 'main.c: a source outside of every layer'

src=${1:-$(dirname "${BASH_SOURCE[0]}")/../src}
check "$src"
echo "layers: $(find "$src" -mindepth 2 -name '*.[ch]' | wc -l) sources follow $src/LAYERS"
