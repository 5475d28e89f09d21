#!/usr/bin/env bash
# run.sh BUILD SECONDS: every fuzz target for that long, from its committed seeds. What it finds
# new stays in BUILD/fuzz-corpus; what breaks is kept in BUILD/fuzz-findings and ends this with 1.
set -uo pipefail
cd "$(dirname "$(readlink -f "$0")")/../.." || exit 1
build=$1 seconds=$2 failed=0 targets=0
findings=$build/fuzz-findings
mkdir -p "$findings"
while read -r -a target; do
	name=${target[0]} seeds=("${target[@]:1}")
	corpus=$build/fuzz-corpus/$name log=$findings/$name.log
	mkdir -p "$corpus"
	targets=$((targets + 1))
	if "$build/fuzz_$name" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
		-artifact_prefix="$findings/$name-" "$corpus" "${seeds[@]}" >"$log" 2>&1; then
		echo "ok: $name: $(awk '/number_of_executed_units/ {print $2}' "$log") inputs in $seconds s"
	else
		echo "FAILED: $name: see $log"
		grep -m 3 -E 'ERROR|SUMMARY|runtime error' "$log"
		failed=1
	fi
done <"$build/tests/fuzz/targets"
((targets > 0)) || {
	echo "no fuzz targets in $build: was it built with the preset fuzz?"
	exit 1
}
exit $failed
