#!/usr/bin/env bash
# lint.sh: everything that reads the sources without running them. Called by ./dev lint.
set -uo pipefail
cd "$(dirname "$(readlink -f "$0")")/.." || exit 1
failed=0
step() {
	local name=$1
	shift
	if "$@"; then echo "ok: $name"; else
		echo "FAILED: $name"
		failed=1
	fi
}

mapfile -t sources < <(git ls-files '*.c' '*.h')
mapfile -t units < <(git ls-files 'controller/*.c' 'inventory/*.c' 'playbooks/*.c' 'node-agent/*.c')
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

cmake --preset debug -Wno-dev >/dev/null || exit 1
cmake --build --preset debug --target launch_script >/dev/null 2>&1
step "clang-format" clang-format --dry-run -Werror "${sources[@]}"
step "file length" long_files
step "cppcheck" cppcheck --quiet --error-exitcode=1 --inline-suppr --std=c11 -I . -j "$(nproc)" \
	--enable=warning,portability --suppress=missingIncludeSystem --suppress=unknownMacro --suppress=autoVariables "${units[@]}"
step "codespell" codespell --quiet-level=2 --skip='*/bad-inputs/*,*/corpus/*,*.expected' \
	--ignore-words-list='ue,te,nd,fo,crate,ser,daa,busses,hda,msdos' controller inventory playbooks node-agent tests docs README.md dev
step "shellcheck" shellcheck -x -P SCRIPTDIR -S warning "${scripts[@]}"
step "clang-tidy" xargs -P "$(nproc)" -n 4 clang-tidy --quiet -p build/debug --extra-arg=-Wno-unknown-warning-option < <(printf '%s\n' "${units[@]}") 2> >(
	grep -vE 'generated|Suppressed|Use -header-filter' >&2
)
exit $failed
