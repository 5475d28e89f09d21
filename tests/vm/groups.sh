#!/bin/bash
# IOMMU groups: predicted from a boot without an IOMMU, and made by the kernel in a boot with one.
#   groups.sh [--record] BUILD_DIR [intel|amd…]
# One virtual machine for each vendor holds every topology of groups.py. It is booted without the IOMMU
# device, with it but switched off, and with it. --record keeps the facts as fixtures of the unit tests
# (tests/unit/topologies). What was seen is kept in BUILD_DIR/vm-groups.
set -uo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
record=
if [ "${1:-}" = --record ]; then
	record=1
	shift
fi
if [ $# -lt 1 ] || [ ! -x "$1/groups_tool" ] || [ ! -e "$1/gpufleet-agent.tar.gz" ]; then
	echo "usage: $0 [--record] BUILD_DIR [intel|amd…] (where gpufleet was built)" >&2
	exit 1
fi
build=$(cd "$1" && pwd)
shift
vendors=("$@")
[ $# != 0 ] || vendors=(intel amd)
results=$build/vm-groups
cache=${XDG_CACHE_HOME:-$HOME/.cache}/gpufleet/vm
modules='pci-pf-stub'
limit=600 # seconds that a boot may take; half a minute on an idle machine
work=$(mktemp -d "${TMPDIR:-/tmp}/gpufleet-groups.XXXXXX")
pid=

cleanup()
{
	[ -z "$pid" ] || kill "$pid" 2>/dev/null
	rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM HUP

# Debian's own kernel, unpacked; sets $kernel to the directory.
fetch_kernel()
{
	local package
	package=$(apt-cache depends linux-image-amd64 | sed -n 's/.*Depends: \(linux-image-.*\)/\1/p')
	if [ -z "$package" ]; then
		echo "apt knows no linux-image-amd64" >&2
		return 1
	fi
	kernel=$cache/groups-$package-$(sha256sum <<<"$modules" | cut -c1-12)
	[ ! -e "$kernel/boot" ] || return 0
	mkdir -p "$cache" "$work/kernel"
	(
		cd "$work" && apt-get -qq download "$package" 2>/dev/null &&
			dpkg-deb --fsys-tarfile "$package"_*.deb | tar -xC kernel --wildcards './boot/vmlinuz*' '*.ko'
	) || {
		echo "$package could not be downloaded" >&2
		return 1
	}
	rm -rf "$kernel"
	mkdir "$work/kept" "$work/kept/modules"
	mv "$work/kernel/boot" "$work/kept/"
	local module
	for module in $modules; do
		find "$work/kernel/lib" -name "$module.ko" -exec mv {} "$work/kept/modules/" \;
	done
	rm -rf "$work/kernel"
	mv -T "$work/kept" "$kernel"
}

make_initramfs()
{
	local root=$work/root module
	mkdir -p "$root"/{bin,proc,sys,dev,tmp,modules,agent}
	cp "$(command -v busybox)" "$root/bin/busybox"
	cp "$here/groups-init" "$root/init"
	tar -xzC "$root/agent" -f "$build/gpufleet-agent.tar.gz"
	for module in $modules; do
		if [ -e "$kernel/modules/$module.ko" ]; then
			cp "$kernel/modules/$module.ko" "$root/modules/"
			echo "$module.ko"
		fi
	done >"$root/modules/order"
	(cd "$root" && find . | cpio --quiet -o -H newc | gzip -1) >"$work/initramfs.img"
}

# boot NAME ARGUMENTS… : KERNEL-ARGUMENTS…
boot()
{
	local name=$1 start=$SECONDS arguments=() out
	shift
	out=$results/$name
	mkdir -p "$out"
	rm -f "$out"/*
	while [ "$1" != : ]; do
		arguments+=("$1")
		shift
	done
	shift
	timeout -k 10 "$limit" qemu-system-x86_64 -name "$name" -accel tcg -machine q35,kernel-irqchip=split -m 640 \
		-nodefaults -no-user-config -display none -no-reboot \
		-serial "file:$out/console" -serial "file:$out/answers" \
		-kernel "$kernel"/boot/vmlinuz* -initrd "$work/initramfs.img" \
		-append "console=ttyS0 quiet panic=-1 mitigations=off no_timer_check $*" \
		"${arguments[@]}" "${devices[@]}" 2>"$out/qemu" &
	pid=$!
	wait "$pid"
	pid=
	if ! python3 "$here/groups.py" split "$out/answers" "$out"; then
		tail -n 5 "$out/console" "$out/qemu" >&2
		return 1
	fi
	echo "booted $name: $(wc -l <"$out/real.groups") groups ($((SECONDS - start)) s)"
}

# The same machine three times; then the table.
vendor()
{
	local name=$1 cpu iommu off on
	case $name in
	intel) cpu=max,vendor=GenuineIntel iommu=intel-iommu,intremap=on,caching-mode=on off=intel_iommu=off on=intel_iommu=on ;;
	amd) cpu=max,vendor=AuthenticAMD iommu=amd-iommu,intremap=on off=amd_iommu=off on=amd_iommu=on ;;
	*)
		echo "no such vendor: $name" >&2
		return 1
		;;
	esac
	boot "$name-without" -cpu "$cpu" : "$on" &&
		boot "$name-off" -cpu "$cpu" -device "$iommu" : "$off" &&
		boot "$name-with" -cpu "$cpu" -device "$iommu" : "$on" || return 1
	python3 "$here/groups.py" table "$build/groups_tool" "$results" "$name-with" "$name-without" "$name-off" |
		tee "$results/$name.table"
	[ "${PIPESTATUS[0]}" = 0 ] || return 1
	if [ -n "$record" ]; then
		mkdir -p "$here/../unit/topologies"
		local when
		for when in without with; do
			cp "$results/$name-$when/facts.json" "$here/../unit/topologies/$name-$when.json"
		done
	fi
}

fetch_kernel || exit 1
make_initramfs
mapfile -t devices < <(python3 "$here/groups.py" qemu)
mkdir -p "$results"
failed=0
for name in "${vendors[@]}"; do
	vendor "$name" || failed=1
done
echo
if [ "$failed" = 0 ]; then
	echo "Prediction equals reality in every topology."
else
	echo "NOT EQUAL, or a machine failed: see above and $results."
fi
exit "$failed"
