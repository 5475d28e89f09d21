#!/bin/sh
# Makes a Debian root with the programs that other distributions boot with, and packs it into FILE: make_root.sh MIRROR FILE
# To be run in a mount namespace of its own. Drivers that no test needs are left out: every image is built from what is there.
set -e
mirror=$1 file=$2
work=$(mktemp -d "${TMPDIR:-/tmp}/gpufleet-root.XXXXXX")
root=$work/root
trap 'umount "$root/proc" 2>/dev/null || :; rm -rf --one-file-system "$work"' EXIT
debootstrap --variant=minbase --include=systemd,udev,kmod,cpio,zstd bookworm "$root" "$mirror"
mount --bind /proc "$root/proc"
printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
chmod 755 "$root/usr/sbin/policy-rc.d"
# There is no disk to ask about.
mkdir -p "$root/etc/dracut.conf.d"
echo 'hostonly=no compress=cat' >"$root/etc/dracut.conf.d/00-test.conf"
install() {
	DEBIAN_FRONTEND=noninteractive chroot "$root" apt-get install -y --no-install-recommends "$@"
}
install dracut grub2-common tuned systemd-boot
install linux-image-amd64
for dir in net media iio infiniband staging hwmon platform isdn gpu usb hid mtd bluetooth input scsi; do
	rm -rf "$root"/lib/modules/*/kernel/drivers/$dir
done
rm -rf "$root"/lib/modules/*/kernel/sound "$root"/lib/modules/*/kernel/net "$root"/var/cache/apt "$root"/var/lib/apt/lists \
	"$root"/usr/share/doc "$root"/usr/share/locale "$root"/usr/share/man "$root"/boot/initrd.img-* "$root"/boot/System.map-*
kernel=$(basename "$root"/lib/modules/*)
chroot "$root" depmod "$kernel"
chroot "$root" dracut --force "/boot/initrd.img-$kernel" "$kernel"
umount "$root/proc"
mkdir -p "$root/var/cache/apt/archives/partial"
tar -czf "$file.$$" -C "$root" .
mv "$file.$$" "$file"
