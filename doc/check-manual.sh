#!/bin/sh
# SPDX-License-Identifier: MIT
# The manual says what the sources say: every public function, every setting,
# every option of the command; pages without mistakes in their markup; files
# that are named exist; the example compiles.
set -u
top=${srcdir:-.}
cd "$top" || exit 99
status=0

complain() {
    echo "$*"
    status=1
}

functions=$(sed -n 's/^KGC_API.*[ *(]\(kgc_[a-z_0-9]*\)(.*/\1/p; s/^    *\(kgc_[a-z_0-9]*\)(.*;$/\1/p' include/kindgc/*.h | sort -u)
[ "$(echo "$functions" | wc -l)" -ge 40 ] || complain "only these functions were found in the headers: $functions"
for name in $functions; do
    grep -q "Fn $name\b" doc/kindgc.3 || complain "kindgc.3 does not have $name()"
done
for name in $(grep -o 'Fn kgc_[a-z_0-9]*' doc/kindgc.3 | sed 's/Fn //' | sort -u); do
    grep -q "\b$name(" include/kindgc/*.h || complain "kindgc.3 has $name(), the headers do not"
done

settings=$(sed -n 's/^ *X([a-z_]*, "\([a-z-]*\)", .*/\1/p' src/base/options.h)
[ -n "$settings" ] || complain "no settings were found in src/base/options.h"
for name in $settings; do
    grep -q "It Cm $name=" doc/kindgc.7 || complain "kindgc.7 does not have the setting $name="
    grep -q "Fl Fl $name\b" doc/kindgc.1 || complain "kindgc.1 does not have --$name"
done

for file in $(grep -ho '`\(src\|tests\|examples\|include\|doc\)/[A-Za-z0-9_./-]*`' README.md doc/*.md | tr -d '`' | sort -u); do
    [ -e "$file" ] || complain "README.md or doc/ names $file, which does not exist"
done

sed -n '/^\.Bd -literal/,/^\.Ed/{/^\./d;s/\\e/\\/g;p}' doc/kindgc.3 |
    ${CC:-cc} -std=gnu17 -Wall -Werror -Iinclude -fsyntax-only -x c - ||
    complain "the example in kindgc.3 does not compile"

if command -v mandoc >/dev/null; then
    for page in doc/kindgc.1 doc/kindgc.3 doc/kindgc.7; do
        mandoc -Tlint -W warning "$page" || complain "$page: see above"
    done
else
    echo "mandoc is not installed: the markup was not checked"
fi
exit $status
