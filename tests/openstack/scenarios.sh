# shellcheck shell=bash disable=SC2154,SC2034
# What is done with the cloud, part by part, in this order: sourced by run.sh.
parts=(on_stock first_apply second_apply guests first_rollback planted_type planted_key planted_spec secrets)

zed_filters='ComputeFilter ComputeCapabilitiesFilter ImagePropertiesFilter ServerGroupAntiAffinityFilter ServerGroupAffinityFilter'
alias_1080='{"dev_type": "type-PCI", "product_id": "1b06", "vendor_id": "10de"}'
alias_a40='{"dev_type": "type-PF", "product_id": "2235", "vendor_id": "10de"}'

all_up()
{
	local name
	for name in cmp1 ctl1; do
		check "$name: Nova's services are up ($1)" cloud_up "$name"
	done
	check "the control plane sees nova-compute ($1)" cloud_sees_compute
}

nothing_changed()
{
	local name
	for name in cmp1 ctl1; do
		check "$name: $3 changed no file" same files "$name" "$1" "$2"
		check "$name: $3 restarted nothing" same processes "$name" "$1" "$2"
	done
}

# What Nova itself makes of the files once all is as wanted.
nova_accepts()
{
	local filter
	check "nova-compute's effective configuration offers the ready devices, and no others ($1)" judged nova-compute <<-END
		device 0000:81:00.0
		device 0000:82:00.0
		device 0000:83:00.0
		alias a40 legacy [$alias_a40]
		alias nvidia1080 legacy [$alias_1080]
	END
	check "nova-api's effective configuration has the aliases ($1)" judged nova-api <<-END
		alias a40 legacy [$alias_a40]
		alias nvidia1080 legacy [$alias_1080]
	END
	check "nova-scheduler's filters are Nova's own and PciPassthroughFilter ($1)" judged nova-scheduler < <(
		for filter in $zed_filters PciPassthroughFilter; do
			echo "filter $filter"
		done
	)
	check "Nova's database has the ready devices, and no others ($1)" nova_knows <<-'END'
		0000:81:00.0 type-PCI
		0000:82:00.0 type-PCI
		0000:83:00.0 type-PF
	END
}

# flavors NAME: the script that gpufleet writes makes them.
flavors()
{
	gpufleet_run "$1" 0 report --format openstack
	check 'that script runs' script_runs "$results/$1.out"
}

script_runs()
{
	{
		echo '. /root/openrc'
		cat "$1"
	} | container_ssh ctl1 bash -s
}

all_ready()
{
	python3 - "$results/$1.out" <<-'END'
		import json, sys
		with open(sys.argv[1], encoding="utf-8") as file:
		    totals = json.load(file)["totals"]
		if totals["gpus"] != 3 or totals["ready"] != 3:
		    sys.exit(f"totals: {totals}")
	END
}

keep_stock()
{
	local name
	for name in cmp1 ctl1; do
		container_ssh "$name" cp -a /etc/nova /opt/bed/stock
	done
}

on_stock()
{
	step 'stock'
	observe stock
	keep_stock
	all_up stock
	check 'stock: Nova offers nothing' judged nova-compute </dev/null
	check 'stock: a flavor with an alias is made' openstack flavor create --ram 64 --disk 1 --vcpus 1 \
		--property pci_passthrough:alias=nvidia1080:1 early
	check 'stock: nova-api refuses a server of it: it knows no such alias' server_refused early early 'alias'
	check 'that flavor is deleted' openstack flavor delete early
	gpufleet_run scan 0 scan
	gpufleet_run report-stock 0 report --format json
	check 'stock: the three cards are ready' all_ready report-stock
	gpufleet_run plan 2 plan
	check 'the plan shows the device_spec' grep -Eq '^[ 	]*\+ *device_spec *=.*1b06' "$results/plan.out"
	check 'the plan shows the alias' grep -Eq '^[ 	]*\+ *alias *=.*nvidia1080' "$results/plan.out"
	check 'the plan shows the filter, with the ones of this release' grep -Eq \
		'^[ 	]*\+ *enabled_filters *=.*ComputeFilter.*PciPassthroughFilter' "$results/plan.out"
	observe planned
	nothing_changed stock planned plan
}

