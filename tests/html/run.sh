#!/usr/bin/env bash
# run.sh BUILD_DIR [test | bench | screenshots DIR]: the HTML report in a headless Chromium.
#   test         nothing is asked of a network, nothing is against the policy, and everything can be
#                used by mouse, keyboard and screen reader (default)
#   bench        how long a page of 5,000 hosts takes to open: printed, not judged
#   screenshots  PNG files in DIR, to look at
# The browser's remote control and axe-core come from npm, once, into ~/.cache/gpufleet. Where neither they nor
# npm's registry are to be had: exit 77, and a line that begins with SKIP.
set -euo pipefail
build=$(realpath "$1")
mode=${2:-test}
here=$(dirname "$(realpath "$0")")

skip() {
	echo "SKIP html: $*"
	exit 77
}

chromium=$(command -v chromium || command -v chromium-browser) || skip "there is no chromium"
command -v node >/dev/null || skip "there is no node"

# A folder for each set of versions: it is complete once it has its final name.
lock=$(sha256sum "$here/package-lock.json" | cut -c1-16)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/gpufleet/html-$lock
if [[ ! -d $cache ]]; then
	command -v npm >/dev/null || skip "there is no npm to fetch puppeteer-core and axe-core"
	mkdir -p "$(dirname "$cache")"
	fetched=$(mktemp -d "$cache.XXXXXX")
	trap 'rm -rf "$fetched"' EXIT
	cp "$here/package.json" "$here/package-lock.json" "$fetched"
	if ! (cd "$fetched" && npm ci --ignore-scripts --no-audit --no-fund --fetch-retries=1 >npm.log 2>&1); then
		tail -n 3 "$fetched/npm.log"
		skip "npm could not fetch puppeteer-core and axe-core"
	fi
	# Another run may have been quicker.
	mv -T "$fetched" "$cache" 2>/dev/null || true
fi

export GPUFLEET_CHROMIUM=$chromium GPUFLEET_NODE_MODULES=$cache/node_modules GPUFLEET_REPORT_PAGE=$build/report_page
for script in "$here"/../../controller/report/html/*.js; do
	node --check "$script"
done
case $mode in
test) exec node --test "$here"/test_*.mjs ;;
bench) exec node "$here/bench.mjs" ;;
screenshots) exec node "$here/screenshots.mjs" "${3:?a folder for the screenshots}" ;;
*)
	echo "run.sh: no such mode: $mode" >&2
	exit 1
	;;
esac
