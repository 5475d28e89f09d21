# Sourced by every stand-in with its own name as $1: keeps a log, and acts out faults that strike when a program runs.
control=$root/../control
echo "$1" >>"$control/programs.log"
if [ -e "$control/fault/die-at-$1" ]; then
	rm -f "$control/fault/die-at-$1"
	: >"$control/crash"
	sleep 30
fi
if [ -e "$control/fault/slow-$1" ]; then
	sleep "$(cat "$control/fault/slow-$1")"
fi
if [ -e "$control/fault/fail-$1" ]; then
	echo "$1: failed, as the scenario asks" >&2
	exit 1
fi
if [ -e "$control/fault/cut-at-$1" ]; then
	rm -f "$control/fault/cut-at-$1"
	: >"$control/cut"
	sleep 1
fi
