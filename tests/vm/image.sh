#!/bin/bash
# Builds the disk image that the virtual machines start from: a stock Debian 12
# with sshd, GRUB and initramfs-tools. Prints the directory that holds it:
#   base.raw   the disk        id_ed25519(.pub)   the key that may log in
# It is kept in ${XDG_CACHE_HOME:-~/.cache}/gpufleet/vm, under a name that
# changes whenever this script or disk.sh does. Needs root (loop devices, mounts, chroot).
set -euo pipefail
# The disk's files are for all of its users, whatever the caller's are for.
umask 022

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/gpufleet/vm
mirror=${GPUFLEET_DEBIAN_MIRROR:-http://deb.debian.org/debian}
suite=bookworm
packages=linux-image-amd64,initramfs-tools,grub-pc-bin,grub2-common,openssh-server
packages+=,systemd,systemd-sysv,udev,dbus,kmod,pciutils,sudo,iproute2,procps,lz4

work=

# shellcheck source=tests/vm/disk.sh
. "$here/disk.sh"

log()
{
	printf '[image %4ds] %s\n' "$SECONDS" "$*" >&2
}

# A disk with one partition that holds what debootstrap installs, unconfigured.
bootstrap()
{
	local disk=$work/bootstrap.raw
	truncate -s 4G "$disk"
	echo '2048,,L,*' | sfdisk -q "$disk"
	attach "$disk" -o 1048576
	mkfs.ext4 -q -L root -O ^metadata_csum_seed,^orphan_file -m 0 "$loop"
	close_disk
	open_disk "$disk"
	log "debootstrap $suite from $mirror"
	if ! debootstrap --variant=minbase --include="$packages" "$suite" "$root" "$mirror" \
		>"$work/debootstrap.log" 2>&1; then
		tail -20 "$work/debootstrap.log" >&2
		return 1
	fi
	rm -f "$root"/var/cache/apt/archives/*.deb
	close_disk
	mv "$disk" "$cache/bootstrap-$bootstrap_key.raw"
	log "debootstrap is done"
}

configure_system()
{
	put 644 /etc/fstab <<-END
		UUID=$uuid / ext4 noatime,errors=remount-ro 0 1
	END
	echo stock >"$root/etc/hostname"
	printf '127.0.0.1 localhost\n' >"$root/etc/hosts"
	: >"$root/etc/machine-id"
	put 644 /etc/systemd/network/20-wired.network <<-END
		[Match]
		Type=ether
		[Network]
		Address=10.0.2.15/24
		Gateway=10.0.2.2
	END
	# No background work: it would only blur the times.
	in_root systemctl -q mask apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer \
		e2scrub_all.timer e2scrub_reap.service fstrim.timer systemd-networkd-wait-online.service \
		serial-getty@ttyS0.service getty@tty1.service
	in_root systemctl -q enable systemd-networkd.service
}

# The first start takes the machine's name and host key from QEMU.
configure_identity()
{
	rm -f "$root"/etc/ssh/ssh_host_*
	put 755 /usr/local/sbin/bed-identity <<-'END'
		#!/bin/sh
		set -e
		modprobe qemu_fw_cfg
		from=/sys/firmware/qemu_fw_cfg/by_name/opt/org.gpufleet
		cat $from/hostname/raw >/etc/hostname
		hostname -F /etc/hostname
		umask 077
		cat $from/hostkey/raw >/etc/ssh/ssh_host_ed25519_key
	END
	put 644 /etc/systemd/system/bed-identity.service <<-'END'
		[Unit]
		ConditionPathExists=!/etc/ssh/ssh_host_ed25519_key
		Before=ssh.service
		[Service]
		Type=oneshot
		ExecStart=/usr/local/sbin/bed-identity
		[Install]
		WantedBy=multi-user.target
	END
	in_root systemctl -q enable bed-identity.service ssh.service
}

configure_users()
{
	ssh-keygen -q -t ed25519 -N '' -C gpufleet-vm -f "$work/id_ed25519"
	put 600 /root/.ssh/authorized_keys <"$work/id_ed25519.pub"
	in_root useradd -m -s /bin/bash ops
	put 600 /home/ops/.ssh/authorized_keys <"$work/id_ed25519.pub"
	in_root chown -R ops:ops /home/ops
	put 440 /etc/sudoers.d/ops <<<'ops ALL=(ALL) NOPASSWD: ALL'
}

# The drivers that compete for the wanted devices are in the stock initramfs, for udev to load, as on
# a host with MODULES=most: whoever blacklists one keeps it from being loaded.
configure_initramfs()
{
	put 644 /etc/initramfs-tools/conf.d/bed <<-'END'
		MODULES=list
		COMPRESS=lz4
	END
	printf '%s\n' virtio_pci virtio_blk ext4 >>"$root/etc/initramfs-tools/modules"
	put 755 /etc/initramfs-tools/hooks/bed <<-'END'
		#!/bin/sh
		[ "$1" != prereqs ] || exit 0
		. /usr/share/initramfs-tools/hook-functions
		manual_add_modules snd_hda_intel radeon bochs
	END
	in_root update-initramfs -u >/dev/null
}

# norandmaps: QEMU translates a library's code anew for each address it is seen
# at, and walks all of a page's translations at each byte written to it; after
# thousands of short-lived processes, clearing one page took minutes.
# no_timer_check: on a busy machine the kernel may not see its timer in time, and panics.
configure_grub()
{
	put 644 /etc/default/grub <<-'END'
		GRUB_DEFAULT=0
		GRUB_TIMEOUT=0
		GRUB_DISTRIBUTOR=Debian
		GRUB_CMDLINE_LINUX_DEFAULT="quiet"
		GRUB_CMDLINE_LINUX="console=ttyS0 mitigations=off norandmaps no_timer_check"
		GRUB_TERMINAL=console
		GRUB_DISABLE_OS_PROBER=true
	END
	mkdir -p "$root/boot/grub"
	attach "$disk"
	cp -a "$loop" "$root/dev/"
	printf '(hd0) %s\n(hd0,msdos1) %s\n' "$loop" "$partition" >"$root/boot/grub/device.map"
	in_root grub-install --target=i386-pc --modules='part_msdos ext2 biosdisk' "$loop" \
		>"$work/grub.log" 2>&1 || {
		cat "$work/grub.log" >&2
		return 1
	}
	rm "$root/boot/grub/device.map"
	write_grub_cfg
}

# A small guest that a ready card is given to: a kernel, an initramfs that lists
# what it sees on its PCI bus, and this machine's QEMU with all that it needs.
add_guest()
{
	local to=$root/opt/guest lib qemu
	qemu=$(command -v qemu-system-x86_64)
	mkdir -p "$to/lib" "$to/share" "$to/modules" "$work/guest/bin"
	cp -L "$qemu" "$to/qemu"
	ldd "$qemu" | awk '$2 == "=>" { print $3 } $1 ~ /^\// { print $1 }' | while read -r lib; do
		cp -L "$lib" "$to/lib/"
	done
	for lib in /usr/share/seabios/bios-256k.bin /usr/share/qemu/{linuxboot_dma,kvmvapic}.bin; do
		cp -L "$lib" "$to/share/"
	done
	cp -L /usr/lib/*/qemu/accel-tcg-x86_64.so "$to/modules/"
	(
		cd "$work"
		cp /etc/resolv.conf "$root/etc/resolv.conf"
		in_root apt-get -qq update
		kernel=$(in_root apt-cache depends linux-image-cloud-amd64 |
			sed -n 's/.*Depends: \(linux-image-.*\)/\1/p')
		in_root sh -ec 'cd /tmp && apt-get -qq download "$@"' sh busybox-static "$kernel" 2>/dev/null
		mkdir unpacked
		for lib in "$root"/tmp/*.deb; do
			dpkg-deb --fsys-tarfile "$lib" |
				tar -xC unpacked --wildcards './boot/vmlinuz*' './bin/busybox' 2>/dev/null || true
			rm "$lib"
		done
		in_root apt-get -qq clean
		cp unpacked/boot/vmlinuz* "$to/vmlinuz"
		cp unpacked/bin/busybox guest/bin/
		install -m 755 "$here/guest-init" guest/init
		cd guest
		find . | cpio --quiet -o -H newc | gzip -9 >"$to/initramfs.img"
	)
}

build()
{
	disk=$work/base.raw
	cp --sparse=always "$cache/bootstrap-$bootstrap_key.raw" "$disk"
	open_disk "$disk"
	open_chroot
	partition=$loop
	uuid=$(blkid -s UUID -o value "$partition")
	log "adding the small guest"
	add_guest
	log "configuring"
	configure_system
	configure_identity
	configure_users
	configure_initramfs
	configure_grub
	rm -f "$root/etc/resolv.conf"
	rm -rf "$root"/var/lib/apt/lists/* "$root"/var/log/*.log
	close_disk
}

main()
{
	local bootstrap_key key
	bootstrap_key=$(echo "$suite $mirror $packages" | sha256sum | cut -c1-12)
	key=$(cat "$here/image.sh" "$here/disk.sh" "$here/guest-init" | sha256sum | cut -c1-12)
	if [ -e "$cache/$key/base.raw" ]; then
		echo "$cache/$key"
		return
	fi
	if [ "$(id -u)" != 0 ]; then
		log "building the image needs root: run it as root or with sudo"
		return 1
	fi
	mkdir -p "$cache"
	exec 9>"$cache/lock"
	flock 9
	if [ ! -e "$cache/$key/base.raw" ]; then
		# What older versions of this script left is of no use.
		find "$cache" -mindepth 1 -maxdepth 1 ! -name lock ! -name "bootstrap-$bootstrap_key.raw" -mtime +3 \
			-exec rm -rf --one-file-system {} +
		work=$(mktemp -d "$cache/build.XXXXXX")
		root=$work/root
		mkdir "$root"
		[ -e "$cache/bootstrap-$bootstrap_key.raw" ] || bootstrap
		build
		mkdir "$work/done"
		mv "$work"/base.raw "$work"/id_ed25519* "$work/done/"
		mv -T "$work/done" "$cache/$key"
		log "ready: $cache/$key"
	fi
	echo "$cache/$key"
}

trap cleanup EXIT
trap 'exit 130' INT TERM HUP
# image_dracut.sh sources this.
if [ "${BASH_SOURCE[0]}" = "$0" ]; then
	main
fi