first_apply()
{
	step 'apply'
	gpufleet_run apply 0 apply --yes
	observe applied
	all_up 'after apply'
	check 'cmp1: nova-compute was restarted' restarted cmp1 planned applied nova-compute
	check 'ctl1: nova-api and nova-scheduler were restarted' restarted ctl1 planned applied nova-api nova-scheduler
	check 'in the right order: the compute host first' compute_first
	nova_accepts 'after apply'
	gpufleet_run report 0 report --format json
	check 'the report says that Nova offers exactly the ready devices' nova_check_passes report
}

compute_first()
{
	local compute api scheduler
	compute=$(started cmp1 nova-compute) api=$(started ctl1 nova-api) scheduler=$(started ctl1 nova-scheduler)
	[ "$compute" -lt "$api" ] && [ "$compute" -lt "$scheduler" ] && return
	echo "started at: nova-compute $compute, nova-api $api, nova-scheduler $scheduler (microseconds)"
	return 1
}

# nova_check_passes REPORT: every check whose id begins with "nova" passes, and there is one for the compute host.
nova_check_passes()
{
	python3 - "$results/$1.out" <<-'END'
		import json, sys
		with open(sys.argv[1], encoding="utf-8") as file:
		    hosts = json.load(file)["hosts"]
		found = [(host["name"], check) for host in hosts for check in host["checks"] if check["id"].startswith("nova")]
		wrong = [f"{name}: {check}" for name, check in found if check["status"] != "pass"]
		if wrong or "cmp1" not in [name for name, _ in found]:
		    sys.exit("\n".join(wrong) or f"the checks about Nova: {found}")
	END
}

second_apply()
{
	step 'a second apply'
	gpufleet_run again 0 apply --yes
	observe again
	nothing_changed applied again 'the second apply'
}

guests()
{
	step 'servers'
	flavors script
	check 'a server with one GPU becomes ACTIVE' server_runs one gpu.1
	check 'so does a second one' server_runs two gpu.1
	check 'they were given the two cards' given 0000:81:00.0 0000:82:00.0
	check 'a third finds no valid host' server_finds_no_host three gpu.1
	check 'a server with the card that Nova sees as a physical function becomes ACTIVE' server_runs four a40.1
	check 'a server that asks for more cards than a host has finds no valid host' server_finds_no_host five gpu.3
	check 'the servers are deleted' servers_delete
}

first_rollback()
{
	local name
	step 'rollback'
	gpufleet_run rollback 0 rollback --yes
	observe rolled-back
	for name in cmp1 ctl1; do
		check "$name: every file under /etc is byte for byte what it was" same files "$name" stock rolled-back
	done
	all_up 'after rollback'
	check 'after rollback Nova offers nothing' judged nova-compute </dev/null
	check "after rollback Nova's database has no device" nova_knows </dev/null
	check 'after rollback nova-api refuses a server with an alias' server_refused late gpu.1 'alias'
}

# plant NAME FILE LINE…: what somebody wrote by hand, at the end of FILE.
plant()
{
	local name=$1 file=$2
	shift 2
	printf '%s\n' '' '# from the wiki' "$@" | container_ssh "$name" "cat >>$file"
}

# Nova's files as they were at the start.
unplant()
{
	local name
	for name in cmp1 ctl1; do
		container_ssh "$name" 'cd /etc/nova && for file in nova.conf nova-compute.conf; do
			[ ! -e "$file" ] || cat "/opt/bed/stock/$file" >"$file"
		done'
	done
	restart
}

restart()
{
	container_ssh ctl1 systemctl restart nova-api nova-scheduler && container_ssh cmp1 systemctl restart nova-compute &&
		container_ssh ctl1 bash /opt/bed/answers.sh http://ctl1:8774
}

# mended NAME FLAVOR ADDRESS: what was planted is repaired, and the repair can be taken back.
mended()
{
	local name
	gpufleet_run "$1-apply" 0 apply --yes
	all_up "after the repair of $1"
	nova_accepts "after the repair of $1"
	check "$1: a server of $2 becomes ACTIVE" server_runs "$1" "$2"
	check "$1: it was given the card" given "$3"
	check "$1: it is deleted" servers_delete
	gpufleet_run "$1-rollback" 0 rollback --yes
	observe "$1-unrepaired"
	for name in cmp1 ctl1; do
		check "$name: rollback leaves what was planted, byte for byte ($1)" same files "$name" "$1" "$1-unrepaired"
	done
	all_up "after the rollback of $1"
	check "$1: Nova's files are as at the start again" unplant
}

