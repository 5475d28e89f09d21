#!/bin/sh
# Makes a simulated host of a written layout (tests/layouts/NAME) in DIRECTORY/root, with the stand-ins that its file PROGRAMS
# names, and a card: layout_host.sh TESTS NAME DIRECTORY
set -e
tests=$(cd "$1" && pwd) name=$2 dir=$3
root=$dir/root
mkdir -p "$dir/control/units" "$dir/operations"
cp "$tests/sim/standin.sh" "$dir/control/"
cp -a "$tests/layouts/$name" "$root"
cd "$root"
mkdir -p usr/sbin usr/bin boot etc/modprobe.d etc/modules-load.d var/tmp var/lib proc sys/bus/pci/devices sys/bus/pci/drivers
for program in $(cat PROGRAMS); do
	for from in "$tests/sim/programs" "$tests/sim/rootfs/usr/sbin" "$tests/sim/rootfs/usr/bin"; do
		[ ! -e "$from/$program" ] || cp "$from/$program" usr/sbin/
	done
	if [ "$program" = mkinitramfs ]; then
		cp "$tests/sim/rootfs/usr/bin/unmkinitramfs" usr/sbin/
		mkdir -p usr/share etc/initramfs-tools/hooks etc/initramfs-tools/scripts/init-top lib/modprobe.d boot/grub
		cp -a "$tests/sim/rootfs/usr/share/initramfs-tools" usr/share/
		cp -a "$tests/sim/rootfs/etc/initramfs-tools/." etc/initramfs-tools/
		chmod 755 usr/share/initramfs-tools/scripts/init-top/*
	fi
done
for version in lib/modules/*; do
	(cd "$version" && touch modules.alias modules.softdep && find kernel -name '*.ko*' | sed 's/$/:/' >modules.dep)
done
rm PROGRAMS
chmod 755 usr/sbin/*
echo /dev/mapper/rl-root >"$dir/control/root-device"
: >"$dir/control/initramfs-modules"
d=sys/bus/pci/devices/0000:01:00.0
mkdir -p "$d" sys/bus/pci/drivers/nouveau
echo 0x10de >"$d/vendor"
echo 0x1b06 >"$d/device"
echo 0x1462 >"$d/subsystem_vendor"
echo 0x3609 >"$d/subsystem_device"
ln -s ../../drivers/nouveau "$d/driver"
export GPUFLEET_SYSROOT="$root"
PATH=$root/usr/sbin:$PATH
if [ -e usr/sbin/update-grub ]; then
	update-grub 2>/dev/null
	update-initramfs -u -k all >/dev/null
fi
if [ -e usr/sbin/dracut ]; then
	for version in lib/modules/*; do
		version=${version##*/}
		case $name in
		debian*)
			dracut --force "$root/boot/initrd.img-$version" "$version"
			cp "$root/boot/initrd.img-$version" "$root/efi/$(cat etc/machine-id)/$version/"
			;;
		opensuse*) dracut --force "$root/boot/initrd-$version" "$version" ;;
		*) dracut --force "$root/boot/initramfs-$version.img" "$version" ;;
		esac
	done
fi
: >"$dir/control/programs.log"
