#!/bin/bash
# Boot changes that are tried once before they become the default, on real virtual machines: a
# trial that panics, and power cuts between stage and trial, in the trial, and between proof and
# commit; a trial that panics on a machine whose initramfs is dracut's; one without a network, which
# goes back by itself; and power cuts while an initramfs is built. Each must leave a machine that boots and that the next apply completes.
#   trial.sh BUILD_DIR [SCENARIO…]
# Every scenario has a machine of its own, fresh from the image; two run at a time. What was seen is
# kept in BUILD_DIR/vm-trial. README.md says more.
set -uo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
if [ $# -lt 1 ] || [ ! -x "$1/gpufleet" ]; then
	echo "usage: $0 BUILD_DIR [SCENARIO…] (where gpufleet was built)" >&2
	exit 1
fi
build=$(cd "$1" && pwd)
shift
results=$build/vm-trial
scenarios=("$@")
[ $# != 0 ] || scenarios=(panic staged trial commit dracut network initramfs)
wanted='0000:01:00.0 0000:01:00.1 0000:02:00.0 0000:02:00.1'
# Without what update-initramfs leaves beside them when its power is cut.
images='sha256sum $(ls /boot/initrd.img-* | grep -v -e "[.]new$" -e "[.]dpkg-bak$")'

# shellcheck source=tests/vm/machine.sh
. "$here/machine.sh"
# shellcheck source=tests/vm/observe.sh
. "$here/observe.sh"
# shellcheck source=tests/bed/checks.sh
. "$here/../bed/checks.sh"

# inventory NAME KERNEL_ARGUMENTS [CONFIRM_TIMEOUT]
inventory()
{
	cat >"$bed/$1.json" <<-END
		{
		  "version": 1,
		  "fleet": "vm-$1",
		  "playbook": "gpu-passthrough",
		  "defaults": {"user": "root", "identity_file": "$image/id_ed25519",
		               "known_hosts": "$bed/known_hosts", "host_keys": "strict"},
		  "groups": {"computes": {"role": "compute", "hosts": ["$1"]}},
		  "hosts": {"$1": {"address": "127.0.0.1", "port": $(<"$bed/$1.port"), "kernel_args": {"add": [$2]}}},
		  "gpus": [
		    {"alias": "radeon", "vendor": "1002", "device": "5159", "functions": "all"},
		    {"alias": "bochs", "vendor": "1234", "device": "1111", "functions": "all", "except": ["0000:00:01.0"]}
		  ],
		  "rollout": {"waves": ["100%"], "max_unavailable": 1, "max_failures": 1, "boot_timeout": "15m",
		              "confirm_timeout": "${3:-15m}"}
		}
	END
}

# inventory_pair NAME OTHER KERNEL_ARGUMENTS CONFIRM_TIMEOUT: two machines, the arguments for the first.
inventory_pair()
{
	inventory "$1" "$3" "$4"
	python3 - "$bed/$1.json" "$2" "$(<"$bed/$2.port")" <<-'END'
		import json, sys
		path, other, port = sys.argv[1:]
		with open(path, encoding="utf-8") as file:
		    fleet = json.load(file)
		fleet["groups"]["computes"]["hosts"].append(other)
		fleet["hosts"][other] = {"address": "127.0.0.1", "port": int(port)}
		with open(path, "w", encoding="utf-8") as file:
		    json.dump(fleet, file, indent=2)
	END
}

# apply NAME WHEN: in the background; its process is $apply.
apply()
{
	"$build/gpufleet" apply "$bed/$1.json" --state "$bed/$1.db" --no-color --yes \
		>"$results/$1.$2.out" 2>&1 </dev/null &
	apply=$!
}

# apply_ends NAME WHEN STATUS SAYING
apply_ends()
{
	local status=0
	wait "$apply" || status=$?
	check "$1: $4" exited "$1" "$2" "$3" "$status"
}

exited()
{
	[ "$4" = "$3" ] && return
	echo "it exited $4:"
	tail -n 25 "$results/$1.$2.out"
	return 1
}

# complete NAME: the next apply brings the machine where it should be, for good.
complete()
{
	apply "$1" next
	apply_ends "$1" next 0 "the next apply exits 0" || return
	menu "$1" completed
	old=$(machine_ssh "$1" cat /proc/sys/kernel/random/boot_id)
	machine_ssh "$1" systemctl reboot
	machine_wait "$1" 600 "$old" || return
	observe "$1" default
	check "$1: after one more, ordinary reboot vfio-pci has the cards' functions and nothing else" \
		observe_vfio_only "$1" default
	check "$1: that was the default entry" default_runs "$1"
	check "$1: nothing of the trial is left" nothing_left "$1"
}

default_runs()
{
	machine_ssh "$1" '! grep gpufleet.op /proc/cmdline && grep -q iommu=pt /proc/cmdline'
}

nothing_left()
{
	local found
	found=$(machine_ssh "$1" 'find /etc /boot -name "*gpufleet-restore*" -o -name "*gpufleet-confirm*" -o -name "*gpufleet-trial*" -o -name custom.cfg
		ls /var/lib/gpufleet/trial.json 2>/dev/null; grep -a next_entry=. /boot/grub/grubenv')
	[ -z "$found" ] || {
		echo "$found"
		return 1
	}
}

# menu NAME WHEN: what GRUB goes by, and what runs.
menu()
{
	echo "---- $1, $2"
	machine_ssh "$1" '
		echo "grubenv:"; grub-editenv /boot/grub/grubenv list | sed "s/^/    /"
		echo "menu:"; sed -n "s/^\(set\|   set\) default=/    default=/p; s/^\(menuentry\|submenu\) .\([^'"'"']*\).*/    \2/p" \
			/boot/grub/grub.cfg /boot/grub/custom.cfg 2>/dev/null
		echo "default entry:"; grep -m1 "^	linux" /boot/grub/grub.cfg | sed "s/^	/    /"
		[ ! -e /boot/grub/custom.cfg ] || { echo "custom.cfg:"; grep -E "BEGIN|menuentry|linux|initrd|END" /boot/grub/custom.cfg | sed "s/^/    /"; }
		[ ! -e /var/lib/gpufleet/trial.json ] || { echo "trial.json:"; sed "s/^/    /" /var/lib/gpufleet/trial.json; }
		echo "running:"; sed "s/^/    /" /proc/cmdline' </dev/null | tee "$results/$1.$2.menu"
}

# power_cut NAME: nothing is written any more; the controller goes with it.
power_cut()
{
	kill -9 "$apply" "$(<"$bed/$1.pid")" 2>/dev/null
	wait "$apply" 2>/dev/null
	while machine_alive "$1"; do
		sleep 0.2
	done
	echo "---- $1: the power is cut (and the controller killed)"
	cp "$bed/$1.serial" "$results/$1.serial.before"
}

power_on()
{
	machine_start "$1" && machine_wait "$1" 600
}

# The one-time choice is in grubenv. No program is started for a look: the machine has enough to do.
# shellcheck disable=SC2016
choice_made='while read -r line && [ "$line" != next_entry=gpufleet-trial ]; do :; done </boot/grub/grubenv
	[ "$line" = next_entry=gpufleet-trial ]'

# machine_until NAME SECONDS COMMAND [EVERY]: it comes true inside the machine; looked at ten times a
# second, or each EVERY seconds.
machine_until()
{
	timeout "$2" bash -c 'until "$@" 2>/dev/null; do sleep 1; done' sh \
		ssh -F /dev/null -o BatchMode=yes -o ConnectTimeout=5 -o LogLevel=ERROR \
		-o UserKnownHostsFile="$bed/known_hosts" -o IdentitiesOnly=yes -i "$image/id_ed25519" \
		-p "$(<"$bed/$1.port")" root@127.0.0.1 "for i in \$(seq 600); do if $3; then exit 0; fi; sleep ${4:-0.1}; done; exit 1" </dev/null
}

as_before()
{
	check "$1: every driver is as before" observe_same drivers "$1" stock after
	check "$1: /etc and /boot are byte for byte what they were" observe_same files "$1" stock after
	check "$1: the initramfs is the untouched one" observe_same image "$1" stock after
}

start()
{
	machine_start "$1" && machine_wait "$1" 600 || return
	observe "$1" stock
	machine_ssh "$1" "$images" >"$results/$1.stock.image"
}

after()
{
	observe "$1" after
	machine_ssh "$1" "$images" >"$results/$1.after.image"
	menu "$1" after
	restored "$1"
}

# Who put the files back, and when, beside the units that load drivers. What ran before the journal
# is in it as the kernel's.
restored()
{
	machine_ssh "$1" 'grep -h operation /var/lib/gpufleet/operations/*/undone 2>/dev/null
		journalctl -q -b -o short-monotonic --no-hostname | grep -E "systemd\[1\]: (Starting|Started|Finished) (gpufleet-restore|systemd-(remount-fs|modules-load|udevd|udev-trigger)[.])"' </dev/null
}

# The trial's command line panics, and would hang for ever (panic=0).
scenario_panic()
{
	inventory "$1" '"rdinit=/nonexistent", "panic=0"'
	apply "$1" apply
	check "$1: the trial is staged" machine_until "$1" 400 "$choice_made" || return
	menu "$1" staged
	# shellcheck disable=SC2016
	check "$1: the trial panics" timeout 400 bash -c 'until grep -qa "Kernel panic" "$0"; do sleep 1; done' "$bed/$1.serial" || return
	grep -a -m1 "Kernel panic" "$bed/$1.serial"
	cp "$bed/$1.serial" "$results/$1.serial.before"
	echo "---- $1: the power is switched off and on"
	kill -9 "$(<"$bed/$1.pid")"
	while machine_alive "$1"; do
		sleep 0.2
	done
	check "$1: it boots" power_on "$1" || return
	apply_ends "$1" apply 2 "apply, which has waited, exits 2"
	grep -a 'failed' "$results/$1.apply.out" | head -n 1
	check "$1: it says why" grep -q 'the trial boot did not come up: the host is back on its former boot entry, files restored' \
		"$results/$1.apply.out"
	after "$1"
	as_before "$1"
}

# After the one-time choice was written, before the machine goes down for its reboot.
scenario_staged()
{
	inventory "$1" ''
	apply "$1" apply
	check "$1: the trial is staged" machine_until "$1" 400 "$choice_made" || return
	power_cut "$1"
	check "$1: it boots" power_on "$1" || return
	after "$1"
	complete "$1"
}

# While modules are being copied for the trial's image, and, in the next apply, once update-initramfs
# has begun to replace the default's.
# shellcheck disable=SC2016
scenario_initramfs()
{
	inventory "$1" ''
	apply "$1" apply
	check "$1: the trial's initramfs is being built" machine_until "$1" 900 \
		'set -- /var/tmp/mkinitramfs_*/usr/lib/modules/*/kernel; [ -e "$1" ]' || return
	power_cut "$1"
	check "$1: it boots" power_on "$1" || return
	after "$1"
	as_before "$1"
	apply "$1" second
	check "$1: update-initramfs builds the default's anew" machine_until "$1" 1800 \
		'set -- /boot/initrd.img-*.new; [ -e "$1" ]' || return
	power_cut "$1"
	check "$1: it boots again" power_on "$1" || return
	after "$1"
	check "$1: the initramfs is still the untouched one" observe_same image "$1" stock after
	complete "$1"
}

# While the trial runs, before anything is proven.
scenario_trial()
{
	inventory "$1" ''
	apply "$1" apply
	check "$1: the trial runs" machine_until "$1" 600 'grep -q gpufleet.op= /proc/cmdline' || return
	power_cut "$1"
	check "$1: it boots" power_on "$1" || return
	after "$1"
	as_before "$1"
	complete "$1"
}

# The trial is proven and on its way to be the default.
scenario_commit()
{
	inventory "$1" ''
	apply "$1" apply
	check "$1: the commit begins" machine_until "$1" 900 'grep -q committing /var/lib/gpufleet/trial.json' || return
	power_cut "$1"
	check "$1: it boots" power_on "$1" || return
	after "$1"
	complete "$1"
}

# The trial's command line panics; the machine starts again by itself, into the default entry. The
# images are dracut's, beside the trial's as beside the default's.
scenario_dracut()
{
	inventory "$1" '"rdinit=/nonexistent"'
	apply "$1" apply
	# All of dracut is shell: a build takes many minutes on a busy machine.
	check "$1: the trial is staged" machine_until "$1" 2400 "$choice_made" 0.5 || return
	menu "$1" staged
	# shellcheck disable=SC2016
	check "$1: the trial panics" timeout 400 bash -c 'until grep -qa "Kernel panic" "$0"; do sleep 1; done' "$bed/$1.serial" || return
	grep -a -m1 "Kernel panic" "$bed/$1.serial"
	apply_ends "$1" apply 2 "apply, which has waited, exits 2"
	grep -a 'failed' "$results/$1.apply.out" | head -n 1
	check "$1: it says why" grep -q 'the trial boot did not come up: the host is back on its former boot entry, files restored' \
		"$results/$1.apply.out"
	after "$1"
	as_before "$1"
	inventory "$1" ''
	complete "$1"
	check "$1: the image is dracut's, with gpufleet's hook before udev" machine_ssh "$1" \
		'lsinitrd "/boot/initrd.img-$(uname -r)" | grep -q "hooks/pre-udev/00-gpufleet-bind.sh"'
}

# The trial comes up without a network: nobody can reach it, so it goes back by itself, is counted as
# rolled back, and the other machine of the same run is done.
scenario_network()
{
	local other=$1-other
	machine_create "$other"
	check "$1: the other machine starts" start "$other" || return
	inventory_pair "$1" "$other" '"modprobe.blacklist=virtio_net"' 4m
	apply "$1" apply
	check "$1: the trial is staged" machine_until "$1" 400 "$choice_made" || return
	menu "$1" staged
	apply_ends "$1" apply 2 "apply, which has waited, exits 2"
	sed -n '/: applying/,$p' "$results/$1.apply.out"
	check "$1: it is rolled back, and says why" grep -q "$1: failed: rolled back: its trial boot was not reached and proven" \
		"$results/$1.apply.out"
	check "$1: the other machine is done" grep -q "$other: done: changed and rebooted" "$results/$1.apply.out"
	observe "$other" after
	check "$other: vfio-pci has the cards' functions and nothing else" observe_vfio_only "$other" after
	after "$1"
	as_before "$1"
	machine_stop "$other"
	inventory "$1" ''
	complete "$1"
}

scenario()
{
	local began=$SECONDS
	check "$1: it starts" start "$1" && menu "$1" before && "scenario_$1" "$1"
	[ -z "${apply:-}" ] || kill -9 "$apply" 2>/dev/null
	machine_stop "$1"
	cp "$bed/$1.serial" "$results/" 2>/dev/null
	echo "---- $1: $((SECONDS - began)) s"
}

finish()
{
	local name
	for name in "${scenarios[@]}"; do
		machine_stop "$name"
		machine_stop "$name-other"
	done
	rm -rf "$bed"
}

umask 077
rm -rf "$results"
mkdir -p "$results"
stock=$("$here/image.sh") || exit 1
with_dracut=
case " ${scenarios[*]} " in
*" dracut "*) with_dracut=$("$here/image_dracut.sh") || exit 1 ;;
esac
bed=$(mktemp -d "${TMPDIR:-/tmp}/gpufleet-vm.XXXXXX")
trap finish EXIT
trap 'exit 130' INT TERM HUP
for name in "${scenarios[@]}"; do
	# The key that may log in is the same.
	image=$stock
	[ "$name" != dracut ] || image=$with_dracut
	machine_create "$name" || exit 1
done
for ((i = 0; i < ${#scenarios[@]}; i += 2)); do
	for name in "${scenarios[@]:i:2}"; do
		scenario "$name" >"$results/$name.log" 2>&1 &
	done
	wait
	for name in "${scenarios[@]:i:2}"; do
		cat "$results/$name.log"
	done
done
passed=$(cat "$results"/*.log | grep -c '^PASS')
failed=$(cat "$results"/*.log | grep -c '^FAIL')
echo "all of it took $SECONDS s; outputs, consoles and observations are in $results"
echo "$passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" != 0 ]
