#!/bin/sh
# SPDX-License-Identifier: MIT
# Builds for aarch64 with Debian's cross compiler and runs unit tests and the
# Lisp programs under qemu's user emulation.  Part of `make check-long`.
#
# Needs gcc-aarch64-linux-gnu, libc6-dev-arm64-cross and qemu-user-static, and
# fetches the arm64 builds of libgc, jemalloc, jansson, elfutils and Check with apt-get
# into a folder of its own; nothing is installed.  Skips (77) without them.
set -eu

srcdir=$(cd "${srcdir:-$(dirname "$0")/..}" && pwd)
[ -f "$srcdir/configure" ] || srcdir=$(cd "$srcdir/.." && pwd)
skip() { echo "SKIP: $*"; exit 77; }

for tool in aarch64-linux-gnu-gcc qemu-aarch64-static apt-get dpkg-deb; do
    command -v $tool >/dev/null || skip "$tool is not installed"
done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/lists/partial" "$work/cache/archives/partial" "$work/root" "$work/build"

apt() {
    apt-get -q -o Dir::State::Lists="$work/lists" -o Dir::Cache="$work/cache" -o Dir::State::status=/dev/null \
        -o APT::Architecture=arm64 -o APT::Architectures::=arm64 -o APT::Sandbox::User=root "$@"
}
echo "fetching arm64 packages"
{ apt update && (cd "$work" && apt download libgc1 libgc-dev libjemalloc2 libjemalloc-dev libhwloc15 libhwloc-dev libudev1 libjansson4 \
    libjansson-dev libdw1 libdw-dev libelf1 libelf-dev zlib1g zlib1g-dev libbz2-1.0 liblzma5 liblzma-dev check libsubunit0 libsubunit-dev libstdc++6); } >"$work/apt.log" 2>&1 ||
    { tail -n 5 "$work/apt.log"; skip "the arm64 packages cannot be fetched"; }
for deb in "$work"/*.deb; do
    dpkg-deb -x "$deb" "$work/root"
done

# Tests that need what the emulator does not have (huge pages, mounts, limits
# of address space), that look at its messages, or take minutes are left out.
tests="allocate malloc blocks options size spec nodes depot suppressions"
libs=$work/root/usr/lib/aarch64-linux-gnu
cross=/usr/aarch64-linux-gnu
export PKG_CONFIG_LIBDIR="$libs/pkgconfig" PKG_CONFIG_SYSROOT_DIR="$work/root"
echo "building"
cd "$work/build"
{ "$srcdir/configure" --host=aarch64-linux-gnu --enable-debug --enable-werror \
    CPPFLAGS="-I$work/root/usr/include/aarch64-linux-gnu" LDFLAGS="-L$libs -Wl,-rpath-link,$libs:$work/root/lib/aarch64-linux-gnu:$cross/lib" &&
    make -j"$(nproc)" all && make -j"$(nproc)" $(printf 'tests/%s_test ' $tests) examples/lisp/lisp; } >"$work/build.log" 2>&1 ||
    { tail -n 30 "$work/build.log"; exit 1; }

run() {
    timeout 300 qemu-aarch64-static -L $cross -E LD_LIBRARY_PATH="$PWD/src/.libs:$libs:$work/root/lib/aarch64-linux-gnu:$cross/lib" "$@"
}
failed=0
ulimit -c 0
for test in $tests; do
    if run ./tests/${test}_test >"$work/out" 2>&1; then
        echo "ok: ${test}_test ($(tail -n 1 "$work/out"))"
    else
        echo "FAILED: ${test}_test"
        tail -n 10 "$work/out"
        failed=1
    fi
done
lisp=examples/lisp/.libs/lisp
for heap in default "file:$work"; do
    if run $lisp --heap "$heap" -e '(display (let loop ((i 0) (l (quote ()))) (if (= i 300000) (length l) (loop (+ i 1) (cons i l)))))' \
        >"$work/out" 2>&1 && grep -q 300000 "$work/out"; then
        echo "ok: lisp on $heap"
    else
        echo "FAILED: lisp on $heap"
        tail -n 10 "$work/out"
        failed=1
    fi
done
exit $failed
