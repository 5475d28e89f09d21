#!/usr/bin/env bash
# run.sh BUILD [--runs N | SECONDS] [TARGET…]: fuzz targets, each for that many inputs or that long (60 s), as many at a
# time as there are cores (JOBS). They begin with the committed seeds; what they find new stays in BUILD/fuzz-corpus. An
# input that breaks one is kept in BUILD/fuzz-findings and ends this with 1.
set -uo pipefail
cd "$(dirname "$(readlink -f "$0")")/../.." || exit 1
build=$1 bound=(-max_total_time=60) length="60 s"
shift
case ${1:-} in
--runs)
	bound=("-runs=${2:?how many runs}") length="$2 runs"
	shift 2
	;;
[0-9]*)
	bound=("-max_total_time=$1") length="$1 s"
	shift
	;;
esac
findings=$build/fuzz-findings
mkdir -p "$findings"

# Where each block was allocated is not kept (a replay has it), and a mebibyte of what was freed, several inputs' worth: that
# fits a cache, and takes a third of the time.
export ASAN_OPTIONS=${ASAN_OPTIONS:-malloc_context_size=0:quarantine_size_mb=1:thread_local_quarantine_size_kb=64}
export UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1}

target_run() {
	local name=$1 max_length=$2 corpus=$build/fuzz-corpus/$1 options=()
	shift 2
	mkdir -p "$corpus"
	rm -f "$findings/$name.status"
	[[ -f tests/fuzz/dictionaries/$name.dict ]] && options=("-dict=tests/fuzz/dictionaries/$name.dict")
	"$build/fuzz_$name" "${bound[@]}" -max_len="$max_length" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
		"${options[@]}" -artifact_prefix="$findings/$name-" "$corpus" "$@" >"$findings/$name.log" 2>&1
	echo $? >"$findings/$name.status"
}

list=$build/tests/fuzz/targets known=() chosen=()
[[ -s $list ]] && mapfile -t known < <(awk '{print $1}' "$list")
((${#known[@]} > 0)) || {
	echo "no fuzz targets in $build: was it built with the preset fuzz?"
	exit 1
}
for name in "${@:-${known[@]}}"; do
	[[ " ${known[*]} " == *" $name "* ]] || {
		echo "there is no fuzz target $name; there are: ${known[*]}"
		exit 1
	}
	chosen+=("$name")
done

trap 'kill $(jobs -p) 2>/dev/null; wait; exit 130' INT TERM
for name in "${chosen[@]}"; do
	while (($(jobs -rp | wc -l) >= ${JOBS:-$(nproc)})); do wait -n; done
	read -r -a target < <(grep "^$name " "$list")
	target_run "${target[@]}" &
done
wait

# From the last line and the statistics of a target's log.
statistic() { awk -v key="stat::$2:" '$1 == key {print $2}' "$findings/$1.log"; }
pulse() { sed -nE "s/^#.* $2: ([0-9]+).*/\1/p" "$findings/$1.log" | tail -n 1; }

failed=0
printf '%-12s %12s %10s %9s %9s  %s\n' target inputs "a second" edges features findings
for name in "${chosen[@]}"; do
	status=$(cat "$findings/$name.status" 2>/dev/null || echo "not run")
	found=none
	[[ $status == 0 ]] || {
		found="status $status"
		failed=$((failed + 1))
	}
	printf '%-12s %12s %10s %9s %9s  %s\n' "$name" "$(statistic "$name" number_of_executed_units)" \
		"$(statistic "$name" average_exec_per_sec)" "$(pulse "$name" cov)" "$(pulse "$name" ft)" "$found"
done
for name in "${chosen[@]}"; do
	status=$(cat "$findings/$name.status" 2>/dev/null || echo "not run")
	if [[ $status == 0 ]]; then
		echo "ok: $name: $(statistic "$name" number_of_executed_units) inputs in $length"
		continue
	fi
	echo "FAILED: $name: see $findings/$name.log"
	grep -m 3 -E 'ERROR|SUMMARY|runtime error' "$findings/$name.log"
	input=$(sed -nE 's/.*Test unit written to (.*)/\1/p' "$findings/$name.log" | tail -n 1)
	[[ -z $input ]] || {
		echo "replay: $build/fuzz_$name $input"
		# What another machine needs when this one is gone.
		echo "base64: $(base64 -w 0 "$input" | head -c 8192)"
	}
done
((failed == 0))
