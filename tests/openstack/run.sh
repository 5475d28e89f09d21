#!/bin/bash
# Real OpenStack services, from stock configuration to GPUs that Nova hands out, and back.
#   run.sh [--keep] BUILD_DIR
# BUILD_DIR holds the built gpufleet. --keep leaves the two hosts running at the end, until it is interrupted. What was seen is
# kept in BUILD_DIR/openstack. README.md says more. Needs root (namespaces, mounts).
set -uo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

usage()
{
	echo "usage: $0 [--keep] BUILD_DIR (where gpufleet was built)" >&2
	exit 1
}

if [ "${1:-}" != --inside ]; then
	if [ $# -lt 1 ] || [ ! -x "${!#}/gpufleet" ]; then
		usage
	fi
	if [ "$(id -u)" != 0 ]; then
		echo "$0 needs root (namespaces, mounts): run it as root or with sudo" >&2
		exit 1
	fi
	# shellcheck source=tests/nspawn/namespaces.sh
	. "$here/../nspawn/namespaces.sh"
	namespaces_enter openstack "$here" "$@"
fi
root=$2 bed=$3
parts=()
shift 3
keep=
while [ $# -gt 1 ]; do
	case $1 in
	--keep) keep=1 ;;
	*) usage ;;
	esac
	shift
done
build=$(cd "$1" && pwd)
results=$build/openstack

# shellcheck source=tests/nspawn/container.sh
. "$here/../nspawn/container.sh"
# shellcheck source=tests/bed/checks.sh
. "$here/../bed/checks.sh"
# shellcheck source=tests/openstack/ask.sh
. "$here/ask.sh"
# shellcheck source=tests/openstack/cloud.sh
. "$here/cloud.sh"
# shellcheck source=tests/openstack/scenarios.sh
. "$here/scenarios.sh"

addresses=([ctl1]=10.77.0.11 [cmp1]=10.77.0.12)

# gpufleet_run NAME EXPECTED COMMAND [ARGUMENT…]: the exit status must be the expected one; the output goes to
# NAME.out and NAME.err.
gpufleet_run()
{
	local name=$1 expected=$2 command=$3 status=0
	shift 3
	timeout --foreground -k 30 900 "$build/gpufleet" "$command" "$bed/inventory.json" --state "$bed/state.db" --no-color "$@" \
		>"$results/$name.out" 2>"$results/$name.err" </dev/null || status=$?
	if [ "$status" = "$expected" ]; then
		pass "gpufleet $command exits $expected"
	else
		{
			echo "it exited $status; the end of its output and errors ($results/$name.*):"
			tail -n 25 "$results/$name.out"
			tail -n 10 "$results/$name.err"
		} | fail "gpufleet $command exits $expected"
	fi
}

# The shipped playbook without its host stage (this host's devices are on vfio-pci, and ./dev vm shows how they get there).
inventory()
{
	python3 - "$here" "$bed" "${addresses[ctl1]}" "${addresses[cmp1]}" <<-'END'
		import json, sys
		here, bed, control, compute = sys.argv[1:]
		with open(f"{here}/../../playbooks/gpu-passthrough.json", encoding="utf-8") as file:
		    playbook = json.load(file)
		stages = [stage for stage in playbook["stages"] if stage["name"] != "host"]
		assert len(stages) == len(playbook["stages"]) - 1
		playbook["stages"] = stages
		with open(f"{here}/fleet.json", encoding="utf-8") as file:
		    fleet = json.load(file)
		fleet["defaults"] = {"user": "root", "identity_file": f"{bed}/id_ed25519", "known_hosts": f"{bed}/known_hosts",
		                     "host_keys": "strict"}
		fleet["hosts"] = {"ctl1": {"address": control}, "cmp1": {"address": compute}}
		for name, value in (("playbook", playbook), ("inventory", fleet)):
		    with open(f"{bed}/{name}.json", "w", encoding="utf-8") as file:
		        json.dump(value, file, indent=2)
	END
}

memory()
{
	awk '/MemTotal/ { total = $2 } /MemAvailable/ { free = $2 } END { printf "%d MiB of memory in use\n", (total - free) / 1024 }' /proc/meminfo
}

umask 022
rm -rf "$results"
mkdir -p "$results"
container_network
# A cloud that was set up once is kept beside the root file system, until what sets it up changes.
cloud=$root.$(cd "$here" && cat ../nspawn/container.sh cloud.sh control.sh compute.sh nova.sh start.sh ini_set.py no_ports.py | sha256sum | cut -c1-12)
exec 9>"$root.lock"
flock 9
if [ ! -e "$cloud" ]; then
	step 'a cloud from installed packages'
	check 'MariaDB, RabbitMQ, Keystone, Placement, Glance and Nova are set up, started, and see each other' cloud_make
fi
flock -u 9
if [ ! -e "$cloud" ]; then
	exit 1
fi
# shellcheck disable=SC2034 # what no output may hold: scenarios.sh looks for it
secret=$(<"$cloud/secret")
step 'the cloud starts'
check 'both hosts boot, each with a systemd and an sshd of its own' cloud_hosts "$cloud/ctl1:$root" "$cloud/cmp1:$root"
check 'every service of the cloud starts and answers' cloud_start
check 'the inventory is written' inventory
memory
for part in "${parts[@]}"; do
	# What comes later means nothing once what came before failed.
	if [ "$failed" = 0 ]; then
		"$part"
	else
		skipped=$((skipped + 1))
		echo "SKIP $part: something before it failed"
	fi
done
step_end
memory
for name in ctl1 cmp1; do
	container_ssh "$name" tar -C /var/log -c nova 2>/dev/null | tar -C "$results" -x --one-top-level="$name" || true
done
if [ -n "$keep" ]; then
	echo 'The hosts go on running until this script is interrupted. To get in, as root on this machine:'
	echo "  nsenter --target \$(pgrep -P \$(pgrep -f -o 'inside $root $bed')) --mount --net --pid ssh -i $bed/id_ed25519 \\"
	echo "    -o UserKnownHostsFile=$bed/known_hosts ${addresses[cmp1]}   (cmp1; ctl1: ${addresses[ctl1]})"
	sleep infinity &
	wait
fi
echo "all of it took $SECONDS s; outputs, logs and observations are in $results"
[ "$skipped" = 0 ] || echo "$skipped skipped"
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
