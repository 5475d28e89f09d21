# shellcheck shell=bash
# PASS and FAIL lines, their counts, and how long each part took: sourced by a bed's run.sh.

# shellcheck disable=SC2034 # skipped: the bed's own
passed=0 failed=0 skipped=0 step_name='' step_start=0

pass()
{
	passed=$((passed + 1))
	echo "PASS $1"
}

fail()
{
	failed=$((failed + 1))
	echo "FAIL $1"
	sed 's/^/     | /'
}

# check NAME COMMAND…: the command says on its output what is wrong.
check()
{
	local name=$1 said
	shift
	if said=$("$@" 2>&1); then
		pass "$name"
	else
		fail "$name" <<<"$said"
	fi
}

step()
{
	[ -z "$step_name" ] || printf -- '---- %s: %d s\n' "$step_name" $((SECONDS - step_start))
	step_name=$1 step_start=$SECONDS
	[ -z "$1" ] || echo "---- $1"
}
