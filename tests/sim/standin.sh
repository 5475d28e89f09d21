# Sourced by every stand-in: keeps a log, and acts out faults that strike when a program runs.
control=$root/../control
program=${0##*/}
echo "$program" >>"$control/programs.log"
# The host loses its power here, once, when a test asked for it: $1 is at or after.
standin_die() {
	[ -e "$control/fault/die-$1-$program" ] || return 0
	rm -f "$control/fault/die-$1-$program"
	: >"$control/crash"
	sleep 30
}
standin_after() {
	standin_die after
}
standin_die at
if [ -e "$control/fault/slow-$program" ]; then
	sleep "$(cat "$control/fault/slow-$program")"
fi
if [ -e "$control/fault/fail-$program" ]; then
	echo "$program: failed, as the scenario asks" >&2
	exit 1
fi
if [ -e "$control/fault/cut-at-$program" ]; then
	rm -f "$control/fault/cut-at-$program"
	: >"$control/cut"
	sleep 1
fi
