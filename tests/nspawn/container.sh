# shellcheck shell=bash disable=SC2154
# Containers with a systemd, an sshd and a network of their own: sourced by a bed's run.sh, which sets
#   bed                      the run's directory (overlays, keys, logs live there)
#   addresses[NAME]          each container's address, in 10.77.0.0/24
#   firmware_seconds[NAME]   how long it is away before it boots anew (none: it boots at once)
# and has entered namespaces of its own (namespaces.sh), which take all of this along when they end.

# shellcheck source=tests/nspawn/namespaces.sh
. "${BASH_SOURCE[0]%/*}/namespaces.sh"

bridge_address=10.77.0.1
declare -A addresses firmware_seconds

# The network that the containers share with this script, and a key that may log in.
container_network()
{
	local place
	# What ip and systemd-nspawn leave there goes with the namespace.
	for place in /run/netns /run/systemd; do
		mkdir -p "$place" && mount -t tmpfs tmpfs "$place"
	done
	ip link set lo up
	ip link add bed type bridge
	ip address add "$bridge_address/24" dev bed
	ip link set bed up
	ssh-keygen -q -t ed25519 -N '' -C gpufleet-bed -f "$bed/id_ed25519"
}

# container_create NAME LAYERS: its file system, on top of those layers; address, host key, and line in known_hosts.
container_create()
{
	local name=$1 dir=$bed/$1 other
	mkdir -p "$dir/upper" "$dir/work" "$dir/root"
	mount -t overlay overlay -o "lowerdir=$2,upperdir=$dir/upper,workdir=$dir/work" "$dir/root"
	echo "$name" >"$dir/root/etc/hostname"
	{
		echo '127.0.0.1 localhost'
		for other in "${!addresses[@]}"; do
			echo "${addresses[$other]} $other"
		done
	} >"$dir/root/etc/hosts"
	rm -f "$dir/root/etc/resolv.conf"
	rm -f "$dir"/root/etc/ssh/ssh_host_*
	ssh-keygen -q -t ed25519 -N '' -C "$name" -f "$dir/root/etc/ssh/ssh_host_ed25519_key"
	install -D -m 600 "$bed/id_ed25519.pub" "$dir/root/root/.ssh/authorized_keys"
	echo "${addresses[$name]},$name $(cut -d' ' -f1,2 "$dir/root/etc/ssh/ssh_host_ed25519_key.pub")" >>"$bed/known_hosts"
	ip netns add "$name"
	ip link add "to-$name" type veth peer name eth0 netns "$name"
	ip link set "to-$name" master bed up
	ip -n "$name" address add "${addresses[$name]}/24" dev eth0
	ip -n "$name" link set eth0 up
	ip -n "$name" link set lo up
}

# container_pci NAME: PCI devices, laid out at each boot. It needs a Python.
container_pci()
{
	local to=$bed/$1/root
	install -D -m 755 "${BASH_SOURCE[0]%/*}/pci_layout.py" "$to/usr/local/lib/bed/pci_layout.py"
	install -m 644 /dev/stdin "$to/etc/systemd/system/bed-pci.service" <<-'END'
		[Unit]
		Description=The PCI devices of this host
		DefaultDependencies=no
		Before=sysinit.target ssh.service
		After=local-fs.target
		[Service]
		Type=oneshot
		RemainAfterExit=yes
		ExecStart=/usr/local/lib/bed/pci_layout.py /run/bed-pci
		[Install]
		WantedBy=sysinit.target
	END
	mkdir -p "$to/etc/systemd/system/sysinit.target.wants"
	ln -sf ../bed-pci.service "$to/etc/systemd/system/sysinit.target.wants/bed-pci.service"
}

# container_start NAME: returns at once. A reboot inside makes nspawn end with 133: it is started again.
container_start()
{
	local name=$1
	(
		trap - EXIT
		cgroup_enter "${bed##*/}/$name"
		status=133
		while [ "$status" = 133 ]; do
			status=0
			systemd-nspawn --quiet --directory "$bed/$name/root" --boot --register=no --keep-unit --machine="$name" \
				--hostname="$name" --network-namespace-path="/run/netns/$name" --resolv-conf=off --timezone=off \
				--console=pipe || status=$?
			[ "$status" != 133 ] || sleep "${firmware_seconds[$name]:-0}"
		done
	) </dev/null >>"$bed/$name.console" 2>&1 &
}

# container_ssh NAME COMMAND…: as root, with the run's own key and known hosts.
container_ssh()
{
	local name=$1
	shift
	ssh -F /dev/null -o BatchMode=yes -o ConnectTimeout=5 -o LogLevel=ERROR -o StrictHostKeyChecking=yes \
		-o UserKnownHostsFile="$bed/known_hosts" -o IdentitiesOnly=yes -i "$bed/id_ed25519" \
		-o ControlMaster=auto -o ControlPath="$bed/ssh-%h" -o ControlPersist=600 \
		"root@${addresses[$name]}" "$@"
}

# container_wait NAME SECONDS [OLD_BOOT_ID]: until it answers, in another boot than the one given.
container_wait()
{
	local name=$1 limit=$((SECONDS + $2)) old=${3:-} now
	while [ "$SECONDS" -lt "$limit" ]; do
		if now=$(container_ssh "$name" cat /proc/sys/kernel/random/boot_id 2>/dev/null) && [ -n "$now" ] && [ "$now" != "$old" ]; then
			return
		fi
		sleep 0.3
	done
	echo "$name didn't answer within $2 s; the end of its console:" >&2
	tail -n 20 "$bed/$name.console" >&2
	return 1
}

# container_stop NAME SECONDS: an orderly shutdown, after which its file system is unmounted.
container_stop()
{
	local name=$1 limit=$((SECONDS + $2))
	container_ssh "$name" systemctl --no-block poweroff
	while pgrep -f "systemd-nspawn .*--machine=$name " >/dev/null; do
		if [ "$SECONDS" -ge "$limit" ]; then
			echo "$name didn't stop within $2 s; the end of its console:" >&2
			tail -n 20 "$bed/$name.console" >&2
			return 1
		fi
		sleep 0.2
	done
	rm -f "$bed/ssh-${addresses[$name]}"
	umount "$bed/$name/root"
}
