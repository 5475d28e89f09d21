# shellcheck shell=bash
# A bed's way into namespaces of its own, and its control groups: sourced by its run.sh.

# The places where systemd puts its units: of both versions of control groups.
cgroup_hierarchies()
{
	local place
	for place in /sys/fs/cgroup /sys/fs/cgroup/systemd /sys/fs/cgroup/unified; do
		[ ! -e "$place/cgroup.procs" ] || echo "$place"
	done
}

# cgroup_enter GROUP: this shell, and what it starts. A systemd must have a group of its own, or it finds others' processes in its
# units and waits for them.
cgroup_enter()
{
	local place
	for place in $(cgroup_hierarchies); do
		mkdir -p "$place/$1" && echo "$BASHPID" >"$place/$1/cgroup.procs"
	done
}

# cgroup_remove GROUP: with those below, once the last process of them is gone.
cgroup_remove()
{
	local place tries
	for place in $(cgroup_hierarchies); do
		for ((tries = 0; tries < 100; tries++)); do
			find "$place/$1" -depth -type d -exec rmdir {} + 2>/dev/null
			[ -e "$place/$1" ] || break
			sleep 0.1
		done
	done
}

# namespaces_enter NAME HERE ARGUMENT…: HERE/run.sh --inside ROOT BED ARGUMENT… as a child in mount, network and process
# namespaces of its own, with the path of the root file system that HERE/root.sh prints and a directory for this run: however
# this script ends, no process, mount or network stays. Ends with the child's exit status.
namespaces_enter()
{
	local name=$1 here=$2 image bed child='' status=0
	shift 2
	SECONDS=0
	image=$("$here/root.sh") || exit 1
	echo "---- root file system: $SECONDS s"
	bed=$(mktemp -d "${TMPDIR:-/tmp}/gpufleet-$name.XXXXXX")
	# shellcheck disable=SC2317 # called by trap
	finish()
	{
		if [ -n "$child" ]; then
			kill -KILL "$child" 2>/dev/null
			wait "$child" 2>/dev/null
		fi
		cgroup_remove "${bed##*/}"
		rm -rf --one-file-system "$bed"
	}
	trap finish EXIT
	trap 'exit 130' INT TERM HUP
	unshare --mount --net --pid --fork --kill-child --mount-proc "$here/run.sh" --inside "$image" "$bed" "$@" &
	child=$!
	wait "$child" || status=$?
	child=
	exit "$status"
}
