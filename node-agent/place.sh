#!/bin/sh
# Puts the agent on a host that has none, and starts it: asks for the bundle, reads its SIZE bytes, and finds a place
# where it may live. Run by launch.sh, whose functions and variables it uses, after it was asked for.
# Comments, the tabs that a line begins with, and empty lines are not sent, nor is the last newline.
# shellcheck shell=sh disable=SC2154,SC2317 # launch.sh sets what is not set here
push=""

clean() {
	if [ -n "$push" ]; then rm -rf "$push"; fi
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

# Does the agent in $1 start?
starts() {
	said=$("$1/ld.so" --library-path "$1" "$1/gpufleet-agent" --version 2>&1)
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
		return
	fi
	secure "$1" "$1/agent" || return
	sweep "$1/agent"
	if ! (: >"$1/.probe.$$") 2>/dev/null; then
		note "$1 cannot be written to (no space, or read-only)"
		return
	fi
	rm -f "$1/.probe.$$"
	if ! runs "$1"; then
		note "programs may not run in $1 (is its mount, $(mount_of "$1"), noexec?)"
		return
	fi
}

need tar gzip
machine=$(uname -m)
if [ "$machine" != "$arch" ]; then
	fail "this host is $machine, and the agent that came with this gpufleet is for $arch only"
fi
trap "clean; exit 1" HUP INT TERM
asked=""
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
