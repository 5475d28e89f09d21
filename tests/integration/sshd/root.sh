#!/bin/bash
# Builds a root file system with the sshd of Debian 13 (OpenSSH 10), which is newer than that of the machines the tests run on as a
# rule. Prints its path, which is in ~/.cache/gpufleet/sshd. Needs root (mounts, chroot).
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck disable=SC2034 # for nspawn/root.sh
base=openssh-server suite=trixie

# shellcheck source=tests/nspawn/root.sh
. "$here/../../nspawn/root.sh"

root_cached sshd "$here/root.sh"
