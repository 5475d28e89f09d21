#!/bin/sh
# Packs the agent with its loader and every library that it needs: bundle.sh AGENT OUTPUT.tar.gz OUTPUT.hash [STRIP].
# The same input gives the same bytes. HASH is the sha256 of the MANIFEST.
set -eu
agent=$1 output=$2 hash_file=$3 strip=${4:-}
umask 022
# The launch script compares with the order in which it finds the files there.
export LC_ALL=C
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/agent"
cp "$agent" "$work/agent/gpufleet-agent"
ldd "$agent" | while read -r first second third _; do
	case $first in
	linux-vdso.so* | linux-gate.so*) ;;
	/*) cp -L "$first" "$work/agent/ld.so" ;;
	*)
		if [ "$second" != "=>" ] || [ ! -f "$third" ]; then
			echo "bundle.sh: $agent needs $first, which is not here" >&2
			exit 1
		fi
		cp -L "$third" "$work/agent/$first"
		;;
	esac
done
test -f "$work/agent/ld.so"
if [ -n "$strip" ]; then
	"$strip" --strip-unneeded "$work/agent/gpufleet-agent"
fi
cd "$work/agent"
chmod 755 ./*
sha256sum -- * >"$work/MANIFEST"
mv "$work/MANIFEST" .
chmod 644 MANIFEST
hash=$(sha256sum MANIFEST)
tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner --format=ustar -cf "$work/bundle.tar" -- *
gzip -9n "$work/bundle.tar"
cd - >/dev/null
mv "$work/bundle.tar.gz" "$output"
chmod 644 "$output"
echo "${hash%% *}" >"$hash_file"
