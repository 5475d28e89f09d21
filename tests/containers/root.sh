#!/bin/bash
# Builds the root file system that the bed's containers start from: Debian 12 with systemd and sshd.
# Prints its path, which is in ~/.cache/gpufleet/containers. Needs root (mounts, chroot).
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck disable=SC2034 # for nspawn/root.sh
base=systemd,systemd-sysv,dbus,udev,openssh-server,iproute2,kmod,procps,python3

# shellcheck source=tests/nspawn/root.sh
. "$here/../nspawn/root.sh"

furnish()
{
	# The hosts' own record of when each sshd listened, over reboots.
	mkdir -p "$root/var/log/journal" "$root/etc/systemd/journald.conf.d"
	printf '[Journal]\nStorage=persistent\nSystemMaxUse=32M\nRateLimitIntervalSec=0\n' >"$root/etc/systemd/journald.conf.d/bed.conf"
	# Two dozen hosts share the inotify instances that one user of this machine may have (128 by default); these are not needed.
	in_root systemctl -q mask systemd-logind.service systemd-ask-password-console.path systemd-ask-password-wall.path
}

root_cached containers "$here/root.sh"
