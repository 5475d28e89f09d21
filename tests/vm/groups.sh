#!/bin/bash
# IOMMU groups: predicted from a boot without an IOMMU, and made by the kernel in a boot with one.
#   groups.sh [--record] BUILD_DIR [intel|amd…]
# One virtual machine for each vendor holds every topology of groups.py. It is booted without the IOMMU
# device, with it but switched off, and with it. --record keeps the facts as fixtures of the unit tests
# (tests/unit/topologies). What was seen is kept in BUILD_DIR/vm-groups.
set -uo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
record=
if [ "${1:-}" = --record ]; then
	record=1
	shift
fi
if [ $# -lt 1 ] || [ ! -x "$1/groups_tool" ] || [ ! -e "$1/gpufleet-agent.tar.gz" ]; then
	echo "usage: $0 [--record] BUILD_DIR [intel|amd…] (where gpufleet was built)" >&2
	exit 1
fi
build=$(cd "$1" && pwd)
shift
vendors=("$@")
[ $# != 0 ] || vendors=(intel amd)
results=$build/vm-groups
cache=${XDG_CACHE_HOME:-$HOME/.cache}/gpufleet/vm
modules='pci-pf-stub'
memory=640
limit=600 # seconds that a boot may take; half a minute on an idle machine
work=$(mktemp -d "${TMPDIR:-/tmp}/gpufleet-groups.XXXXXX")

# shellcheck source=tests/vm/direct.sh
. "$here/direct.sh"
trap direct_cleanup EXIT
trap 'exit 130' INT TERM HUP

# boot NAME ARGUMENTS… : KERNEL-ARGUMENTS…
boot()
{
	local name=$1 start=$SECONDS out=$results/$1
	shift
	direct_boot "$name" "$out" "$@"
	if ! python3 "$here/groups.py" split "$out/answers" "$out"; then
		tail -n 5 "$out/console" "$out/qemu" >&2
		return 1
	fi
	echo "booted $name: $(wc -l <"$out/real.groups") groups ($((SECONDS - start)) s)"
}

# The same machine three times; then the table.
vendor()
{
	local name=$1 cpu iommu off on
	case $name in
	intel) cpu=max,vendor=GenuineIntel iommu=intel-iommu,intremap=on,caching-mode=on off=intel_iommu=off on=intel_iommu=on ;;
	amd) cpu=max,vendor=AuthenticAMD iommu=amd-iommu,intremap=on off=amd_iommu=off on=amd_iommu=on ;;
	*)
		echo "no such vendor: $name" >&2
		return 1
		;;
	esac
	boot "$name-without" -cpu "$cpu" "${devices[@]}" : "$on" &&
		boot "$name-off" -cpu "$cpu" -device "$iommu" "${devices[@]}" : "$off" &&
		boot "$name-with" -cpu "$cpu" -device "$iommu" "${devices[@]}" : "$on" || return 1
	python3 "$here/groups.py" table "$build/groups_tool" "$results" "$name-with" "$name-without" "$name-off" |
		tee "$results/$name.table"
	[ "${PIPESTATUS[0]}" = 0 ] || return 1
	if [ -n "$record" ]; then
		mkdir -p "$here/../unit/topologies"
		local when
		for when in without with; do
			cp "$results/$name-$when/facts.json" "$here/../unit/topologies/$name-$when.json"
		done
	fi
}

direct_fetch_kernel || exit 1
direct_make_root "$here/groups-init"
direct_make_initramfs
mapfile -t devices < <(python3 "$here/groups.py" qemu)
mkdir -p "$results"
failed=0
for name in "${vendors[@]}"; do
	vendor "$name" || failed=1
done
echo
if [ "$failed" = 0 ]; then
	echo "Prediction equals reality in every topology."
else
	echo "NOT EQUAL, or a machine failed: see above and $results."
fi
exit "$failed"
