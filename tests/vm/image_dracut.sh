#!/bin/bash
# The disk of image.sh with dracut in place of initramfs-tools, made from a copy of it in a few
# minutes. Prints the directory that holds it, with the same files in it as that of image.sh.
# Needs root, as image.sh does.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/vm/image.sh
. "$here/image.sh"

# As few modules and drivers as the machine can do with: a build inside it is all emulated. Those
# that compete for the wanted devices are in it, as they are in the other image.
configure_dracut()
{
	put 644 /etc/dracut.conf.d/bed.conf <<-'END'
		hostonly="no"
		compress="lz4 -l -1"
		early_microcode="no"
		i18n_install_all="no"
		dracutmodules="kernel-modules rootfs-block udev-rules fs-lib base"
		drivers="virtio_pci virtio_blk ext4 snd_hda_intel radeon bochs"
		filesystems="ext4"
	END
}

install_dracut()
{
	cp /etc/resolv.conf "$root/etc/resolv.conf"
	# Never on to the purge without dracut: it would take the kernel along.
	{
		in_root apt-get -qq update &&
			in_root apt-get -qq -y --no-install-recommends install dracut &&
			in_root apt-get -qq -y purge initramfs-tools &&
			in_root apt-get -qq clean
	} >"$work/apt.log" 2>&1 || {
		tail -n 20 "$work/apt.log" >&2
		return 1
	}
	rm -f "$root/etc/resolv.conf"
	rm -rf "$root"/var/lib/apt/lists/*
}

# The image has the name that grub.cfg has for it already.
build_image()
{
	local kernel
	kernel=$(ls "$root/lib/modules")
	in_root dracut --force "/boot/initrd.img-$kernel" "$kernel" >"$work/dracut.log" 2>&1 &&
		! grep -q 'FAILED\|cannot be found or installed' "$work/dracut.log" || {
		cat "$work/dracut.log" >&2
		return 1
	}
}

derive()
{
	disk=$work/base.raw
	cp --sparse=always "$base/base.raw" "$disk"
	open_disk "$disk"
	open_chroot
	log "dracut in place of initramfs-tools"
	# Before the package's own hook builds an image.
	configure_dracut
	install_dracut
	build_image
	close_disk
}

main_dracut()
{
	local base key
	base=$("$here/image.sh")
	key=${base##*/}-$(sha256sum "$here/image_dracut.sh" | cut -c1-12)
	if [ ! -e "$cache/$key/base.raw" ]; then
		exec 9>"$cache/lock"
		flock 9
	fi
	if [ ! -e "$cache/$key/base.raw" ]; then
		work=$(mktemp -d "$cache/build.XXXXXX")
		root=$work/root
		mkdir "$root"
		derive
		mkdir "$work/done"
		cp "$base"/id_ed25519* "$work/done/"
		mv "$work/base.raw" "$work/done/"
		mv -T "$work/done" "$cache/$key"
		log "ready: $cache/$key"
	fi
	echo "$cache/$key"
}

main_dracut
