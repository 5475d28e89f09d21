# functions.sh: what the tests of the agent share. Sourced with BUILD and ARCH as arguments.
# shellcheck shell=sh disable=SC2034
set -eu
build=$1
arch=$2
here=$(cd "$(dirname "$0")" && pwd)
top=$here/../../..
hash=$(cat "$build/gpufleet-agent.hash")
bundle=$build/gpufleet-agent.tar.gz
size=$(stat -c %s "$bundle")
script=$(cat "$top/node-agent/launch.sh")
place=$(cat "$top/node-agent/place.sh")
place_size=$(printf %s "$place" | wc -c)
work=$(mktemp -d "${TMPDIR:-/tmp}/gpufleet-agent.XXXXXX")
cleanup() { rm -rf "$work"; }
trap cleanup EXIT
trap 'exit 1' HUP INT TERM

# launch ROOT INPUT…: runs the launch script under ROOT; INPUT are the parts of its standard input, "@" what it asks for
# where there is no agent: its second part, and the bundle.
launch() {
	launch_root=$1
	shift
	for part in "$@"; do
		if [ "$part" = @ ]; then printf %s "$place" | cat - "$bundle"; else printf '%s\n' "$part"; fi
	done | GPUFLEET_SYSROOT=$launch_root sh -c "$script" gpufleet "$hash" "$size" "$arch" "$place_size"
}

# expect WHAT PATTERN TEXT: TEXT must hold PATTERN (of case).
expect() {
	# shellcheck disable=SC2254
	case $3 in
	*$2*) echo "ok: $1" ;;
	*)
		echo "FAILED: $1: expected $2 in:" >&2
		printf '%.2000s\n' "$3" >&2
		exit 1
		;;
	esac
}

refuse() {
	case $3 in
	*$2*)
		echo "FAILED: $1: did not expect $2 in:" >&2
		printf '%.2000s\n' "$3" >&2
		exit 1
		;;
	*) echo "ok: $1" ;;
	esac
}

skip() {
	echo "SKIP: $1"
	exit 77
}
