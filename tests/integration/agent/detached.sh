#!/bin/sh
# Operations: the work goes on when the connection's process is killed, is attached again, and is never done twice.
# shellcheck source=tests/integration/agent/functions.sh
. "$(dirname "$0")/functions.sh"

root=$work/root
mkdir -p "$root/usr/bin" "$root/usr/sbin" "$root/proc/sys/kernel/random" "$root/etc"
echo 11111111-1111-1111-1111-111111111111 >"$root/proc/sys/kernel/random/boot_id"
cat >"$root/usr/bin/slow-work" <<'SCRIPT'
#!/bin/sh
echo begun >>"$GPUFLEET_SYSROOT/count"
while [ ! -e "$GPUFLEET_SYSROOT/go" ]; do sleep 0.05; done
echo ended >>"$GPUFLEET_SYSROOT/count"
SCRIPT
# shellcheck disable=SC2016
printf '#!/bin/sh\necho rebooted >>"$GPUFLEET_SYSROOT/reboots"\n' >"$root/usr/sbin/reboot"
chmod +x "$root/usr/bin/slow-work" "$root/usr/sbin/reboot"

stage='{"name":"host","reboot":"never","tasks":[{"type":"command","name":"slow","argv":["slow-work"],"timeout":60}]}'
apply() {
	printf '{"id":1,"request":"apply","operation":"%s","context":{"run":"%s","wanted":[]},"stage":%s}' "$1" "$2" "$stage"
}
lines() { if [ -f "$1" ]; then wc -l <"$1"; else echo 0; fi; }
wait_for() {
	tries=0
	until eval "$1"; do
		tries=$((tries + 1))
		if [ $tries -gt 400 ]; then
			echo "FAILED: waited in vain for $1" >&2
			exit 1
		fi
		sleep 0.05
	done
}

launch "$root" @ >"$work/out"

# The process that serves the connection is killed in the middle.
mkfifo "$work/wire"
GPUFLEET_SYSROOT=$root sh -c "$script" gpufleet "$hash" "$size" "$arch" "$place_size" <"$work/wire" >"$work/out" &
server=$!
exec 9>"$work/wire"
printf '%s\n' "$(apply op1 run1)" >&9
wait_for "[ -f '$root/count' ]"
kill -9 "$server"
exec 9>&-
wait "$server" 2>/dev/null || :
expect "the work goes on after its connection's process was killed" '"state":"running"' \
	"$(launch "$root" '{"id":1,"request":"operations"}')"
expect "another operation is refused meanwhile" '"code":"blocked"' "$(launch "$root" "$(apply op2 run1)")"
expect "a reboot is refused meanwhile" 'operation op1 is still going on' "$(launch "$root" \
	'{"id":1,"request":"reboot","operation":"b0","boot_id":"11111111-1111-1111-1111-111111111111"}')"
(
	sleep 0.3
	touch "$root/go"
) &
out=$(launch "$root" '{"id":7,"request":"attach","operation":"op1","from":1}')
expect "attached again, its events arrive" '"id":7,"event":{"seq":1,"time":"' "$out"
expect "and its result" '"state":"done"' "$out"
wait

out=$(launch "$root" "$(apply op1 run1)")
expect "the same id again gives the same result" '"state":"done"' "$out"
expect "and the work was done once" 2 "$(lines "$root/count")"
expect "but not the same id of another run" 'operation op1 is other work, of run run1' "$(launch "$root" "$(apply op1 run2)")"

# A worker that is killed leaves no result: unknown, and not begun again.
rm "$root/go"
GPUFLEET_SYSROOT=$root sh -c "$script" gpufleet "$hash" "$size" "$arch" "$place_size" <"$work/wire" >"$work/out" &
exec 9>"$work/wire"
printf '%s\n' "$(apply op3 run1)" >&9
wait_for "[ -s '$root/var/lib/gpufleet/operations/op3/lock' ] && [ \$(lines '$root/count') = 3 ]"
kill -9 "$(cat "$root/var/lib/gpufleet/operations/op3/lock")"
exec 9>&-
wait
touch "$root/go"
expect "a killed worker: the state is unknown" '"state":"unknown"' "$(cat "$work/out")"
out=$(launch "$root" "$(apply op3 run1)")
expect "and stays so when asked again" '"state":"unknown"' "$out"

# Ids that would lead elsewhere.
for id in .. . ../x a/b '' -x; do
	expect "the id \"$id\" is refused" '"error":{"code":"input"' "$(launch "$root" "$(apply "$id" run1)")"
done
expect "an unknown operation is named" 'this host knows no operation op9' \
	"$(launch "$root" '{"id":1,"request":"attach","operation":"op9"}')"

# The lease.
lease() { printf '{"id":1,"request":"lease","run":"%s","who":"alice","where":"ctl1"%s}' "$1" "$2"; }
expect "a free lease is taken" '"result":{}' "$(launch "$root" "$(lease run1 '')")"
expect "by one run only" 'held by run run1, started by alice on ctl1' "$(launch "$root" "$(lease run2 '')")"
expect "whose operations are refused" '"code":"lease"' "$(launch "$root" "$(apply op4 run2)")"
expect "unless it takes it" '"result":{}' "$(launch "$root" "$(lease run2 ',"take":true')")"
expect "a released lease is free" '"lease":null' \
	"$(launch "$root" "$(lease run2 ',"release":true')" '{"id":2,"request":"operations"}')"

# The reboot.
ask='{"id":1,"request":"reboot","operation":"b1","boot_id":"%s"}'
# shellcheck disable=SC2059
out=$(launch "$root" "$(printf "$ask" 22222222-2222-2222-2222-222222222222)")
expect "another boot than the one that was meant is left alone" '{"scheduled":false}' "$out"
mkdir -p "$root/proc/42"
printf 'qemu-system-x86_64\0-name\0guest=web,debug-threads=on\0' >"$root/proc/42/cmdline"
# shellcheck disable=SC2059
out=$(launch "$root" "$(printf "$ask" 11111111-1111-1111-1111-111111111111)")
expect "running guests block it" '1 guest runs on this host (web)' "$out"
rm -r "$root/proc/42"
expect "no reboot so far" 0 "$(lines "$root/reboots")"
# shellcheck disable=SC2059
out=$(launch "$root" "$(printf "$ask" 11111111-1111-1111-1111-111111111111)")
expect "a reboot is scheduled" '{"scheduled":true}' "$out"
wait_for "[ -f '$root/reboots' ]"

out=$(launch "$root" 'not json' '[]' '{"id":9,"request":"dance"}' '{"id":10,"request":"plan","stages":3}')
expect "a request that is no JSON is answered" '"code":"protocol"' "$out"
expect "one that is not known is named" 'knows no request' "$out"
expect "one with the wrong types is refused" '{"id":10,"error":{"code":"input"' "$out"
