# shellcheck shell=bash disable=SC2154
# Root file systems for containers, built once and kept: sourced by a bed's root.sh, which sets
#   base        what debootstrap installs beside the minimum, with commas between
#   suite       of Debian: bookworm, unless it is set
# and may define furnish: what is done in the new root besides, with in_root and install_packages.

mirror=${GPUFLEET_DEBIAN_MIRROR:-http://deb.debian.org/debian}
suite=${suite:-bookworm}
nspawn=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
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

root_build()
{
	log "debootstrap $suite from $mirror"
	if ! debootstrap --variant=minbase --include="$base" "$suite" "$root" "$mirror" >"$work/debootstrap.log" 2>&1; then
		tail -n 20 "$work/debootstrap.log" >&2
		return 1
	fi
	open_chroot
	printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
	chmod 755 "$root/usr/sbin/policy-rc.d"
	if declare -F furnish >/dev/null; then
		furnish
	fi
	log "tidying up"
	in_root apt-get -qq clean
	rm -f "$root/usr/sbin/policy-rc.d"
	if [ -x "$root/usr/bin/systemctl" ]; then
		in_root systemctl -q mask systemd-remount-fs.service apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer \
			e2scrub_all.timer e2scrub_reap.service fstrim.timer console-getty.service
	fi
	rm -rf "$root"/var/lib/apt/lists/* "$root"/etc/ssh/ssh_host_* "$root"/usr/share/doc "$root"/usr/share/man \
		"$root"/usr/share/locale
	: >"$root/etc/machine-id"
	umount "$root/proc"
	umount "$root/dev"
}

# root_cached BED SCRIPT: prints the path of the root that SCRIPT describes. It is kept in
# ${XDG_CACHE_HOME:-~/.cache}/gpufleet/BED, under a name that changes whenever SCRIPT or this file does.
root_cached()
{
	local cache=${XDG_CACHE_HOME:-$HOME/.cache}/gpufleet/$1 key
	key=$( (echo "$mirror" && cat "$2" "$nspawn/root.sh") | sha256sum | cut -c1-12)
	trap cleanup EXIT
	trap 'exit 130' INT TERM HUP
	if [ ! -d "$cache/$key" ]; then
		if [ "$(id -u)" != 0 ]; then
			log "building the root needs root: run it as root or with sudo"
			return 1
		fi
		mkdir -p "$cache"
		exec 9>"$cache/lock"
		flock 9
		if [ ! -d "$cache/$key" ]; then
			# What older versions of the script left is of no use.
			find "$cache" -mindepth 1 -maxdepth 1 ! -name lock -mtime +3 -exec rm -rf --one-file-system {} +
			work=$(mktemp -d "$cache/build.XXXXXX")
			root=$work/root
			mkdir "$root"
			root_build
			mv -T "$root" "$cache/$key"
			log "ready: $cache/$key ($(du -sh "$cache/$key" | cut -f1))"
		fi
	fi
	echo "$cache/$key"
}
