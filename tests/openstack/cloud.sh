# shellcheck shell=bash disable=SC2154
# The cloud that the two hosts make: sourced by run.sh, after container.sh and ask.sh.

# What only a host with GPUs has: PCI devices, and a hypervisor that tells Nova of them.
cloud_hardware()
{
	container_pci cmp1
	install -m 644 "$here/gpu_driver.py" "$bed/cmp1/root/usr/lib/python3/dist-packages/nova/virt/gpufleet_bed.py"
}

# cloud_hosts LAYERS_OF_CTL1 LAYERS_OF_CMP1: both boot.
cloud_hosts()
{
	container_create ctl1 "$1" && container_create cmp1 "$2" && cloud_hardware || return
	local name
	for name in ctl1 cmp1; do
		# On a busy machine Nova's services take longer to say that they are there than systemd's 90 seconds.
		install -D -m 644 /dev/stdin "$bed/$name/root/etc/systemd/system.conf.d/bed.conf" <<<$'[Manager]\nDefaultTimeoutStartSec=300'
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
