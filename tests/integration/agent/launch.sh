#!/bin/sh
# The launch script: cold push, cached start, and everything it must refuse.
# shellcheck source=tests/integration/agent/functions.sh
. "$(dirname "$0")/functions.sh"

hello='"hello":"gpufleet-agent"'
ask='{"id":1,"request":"operations"}'
root=$work/root
mkdir "$root"
agent=$root/var/lib/gpufleet/agent/$hash

refuse "no single quote in the script" "'" "$script"

out=$(launch "$root" @ "$ask")
expect "a cold host asks for the second part, then for the bundle" '{"gpufleet":"place"}
{"gpufleet":"push"}' "$out"
expect "and says hello then" "$hello" "$out"
expect "what follows the bundle is a request" '"id":1,"result"' "$out"
expect "the agent's directory is private" "drwx------" "$(stat -c %A "$agent")"

out=$(launch "$root" "$ask")
refuse "the second start pushes nothing" push "$out"
refuse "and needs no second part" place "$out"
expect "and says hello" "$hello" "$out"

# Interrupted in the middle: nothing is left, and the next start pushes again.
rm -rf "$agent"
out=$({ printf %s "$place" && head -c 1000 "$bundle"; } |
	GPUFLEET_SYSROOT=$root sh -c "$script" gpufleet "$hash" "$size" "$arch" "$place_size" || :)
expect "a cut push says so" "the connection ended after 1000 of $size bytes" "$out"
expect "and leaves nothing behind" "0" "$(find "$root/var/lib/gpufleet/agent" -mindepth 1 | wc -l)"
mkdir "$root/var/lib/gpufleet/agent/.push.999999999"
out=$(launch "$root" @ "$ask")
expect "the next one goes through" "$hello" "$out"
expect "and removes what a killed push left" "1" "$(find "$root/var/lib/gpufleet/agent" -mindepth 1 -maxdepth 1 | wc -l)"

# Interrupted within the second part, which is run as a whole or not at all.
cut_after() {
	printf %s "$2" | head -c "$1" |
		GPUFLEET_SYSROOT=$work/cut sh -c "$script" gpufleet "$hash" "$size" "$arch" "$(printf %s "$2" | wc -c)" || :
}
for came in 0 1 $((place_size / 2)) $((place_size - 1)); do
	out=$(cut_after "$came" "$place")
	expect "a second part that is cut says so" "the connection ended after * of $place_size bytes" "$out"
	refuse "and asks for nothing" push "$out"
	expect "and leaves nothing behind" "not there" "$([ -e "$work/cut" ] || echo "not there")"
