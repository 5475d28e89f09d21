#!/bin/sh
# The bundle on an older distribution: a bullseye root without libpci and jansson, whose glibc is older than the
# one that the agent was built with.
# shellcheck source=tests/integration/agent/functions.sh
. "$(dirname "$0")/functions.sh"

[ "$(id -u)" = 0 ] || skip "needs root for debootstrap and chroot"
command -v debootstrap >/dev/null || skip "debootstrap is not installed"
mirror=${GPUFLEET_BULLSEYE_MIRROR:-http://deb.debian.org/debian}
cache=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/gpufleet
mkdir -p "$cache"
if [ ! -f "$cache/bullseye.tar.gz" ]; then
	keep=$work/bullseye
	if ! debootstrap --variant=minbase bullseye "$keep" "$mirror" >"$work/log" 2>&1; then
		tail -n 5 "$work/log"
		skip "no bullseye root could be made from $mirror"
	fi
	rm -rf "$keep"/var/cache/apt/archives/*.deb "$keep"/var/lib/apt/lists/*
	tar -czf "$cache/bullseye.tar.gz.$$" -C "$keep" .
	mv "$cache/bullseye.tar.gz.$$" "$cache/bullseye.tar.gz"
	rm -rf "$keep"
fi
root=$work/root
mkdir "$root"
tar -xzf "$cache/bullseye.tar.gz" -C "$root"
expect "it is bullseye" bullseye "$(cat "$root/etc/os-release")"
expect "without libpci and jansson" "" "$(find "$root/usr/lib" -name 'libpci*' -o -name 'libjansson*')"
if [ -n "$(find "$root/usr/lib" -name 'libpci.so*' -o -name 'libjansson.so*')" ]; then
	echo "FAILED: the root has libpci or jansson already" >&2
	exit 1
fi

# A little of /sys, so that there is a device to see; the real /proc, without which sanitizers do not start.
device=$root/sys/devices/pci0000:00/0000:00:02.0
mkdir -p "$device" "$root/sys/bus/pci/devices"
echo 0x10de >"$device/vendor"
echo 0x1b06 >"$device/device"
echo 0x030000 >"$device/class"
ln -s ../../../devices/pci0000:00/0000:00:02.0 "$root/sys/bus/pci/devices/0000:00:02.0"
unshare -m true 2>/dev/null || skip "this machine gives no mount namespaces"
# shellcheck disable=SC2016
out=$({ printf %s "$place" | cat - "$bundle"; echo '{"id":1,"request":"facts"}'; } |
	unshare -m sh -c 'mount --bind /proc "$1/proc" && exec chroot "$@"' sh \
		"$root" sh -c "$script" gpufleet "$hash" "$size" "$arch" "$place_size" || :)
expect "the launch script starts it" '"hello":"gpufleet-agent"' "$out"
expect "the facts are those of bullseye" '"version":"11"' "$out"
expect "PCI is scanned" '"address":"0000:00:02.0","vendor":"10de","device":"1b06"' "$out"
refuse "without an error" '"error"' "$out"
