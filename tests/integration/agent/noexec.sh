#!/bin/sh
# Places where the agent may not run or does not fit: noexec, read-only and full mounts; and hosts without a tool that it
# takes: in a mount namespace.
# shellcheck source=tests/integration/agent/functions.sh
. "$(dirname "$0")/functions.sh"

if [ "${GPUFLEET_TEST_NAMESPACE:-}" != yes ]; then
	[ "$(id -u)" = 0 ] || skip "needs root to mount"
	unshare -m true 2>/dev/null || skip "this machine gives no mount namespaces"
	unshare -m sh -c "mount -t tmpfs -o size=64k none '$work'" 2>/dev/null || skip "this machine mounts no tmpfs"
	GPUFLEET_TEST_NAMESPACE=yes unshare -m "$0" "$@"
	exit
fi

cleanup() {
	for mount in "$work/root" "$work/root/var" "$work/root/opt" "$work/root/run"; do
		umount -l "$mount" 2>/dev/null || :
	done
	rm -rf "$work"
}
hello='"hello":"gpufleet-agent"'
root=$work/root
mkdir -p "$root/var" "$root/opt" "$root/run"

mount -t tmpfs -o noexec,size=64m none "$root/var"
out=$(launch "$root" @ '{"id":1,"request":"operations"}')
expect "a noexec /var: the agent lives elsewhere" "$hello" "$out"
expect "in /opt" "ld.so" "$(ls "$root/opt/gpufleet/agent/$hash")"
out=$(launch "$root" '{"id":1,"request":"operations"}')
refuse "and is found there again" push "$out"

# A tool that is not there: nothing can be run of what lies over it.
without() {
	over=$(readlink -f "$(command -v "$1")")
	mount --bind /dev/null "$over"
	shift
	launch "$@" || :
	umount "$over"
}
for tool in sha256sum head stat; do
	out=$(without $tool "$root" '{"id":1,"request":"operations"}')
	expect "no $tool: it says so" "this host has no $tool, which the agent needs to be put here" "$out"
	refuse "and asks for nothing" place "$out"
done
for tool in tar gzip; do
	expect "no $tool: an agent that is there starts" "$hello" "$(without $tool "$root")"
	out=$(without $tool "$work/bare" @)
	expect "but none can be put anywhere" "this host has no $tool, which the agent needs to be put here" "$out"
	refuse "and it is not asked for" push "$out"
	expect "nor is anything left" "not there" "$([ -e "$work/bare" ] || echo "not there")"
done

mount -t tmpfs -o noexec,size=64m none "$root/opt"
mount -t tmpfs -o noexec,size=64m none "$root/run"
out=$(launch "$root" @ || :)
expect "noexec everywhere: the mount is named" "programs may not run in $root/var/lib/gpufleet (is its mount, $root/var, noexec?)" "$out"
umount "$root/var" "$root/opt" "$root/run"

rm -rf "$root/opt/gpufleet"
mount -t tmpfs -o size=256k none "$root/var"
out=$(launch "$root" @ || :)
expect "no space: it says so" "make room on $root/var" "$out"
expect "and nothing half-written is left" "0" "$(find "$root/var/lib/gpufleet/agent" -mindepth 1 | wc -l)"
umount "$root/var"

rm -rf "$root/opt" "$root/run"
mount -t tmpfs -o ro none "$root/var"
mount --bind "$root" "$root"
mount -o remount,bind,ro "$root"
out=$(launch "$root" @ || :)
expect "read-only everywhere: it says so" "Read-only file system" "$out"
umount "$root" "$root/var"
