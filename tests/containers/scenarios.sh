# shellcheck shell=bash disable=SC2154,SC2034
# What is done with the hosts, in this order, with one store: sourced by run.sh.
scenarios=(reboot apply_killed reboot_killed one_down)

# gpufleet NAME COMMAND [ARGUMENT…]: in the background; its process is $fleet, its output in NAME.out.
gpufleet()
{
	local name=$1 command=$2
	shift 2
	"$build/gpufleet" "$command" "$bed/inventory.json" --state "$bed/state.db" --no-color --yes "$@" \
		>"$results/$name.out" 2>"$results/$name.err" </dev/null &
	fleet=$!
}

# ends NAME STATUS: the process $fleet, with that exit status.
ends()
{
	local status=0
	wait "$fleet" || status=$?
	check "$1: it exits $2" exited "$1" "$2" "$status"
}

exited()
{
	[ "$3" = "$2" ] && return
	echo "it exited $3; the end of its output and errors ($results/$1.*):"
	tail -n 25 "$results/$1.out"
	tail -n 10 "$results/$1.err"
	return 1
}

# records NAME: what every host's sshd wrote down, from the hosts' disks.
records()
{
	local host
	mkdir -p "$results/$1"
	for host in "${hosts[@]}"; do
		journalctl -q --directory "$bed/$host/upper/var/log/journal" -t sshd -o json \
			--output-fields=MESSAGE,_BOOT_ID,_SOURCE_REALTIME_TIMESTAMP >"$results/$1/$host.sshd"
	done
}

# outages NAME WHAT [OPTION…]: what the records of NAME say about the time of $begin to $end.
outages()
{
	local name=$1 what=$2
	shift 2
	python3 -B "$here/outages.py" "$what" "$bed/inventory.json" "$results/$name" "$begin" "$end" "$@"
}

not()
{
	! "$@"
}

# held NAME: the limits, by the sshds' records; and that they were used, or the records could not tell.
held()
{
	end=$(date +%s.%N)
	records "$1"
	outages "$1" timeline >"$results/$1.timeline"
	outages "$1" row | tee "$results/$1.row"
	check "$1: never more than $most hosts were down, nor more than $per_domain in a domain" \
		outages "$1" limits --most "$most" --per-domain "$per_domain"
	check "$1: as many were down at times" not outages "$1" limits --most $((most - 1)) --per-domain "$per_domain"
}

# in_waves NAME
in_waves()
{
	check "$1: the first host was back before any other went down, and the first half before the rest" \
		outages "$1" waves --shares 1 12 24
}

# killed NAME HOSTS: the controller, once that many hosts are done, and while another one is down.
killed()
{
	local limit=$((SECONDS + 300)) down
	while kill -0 "$fleet" 2>/dev/null && [ "$SECONDS" -lt "$limit" ]; do
		if [ "$(grep -c ': done: ' "$results/$1.out")" -ge "$2" ]; then
			for down in $(sed -n 's/^[0-9:]* \(gpu[0-9]*\): rebooting.*/\1/p' "$results/$1.out" | tail -n 2); do
				host_answers "$down" && continue
				kill -KILL "$fleet"
				wait "$fleet" 2>/dev/null
				echo "---- the controller was killed while $down was down; done by then: $(grep -c ': done: ' "$results/$1.out")"
				return
			done
		fi
		sleep 0.2
	done
	fail "$1: it could be killed in the middle" <"$results/$1.out"
	return 1
}

scenario_reboot()
{
	step 'a rolling reboot'
	begin=$(date +%s.%N)
	gpufleet reboot reboot
	ends reboot 0
	held reboot
	in_waves reboot
	check 'reboot: every host was rebooted once' outages reboot reboots
}

scenario_apply_killed()
{
	step 'a change with a reboot; the controller is killed, and the same command run again'
	begin=$(date +%s.%N)
	gpufleet apply_killed apply
	killed apply_killed 8 || return
	gpufleet apply_again apply
	ends apply_again 0
	head -n 1 "$results/apply_again.err"
	held apply_killed
	in_waves apply_killed
	check 'apply_killed: every host was rebooted once, by both together' outages apply_killed reboots
}

scenario_reboot_killed()
{
	step 'a rolling reboot; the controller is killed, and the same command run again'
	begin=$(date +%s.%N)
	gpufleet reboot_killed reboot
	killed reboot_killed 8 || return
	gpufleet reboot_again reboot
	ends reboot_again 0
	head -n 1 "$results/reboot_again.err"
	held reboot_killed
	in_waves reboot_killed
	check 'reboot_killed: every host was rebooted once, by both together' outages reboot_killed reboots
}

# It counts against both limits: one other host is down at most, and none of its domain.
scenario_one_down()
{
	step 'a host that is down before'
	check 'gpu20 is switched off' container_stop gpu20 60
	begin=$(date +%s.%N)
	gpufleet one_down reboot
	ends one_down 3
	held one_down
	check 'one_down: the others were rebooted once, but for those of its domain' \
		outages one_down reboots --untouched gpu19 gpu20 gpu21 gpu22 gpu23 gpu24
}
