# shellcheck shell=bash disable=SC2154
# Questions to the cloud and to its hosts: sourced by run.sh, after container.sh.
# The functions that a check calls print what is wrong and return 1.

declare -A nova_units=([ctl1]='nova-api nova-scheduler nova-conductor' [cmp1]=nova-compute)

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
	local name=ctl1 wanted
	wanted=$(cat)
	[ "$1" != nova-compute ] || name=cmp1
	container_ssh "$name" runuser -u nova -- python3 /opt/bed/judge.py "$1" >"$bed/judged" 2>"$bed/judged.err" || {
		tail -n 3 "$bed/judged.err"
		return 1
	}
	[ "$wanted" = "$(<"$bed/judged")" ] && return
	diff -U0 - "$bed/judged" <<<"$wanted"
	return 1
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
told = json.loads(sys.stdin.read() or "{}")
print(told.get("status"), (told.get("fault") or {}).get("message", ""))'
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

# uwsgi may reset the connection of a DELETE whose answer it has sent: what counts is that they are gone.
servers_delete()
{
	local names
	for _ in $(seq 60); do
		names=$(openstack server list --all-projects -f value -c ID) || continue
		[ -n "$names" ] || return 0
		# shellcheck disable=SC2086 # one word each
		openstack server delete $names
		sleep 1
	done
	echo "still there: $names"
	return 1
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
