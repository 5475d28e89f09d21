#!/bin/bash
# Builds the root file system that the bed's containers start from: Debian 12 with
# systemd, sshd and Debian's OpenStack (Zed), none of it configured. Prints its path.
# It is kept in ${XDG_CACHE_HOME:-~/.cache}/gpufleet/openstack, under a name that
# changes whenever this script does. Needs root (mounts, chroot).
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/gpufleet/openstack
mirror=${GPUFLEET_DEBIAN_MIRROR:-http://deb.debian.org/debian}
suite=bookworm
base=systemd,systemd-sysv,dbus,udev,openssh-server,iproute2,kmod,procps,pciutils,initramfs-tools,grub2-common,zstd
kernel=linux-image-cloud-amd64
openstack=(mariadb-server python3-pymysql rabbitmq-server keystone placement-api glance-api
	nova-api nova-scheduler nova-conductor nova-compute nova-compute-kvm python3-openstackclient python3-osc-placement)
# Enabled by their packages; the bed starts each by name, when it has been configured.
units=(mariadb rabbitmq-server epmd.socket keystone placement-api glance-api nova-api nova-api-metadata nova-scheduler
	nova-conductor nova-compute libvirtd libvirtd.socket libvirtd-ro.socket libvirtd-admin.socket libvirt-guests
	virtlogd.socket virtlockd.socket open-iscsi iscsid)

work=

log()
{
	printf '[root %4ds] %s\n' "$SECONDS" "$*" >&2
}

# Whatever happens, nothing stays mounted.
cleanup()
{
	if [ -n "$work" ]; then
		umount "$work/root/proc" 2>/dev/null || true
		umount "$work/root/dev" 2>/dev/null || true
		rm -rf --one-file-system "$work"
	fi
}

in_root()
{
	env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 HOME=/root DEBIAN_FRONTEND=noninteractive \
		chroot "$root" "$@" </dev/null
}

# apt-get fails at times on a busy mirror: the second try takes up where the first ended.
install_packages()
{
	local log=$work/install.log
	in_root apt-get install -y -q --no-install-recommends "$@" >"$log" 2>&1 ||
		in_root apt-get install -y -q --no-install-recommends "$@" >"$log" 2>&1 || {
		tail -n 25 "$log" >&2
		return 1
	}
}

# A /dev of its own: the packages' scripts see no device of this machine.
open_chroot()
{
	mount -t proc proc "$root/proc"
	mount -t tmpfs -o mode=755 tmpfs "$root/dev"
	mknod -m 666 "$root/dev/null" c 1 3
	mknod -m 666 "$root/dev/zero" c 1 5
	mknod -m 666 "$root/dev/full" c 1 7
	mknod -m 666 "$root/dev/random" c 1 8
	mknod -m 666 "$root/dev/urandom" c 1 9
	ln -s /proc/self/fd "$root/dev/fd"
	cp /etc/resolv.conf "$root/etc/resolv.conf"
}

build()
{
	local unit
	log "debootstrap $suite from $mirror"
	if ! debootstrap --variant=minbase --include="$base" "$suite" "$root" "$mirror" >"$work/debootstrap.log" 2>&1; then
		tail -n 20 "$work/debootstrap.log" >&2
		return 1
	fi
	open_chroot
	printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
	chmod 755 "$root/usr/sbin/policy-rc.d"
	log "the kernel's package"
	install_packages "$kernel"
	log "OpenStack's packages"
	install_packages "${openstack[@]}"
	log "tidying up"
	in_root apt-get -qq clean
	rm -f "$root/usr/sbin/policy-rc.d"
	for unit in "${units[@]}"; do
		in_root systemctl -q disable "$unit" 2>/dev/null || true
	done
	in_root systemctl -q mask systemd-remount-fs.service apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer \
		e2scrub_all.timer e2scrub_reap.service fstrim.timer console-getty.service
	rm -rf "$root"/var/lib/apt/lists/* "$root"/etc/ssh/ssh_host_* "$root"/usr/share/doc "$root"/usr/share/man \
		"$root"/usr/share/locale
	: >"$root/etc/machine-id"
	umount "$root/proc"
	umount "$root/dev"
}

main()
{
	local key
	key=$( (echo "$mirror" && cat "$here/root.sh") | sha256sum | cut -c1-12)
	if [ ! -e "$cache/$key/etc/nova/nova.conf" ]; then
		if [ "$(id -u)" != 0 ]; then
			log "building the root needs root: run it as root or with sudo"
			return 1
		fi
		mkdir -p "$cache"
		exec 9>"$cache/lock"
		flock 9
		if [ ! -e "$cache/$key/etc/nova/nova.conf" ]; then
			# What older versions of this script left is of no use.
			find "$cache" -mindepth 1 -maxdepth 1 ! -name lock -mtime +3 -exec rm -rf --one-file-system {} +
			work=$(mktemp -d "$cache/build.XXXXXX")
			root=$work/root
			mkdir "$root"
			build
			mv -T "$root" "$cache/$key"
			log "ready: $cache/$key ($(du -sh "$cache/$key" | cut -f1))"
		fi
	fi
	echo "$cache/$key"
}

trap cleanup EXIT
trap 'exit 130' INT TERM HUP
main