done
commands="mkdir $work/cut
exit 0"
out=$(cut_after $((${#commands} - 1)) "$commands")
expect "nothing of it is run: it says so" "the connection ended after" "$out"
expect "and does nothing" "not there" "$([ -e "$work/cut" ] || echo "not there")"
cut_after ${#commands} "$commands" >"$work/out"
expect "where all of it would have been" "there" "$([ -e "$work/cut" ] && echo "there")"
out=$(GPUFLEET_SYSROOT=$work/cut sh -c "$script" gpufleet "$hash" "$size" "$arch" 2>/dev/null </dev/null || :)
expect "no size of it is as if none of it came" "the connection ended after 0 of" "$out"

# Another bundle than the one that was named.
rm -rf "$agent"
launch "$root" @ "$ask" >"$work/out"
other=$(printf '%s' "$hash" | tr 0-9a-f 1-9a-f0)
out=$(printf %s "$place" | cat - "$bundle" |
	GPUFLEET_SYSROOT=$root sh -c "$script" gpufleet "$other" "$size" "$arch" "$place_size" || :)
expect "a bundle with another manifest is refused" "is not the one of this agent" "$out"

# A file that was changed, one that was added, and a directory open to others.
printf x >>"$agent/libjansson.so.4"
out=$(launch "$root" "$ask" || :)
expect "a changed file is refused" "refused: a file in $agent was changed" "$out"
refuse "and not replaced in silence" '"place"' "$out"
rm -rf "$agent"
launch "$root" @ >"$work/out"
mkdir "$agent/glibc-hwcaps"
expect "an added file is refused" "glibc-hwcaps does not belong to the agent" "$(launch "$root" || :)"
rmdir "$agent/glibc-hwcaps"
for added in libextra.so.1 .hidden ..hidden aaa; do
	printf x >"$agent/$added"
	expect "nor is $added" "$added does not belong to the agent" "$(launch "$root" || :)"
	rm "$agent/$added"
done
mv "$agent/libz.so.1" "$work/libz.so.1"
expect "a missing file is refused" "refused: a file in $agent was changed" "$(launch "$root" || :)"
ln -s "$work/libz.so.1" "$agent/libz.so.1"
expect "and so is a link to it" "libz.so.1 is a symbolic link" "$(launch "$root" || :)"
rm "$agent/libz.so.1"
mv "$work/libz.so.1" "$agent/libz.so.1"
cp "$agent/MANIFEST" "$work/MANIFEST"
printf "%s  %s\n" "$(printf x | sha256sum | cut -d " " -f 1)" aaa >>"$agent/MANIFEST"
expect "another manifest is refused" "MANIFEST is not the one of this agent" "$(launch "$root" || :)"
rm "$agent/MANIFEST"
expect "and none" "MANIFEST is not the one of this agent" "$(launch "$root" || :)"
cp "$work/MANIFEST" "$agent/MANIFEST"
chmod 777 "$agent"
expect "a directory that others can write to is refused" "can be written to by others" "$(launch "$root" || :)"
chmod 700 "$agent"
for open in "$root/var/lib/gpufleet/agent" "$root/var/lib/gpufleet" "$root/var/lib"; do
	mode=$(stat -c %a "$open")
	chmod 777 "$open"
	expect "nor what it lies in: $open" "$open*can be written to by others" "$(launch "$root" || :)"
	chmod "$mode" "$open"
done
chmod 666 "$agent/libjansson.so.4"
expect "nor a file in it" "libjansson.so.4 can be written to by others" "$(launch "$root" || :)"
chmod 600 "$agent/libjansson.so.4"
if [ "$(id -u)" = 0 ]; then
	chown 12345 "$root/var/lib"
	expect "nor may the way to it be somebody else's" "var/lib, which * lies in, belongs to user 12345" "$(launch "$root" || :)"
	chown 0 "$root/var/lib"
	chown 12345 "$agent"
	expect "a directory of somebody else is refused" "belongs to user 12345, not to user 0" "$(launch "$root" || :)"
	chown 0 "$agent"
fi
expect "as it was, it starts" "$hello" "$(launch "$root")"

# How many processes that takes: in a namespace of their own they are numbered from 1 on, and the one after them says how far.
# shellcheck disable=SC2016
if unshare -fp true 2>/dev/null; then
	last=$(GPUFLEET_SYSROOT=$root unshare -fp sh -c \
		'sh -c "$1" gpufleet "$2" "$3" "$4" "$5" </dev/null >/dev/null; sh -c "echo \$\$"; :' sh \
		"$script" "$hash" "$size" "$arch" "$place_size")
	[ "$last" -le 8 ] && few="few processes" || few="$last"
	expect "a few processes start it" "few processes" "$few"
fi

# Operations stay where they were begun.
operations() {
	launch "$root" '{"id":1,"request":"lease","run":"r"}' >/dev/null
	find "$root" -name lease.json
}
expect "operations are recorded beside the agent" "$root/var/lib/gpufleet/lease.json" "$(operations)"
rm "$root/var/lib/gpufleet/lease.json"
rm -rf "$root/var/lib/gpufleet/operations"
mkdir -p "$root/run/gpufleet/operations"
expect "but where there are some already" "$root/run/gpufleet/lease.json" "$(operations)"
chmod 777 "$root/run/gpufleet"
rm "$root/run/gpufleet/lease.json"
expect "unless others can write there" "$root/var/lib/gpufleet/lease.json" "$(operations)"
rm -rf "$root/run/gpufleet"

out=$(printf %s "$place" |
	GPUFLEET_SYSROOT=$work/other sh -c "$script" gpufleet "$hash" "$size" sparc64 "$place_size" || :)
expect "another architecture is named" "this host is $(uname -m), and the agent that came with this gpufleet is for sparc64 only" "$out"

# The first place will not do: the next one is taken.
root=$work/second
mkdir -p "$root/var/lib"
ln -s /nonexistent "$root/var/lib/gpufleet"
out=$(launch "$root" @ "$ask")
expect "a place that will not do is passed over" "$hello" "$out"
expect "for the next one" "gpufleet-agent" "$(ls "$root/opt/gpufleet/agent/$hash")"
