#!/bin/bash
# The two-machine path: stock Debian machines to GPUs on vfio-pci and back.
#   run.sh [--quick] [--keep] BUILD_DIR
# BUILD_DIR holds the built gpufleet. --quick leaves out the extra reboot and
# the nested guest (GPUFLEET_VM_QUICK=1 does, too); --keep leaves the machines
# running at the end. What was seen is kept in BUILD_DIR/vm. README.md says more.
set -uo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
quick=${GPUFLEET_VM_QUICK:-} keep=
while [ $# -gt 0 ]; do
	case $1 in
	--quick) quick=1 ;;
	--keep) keep=1 ;;
	-*) set -- ;;
	*) break ;;
	esac
	shift || break
done
if [ $# != 1 ] || [ ! -x "$1/gpufleet" ]; then
	echo "usage: $0 [--quick] [--keep] BUILD_DIR (where gpufleet was built)" >&2
	exit 1
fi
build=$(cd "$1" && pwd)
results=$build/vm
machines=(vm1 vm2)
wanted='0000:01:00.0 0000:01:00.1 0000:02:00.0 0000:02:00.1'

# shellcheck source=tests/vm/machine.sh
. "$here/machine.sh"
# shellcheck source=tests/vm/observe.sh
. "$here/observe.sh"
# shellcheck source=tests/bed/checks.sh
. "$here/../bed/checks.sh"

# gpufleet_run NAME LIMIT EXPECTED COMMAND [ARGUMENT…]: the exit status must be
# the expected one; the output goes to NAME.out and NAME.err.
gpufleet_run()
{
	local name=$1 limit=$2 expected=$3 command=$4 status=0
	shift 4
	# In the foreground: what ends this script ends gpufleet, too, and not after it.
	timeout --foreground -k 30 "$limit" "$build/gpufleet" "$command" "$bed/inventory.json" \
		--state "$bed/state.db" --no-color "$@" \
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

finish()
{
	local status=$? name
	if [ -n "$keep" ] && [ "$status" != 130 ]; then
		echo "The machines go on running. To log in: ssh -i $image/id_ed25519 -o UserKnownHostsFile=$bed/known_hosts" \
			"-p PORT root@127.0.0.1; ports: $(cat "$bed"/*.port | xargs). To end them: kill \$(cat $bed/*.pid); rm -r $bed"
		return
	fi
	for name in "${machines[@]}"; do
		machine_stop "$name"
		if [ -e "$bed/$name.serial" ]; then
			cp "$bed/$name.serial" "$results/"
		fi
	done
	rm -rf "$bed"
}

start_machines()
{
	local name
	for name in "${machines[@]}"; do
		machine_create "$name" && machine_start "$name" || return
	done
	for name in "${machines[@]}"; do
		machine_wait "$name" 600 || return
	done
	machine_inventory "$bed/inventory.json" "${machines[@]}"
	service_record "$bed/inventory.json" "$results/service.log"
}

# service_record INVENTORY FILE: when each machine is drained and undrained is written to FILE.
service_record()
{
	: >"$2"
	python3 - "$1" "$2" <<-'END'
		import json, sys

		inventory, log = sys.argv[1:]
		with open(inventory, encoding="utf-8") as file:
		    fleet = json.load(file)
		for name in "drain", "undrain":
		    fleet["rollout"][name] = ["/bin/sh", "-c", f'echo {name} "$GPUFLEET_HOST" "$(date +%s)" >>"$0"', log]
		with open(inventory, "w", encoding="utf-8") as file:
		    json.dump(fleet, file)
	END
}

# seconds_of NAME EVENT: of the day, when apply said so first.
seconds_of()
{
	awk -v event="^[0-9:]+ $1: $2" '$0 ~ event { split($1, t, ":"); print t[1] * 3600 + t[2] * 60 + t[3]; exit }' "$results/apply.out"
}

# service_print NAME: how long it was out of service, and why.
service_print()
{
	local out back reboot
	out=$(awk -v name="$1" '$1 == "drain" && $2 == name { print $3 }' "$results/service.log")
	back=$(awk -v name="$1" '$1 == "undrain" && $2 == name { print $3; exit }' "$results/service.log")
	reboot=$((($(seconds_of "$1" rebooted) - $(seconds_of "$1" rebooting) + 86400) % 86400))
	echo "     $1 was out of service for $((back - out)) s, $reboot s of them for its reboot"
}

# undrained_early NAME: says what is wrong unless it was back before its trial was made the default.
undrained_early()
{
	awk -v name="$1:" '$2 == name && $3 == "undraining" { back = NR } $2 == name && $3 == "committing" { made = NR }
		END { if (back && made && back < made) exit 0; print "undraining in line " back ", committing in line " made; exit 1 }' "$results/apply.out"
}

on_stock()
{
	step 'stock machines' 120
	observe_all stock
	for name in "${machines[@]}"; do
		check "$name: at the stock boot radeon, bochs-drm and snd_hda_intel hold the cards" \
			observe_competitors "$name" stock
		check "$name: radeon, bochs and snd_hda_intel are in the stock initramfs" \
			observe_competing_modules "$name" stock
		check "$name: at the stock boot every device has the driver it has on a simulated host" \
			observe_drivers "$name" stock stock
	done
	step 'scan' 60
	gpufleet_run scan 600 0 scan
	gpufleet_run report-stock 60 0 report --format json
	check "the report of stock machines is the simulated fleet's" observe_report "$results/report-stock.out" stock
	step 'plan' 60
	gpufleet_run plan 600 2 plan
	check 'the plan shows diffs of the files' grep -Eq '^[ 	]*\+[^+]' "$results/plan.out"
	check 'the plan names vfio-pci' grep -q 'vfio-pci' "$results/plan.out"
	observe_all after-plan
	for name in "${machines[@]}"; do
		check "$name: plan changed no file" observe_same files "$name" stock after-plan
		check "$name: plan rebooted nothing" observe_same boot "$name" stock after-plan
	done
}

to_vfio()
{
	step 'apply' 420
	gpufleet_run apply 1500 0 apply --yes
	observe_all applied
	for name in "${machines[@]}"; do
		check "$name: apply rebooted it" observe_other_boot "$name" after-plan applied
		check "$name: lspci -nnk shows vfio-pci on the cards' functions and on nothing else" \
			observe_vfio_only "$name" applied
		check "$name: after apply every device has the driver it has on a simulated host" \
			observe_drivers "$name" applied applied
		check "$name: it was back in service before its trial was made the default" undrained_early "$name"
		service_print "$name"
	done
	step 'report' 10
	gpufleet_run report 60 0 report --format json
	check 'the report says that both cards of both machines are ready' \
		python3 "$here/ready.py" "$results/report.out" 4
	check "the report after apply is the simulated fleet's" observe_report "$results/report.out" applied
}

again()
{
	step 'second apply' 90
	gpufleet_run again 900 0 apply --yes
	observe_all again
	for name in "${machines[@]}"; do
		check "$name: the second apply changed no file" observe_same files "$name" applied again
		check "$name: the second apply rebooted nothing" observe_same boot "$name" applied again
	done
}

one_more_boot()
{
	local old
	step 'one more reboot' 120
	if [ -n "$quick" ]; then
		skip 'the cards are on vfio-pci after one more reboot' 'a quick run'
		return
	fi
	for name in "${machines[@]}"; do
		machine_ssh "$name" systemctl reboot
	done
	for name in "${machines[@]}"; do
		old=$(<"$results/$name.again.boot")
		machine_wait "$name" 600 "$old"
	done
	observe_all rebooted
	for name in "${machines[@]}"; do
		check "$name: after one more reboot, vfio-pci has the cards' functions and nothing else" \
			observe_vfio_only "$name" rebooted
		check "$name: after one more reboot every device has the driver it has on a simulated host" \
			observe_drivers "$name" rebooted applied
	done
}

# Until a process in vm2 holds the card's group open.
guest_awaited()
{
	machine_ssh vm2 'group=$(basename "$(readlink /sys/bus/pci/devices/0000:01:00.0/iommu_group)")
		for i in $(seq 60); do
			readlink /proc/[0-9]*/fd/* | grep -qx "/dev/vfio/$group" && exit
			sleep 1
		done
		echo "nobody holds /dev/vfio/$group after a minute"
		exit 1'
}

nested_guest()
{
	local guest say='vm2: a guest inside it finds the card and its audio function on its own PCI bus'
	step 'guest in a machine' 150
	if [ -n "$quick" ]; then
		skip "$say" 'a quick run'
		return
	fi
	machine_ssh vm2 bash -s 0000:01:00 600 <"$here/guest.sh" >"$results/guest.out" 2>&1 &
	guest=$!
	check 'vm2: the guest takes the card' guest_awaited
	gpufleet_run reboot 600 2 reboot --yes --limit vm2
	check 'vm2: reboot says that a guest is running' grep -Eq 'guest (is running|runs)' "$results/reboot.out"
	wait "$guest"
	observe vm2 guest
	check 'vm2: reboot left it running while the guest ran' observe_same boot vm2 rebooted guest
	check "$say" observe_guest "$results/guest.out"
}

and_back()
{
	step 'rollback' 420
	gpufleet_run rollback 1500 0 rollback --yes
	observe_all rolled-back
	for name in "${machines[@]}"; do
		check "$name: rollback rebooted it" observe_other_boot "$name" again rolled-back
		check "$name: every driver is as at the stock boot" \
			observe_same drivers "$name" stock rolled-back
		check "$name: /etc and /boot are byte for byte what they were" \
			observe_same files "$name" stock rolled-back
		check "$name: the initramfs holds what it held" \
			observe_same initramfs "$name" stock rolled-back
	done
	step 'scan' 60
	gpufleet_run scan-back 600 0 scan
	gpufleet_run report-back 60 0 report --format json
	check "the report after rollback is the stock machines', and the simulated fleet's" \
		observe_report "$results/report-back.out" stock
}

umask 077
rm -rf "$results"
mkdir -p "$results"
step 'image' 360
image=$("$here/image.sh") || exit 1
bed=$(mktemp -d "${TMPDIR:-/tmp}/gpufleet-vm.XXXXXX")
trap finish EXIT
trap 'exit 130' INT TERM HUP
step 'first boot' 150
check 'both machines start' start_machines
# What comes later means nothing once what came before failed.
for part in on_stock to_vfio again one_more_boot nested_guest and_back; do
	if [ "$failed" = 0 ] || { [ $part = and_back ] && [ -e "$results/vm1.applied.boot" ]; }; then
		$part
	else
		skip "$part" 'something before it failed'
	fi
done
step_end
echo "all of it took $SECONDS s; outputs, consoles and observations are in $results"
if [ "$skipped" != 0 ]; then
	echo "$skipped skipped"
fi
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
