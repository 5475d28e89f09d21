#!/usr/bin/env bash
# valgrind.sh BUILD_DIR: the unit tests of a build without sanitizers under memcheck; any error, or memory that is definitely lost, fails.
set -euo pipefail
build=$(readlink -f "${1:?BUILD_DIR}")
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT
export logs

# shellcheck disable=SC2317 # called by xargs
check() {
	local name=$1
	shift
	if timeout 900 valgrind --quiet --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite \
		--trace-children=no "$@" >"$logs/$name" 2>&1; then
		echo "ok: $name"
	else
		echo "FAILED: $name"
		grep -E '^==[0-9]+==|ERROR|FAILED' "$logs/$name" | head -60
		return 1
	fi
}
export -f check

# Name and command of each, a line each: the programs, not the scripts.
ctest --test-dir "$build" -L unit --show-only=json-v1 | python3 -c '
import json, shlex, sys
for test in json.load(sys.stdin)["tests"]:
    with open(test["command"][0], "rb") as file:
        if file.read(4) == b"\x7fELF" and "python" not in test["command"][0]:
            print(shlex.join([test["name"]] + test["command"]))' |
	xargs -P "$(nproc)" -d '\n' -I{} bash -c 'eval "check {}"'
