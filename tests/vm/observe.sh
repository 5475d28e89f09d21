# shellcheck shell=bash disable=SC2154,SC2016
# What the machines themselves say, and comparisons of it: sourced by run.sh.
# An observation WHEN of machine NAME is a few files in $results:
#   NAME.WHEN.boot, .drivers (address driver), .lspci, .files, .initramfs
# The functions below print what is wrong and return 1.

# Taken when the boot has come to rest: drivers may still be loading before.
observe_all()
{
	local when=$1 name
	for name in "${machines[@]}"; do
		observe "$name" "$when" &
	done
	wait
}

# observe_boot NAME WHEN: the boot and the drivers only.
observe_boot()
{
	local to=$results/$1.$2
	machine_ssh "$1" 'systemctl is-system-running --wait >/dev/null; udevadm settle
		cat /proc/sys/kernel/random/boot_id' >"$to.boot"
	machine_ssh "$1" lspci -Dnnk >"$to.lspci"
	awk '/^[0-9a-f]/ { at = $1 } /Kernel driver in use/ { print at, $NF }' "$to.lspci" >"$to.drivers"
}

observe()
{
	local to=$results/$1.$2
	observe_boot "$1" "$2"
	# The initramfs is compared by what it holds, GRUB's environment block not at all.
	machine_ssh "$1" '
		dracut=$(ls -d /usr/lib/dracut/modules.d 2>/dev/null)
		find /etc /boot $dracut -xdev ! -name "initrd.img-*" ! -name grubenv -type f -print0 |
			xargs -0 sha256sum
		find /etc /boot $dracut -xdev -printf "%p %y %m %U:%G %l\n"' | sort >"$to.files"
	machine_ssh "$1" 'if command -v lsinitramfs >/dev/null; then list=lsinitramfs; else list=lsinitrd; fi
		$list /boot/initrd.img-"$(uname -r)" | awk "{ print \$NF }" | sort' >"$to.initramfs"
}

# observe_same WHAT NAME WHEN WHEN
observe_same()
{
	if [ ! -s "$results/$2.$3.$1" ]; then
		echo "nothing was observed"
		return 1
	fi
	diff -U0 "$results/$2.$3.$1" "$results/$2.$4.$1"
}

observe_other_boot()
{
	[ -s "$results/$1.$3.boot" ] && ! cmp "$results/$1.$2.boot" "$results/$1.$3.boot" && return
	echo "the boot id is still $(<"$results/$1.$2.boot"), or it didn't answer"
	return 1
}

# observe_drivers NAME WHEN GOLDEN: the drivers of every device, as in a file that the simulator's
# hosts are held against, too.
observe_drivers()
{
	diff -U0 "$here/../parity/$3.drivers" "$results/$1.$2.drivers"
}

# observe_report REPORT GOLDEN
observe_report()
{
	python3 "$here/../parity/parity.py" report "$1" "$here/../parity/$2.json"
}

observe_competitors()
{
	diff - <(grep -E '^0000:0[12]:' "$results/$1.$2.drivers") <<-END
		0000:01:00.0 radeon
		0000:01:00.1 snd_hda_intel
		0000:02:00.0 bochs-drm
		0000:02:00.1 snd_hda_intel
	END
}

observe_competing_modules()
{
	local module
	for module in radeon bochs snd-hda-intel; do
		grep -q "/$module\.ko" "$results/$1.$2.initramfs" || {
			echo "$module isn't in it"
			return 1
		}
	done
}

observe_vfio_only()
{
	diff <(tr ' ' '\n' <<<"$wanted") <(sed -n 's/ vfio-pci$//p' "$results/$1.$2.drivers")
}

observe_guest()
{
	grep -q '^GUEST 0000:00:05.0 0x1002 0x5159 0x030000$' "$1" &&
		grep -q '^GUEST 0000:00:05.1 0x8086 0x293e 0x040300$' "$1" && return
	cat "$1"
	return 1
}
