# shellcheck shell=bash disable=SC2154
# The cloud that the two hosts make, and questions to it: sourced by run.sh, after container.sh.
# The functions that a check calls print what is wrong and return 1.

declare -A nova_units=([ctl1]='nova-api nova-scheduler nova-conductor' [cmp1]=nova-compute)

# What only a host with GPUs has: PCI devices, laid out at each boot, and a hypervisor that tells Nova of them.
cloud_hardware()
{
	local to=$bed/cmp1/root
	install -D -m 755 "$here/pci_layout.py" "$to/usr/local/lib/bed/pci_layout.py"
	install -m 644 "$here/gpu_driver.py" "$to/usr/lib/python3/dist-packages/nova/virt/gpufleet_bed.py"
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

# cloud_hosts LAYERS_OF_CTL1 LAYERS_OF_CMP1: both boot.
cloud_hosts()
{
	container_create ctl1 "$1" && container_create cmp1 "$2" && cloud_hardware || return
	local name
	for name in ctl1 cmp1; do
		mkdir -p "$bed/$name/root/opt/bed"
		cp "$here"/{control,compute,nova,start,answers}.sh "$here"/{ini_set,no_ports,judge}.py "$bed/$name/root/opt/bed/"
		container_start "$name"
	done
	container_wait ctl1 120 && container_wait cmp1 120
}

# cloud_run NAME SCRIPT [ARGUMENT…]: in that host; what it said is kept.
cloud_run()
{
	local name=$1 script=$2
	shift 2
	container_ssh "$name" bash "/opt/bed/$script" "$@" >"$results/$name.$script.log" 2>&1 && return
	tail -n 25 "$results/$name.$script.log"
	return 1
}

# cloud_make: from installed packages to a cloud, once; $cloud then holds what that changed in each host. The services are
# stopped in order, so that a later run only has to start them.
cloud_make()
{
	local name secret
	secret=bed-$(od -An -N12 -tx1 /dev/urandom | tr -d ' ')
	cloud_hosts "$root" "$root" &&
		cloud_run ctl1 control.sh "$secret" "${addresses[ctl1]}" &&
		cloud_run cmp1 compute.sh "$secret" "${addresses[cmp1]}" &&
		container_ssh ctl1 runuser -u nova -- nova-manage cell_v2 discover_hosts &&
		cloud_sees_compute &&
		container_stop cmp1 120 && container_stop ctl1 120 || return
	# What older versions of these scripts left is of no use.
	find "${cloud%/*}" -mindepth 1 -maxdepth 1 -name '*.*' ! -name '*.lock' ! -name 'build.*' -mtime +3 \
		-exec rm -rf --one-file-system {} +
	rm -rf "$cloud.new"
	mkdir -m 700 "$cloud.new"
	for name in ctl1 cmp1; do
		mv "$bed/$name/upper" "$cloud.new/$name"
		rm -rf "${bed:?}/$name"
		ip link delete "to-$name"
		ip netns delete "$name"
	done
	echo "$secret" >"$cloud.new/secret"
	rm "$bed/known_hosts"
	mv -T "$cloud.new" "$cloud"
}

cloud_start()
{
	local name
	for name in ctl1 cmp1; do
		cloud_run "$name" start.sh "$name" || return
	done
	cloud_sees_compute
}

# openstack COMMAND…: as the administrator, in the control host.
openstack()
{
	local words
	printf -v words ' %q' "$@"
	container_ssh ctl1 ". /root/openrc && openstack$words"
}

cloud_sees_compute()
{
	local state=''
	for _ in $(seq 40); do
		state=$(openstack compute service list --service nova-compute -f value -c Host -c State)
		[ "$state" = 'cmp1 up' ] && return
		sleep 1
	done
	echo "nova-compute, as Nova sees it: $state"
	return 1
}

# cloud_up NAME: Nova's units are at work, and none was started again by systemd.
cloud_up()
{
	local unit state
	for unit in ${nova_units[$1]}; do
		state=$(container_ssh "$1" systemctl show -p ActiveState,SubState,NRestarts "$unit" | sort | xargs)
		if [ "$state" != 'ActiveState=active NRestarts=0 SubState=running' ]; then
			echo "$unit: $state"
			container_ssh "$1" journalctl -q --no-pager -n 5 -u "$unit"
			return 1
		fi
	done
}

# judged SERVICE: what Nova's own code makes of the configuration is what standard input says.
judged()
{
	local name=ctl1
	[ "$1" != nova-compute ] || name=cmp1
	container_ssh "$name" runuser -u nova -- python3 /opt/bed/judge.py "$1" >"$bed/judged" 2>"$bed/judged.err" || {
		tail -n 3 "$bed/judged.err"
		return 1
	}
	diff -U0 - "$bed/judged"
}

# nova_knows: the PCI devices in Nova's database are those on standard input, one "ADDRESS TYPE" a line.
nova_knows()
{
	local wanted told=''
	wanted=$(cat)
	# nova-compute tells of them within its update interval.
	for _ in $(seq 40); do
		told=$(container_ssh ctl1 mysql -N nova -e "'select address, dev_type from pci_devices where deleted = 0 order by address'" | tr '\t' ' ')
		[ "$told" = "$wanted" ] && return
		sleep 1
	done
	diff -U0 - <(echo "$told") <<<"$wanted"
}

# server NAME FLAVOR: creates one; prints its end's state and what went wrong.
server()
{
	openstack server create --flavor "$2" --image empty --nic none --wait "$1" >/dev/null
	openstack server show -f json -c status -c fault "$1" | python3 -c '
import json, sys
told = json.load(sys.stdin)
print(told["status"], (told.get("fault") or {}).get("message", ""))'
}

server_runs()
{
	local told
	told=$(server "$@" 2>&1)
	[ "${told##*$'\n'}" = 'ACTIVE ' ] && return
	echo "$told"
	container_ssh ctl1 tail -n 4 /var/log/nova/nova-scheduler.log
	return 1
}

server_finds_no_host()
{
	local told
	told=$(server "$@" 2>&1)
	[[ "$told" == *"ERROR No valid host was found"* ]] && return
	echo "$told"
	return 1
}

# The API itself refuses: an alias that it does not know, or one that it cannot read.
server_refused()
{
	local told
	told=$(openstack server create --flavor "$2" --image empty --nic none "$1" 2>&1) || {
		[[ "$told" == *"$3"* ]] && return
	}
	echo "$told"
	return 1
}

# given ADDRESS…: the devices that servers hold.
given()
{
	container_ssh ctl1 mysql -N nova -e "'select address from pci_devices where deleted = 0 and status = \"allocated\" order by address'" |
		diff -U0 <(printf '%s\n' "$@") -
}

servers_delete()
{
	local names
	names=$(openstack server list --all-projects -f value -c ID)
	# shellcheck disable=SC2086 # one word each
	[ -z "$names" ] || openstack server delete --wait $names
}

# observe WHEN: both hosts' files and Nova's processes, into $results.
observe()
{
	local name unit
	for name in ctl1 cmp1; do
		container_ssh "$name" 'find /etc -xdev -type f -print0 | xargs -0 sha256sum
			find /etc -xdev -printf "%p %y %m %U:%G %l\n"' | sort >"$results/$name.$1.files"
		for unit in ${nova_units[$name]}; do
			echo "$unit $(container_ssh "$name" systemctl show -p MainPID --value "$unit")"
		done >"$results/$name.$1.processes"
	done
}

# same WHAT NAME WHEN WHEN
same()
{
	[ -s "$results/$2.$3.$1" ] && diff -U0 "$results/$2.$3.$1" "$results/$2.$4.$1"
}

# restarted NAME WHEN WHEN UNIT…: each of them has another process.
restarted()
{
	local name=$1 before=$2 after=$3 unit now
	shift 3
	for unit; do
		now=$(grep "^$unit [1-9]" "$results/$name.$after.processes")
		if [ -z "$now" ] || [ "$now" = "$(grep "^$unit " "$results/$name.$before.processes")" ]; then
			echo "its process: ${now:-none}"
			return 1
		fi
	done
}

# started NAME UNIT: when, in microseconds of the clock that both hosts share.
started()
{
	container_ssh "$1" systemctl show -p ExecMainStartTimestampMonotonic --value "$2"
}
