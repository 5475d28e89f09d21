#!/bin/sh
# Makes a small simulated host in DIRECTORY/root, with the simulator's stand-ins for the programs of a host, and two twin
# cards with an audio function each: task_host.sh SIMULATOR_ROOTFS DIRECTORY
set -e
rootfs=$1 dir=$2
root=$dir/root
mkdir -p "$dir/control/units" "$dir/operations"
cp "$rootfs/../standin.sh" "$dir/control/"
cp -a "$rootfs" "$root"
cd "$root"
mkdir -p boot/grub etc/default/grub.d etc/modprobe.d etc/modules-load.d etc/initramfs-tools/hooks \
	etc/initramfs-tools/scripts/init-top var/tmp var/lib proc sys/bus/pci/devices sys/bus/pci/drivers
chmod 755 usr/sbin/* usr/bin/* usr/share/initramfs-tools/scripts/init-top/* 2>/dev/null || :
find . -name .gitkeep -delete
for version in lib/modules/*; do
	version=${version##*/}
	cut -d: -f1 "lib/modules/$version/modules.dep" | while read -r ko; do
		mkdir -p "lib/modules/$version/$(dirname "$ko")"
		echo "$ko" >"lib/modules/$version/$ko"
	done
done
: >"$dir/control/initramfs-modules"
cat >"$dir/control/sim" <<'END'
#!/bin/sh
exit 0
END
chmod 755 "$dir/control/sim"
echo "enabled active" >"$dir/control/units/nvidia-persistenced.service"
echo "disabled inactive" >"$dir/control/units/other.service"

device() { # ADDRESS VENDOR DEVICE DRIVER
	d=sys/bus/pci/devices/$1
	mkdir -p "$d" "sys/bus/pci/drivers/$4"
	echo "0x$2" >"$d/vendor"
	echo "0x$3" >"$d/device"
	echo 0x1462 >"$d/subsystem_vendor"
	echo 0x3609 >"$d/subsystem_device"
	echo "(null)" >"$d/driver_override"
	ln -s "../../drivers/$4" "$d/driver"
}
device 0000:01:00.0 10de 1b06 nouveau
device 0000:01:00.1 10de 10ef snd_hda_intel
device 0000:02:00.0 10de 1b06 nouveau
device 0000:02:00.1 10de 10ef snd_hda_intel
device 0000:00:1f.3 8086 a348 snd_hda_intel
: >sys/bus/pci/drivers_probe

GPUFLEET_SYSROOT=$root usr/sbin/update-grub 2>/dev/null
GPUFLEET_SYSROOT=$root usr/sbin/update-initramfs -u -k all >/dev/null
sed -n 's/^	linux	\([^ ]* \)/BOOT_IMAGE=\1/p' boot/grub/grub.cfg | head -n 1 >proc/cmdline
: >"$dir/control/programs.log"
