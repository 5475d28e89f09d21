#!/bin/sh
# Starts the agent on a host; where there is none, asks the controller for place.sh, which puts it there.
# Sent as one command: sh -c "this text" gpufleet HASH SIZE ARCH PLACE_SIZE (HASH: sha256 of the bundle MANIFEST;
# SIZE: of the bundle in bytes; ARCH: what it was built for; PLACE_SIZE: of place.sh in bytes, as it is sent),
# stdin and stdout being the wire.
# Every session sends this, and the longest message that it sends is what its buffers are kept for: what only a host
# without the agent needs stands in place.sh.
# No single quote may stand in this file: the controller puts it between two of them. Comments, the tabs that a line
# begins with, and empty lines are not sent: no text over several lines may need them, so there are no here-documents.
# shellcheck shell=sh disable=SC2034,SC2317 # place.sh uses what is unused here
set -u
umask 077
export PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C
unset LD_PRELOAD LD_LIBRARY_PATH LD_AUDIT GCONV_PATH
hash=${1:-} size=${2:-} arch=${3:-} place_size=${4:-}
root=${GPUFLEET_SYSROOT:-}
me="" why=""
nl="
"
# Only the bundle and the agent itself may read the wire.
exec 3<&0 </dev/null

# There is something to clean only once place.sh has begun.
clean() { :; }

fail() {
	clean
	text=$(printf "%s" "$1" | tr "\n\t\"\\\\" "  ~/" | tr -d "\000-\037\177-\377")
	printf "{\"gpufleet\":\"error\",\"code\":\"agent\",\"message\":\"%s\"}\n" "$text"
	exit 1
}

# Keeps $1 as a reason why not: false.
note() {
	why="$why${why:+; }$1"
	return 1
}

# Is every tool there?
need() {
	for tool in "$@"; do
		command -v "$tool" >/dev/null 2>&1 || fail "this host has no $tool, which the agent needs to be put here"
	done
}

# Is $1, of which stat says $2, ours, and can nobody else write to it?
ours() {
	case $2 in
	*" l"*) note "$1 is a symbolic link" ;;
	"$me "?????w* | "$me "????????w*) note "$1 can be written to by others: chmod go-w $1" ;;
	"$me "*) return 0 ;;
	*) note "$1 belongs to user ${2%% *}, not to user $me: look who made it, and remove it" ;;
	esac
}

# Can nobody but root and us put something else in the place of what lies in $1, of which stat says $2? (Where others
# may write, as in /tmp, the sticky bit keeps them from renaming what is not theirs.)
guarded() {
	case $2 in
	*[tT]) ;;
	*" "?????w* | *" "????????w*)
		note "$1, which $3 lies in, can be written to by others: chmod go-w $1"
		return
		;;
	esac
	case $2 in
	"0 "* | "$me "*) return 0 ;;
	esac
	note "$1, which $3 lies in, belongs to user ${2%% *}: chown root $1"
}

# Is the directory $1 ours alone, and whatever else is named? Is the way to it guarded, up to the root? Goes to $1.
# One process looks at all of them: each that a shell starts costs as much as a thousand lines of it.
secure() {
	if ! cd -P "$1" 2>/dev/null; then
		note "$1 is not a directory"
		return
	fi
	inner=$1 own=$# up=$PWD
	while [ "$up" != "${up%/*}" ]; do
		up=${up%/*}
		set -- "$@" "${up:-/}"
	done
	if ! seen=$(stat -c "%u %A" "$@" 2>/dev/null); then
		note "$(stat -c "" "$@" 2>&1)"
		return
	fi
	while [ $# -gt 0 ]; do
		look=${seen%%"$nl"*} seen=${seen#*"$nl"}
		if [ "$own" -gt 0 ]; then
			ours "$1" "$look" || return
		else
			guarded "$1" "$look" "$inner" || return
		fi
		own=$((own - 1))
		shift
	done
}

# $1 is not of the bundle: false.
stranger() {
	note "$1 does not belong to the agent"
}

# Are the files of $1 exactly those of the bundle, each as it was built? The sums of all that is there are to be the
# MANIFEST, line by line, and its own sum is to be HASH.
verify() {
	for file in "$1"/.[!.]* "$1"/..?*; do
		if [ -e "$file" ] || [ -L "$file" ]; then stranger "$file" || return; fi
	done
	# Who may write to one of them could do so after it was looked at.
	secure "$1" "${1%/*}" "${1%/*/*}" "$1"/* || return
	for file in *; do
		[ -f "$file" ] || stranger "$1/$file" || return
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
		return
		;;
	esac
	for file in *; do
		case $manifest$nl in
		*"  $file$nl"*) ;;
		*) stranger "$1/$file" || return ;;
		esac
	done
	note "a file in $1 was changed ($(sha256sum --quiet -c MANIFEST 2>&1))"
}

# Operations are recorded where they were before, else in the first place that will do: programs need not run there.
start() {
	state=""
	for base in /var/lib /opt /run; do
		dir=$root$base/gpufleet
		if [ ! -d "$dir" ] || { [ -n "$state" ] && [ ! -d "$dir/operations" ]; }; then continue; fi
		# The one that the agent lies in was looked at with it.
		[ "$dir" = "${1%/*/*}" ] || secure "$dir" || continue
		[ -w "$dir" ] || continue
		state=$base/gpufleet
		if [ -d "$dir/operations" ]; then break; fi
	done
	export GPUFLEET_AGENT_DIR="$1"
	cd /
	exec "$1/ld.so" --library-path "$1" "$1/gpufleet-agent" --state-dir "$state" serve <&3 3<&-
}

case $hash$size$place_size in
"" | *[!0-9a-f]*) fail "usage: launch HASH SIZE ARCH PLACE_SIZE" ;;
esac
need sha256sum head stat

# Who we are; read by the shell itself where it can be.
if [ -r /proc/self/status ]; then
	while read -r key _ value _; do
		if [ "$key" = Uid: ]; then me=$value && break; fi
	done </proc/self/status
fi
: "${me:=$(id -u)}"

# An agent that is there already. One that was tampered with is an error, never replaced in silence.
for base in /var/lib /opt /run; do
	dir=$root$base/gpufleet/agent/$hash
	[ -e "$dir" ] || continue
	verify "$dir" || fail "the agent on this host is refused: $why; find out who did that, then remove $dir"
	# It started when it was put there: can programs still run there?
	if "$dir/ld.so" --verify "$dir/gpufleet-agent" >/dev/null 2>&1; then start "$dir"; fi
done

# Half a script is never run: where the connection was cut, what came is shorter.
printf "{\"gpufleet\":\"place\"}\n"
script=$(head -c "$place_size" <&3)
[ ${#script} = "$place_size" ] || fail "the connection ended after ${#script} of $place_size bytes"
eval "$script"
