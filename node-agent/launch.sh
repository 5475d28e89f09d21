#!/bin/sh
# Starts the agent on a host, after having asked the controller for it where it is absent.
# Sent as one command: sh -c "this text" gpufleet HASH SIZE ARCH (HASH: sha256 of the bundle MANIFEST;
# SIZE: of the bundle in bytes; ARCH: what it was built for), stdin and stdout being the wire.
# No single quote may stand in this file: the controller puts it between two of them.
# shellcheck shell=sh disable=SC2317
set -u
umask 077
PATH=/usr/sbin:/usr/bin:/sbin:/bin
LC_ALL=C
export PATH LC_ALL
unset LD_PRELOAD LD_LIBRARY_PATH LD_AUDIT GCONV_PATH
hash=${1:-} size=${2:-} arch=${3:-}
root=${GPUFLEET_SYSROOT:-}
me=""
push="" why=""
nl="
"
# Only the bundle and the agent itself may read the wire.
exec 3<&0 </dev/null

clean() {
	if [ -n "$push" ]; then rm -rf "$push"; fi
}

fail() {
	clean
	text=$(printf "%s" "$1" | tr "\n\t\"\\\\" "  ~/" | tr -d "\000-\037\177-\377")
	printf "{\"gpufleet\":\"error\",\"code\":\"agent\",\"message\":\"%s\"}\n" "$text"
	exit 1
}

note() {
	why="$why${why:+; }$1"
}

# Is $1, of which stat says $2, ours, and can nobody else write to it?
ours() {
	case $2 in
	*" l"*) note "$1 is a symbolic link" ;;
	"$me "?????w* | "$me "????????w*) note "$1 can be written to by others: chmod go-w $1" ;;
	"$me "*) return 0 ;;
	*) note "$1 belongs to user ${2%% *}, not to user $me: look who made it, and remove it" ;;
	esac
	return 1
}

# Can nobody but root and us put something else in the place of what lies in $1, of which stat says $2? (Where others
# may write, as in /tmp, the sticky bit keeps them from renaming what is not theirs.)
guarded() {
	case $2 in
	*[tT]) ;;
	*" "?????w* | *" "????????w*)
		note "$1, which $3 lies in, can be written to by others: chmod go-w $1"
		return 1
		;;
	esac
	case $2 in
	"0 "* | "$me "*) return 0 ;;
	esac
	note "$1, which $3 lies in, belongs to user ${2%% *}: chown root $1"
	return 1
}

# Is the directory $1 ours alone, and whatever else is named? Is the way to it guarded, up to the root? Goes to $1.
# One process looks at all of them: each that a shell starts costs as much as a thousand lines of it.
secure() {
	if ! cd -P "$1" 2>/dev/null; then
		note "$1 is not a directory"
		return 1
	fi
	inner=$1 own=$# up=$PWD
	while [ "$up" != "${up%/*}" ]; do
		up=${up%/*}
		set -- "$@" "${up:-/}"
	done
	if ! seen=$(stat -c "%u %A" "$@" 2>/dev/null); then
		note "$(stat -c "" "$@" 2>&1)"
		return 1
	fi
	while [ $# -gt 0 ]; do
		look=${seen%%"$nl"*} seen=${seen#*"$nl"}
		if [ "$own" -gt 0 ]; then
			if ! ours "$1" "$look"; then return 1; fi
		elif ! guarded "$1" "$look" "$inner"; then
			return 1
		fi
		own=$((own - 1))
		shift
	done
}

# The mount point that $1 lies on.
mount_of() {
	df -P "$1" 2>/dev/null | {
		read -r _ || :
		read -r _ _ _ _ _ point || point="?"
		printf "%s" "$point"
	}
}

# Can programs run below $1?
runs() {
	printf "#!/bin/sh\nexit 0\n" 2>/dev/null >"$1/.probe.$$" && chmod 700 "$1/.probe.$$" &&
		"$1/.probe.$$" >/dev/null 2>&1
	set -- "$1" $?
	rm -f "$1/.probe.$$"
	return "$2"
}

# Are the files of $1 exactly those of the bundle, each as it was built? The sums of all that is there are to be the
# MANIFEST, line by line, and its own sum is to be HASH.
verify() {
	for file in "$1"/.[!.]* "$1"/..?*; do
		if [ -e "$file" ] || [ -L "$file" ]; then
			note "$file does not belong to the agent"
			return 1
		fi
	done
	# Who may write to one of them could do so after it was looked at.
	if ! secure "$1" "${1%/*}" "${1%/*/*}" "$1"/*; then return 1; fi
	for file in *; do
		if [ ! -f "$file" ]; then
			note "$1/$file does not belong to the agent"
			return 1
		fi
	done
	manifest="$hash  MANIFEST"
	if [ -r MANIFEST ]; then
		while IFS= read -r line; do manifest=$manifest$nl$line; done <MANIFEST
	fi
	sums=$(sha256sum -- * 2>&1)
	if [ "$sums" = "$manifest" ]; then return 0; fi
	case $nl$sums$nl in
	*"$nl$hash  MANIFEST$nl"*) ;;
	*)
		note "$1/MANIFEST is not the one of this agent"
		return 1
		;;
	esac
	for file in *; do
		case $manifest$nl in
		*"  $file$nl"*) ;;
		*)
			note "$1/$file does not belong to the agent"
			return 1
			;;
		esac
	done
	note "a file in $1 was changed ($(sha256sum --quiet -c MANIFEST 2>&1))"
	return 1
}

