#!/bin/bash
# Runs inside a machine: boots a small guest with one ready card assigned and
# prints what the guest finds on its own PCI bus, one "GUEST …" line a device.
#   guest.sh ADDRESS SECONDS      ADDRESS: the card's slot, as in 0000:01:00
# There is no KVM under the machine, so this is an emulator inside an emulator.
set -euo pipefail

slot=$1 limit=$2
here=/opt/guest
console=$(mktemp)
trap 'rm -f "$console"' EXIT

devices=() function=0
for device in /sys/bus/pci/devices/"$slot".*; do
	option=vfio-pci,host=${device##*/},addr=5.$function
	[ "$function" != 0 ] || option+=,multifunction=on
	devices+=(-device "$option")
	function=$((function + 1))
done

export QEMU_MODULE_DIR=$here/modules
status=0
timeout "$limit" "$here"/lib/ld-linux-x86-64.so.2 --library-path "$here/lib" "$here/qemu" \
	-accel tcg -cpu qemu64 -M q35 -m 192 -L "$here/share" -nodefaults -no-user-config \
	-display none -no-reboot -serial "file:$console" \
	-kernel "$here/vmlinuz" -initrd "$here/initramfs.img" \
	-append 'console=ttyS0 quiet mitigations=off' "${devices[@]}" || status=$?
tr -d '\r' <"$console" | grep '^GUEST' || true
if ! grep -q '^GUEST-END' "$console"; then
	echo "the guest didn't get to its end (QEMU: exit $status); its console:" >&2
	tail -n 20 "$console" >&2
	exit 1
fi
