#!/bin/bash
# Rolling reboots of 24 hosts in 4 domains, each a container with a systemd and an sshd of its own: the sshds' own records must
# show that never more hosts were down than the inventory allows.
#   run.sh [--keep] BUILD_DIR [SCENARIO…]
# BUILD_DIR holds the built gpufleet. --keep leaves the hosts running at the end, until it is interrupted. What was seen is kept in
# BUILD_DIR/containers. README.md says more. Needs root (namespaces, mounts).
set -uo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

usage()
{
	echo "usage: $0 [--keep] BUILD_DIR [SCENARIO…] (where gpufleet was built)" >&2
	exit 1
}

if [ "${1:-}" != --inside ]; then
	build=${1:-}
	[ "$build" != --keep ] || build=${2:-}
	[ -x "$build/gpufleet" ] || usage
	if [ "$(id -u)" != 0 ]; then
		echo "$0 needs root (namespaces, mounts): run it as root or with sudo" >&2
		exit 1
	fi
	# shellcheck source=tests/nspawn/namespaces.sh
	. "$here/../nspawn/namespaces.sh"
	namespaces_enter containers "$here" "$@"
fi
root=$2 bed=$3
shift 3
keep=
if [ "$1" = --keep ]; then
	keep=1
	shift
fi
build=$(cd "$1" && pwd)
shift
results=$build/containers
# What the inventory says, and what the sshds' records are held against.
most=2 per_domain=1

# shellcheck source=tests/nspawn/container.sh
. "$here/../nspawn/container.sh"
# shellcheck source=tests/bed/checks.sh
. "$here/../bed/checks.sh"
# shellcheck source=tests/containers/scenarios.sh
. "$here/scenarios.sh"

[ $# = 0 ] || scenarios=("$@")
hosts=()
for ((i = 1; i <= 24; i++)); do
	name=$(printf 'gpu%02d' "$i")
	hosts+=("$name")
	addresses[$name]=10.77.0.$((10 + i))
	# Hosts differ in how long they take.
	firmware_seconds[$name]=$((i % 2)).$((i * 7 % 10))
done

# The waves follow the inventory's order: the first half of the hosts are those of two domains.
inventory()
{
	python3 - "$here" "$bed" "$most" "$per_domain" "${hosts[@]}" <<-'END'
		import json, sys
		here, bed, most, per_domain = sys.argv[1:5]
		names = sys.argv[5:]
		each = len(names) // 4
		fleet = {
		    "version": 1, "fleet": "containers", "playbook": "./playbook.json",
		    "defaults": {"user": "root", "identity_file": f"{bed}/id_ed25519", "known_hosts": f"{bed}/known_hosts",
		                 "host_keys": "strict"},
		    "groups": {f"rack{i + 1}": {"role": "compute", "domain": f"rack{i + 1}", "hosts": names[i * each:(i + 1) * each]}
		               for i in range(4)},
		    "hosts": {name: {"address": f"10.77.0.{11 + i}"} for i, name in enumerate(names)},
		    "gpus": [{"alias": "nvidia1080", "vendor": "10de", "device": "1b06"}],
		    "rollout": {"waves": [1, "50%", "100%"], "max_unavailable": int(most), "per_domain": int(per_domain),
		                "boot_timeout": "5m"},
		}
		# Any change with a reboot: the drivers of real cards are the virtual machines' part.
		playbook = {"version": 1, "name": "containers", "role": "compute", "stages": [
		    {"name": "host", "reboot": "if-changed", "tasks": [
		        {"type": "file", "name": "a setting", "path": "/etc/modprobe.d/bed.conf", "content": "options vfio_pci disable_vga=1\n"}]}]}
		for name, value in (("playbook", playbook), ("inventory", fleet)):
		    with open(f"{bed}/{name}.json", "w", encoding="utf-8") as file:
		        json.dump(value, file, indent=2)
	END
}

# host_answers NAME: its sshd does.
host_answers()
{
	local banner
	# shellcheck disable=SC2016 # for the inner shell
	banner=$(timeout 5 bash -c 'exec 3<>"/dev/tcp/$0/22" && head -c 7 <&3' "${addresses[$1]}" 2>/dev/null)
	[ "$banner" = SSH-2.0 ]
}

hosts_boot()
{
	local name limit=$((SECONDS + 300))
	for name in "${hosts[@]}"; do
		container_create "$name" "$root" && container_pci "$name" || return
		container_start "$name"
	done
	for name in "${hosts[@]}"; do
		until host_answers "$name"; do
			if [ "$SECONDS" -ge "$limit" ]; then
				echo "$name doesn't answer; the end of its console:"
				tail -n 20 "$bed/$name.console"
				return 1
			fi
			sleep 0.5
		done
	done
}

umask 022
rm -rf "$results"
mkdir -p "$results"
container_network
step 'the hosts start'
check 'the inventory is written' inventory
check '24 hosts boot, each with a systemd and an sshd of its own' hosts_boot
# Hosts that are not there say nothing.
[ "$failed" = 0 ] || exit 1
for scenario in "${scenarios[@]}"; do
	"scenario_$scenario"
done
step_end
if [ -n "$keep" ]; then
	echo 'The hosts go on running until this script is interrupted. To get in, as root on this machine:'
	echo "  nsenter --target \$(pgrep -P \$(pgrep -f -o 'inside $root $bed')) --mount --net --pid ssh -i $bed/id_ed25519 \\"
	echo "    -o UserKnownHostsFile=$bed/known_hosts ${addresses[gpu01]}   (gpu01; the inventory is $bed/inventory.json)"
	sleep infinity &
	wait
fi
cat "$results"/*.row | awk 'NR == 1 || NR % 2 == 0'
echo "all of it took $SECONDS s; outputs, the sshds' records and time lines are in $results"
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