# A page of 2018, copied: the type of a card without virtual functions for one that could have some.
planted_type()
{
	local wrong='alias = {"name": "a40", "vendor_id": "10de", "product_id": "2235", "device_type": "type-PCI"}'
	step 'a wrong type in an alias'
	plant cmp1 /etc/nova/nova.conf '[pci]' 'device_spec = {"vendor_id": "10de", "product_id": "2235"}' "$wrong"
	plant ctl1 /etc/nova/nova.conf '[pci]' "$wrong" '[filter_scheduler]' \
		"enabled_filters = ${zed_filters// /,},PciPassthroughFilter"
	check 'type: Nova starts with it' restart
	check 'type: a server of it finds no valid host, though the card is there' server_finds_no_host early a40.1
	check 'type: that server is deleted' servers_delete
	observe type
	gpufleet_run type-plan 2 plan
	check 'type: the plan names the type that the card has' grep -q 'type-PF' "$results/type-plan.out"
	check 'type: the plan says where the wrong one was written' grep -Eq '/etc/nova/nova\.conf:[0-9]+' "$results/type-plan.out"
	mended type a40.1 0000:83:00.0
}

planted_key()
{
	local wrong='alias = {"name": "a40", "vendor_id": "10de", "prodcut_id": "2235", "device_type": "type-PF"}'
	step 'a misspelt key in an alias'
	plant cmp1 /etc/nova/nova-compute.conf '[pci]' "$wrong"
	plant ctl1 /etc/nova/nova.conf '[pci]' "$wrong"
	check 'key: Nova starts with it' restart
	check 'key: nova-api refuses every server with an alias' server_refused early gpu.1 'Invalid PCI alias definition'
	observe key
	gpufleet_run key-plan 2 plan
	check 'key: the plan names the misspelt key' grep -q 'prodcut_id' "$results/key-plan.out"
	check 'key: the plan says where it was written' grep -Eq '/etc/nova/nova-compute\.conf:[0-9]+' "$results/key-plan.out"
	mended key a40.1 0000:83:00.0
}

# A device_spec that Nova accepts and that matches every device.
planted_spec()
{
	step 'a device_spec that gives everything away'
	plant cmp1 /etc/nova/nova-compute.conf '[pci]' 'device_spec = {"venodr_id": "10de"}'
	check 'spec: Nova starts with it' restart
	check 'spec: Nova offers the disk and the network card' nova_offers_all
	gpufleet_run spec-plan 2 plan
	check 'spec: the plan says where it was written' grep -Eq '/etc/nova/nova-compute\.conf:[0-9]+' "$results/spec-plan.out"
	gpufleet_run spec-scan 0 scan
	gpufleet_run spec-report 0 report
	check 'spec: so does the report' grep -Eq '/etc/nova/nova-compute\.conf:[0-9]+' "$results/spec-report.out"
}

nova_offers_all()
{
	container_ssh cmp1 runuser -u nova -- python3 /opt/bed/judge.py nova-compute >"$bed/judged" 2>&1
	grep -q 'device 0000:00:1b.0' "$bed/judged" && grep -q 'device 0000:00:1f.0' "$bed/judged" && return
	cat "$bed/judged"
	return 1
}

# Nova's files hold passwords; nothing that gpufleet printed or stored does.
secrets()
{
	step 'secrets'
	check 'no password is in what gpufleet printed or stored' no_secret "$results" "$bed"/state.db*
	check 'nor in what it left on the hosts, but for the backups of the files that hold it' no_secret_on_hosts
}

no_secret()
{
	! grep -rl --exclude-dir=ctl1 --exclude-dir=cmp1 --exclude='*.log' -F "$secret" "$@"
}

no_secret_on_hosts()
{
	local name found=0
	for name in cmp1 ctl1; do
		container_ssh "$name" "grep -rlF $secret /var/lib/gpufleet /run/gpufleet 2>/dev/null | grep -v /backup/
			journalctl -q --no-pager -u 'gpufleet*' | grep -cF $secret | grep -v '^0$'" && found=1
	done
	return "$found"
}
