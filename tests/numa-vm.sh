#!/bin/sh
# SPDX-License-Identifier: MIT
# The kinds of memory nodes on a machine that has several: boots a kernel in
# qemu's full emulation, with two nodes that have a CPU, one that has none, and
# an HMAT table, and runs numa_vm_init there as its first process; then the
# same without the table.  Part of `make check-long`; takes about half a minute.
#
# Needs qemu-system-x86_64 and cpio, and a Linux kernel for x86-64 with NUMA,
# HMAT, cpusets and initial RAM disks: that of the variable NUMA_VM_KERNEL, or
# Debian's for cloud machines, which apt-get fetches into a folder of its own;
# nothing is installed.  Skips (77) without them.
set -eu

skip() { echo "SKIP: $*"; exit 77; }

[ "$(uname -m)" = x86_64 ] || skip "the machine that is emulated is an x86-64"
for tool in qemu-system-x86_64 cpio gzip ldd; do
    command -v $tool >/dev/null || skip "$tool is not installed"
done
init=tests/numa_vm_init
[ -x $init ] || { echo "$init is not built: run this with make check TESTS=tests/numa-vm.sh"; exit 1; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Debian's kernel; the package that is named depends on the one that has it.
fetch_kernel() {
    apt() {
        apt-get -q -o Dir::State::Lists="$work/lists" -o Dir::Cache="$work/cache" -o APT::Sandbox::User=root "$@"
    }
    mkdir -p "$work/lists/partial" "$work/cache/archives/partial" "$work/kernel"
    apt update || return 1
    package=$(apt-cache -o Dir::State::Lists="$work/lists" -o Dir::Cache="$work/cache" depends linux-image-cloud-amd64 |
        awk '$1 == "Depends:" { print $2; exit }')
    (cd "$work" && apt download "$package") || return 1
    dpkg-deb -x "$work"/linux-image-*.deb "$work/kernel"
}
kernel=${NUMA_VM_KERNEL:-}
if [ -z "$kernel" ]; then
    for tool in apt-get apt-cache dpkg-deb; do
        command -v $tool >/dev/null || skip "$tool is not installed and NUMA_VM_KERNEL names no kernel"
    done
    echo "fetching a kernel"
    fetch_kernel >"$work/apt.log" 2>&1 || { tail -n 5 "$work/apt.log"; skip "no kernel can be fetched"; }
    kernel=$(echo "$work"/kernel/boot/vmlinuz-*)
fi
[ -r "$kernel" ] || skip "$kernel cannot be read"

# The root: the program, the command, the libraries that they are linked to and
# hwloc, which they load, in one folder, and the dynamic linker where they look
# for it.
root=$work/root
mkdir -p "$root/usr/lib"
built() { cp "$1/.libs/$2" "$3" 2>/dev/null || cp "$1/$2" "$3"; }
built tests numa_vm_init "$root/init"
built src kindgc "$root/kindgc"
hwloc=$("${CC:-cc}" -print-file-name=libhwloc.so.15)
cp -L "$hwloc" "$root/usr/lib"
LD_LIBRARY_PATH="$PWD/src/.libs" ldd "$root/init" "$root/kindgc" "$hwloc" >"$work/libraries"
awk '$2 == "=>" { print $3 }' "$work/libraries" | sort -u | xargs -I{} cp -L {} "$root/usr/lib"
linker=$(awk '$1 ~ /^\/.*ld-linux/ { print $1; exit }' "$work/libraries")
mkdir -p "$root$(dirname "$linker")"
cp -L "$linker" "$root$linker"
(cd "$root" && find . | cpio -o -H newc --quiet) | gzip -1 >"$work/initrd"

# Latency in ns, bandwidth from each of the CPUs' nodes to each node.
hmat=
tell() {
    hmat="$hmat -numa hmat-lb,initiator=$1,target=$2,hierarchy=memory,data-type=access-latency,latency=$3"
    hmat="$hmat -numa hmat-lb,initiator=$1,target=$2,hierarchy=memory,data-type=access-bandwidth,bandwidth=$4"
}
tell 0 0 10 10G
tell 0 1 30 8G
tell 0 2 60 4G
tell 1 0 30 8G
tell 1 1 15 10G
tell 1 2 20 40G

# boot NAME HMAT [ARGUMENT]: runs the machine; its console is in $work/NAME.
failed=0
boot() {
    name=$1 figures=$2
    [ "$figures" = on ] || hmat=
    echo "booting $name"
    initiator0='' initiator1=''
    [ "$figures" = off ] || initiator0=,initiator=0 initiator1=,initiator=1
    # shellcheck disable=SC2086
    timeout 300 qemu-system-x86_64 -accel tcg -machine q35,hmat=$figures -cpu qemu64 -m 768M \
        -smp 2,sockets=2,cores=1 -display none -no-reboot -nodefaults -serial "file:$work/console" \
        -object memory-backend-ram,id=m0,size=256M -numa node,nodeid=0,memdev=m0$initiator0 \
        -object memory-backend-ram,id=m1,size=192M -numa node,nodeid=1,memdev=m1$initiator1 \
        -object memory-backend-ram,id=m2,size=320M -numa node,nodeid=2,memdev=m2$initiator1 \
        -numa cpu,node-id=0,socket-id=0 -numa cpu,node-id=1,socket-id=1 $hmat \
        -kernel "$kernel" -initrd "$work/initrd" -append "console=ttyS0 quiet panic=-1 \
            transparent_hugepage=madvise LD_LIBRARY_PATH=/usr/lib -- ${3:-}" \
        </dev/null >"$work/qemu.log" 2>&1 || { cat "$work/qemu.log"; echo "FAILED: qemu"; failed=1; }
    tr -d '\r' <"$work/console" >"$work/$name"
    cat "$work/$name"
    grep -q '^FAILED' "$work/$name" && failed=1
    expect "$name" '^done$'
}
expect() { grep -Eq "$2" "$work/$1" || { echo "FAILED: $1: no line $2"; failed=1; }; }

boot figures on
expect figures '^numa:bind=2 +yes .* MiB free on node 2$'
expect figures '^numa:interleave=all +yes .* MiB free on nodes 0-2$'
expect figures '^highest-bandwidth +yes .* MiB free on node 2$'
expect figures '^lowest-latency +yes .* MiB free on node 0$'
expect figures '^highest-capacity +yes .* MiB free on node 2$'
boot no-figures off without-figures
expect no-figures '^lowest-latency +no .* HMAT'
exit $failed
