#!/usr/bin/env bash
# demo.sh BUILD_DIR: the main job on simulated hosts, start to end: plan, apply with reboots, report.
# Exits 0 only when every step ended as it should and the report shows the expected cards.
set -euo pipefail
source_dir=$(cd "$(dirname "$(readlink -f "$0")")/../.." && pwd)
build=$(readlink -f "${1:?usage: demo.sh BUILD_DIR}")
gpufleet=$build/gpufleet
sim=$build/gpufleet-sim
out=$build/demo
rm -rf "$out"
mkdir -p "$out"
sim_pid=

cleanup() {
	if [[ -n $sim_pid ]]; then
		kill "$sim_pid" 2>/dev/null || true
		wait "$sim_pid" 2>/dev/null || true
	fi
	rm -rf "$hosts"
}

# The hosts' files are many and small: in memory where programs may run from there.
hosts=
for place in /dev/shm "$out"; do
	hosts=$(mktemp -d "$place/gpufleet-demo.XXXXXX" 2>/dev/null) || continue
	printf '#!/bin/sh\n' >"$hosts/probe" && chmod +x "$hosts/probe"
	if "$hosts/probe" 2>/dev/null; then break; fi
	rm -rf "$hosts"
done
trap cleanup EXIT
trap 'exit 130' INT TERM

say() { printf '\n\033[1m%s\033[0m\n' "$*" | if [[ -t 1 && -z ${NO_COLOR:-} ]]; then cat; else sed 's/\x1b\[[0-9;]*m//g'; fi; }

# run EXPECTED ARGUMENTS…: shows and runs a gpufleet command, and checks its exit status.
run() {
	local expected=$1 status=0
	shift
	say "\$ gpufleet $*"
	"$gpufleet" "$@" || status=$?
	if ((status != expected)); then
		echo "demo: 'gpufleet $1' ended with $status; $expected was expected" >&2
		[[ -s $out/sim.log ]] && tail -n 20 "$out/sim.log" >&2
		exit 1
	fi
	echo "(exit status $status)"
}

say "Starting 14 simulated hosts"
"$sim" --dir "$hosts/state" "$source_dir/tests/sim/demo.json" >"$out/sim.log" 2>&1 &
sim_pid=$!
for _ in $(seq 300); do
	[[ -e $hosts/state/ready ]] && break
	kill -0 "$sim_pid" 2>/dev/null || {
		cat "$out/sim.log" >&2
		exit 1
	}
	sleep 0.1
done
cp "$hosts/state/inventory.json" "$out/inventory.json"
cat <<'EOF'
gpu01-04 two NVIDIA cards each     gpu05-06 AMD host, one Radeon card    gpu07 two twin cards, one wanted
gpu08    card in the NIC's group   gpu09    IOMMU off in the firmware    gpu10-11 done earlier
gpu12    switched off              gpu13    set up by hand, as in the blog post
EOF
inventory=$out/inventory.json
common=(--state "$out/demo.db")

say "Two of the hosts are taken to passthrough first, as an earlier run would have"
(run 0 apply "$inventory" "${common[@]}" --limit 'gpu[10-11]' --yes) >"$out/earlier.txt" || {
	tail -n 20 "$out/earlier.txt"
	exit 1
}
tail -n 2 "$out/earlier.txt"

say "What would change on the whole fleet? (2: changes are pending)"
run 2 plan "$inventory" "${common[@]}"

say "Now for real, with reboots (2: blocked hosts were left alone)"
run 2 apply "$inventory" "${common[@]}" --yes

say "The same command again changes nothing and reboots nothing"
boots_before=$(cat "$hosts"/state/hosts/*/control/boots | tr '\n' ' ')
run 2 apply "$inventory" "${common[@]}" --yes
boots_after=$(cat "$hosts"/state/hosts/*/control/boots | tr '\n' ' ')

run 0 report "$inventory" "${common[@]}" --format json --output "$out/report.json"

say "Checking what came out"
python3 - "$out/report.json" "$hosts/state/hosts" "$boots_before" "$boots_after" <<'EOF'
import json
import os
import sys

report = json.load(open(sys.argv[1]))
hosts_dir = sys.argv[2]
problems = []


def check(what, seen, expected):
    print(f"  {'ok  ' if seen == expected else 'FAIL'} {what}: {seen}" + ("" if seen == expected else f", expected {expected}"))
    if seen != expected:
        problems.append(what)


def vfio(host):
    return sorted(address for address, driver in drivers(host).items() if driver == "vfio-pci")


def drivers(host):
    base = f"{hosts_dir}/{host}/root/sys/bus/pci/devices"
    return {a: os.path.basename(os.readlink(f"{base}/{a}/driver")) for a in sorted(os.listdir(base))
            if os.path.islink(f"{base}/{a}/driver")}


hosts = {host["name"]: host for host in report["hosts"]}
nvidia = ["gpu%02d" % n for n in (1, 2, 3, 4, 10, 11, 13)]
for name in nvidia + ["gpu05", "gpu06", "gpu07"]:
    check(f"{name} is", hosts[name]["verdict"], "ready")
check("gpu08 (shared group) is", hosts["gpu08"]["verdict"], "blocked")
check("gpu09 (no IOMMU) is", hosts["gpu09"]["verdict"], "blocked")
check("gpu12 (switched off) is", hosts["gpu12"]["verdict"], "unknown")
check("cards ready", report["totals"]["ready"], 2 * len(nvidia) + 2 + 1)
check("cards blocked", report["totals"]["blocked"], 2)
cards = ["0000:01:00.0", "0000:01:00.1", "0000:02:00.0", "0000:02:00.1"]
for name in nvidia:
    check(f"{name} has on vfio-pci", vfio(name), cards)
check("gpu05 has on vfio-pci", vfio("gpu05"), ["0000:04:00.0", "0000:04:00.1"])
check("gpu07 has on vfio-pci", vfio("gpu07"), cards[2:])
check("gpu07's other card is on", drivers("gpu07")["0000:01:00.0"], "nouveau")
check("boots before and after the second apply", sys.argv[4], sys.argv[3])
sys.exit(bool(problems))
EOF

run 0 report "$inventory" "${common[@]}" --format text
say "All as expected. The report: $out/report.json (inventory and store are beside it)"
