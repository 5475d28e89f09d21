#!/bin/bash
# Every configuration of tests/parity/configurations.json on a virtual machine and on a simulated host:
# both must end with the same drivers and the same report, and as the golden files in
# tests/parity/machines have it.
#   all.sh [--record] BUILD_DIR [NAME…]
# Every configuration has a machine of its own, fresh from the image; two run at a time. --record
# writes the golden files from what the machines gave. What was seen is kept in BUILD_DIR/vm-all.
set -uo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
parity=$here/../parity
record=
if [ "${1:-}" = --record ]; then
	record=1
	shift
fi
if [ $# -lt 1 ] || [ ! -x "$1/gpufleet" ] || [ ! -x "$1/gpufleet-sim" ]; then
	echo "usage: $0 [--record] BUILD_DIR [NAME…] (where gpufleet was built)" >&2
	exit 1
fi
build=$(cd "$1" && pwd)
shift
results=$build/vm-all
names=("$@")
[ $# != 0 ] || mapfile -t names < <(python3 "$parity/configurations.py" names)

# shellcheck source=tests/vm/machine.sh
. "$here/machine.sh"
# shellcheck source=tests/vm/observe.sh
. "$here/observe.sh"

say()
{
	printf '[%5ds] %s: %s\n' "$SECONDS" "$name" "$*"
}

# The inventory of the machine $name alone, with a login of its own.
inventory()
{
	python3 "$parity/configurations.py" inventory "$name" |
		python3 -c 'import json, sys
fleet = json.load(sys.stdin)
fleet["defaults"] = {"user": "root", "identity_file": sys.argv[1], "known_hosts": sys.argv[2], "host_keys": "strict"}
fleet["hosts"] = {sys.argv[3]: {"address": "127.0.0.1", "port": int(sys.argv[4])}}
print(json.dumps(fleet, indent=2))' "$image/id_ed25519" "$bed/known_hosts" "$name" "$(<"$bed/$name.port")" >"$bed/$name.json"
}

# fleet COMMAND [ARGUMENT…]: gpufleet on the machine $name.
fleet()
{
	local command=$1
	shift
	"$build/gpufleet" "$command" "$bed/$name.json" --state "$bed/$name.db" --no-color "$@" </dev/null
}

# What is to be compared, WHEN it is: the drivers, as they are once the boot has come to rest, and the report.
look()
{
	observe_boot "$name" "$1" && fleet scan >"$results/$name.$1.scan" 2>&1 &&
		fleet report --format json >"$results/$name.$1.json" && return
	say "it could not be looked at ($1)"
	tail -n 10 "$results/$name.$1.scan" 2>/dev/null
	return 1
}

machine()
{
	local name=$1 status=0
	"$here/plant.sh" "$image/base.raw" "$name" "$bed/$name.raw" && machine_create "$name" "$bed/$name.raw" &&
		inventory || return
	say "planted"
	machine_start "$name" && machine_wait "$name" 900 && look booted || return
	say "booted: $(python3 "$parity/parity.py" drivers "$results" "$name" booted)"
	if python3 "$parity/configurations.py" applies "$name"; then
		fleet apply --yes >"$results/$name.apply.out" 2>&1 || status=$?
		echo "$status" >"$results/$name.apply"
		look applied || return
		say "applied (exit status $status): $(python3 "$parity/parity.py" drivers "$results" "$name" applied)"
	fi
}

configuration()
{
	machine "$1"
	machine_stop "$1"
	cp "$bed/$1.serial" "$results/" 2>/dev/null
	rm -f "$bed/$1.raw" "$bed/$1.qcow2"
}

finish()
{
	local name running
	# Nothing new may start while the machines are stopped.
	mapfile -t running < <(jobs -rp)
	kill "${running[@]}" 2>/dev/null
	wait
	for name in "${names[@]}"; do
		machine_stop "$name"
	done
	rm -rf "$bed"
}

umask 077
mkdir -p "$results/simulator"
for name in "${names[@]}"; do
	rm -f "$results/$name".* "$results/simulator/$name".*
done
image=$("$here/image.sh") || exit 1
bed=$(mktemp -d "${TMPDIR:-/tmp}/gpufleet-vm.XXXXXX")
trap finish EXIT
trap 'exit 130' INT TERM HUP
# The next one starts as soon as one of two has ended.
for name in "${names[@]}"; do
	while [ "$(jobs -rp | wc -l)" -ge 2 ]; do
		wait -n
	done
	configuration "$name" &
done
wait
if [ -n "$record" ]; then
	mkdir -p "$parity/machines"
	for name in "${names[@]}"; do
		python3 "$parity/parity.py" golden "$results" "$name" >"$bed/golden" && cp "$bed/golden" "$parity/machines/$name"
	done
fi
echo "[$(printf %5d $SECONDS)s] the same configurations in the simulator"
python3 -B "$parity/simulate.py" "$build" "$results/simulator" "${names[@]}" >"$results/simulator.log" 2>&1 || {
	tail -n 20 "$results/simulator.log"
	exit 1
}
python3 "$parity/parity.py" table "$results" "$results/simulator" "${names[@]}"
status=$?
echo "all of it took $SECONDS s; outputs, consoles and observations are in $results"
[ $status = 0 ]
