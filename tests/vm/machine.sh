# shellcheck shell=bash disable=SC2154
# Virtual machines for the bed: sourced by run.sh, trial.sh and all.sh, which set
#   bed     the run's directory (disks, keys, logs, pid files live there)
#   image   the directory that image.sh printed
#   here    the directory of this file
# There is no KVM here: QEMU translates every instruction, and still gives the
# machine an IOMMU whose groups the guest's kernel makes itself.

machine_free_port()
{
	local port
	while :; do
		port=$((20000 + RANDOM % 20000))
		# Nobody listens: the connection is refused at once.
		if ! (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
			echo "$port"
			return
		fi
	done
}

# machine_create NAME [DISK]: its disk, on top of the image's or the one given, host key, port, and
# line in known_hosts.
machine_create()
{
	local name=$1 disk=${2:-$image/base.raw} port
	qemu-img create -q -f qcow2 -F raw -b "$disk" "$bed/$name.qcow2"
	ssh-keygen -q -t ed25519 -N '' -C "$name" -f "$bed/$name.hostkey"
	machine_free_port >"$bed/$name.port"
	port=$(<"$bed/$name.port")
	printf '[127.0.0.1]:%s,[%s]:%s %s\n' "$port" "$name" "$port" \
		"$(cut -d' ' -f1,2 "$bed/$name.hostkey.pub")" >>"$bed/known_hosts"
}

# machine_start NAME: returns as soon as QEMU runs. Two cards, each behind a root
# port of its own and so in an IOMMU group of its own:
#   0000:01:00.0 radeon, .1 audio     0000:02:00.0 bochs, .1 audio
# The boot display at 0000:00:01.0 has the second card's very id: a twin that
# nobody wants to lose.
machine_start()
{
	local name=$1
	qemu-system-x86_64 -name "$name" -daemonize -pidfile "$bed/$name.pid" \
		-accel tcg,thread=multi,tb-size=512 -machine q35,kernel-irqchip=split -cpu max,vendor=GenuineIntel -m 1536 \
		-nodefaults -display none -serial "file:$bed/$name.serial" \
		-device intel-iommu,intremap=on,caching-mode=on \
		-drive "file=$bed/$name.qcow2,if=none,id=disk,cache=unsafe,discard=unmap" \
		-device virtio-blk-pci,drive=disk,addr=2 \
		-netdev "user,id=net,hostfwd=tcp:127.0.0.1:$(<"$bed/$name.port")-:22" \
		-device virtio-net-pci,netdev=net,addr=3,romfile= \
		-device virtio-rng-pci,addr=4 \
		-fw_cfg "name=opt/org.gpufleet/hostname,string=$name" \
		-fw_cfg "name=opt/org.gpufleet/hostkey,file=$bed/$name.hostkey" \
		-device VGA,addr=1 \
		-audiodev none,id=sound \
		-device pcie-root-port,id=rp1,chassis=1,slot=1,addr=8 \
		-device ati-vga,model=rv100,bus=rp1,addr=0.0,multifunction=on \
		-device ich9-intel-hda,bus=rp1,addr=0.1,id=hda1 \
		-device hda-output,bus=hda1.0,audiodev=sound \
		-device pcie-root-port,id=rp2,chassis=2,slot=2,addr=9 \
		-device bochs-display,bus=rp2,addr=0.0,multifunction=on \
		-device ich9-intel-hda,bus=rp2,addr=0.1,id=hda2 \
		-device hda-output,bus=hda2.0,audiodev=sound
}

# machine_ssh NAME COMMAND…: as root, with the run's own key and known hosts.
machine_ssh()
{
	local name=$1
	shift
	ssh -F /dev/null -o BatchMode=yes -o ConnectTimeout=20 -o LogLevel=ERROR \
		-o StrictHostKeyChecking=yes -o UserKnownHostsFile="$bed/known_hosts" \
		-o ServerAliveInterval=15 -o IdentitiesOnly=yes -i "$image/id_ed25519" \
		-p "$(<"$bed/$name.port")" root@127.0.0.1 "$@"
}

machine_alive()
{
	# QEMU takes its pid file away when it ends.
	kill -0 "$(cat "$bed/$1.pid" 2>/dev/null)" 2>/dev/null
}

# machine_wait NAME SECONDS [OLD_BOOT_ID]: until it answers, in another boot than
# the one given.
machine_wait()
{
	local name=$1 limit=$((SECONDS + $2)) old=${3:-} now
	while [ "$SECONDS" -lt "$limit" ]; do
		if now=$(machine_ssh "$name" cat /proc/sys/kernel/random/boot_id 2>/dev/null) &&
			[ -n "$now" ] && [ "$now" != "$old" ]; then
			return
		fi
		if ! machine_alive "$name"; then
			echo "$name: QEMU has ended; its console is in $bed/$name.serial" >&2
			return 1
		fi
		sleep 2
	done
	echo "$name didn't answer within $2 s; the end of its console:" >&2
	tail -n 20 "$bed/$name.serial" >&2
	return 1
}

machine_stop()
{
	local name=$1
	if machine_alive "$name"; then
		kill "$(<"$bed/$name.pid")" 2>/dev/null || true
		while machine_alive "$name"; do
			sleep 0.2
		done
	fi
}

# machine_inventory FILE NAME…: fleet.json with these machines' addresses. The second one
# is reached as an ordinary user who may use sudo.
machine_inventory()
{
	local file=$1 name ports=()
	shift
	for name in "$@"; do
		ports+=("$name=$(<"$bed/$name.port")")
	done
	python3 - "$here/fleet.json" "$image/id_ed25519" "$bed/known_hosts" "${ports[@]}" >"$file" <<-'END'
		import json, sys
		with open(sys.argv[1], encoding="utf-8") as file:
		    fleet = json.load(file)
		fleet["defaults"] = {"user": "root", "identity_file": sys.argv[2], "known_hosts": sys.argv[3], "host_keys": "strict"}
		for name, port in (word.split("=") for word in sys.argv[4:]):
		    fleet["hosts"].setdefault(name, {}).update(address="127.0.0.1", port=int(port))
		print(json.dumps(fleet, indent=2))
	END
}
