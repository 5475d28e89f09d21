#!/usr/bin/env bash
# lint.sh: everything that reads the sources without running them. Called by ./dev lint.
set -uo pipefail
cd "$(dirname "$(readlink -f "$0")")/../.." || exit 1
failed=0
step() {
	local name=$1 start=$SECONDS
	shift
	if "$@"; then
		echo "ok: $name ($((SECONDS - start)) s)"
	else
		echo "FAILED: $name"
		failed=1
	fi
}

mapfile -t sources < <(git ls-files '*.c' '*.h')
mapfile -t units < <(git ls-files '*.c')
mapfile -t scripts < <(git grep -lE '^#!.*\b(sh|bash)\b' -- ':!*.md' ':!*.c')

# shellcheck disable=SC2317 # called by name through step
long_files() {
	local long
	long=$(wc -l "${sources[@]}" | awk '$2 != "total" && $1 > 600')
	[[ -z $long ]] || {
		echo "past 600 lines, split along a purpose:"
		echo "$long"
		return 1
	}
}

# readdir, getpwnam and getpwuid: one thread at a time calls them on one stream, and readdir_r is deprecated.
# shellcheck disable=SC2317
cppcheck_all() {
	cppcheck --quiet --error-exitcode=1 --inline-suppr --std=c11 -j "$(nproc)" --enable=warning,portability \
		--library=posix,sqlite3,tests/lint/libraries.cfg --project=build/debug/compile_commands.json \
		--suppress=missingIncludeSystem --suppress=readdirCalled --suppress=getpwuidCalled --suppress=getpwnamCalled
}

# Files a few at a time, so that no core is left with a long tail; what it says of itself is dropped.
# shellcheck disable=SC2317
clang_tidy_all() {
	printf '%s\0' "${units[@]}" |
		xargs -0 -P "$(nproc)" -n 2 clang-tidy --quiet -p build/debug --extra-arg=-Wno-unknown-warning-option \
			2> >(grep -vE 'warnings? generated|Suppressed|Use -header-filter|warnings treated as errors' >&2)
}

cmake --preset debug -Wno-dev >/dev/null || exit 1
cmake --build --preset debug --target launch_script report_html_page >/dev/null 2>&1
step "clang-format" clang-format --dry-run -Werror "${sources[@]}"
step "file length" long_files
step "cppcheck" cppcheck_all
step "codespell" codespell --quiet-level=2 --skip='*/bad-inputs/*,*/corpus/*,*.expected,*/package-lock.json' \
	--ignore-words-list='nwe,ue,te,nd,fo,crate,ser,daa,busses,hda,msdos' controller inventory playbooks node-agent tests docs README.md dev
step "shellcheck" shellcheck -x -P SCRIPTDIR -S warning "${scripts[@]}"
step "clang-tidy" clang_tidy_all
exit $failed
