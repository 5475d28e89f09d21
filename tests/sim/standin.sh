# Sourced by every stand-in: keeps a log, and acts out faults that strike when a program runs.
control=$root/../control
program=${0##*/}
echo "$program" >>"$control/programs.log"
if [ -e "$control/fault/die-at-$program" ]; then
	rm -f "$control/fault/die-at-$program"
	: >"$control/crash"
	sleep 30
fi
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
