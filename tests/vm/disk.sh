# shellcheck shell=bash disable=SC2154
# The machines' disks, opened on this machine: sourced by image.sh and plant.sh, which set
#   work    a directory of theirs that goes when they end
#   root    where the disk's file system is mounted
# and call cleanup at their end. Needs root (loop devices, mounts, chroot).

loops=()
mounts=()

# Whatever happens, nothing of ours stays mounted or attached.
cleanup()
{
	local i
	for ((i = ${#mounts[@]} - 1; i >= 0; i--)); do
		umount "${mounts[i]}" 2>/dev/null || umount -l "${mounts[i]}" 2>/dev/null || true
	done
	mounts=()
	for i in "${loops[@]}"; do
		losetup -d "$i" 2>/dev/null || true
	done
	loops=()
	if [ -n "$work" ]; then
		rm -rf --one-file-system "$work"
	fi
}

mount_at()
{
	mount "$@"
	mounts+=("${!#}")
}

# attach FILE [losetup options]: sets $loop.
attach()
{
	local file=$1
	shift
	loop=$(losetup -f --show "$@" "$file")
	loops+=("$loop")
}

# Mounts the disk's file system at $root, with what a chroot needs.
open_disk()
{
	attach "$1" -o 1048576
	# The file is thrown away when anything fails: no need to wait for the disk.
	mount_at -o nobarrier,commit=600 "$loop" "$root"
}

open_chroot()
{
	mount_at -t proc proc "$root/proc"
	mount_at -t sysfs -o ro sysfs "$root/sys"
	# A /dev of its own: the disk's nodes and name are all that it knows of.
	mount_at -t tmpfs -o mode=755 tmpfs "$root/dev"
	mknod -m 666 "$root/dev/null" c 1 3
	mknod -m 666 "$root/dev/zero" c 1 5
	mknod -m 666 "$root/dev/full" c 1 7
	mknod -m 666 "$root/dev/random" c 1 8
	mknod -m 666 "$root/dev/urandom" c 1 9
	ln -s /proc/self/fd "$root/dev/fd"
	cp -a "$loop" "$root/dev/"
	mkdir -p "$root/dev/disk/by-uuid"
	ln -s "../../${loop##*/}" "$root/dev/disk/by-uuid/$(blkid -s UUID -o value "$loop")"
}

close_disk()
{
	local keep=$work
	work=
	cleanup
	work=$keep
}

in_root()
{
	env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 HOME=/root \
		DEBIAN_FRONTEND=noninteractive chroot "$root" "$@"
}

put()
{
	install -D -m "$1" /dev/stdin "$root$2"
}

# update-grub, on the open disk (in the file $disk, with the file system $uuid). grub-probe can't make
# sense of a loop device: a stand-in answers what the real one says inside the machine.
write_grub_cfg()
{
	mv "$root/usr/sbin/grub-probe" "$root/usr/sbin/grub-probe.real"
	put 755 /usr/sbin/grub-probe <<-END
		#!/bin/sh
		for last; do :; done
		case " \$* " in
		*=device\ *|*" -t device "*) echo /dev/vda1 ;;
		*fs_uuid*) echo $uuid ;;
		*partuuid*) echo $(blkid -s PTUUID -o value "$disk")-01 ;;
		*partmap*) echo msdos ;;
		*abstraction*) ;;
		*hint*) ;;
		*" -t fs "* | *=fs\ *) echo ext2 ;;
		esac
	END
	in_root update-grub >"$work/update-grub.log" 2>&1 || {
		cat "$work/update-grub.log" >&2
		return 1
	}
	mv "$root/usr/sbin/grub-probe.real" "$root/usr/sbin/grub-probe"
}
