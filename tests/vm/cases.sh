#!/bin/bash
# What decides whether a device can be given to a guest, one property a machine: what gpufleet says, what its peers say,
# and what QEMU does when it is asked for the device there.
#   cases.sh [--record] BUILD_DIR [NAME…]
# The cases, with the verdicts that are expected, are cases.json. --record keeps the facts as fixtures of the unit
# tests (tests/unit/cases). What everybody said is kept in BUILD_DIR/vm-cases.
set -uo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
record=
if [ "${1:-}" = --record ]; then
	record=1
	shift
fi
if [ $# -lt 1 ] || [ ! -x "$1/cases_tool" ] || [ ! -e "$1/gpufleet-agent.tar.gz" ]; then
	echo "usage: $0 [--record] BUILD_DIR [NAME…] (where gpufleet was built)" >&2
	exit 1
fi
build=$(cd "$1" && pwd)
shift
mapfile -t names < <(python3 "$here/cases.py" names "$@")
[ "${#names[@]}" != 0 ] || exit 1
results=$build/vm-cases
cache=${XDG_CACHE_HOME:-$HOME/.cache}/gpufleet/vm
modules='vfio-pci vfio_iommu_type1 pci-stub pci-pf-stub qemu_fw_cfg bochs nvme e1000 snd_hda_intel xhci-pci'
memory=1024
limit=900 # seconds that a machine may take; a minute on an idle machine
work=$(mktemp -d "${TMPDIR:-/tmp}/gpufleet-cases.XXXXXX")

# shellcheck source=tests/vm/direct.sh
. "$here/direct.sh"
trap direct_cleanup EXIT
trap 'exit 130' INT TERM HUP

# driverctl, unpacked: installed, it would have an eye on this machine's devices.
unpack_driverctl()
{
	mkdir "$work/driverctl"
	(cd "$work/driverctl" && apt-get -qq download driverctl 2>/dev/null && dpkg-deb -x driverctl_*.deb .) || {
		echo "driverctl could not be downloaded" >&2
		return 1
	}
	install -D "$work/driverctl/usr/sbin/driverctl" "$work/root/usr/sbin/driverctl"
}

make_root()
{
	direct_make_root "$here/cases-init"
	unpack_driverctl || return 1
	local program
	for program in /bin/bash /usr/bin/qemu-system-x86_64 /usr/lib/x86_64-linux-gnu/qemu/accel-tcg-x86_64.so /usr/bin/virt-host-validate; do
		direct_copy_program "$program"
	done
	direct_copy_program "$(command -v kmod)"
	mkdir -p "$work/root/sbin" "$work/root/usr/share/seabios"
	ln -s "$(command -v kmod)" "$work/root/sbin/modprobe"
	cp -r /usr/share/seabios "$work/root/usr/share/"
	install -D /usr/share/qemu/kvmvapic.bin "$work/root/usr/share/qemu/kvmvapic.bin"
}

machine()
{
	local name=$1 start=$SECONDS out=$results/$1 arguments=()
	python3 "$here/cases.py" tar "$name" "$work/$name.tar" || return 1
	mapfile -t arguments < <(python3 "$here/cases.py" qemu "$name")
	direct_boot "$name" "$out" -fw_cfg "name=opt/org.gpufleet/case,file=$work/$name.tar" "${arguments[@]}" : \
		"$(python3 "$here/cases.py" append "$name")"
	if ! python3 "$here/cases.py" split "$name" "$out"; then
		tail -n 5 "$out/console" "$out/qemu" >&2
		return 1
	fi
	echo "$name: asked everybody ($((SECONDS - start)) s)" >&2
}

direct_fetch_kernel && make_root && direct_make_initramfs || exit 1
mkdir -p "$results"
# The next one starts as soon as one of two has ended.
for name in "${names[@]}"; do
	while [ "$(jobs -rp | wc -l)" -ge 2 ]; do
		wait -n
	done
	machine "$name" &
done
wait
python3 "$here/cases.py" table "$build/cases_tool" "$results" "${names[@]}" | tee "$results/table"
status=${PIPESTATUS[0]}
if [ -n "$record" ]; then
	mkdir -p "$here/../unit/cases"
	for name in "${names[@]}"; do
		[ ! -e "$results/$name/facts.json" ] || cp "$results/$name/facts.json" "$here/../unit/cases/$name.json"
	done
fi
echo "all of it took $SECONDS s; what everybody said is in $results"
exit "$status"
