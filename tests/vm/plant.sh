#!/bin/bash
# Makes a disk of the image's with a configuration of tests/parity/configurations.json on it.
#   plant.sh BASE.raw NAME DISK.raw
# Its tools (update-initramfs, update-grub, depmod) are the disk's own, run natively in a chroot: inside
# an emulated machine one update-initramfs takes a minute. Needs root (loop devices, mounts, chroot).
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
configurations=$here/../parity/configurations.py
if [ $# != 3 ]; then
	echo "usage: $0 BASE.raw NAME DISK.raw" >&2
	exit 1
fi
name=$2 disk=$3
work=

# shellcheck source=tests/vm/disk.sh
. "$here/disk.sh"

# quietly COMMAND…: what it says matters when it fails only.
quietly()
{
	"$@" >"$work/said" 2>&1 || {
		cat "$work/said" >&2
		return 1
	}
}

trap cleanup EXIT
trap 'exit 130' INT TERM HUP
if [ "$(id -u)" != 0 ]; then
	echo "$0: opening a disk needs root" >&2
	exit 1
fi
work=$(mktemp -d "${TMPDIR:-/tmp}/gpufleet-plant.XXXXXX")
root=$work/root
mkdir "$root"
cp --sparse=always "$1" "$disk"
open_disk "$disk"
# write_grub_cfg asks for it.
# shellcheck disable=SC2034
uuid=$(blkid -s UUID -o value "$loop")
python3 "$configurations" plant "$name" "$root"
open_chroot
for tool in $(python3 "$configurations" "then" "$name"); do
	case $tool in
	update-initramfs) quietly in_root update-initramfs -u ;;
	update-grub) write_grub_cfg ;;
	depmod) quietly in_root depmod -a "$(basename "$root"/lib/modules/*)" ;;
	*)
		echo "$name: there is no tool $tool" >&2
		exit 1
		;;
	esac
done
