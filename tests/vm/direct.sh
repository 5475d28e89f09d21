# shellcheck shell=bash disable=SC2154
# Machines that QEMU starts directly, without a disk: Debian's own kernel and an initramfs made here. Sourced
# by groups.sh and cases.sh, which set
#   here     the directory of this file
#   build    where gpufleet was built
#   work     a directory of the run's own
#   cache    where the kernel is kept
#   modules  the kernel modules that are wanted, separated by blanks (what they need comes along)
#   limit    seconds that a boot may take
#   memory   of a machine, in MiB

# Debian's own kernel, unpacked; sets $kernel to the directory: boot/vmlinuz-…, lib/modules.
direct_fetch_kernel()
{
	local package version
	package=$(apt-cache depends linux-image-amd64 | sed -n 's/.*Depends: \(linux-image-.*\)/\1/p')
	if [ -z "$package" ]; then
		echo "apt knows no linux-image-amd64" >&2
		return 1
	fi
	version=${package#linux-image-}
	kernel=$cache/direct-$package-$(sha256sum <<<"$modules" | cut -c1-12)
	[ ! -e "$kernel/boot" ] || return 0
	mkdir -p "$cache" "$work/kernel" "$work/kept/lib/modules/$version"
	(
		cd "$work" && apt-get -qq download "$package" 2>/dev/null &&
			dpkg-deb --fsys-tarfile "$package"_*.deb |
			tar -xC kernel --wildcards './boot/vmlinuz*' './lib/modules/*'
	) || {
		echo "$package could not be downloaded" >&2
		return 1
	}
	direct_keep_modules "$version" || return 1
	mv "$work/kernel/boot" "$work/kept/"
	rm -rf "$work/kernel" "$work/$package"_*.deb "$kernel"
	mv -T "$work/kept" "$kernel"
}

# Of the modules in $work/kernel those that are wanted and what they need go to $work/kept.
direct_keep_modules()
{
	local version=$1 file
	depmod -b "$work/kernel" "$version" || return 1
	# shellcheck disable=SC2086
	modprobe -d "$work/kernel" -S "$version" --show-depends -a $modules >"$work/depends" || return 1
	sed -n "s|^insmod $work/kernel/\([^ ]*\).*|\1|p" "$work/depends" | sort -u |
		while read -r file; do
			install -D -m 644 "$work/kernel/$file" "$work/kept/$file"
		done
	cp "$work/kernel/lib/modules/$version"/modules.{builtin,builtin.modinfo,order} "$work/kept/lib/modules/$version/"
	depmod -b "$work/kept" "$version"
}

# A program of this machine's with the libraries that it needs, for the initramfs.
direct_copy_program()
{
	local file
	{
		echo "$1"
		ldd "$1" | sed -n 's|^[^/]*\(/[^ ]*\) (0x.*|\1|p'
	} | while read -r file; do
		[ -e "$work/root$file" ] || install -D -m 755 "$file" "$work/root$file"
	done
}

# direct_make_root INIT: busybox, the agent, the modules, and INIT as its whole system.
direct_make_root()
{
	mkdir -p "$work/root"/{bin,etc,proc,sys,dev,run,tmp,var/tmp,agent,lib}
	cp "$(command -v busybox)" "$work/root/bin/busybox"
	install -m 755 "$1" "$work/root/init"
	tar -xzC "$work/root/agent" -f "$build/gpufleet-agent.tar.gz"
	cp -r "$kernel/lib/modules" "$work/root/lib/"
}

direct_make_initramfs()
{
	(cd "$work/root" && find . | cpio --quiet -o -H newc) >"$work/initramfs.img"
}

# direct_boot NAME OUT ARGUMENTS… : KERNEL-ARGUMENTS… : returns when the machine has switched itself off. Its second
# serial line is OUT/answers.
direct_boot()
{
	local name=$1 out=$2 arguments=()
	shift 2
	mkdir -p "$out"
	rm -f "$out"/*
	while [ "$1" != : ]; do
		arguments+=("$1")
		shift
	done
	shift
	timeout -k 10 "$limit" qemu-system-x86_64 -name "$name" -accel tcg -machine q35,kernel-irqchip=split -m "$memory" \
		-nodefaults -no-user-config -display none -no-reboot \
		-serial "file:$out/console" -serial "file:$out/answers" \
		-kernel "$kernel"/boot/vmlinuz* -initrd "$work/initramfs.img" \
		-append "console=ttyS0 quiet panic=-1 mitigations=off no_timer_check norandmaps $*" \
		"${arguments[@]}" 2>"$out/qemu" &
	echo $! >"$work/$name.pid"
	wait $!
	rm -f "$work/$name.pid"
}

# Stops what runs and removes what was made.
direct_cleanup()
{
	local file
	for file in "$work"/*.pid; do
		[ ! -e "$file" ] || kill "$(<"$file")" 2>/dev/null
	done
	rm -rf "$work"
}
