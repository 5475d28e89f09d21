#!/bin/sh
# Stands in the place of sshd (GPUFLEET_SSHD): runs the one of the root file system at GPUFLEET_SSHD_ROOT (root.sh makes one), which sees
# this machine's files of the tests. Needs root (mounts, chroot).
# shellcheck disable=SC2016 # for the inner shell
exec unshare --mount sh -c '
	for dir in /tmp /dev /proc; do
		mount --rbind "$dir" "$0$dir" || exit
	done
	mkdir -p "$0/run/sshd"
	exec chroot "$0" /usr/sbin/sshd "$@"' "${GPUFLEET_SSHD_ROOT:?}" "$@"
