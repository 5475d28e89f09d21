# shellcheck shell=bash
# PASS, FAIL and SKIP lines, their counts, and how long each part took: sourced by the beds.

# shellcheck disable=SC2034 # the counts: the bed's own
passed=0 failed=0 skipped=0 step_name='' step_start=0 step_budget=''

pass()
{
	passed=$((passed + 1))
	echo "PASS $1"
}

# What is wrong is read from the input.
fail()
{
	failed=$((failed + 1))
	echo "FAIL $1"
	sed 's/^/     | /'
}

skip()
{
	skipped=$((skipped + 1))
	echo "SKIP $1: $2"
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
		return 1
	fi
}

step_end()
{
	[ -n "$step_name" ] || return 0
	printf -- '---- %s: %d s%s\n' "$step_name" $((SECONDS - step_start)) "${step_budget:+ (budget $step_budget s)}"
	step_name=
}

# step NAME [SECONDS]: what follows; on an idle machine it should take no longer. It ends the one before.
step()
{
	step_end
	step_name=$1 step_budget=${2:-} step_start=$SECONDS
	echo "---- $step_name"
}