# Does the agent in $1 start?
starts() {
	said=$("$1/ld.so" --library-path "$1" "$1/gpufleet-agent" --version 2>&1)
}

# Operations are recorded where they were before, else in the first place that will do: programs need not run there.
start() {
	state=""
	for base in /var/lib /opt /run; do
		dir=$root$base/gpufleet
		if [ ! -d "$dir" ] || { [ -n "$state" ] && [ ! -d "$dir/operations" ]; }; then continue; fi
		# The one that the agent lies in was looked at with it.
		if [ "$dir" != "${1%/*/*}" ] && ! secure "$dir"; then continue; fi
		if [ ! -w "$dir" ]; then continue; fi
		state=$base/gpufleet
		if [ -d "$dir/operations" ]; then break; fi
	done
	GPUFLEET_AGENT_DIR=$1
	export GPUFLEET_AGENT_DIR
	cd /
	exec "$1/ld.so" --library-path "$1" "$1/gpufleet-agent" --state-dir "$state" serve <&3 3<&-
}

# What interrupted pushes left in $1.
sweep() {
	for left in "$1"/.push.*; do
		pid=${left##*.}
		if [ -d "$left" ] && { [ "$pid" = "$$" ] || ! kill -0 "$pid" 2>/dev/null; }; then
			rm -rf "$left"
		fi
	done
}

# May the agent live in $1/gpufleet?
place() {
	set -- "$root$1/gpufleet"
	if ! made=$(mkdir -p "$1/agent" 2>&1); then
		note "$made"
		return 1
	fi
	if ! secure "$1" "$1/agent"; then return 1; fi
	sweep "$1/agent"
	if ! (: >"$1/.probe.$$") 2>/dev/null; then
		note "$1 cannot be written to (no space, or read-only)"
		return 1
	fi
	rm -f "$1/.probe.$$"
	if ! runs "$1"; then
		note "programs may not run in $1 (is its mount, $(mount_of "$1"), noexec?)"
		return 1
	fi
}

case $hash$size in
"" | *[!0-9a-f]*) fail "usage: launch HASH SIZE ARCH" ;;
esac
for tool in sha256sum tar gzip head stat; do
	if ! command -v "$tool" >/dev/null 2>&1; then fail "this host has no $tool, which the agent needs to be put here"; fi
done

# Who we are; read by the shell itself where it can be.
if [ -r /proc/self/status ]; then
	while read -r key _ value _; do
		if [ "$key" = Uid: ]; then me=$value && break; fi
	done </proc/self/status
fi
if [ -z "$me" ]; then me=$(id -u); fi

# An agent that is there already. One that was tampered with is an error, never replaced in silence.
for base in /var/lib /opt /run; do
	dir=$root$base/gpufleet/agent/$hash
	if [ ! -e "$dir" ]; then continue; fi
	why=""
	if ! verify "$dir"; then fail "the agent on this host is refused: $why; find out who did that, then remove $dir"; fi
	# It started when it was put there: can programs still run there?
	if "$dir/ld.so" --verify "$dir/gpufleet-agent" >/dev/null 2>&1; then start "$dir"; fi
done

machine=$(uname -m)
if [ "$machine" != "$arch" ]; then
	fail "this host is $machine, and the agent that came with this gpufleet is for $arch only"
fi
trap "clean; exit 1" HUP INT TERM
asked="" why=""
for base in /var/lib /opt /run; do
	if ! place "$base"; then continue; fi
	dir=$root$base/gpufleet/agent
	new=$dir/.push.$$
	if ! made=$(mkdir "$new" 2>&1); then
		note "$made"
		continue
	fi
	if [ -z "$asked" ]; then
		asked=yes push=$new
		printf "{\"gpufleet\":\"push\"}\n"
		bundle=$new/bundle
		if ! got=$(head -c "$size" <&3 2>&1 >"$bundle"); then
			fail "the agent cannot be written to $dir: $got; make room on $(mount_of "$dir")"
		fi
		got=$(stat -c %s "$bundle")
		if [ "$got" != "$size" ]; then fail "the connection ended after $got of $size bytes"; fi
	fi
	mkdir "$new/agent"
	if ! got=$(tar -xzf "$bundle" -C "$new/agent" --no-same-owner 2>&1); then
		note "the agent cannot be unpacked in $dir: $got; is there room on $(mount_of "$dir")?"
	elif verify "$new/agent"; then
		# Under SELinux, systemd may not run what is labelled var_lib_t.
		if [ -d /sys/fs/selinux ] && command -v chcon >/dev/null 2>&1; then
			chcon -R -t bin_t "$new/agent" 2>/dev/null || :
		fi
		# Whole or not at all, also after a power cut: half an agent would be taken for a changed one.
		sync "$new/agent"/* "$new/agent" 2>/dev/null || :
		if ! starts "$new/agent"; then
			note "the agent does not start in $dir: $said"
		elif mv -T "$new/agent" "$dir/$hash" 2>/dev/null || [ -d "$dir/$hash" ]; then
			sync "$dir" 2>/dev/null || :
			rm -rf "$new"
			clean
			if verify "$dir/$hash"; then start "$dir/$hash"; fi
		else
			note "the agent cannot be moved to $dir/$hash"
		fi
	fi
	if [ "$new" != "$push" ]; then rm -rf "$new"; fi
done
if [ "$me" != 0 ]; then note "this needs root: log in as root, or set \"become\": \"sudo\" in the inventory"; fi
fail "the agent cannot be put on this host: $why"
