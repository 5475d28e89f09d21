#!/bin/bash
# The controller's CPU time per host for one command on many hosts, beside other tools.
#   tests/bench/exec/run.sh BUILD_DIR [HOSTS [FORKS [ROUNDS]]]
# One private sshd on loopback answers for every host; it allows one key exchange and one cipher, so that
# all clients do the same work. A client that is not installed is left out; one that fails ends the run.
set -euo pipefail

build=$(realpath "$1")
hosts=${2:-200} forks=${3:-64} rounds=${4:-3}
here=$(dirname "$(realpath "$0")")
dir=$(mktemp -d "${TMPDIR:-/tmp}/gpufleet-bench.XXXXXX")
sshd=
finish() {
	[ -z "$sshd" ] || kill "$sshd" 2>/dev/null || true
	rm -rf "$dir"
}
trap finish EXIT

user=$(id -un)
[ "$(id -u)" != 0 ] || mkdir -p /run/sshd
ssh-keygen -q -t ed25519 -N '' -f "$dir/host_key"
ssh-keygen -q -t ed25519 -N '' -f "$dir/user_key"
cp "$dir/user_key.pub" "$dir/authorized_keys"
read -r type key _ <"$dir/host_key.pub"
read -r _ fingerprint _ < <(ssh-keygen -lf "$dir/host_key.pub")
last=$(printf %03d "$hosts")
names=$(seq -f 'h%03g' 1 "$hosts")

start_sshd() {
	cat >"$dir/sshd_config" <<-END
		Port $port
		ListenAddress 127.0.0.1
		HostKey $dir/host_key
		PidFile none
		AuthorizedKeysFile $dir/authorized_keys
		StrictModes no
		SetEnv HOME=$dir
		UsePAM no
		PermitRootLogin yes
		PasswordAuthentication no
		MaxStartups 2000
		KexAlgorithms curve25519-sha256
		Ciphers aes128-gcm@openssh.com
	END
	/usr/sbin/sshd -D -e -f "$dir/sshd_config" 2>>"$dir/log" &
	sshd=$!
	for _ in $(seq 100); do
		kill -0 "$sshd" 2>/dev/null || return 1
		if (: >"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then return 0; fi
		sleep 0.05
	done
	return 1
}
for _ in 1 2 3 4 5; do
	port=$((20000 + RANDOM % 20000))
	if start_sshd; then break; fi
	sshd=
done
[ -n "$sshd" ] || { cat "$dir/log" >&2; exit 1; }

echo "[127.0.0.1]:$port $type $key" >"$dir/known_hosts"
cat >"$dir/inventory.json" <<END
{"version": 1, "fleet": "bench",
 "defaults": {"user": "$user", "port": $port, "identity_file": "$dir/user_key", "host_keys": "strict",
  "known_hosts": "$dir/known_hosts"},
 "groups": {"all": {"role": "compute", "hosts": ["h[001-$last]"]}},
 "hosts": {$(for n in $names; do printf '"%s": {"address": "127.0.0.1"},' "$n"; done | sed 's/,$//')}}
END
cat >"$dir/ssh_config" <<END
Host *
  HostName 127.0.0.1
  Port $port
  User $user
  IdentityFile $dir/user_key
  IdentitiesOnly yes
  IdentityAgent none
  UserKnownHostsFile $dir/known_hosts
  GlobalKnownHostsFile /dev/null
  StrictHostKeyChecking yes
  KexAlgorithms curve25519-sha256
  Ciphers aes128-gcm@openssh.com
  ControlMaster no
END
printf '%s\n' "$names" >"$dir/hosts"
export HOME=$dir LC_ALL=C.UTF-8 TERM=dumb
unset SSH_AUTH_SOCK

cc -O2 -o "$dir/cpu_time" "$here/cpu_time.c"
# shellcheck disable=SC2046 # flags are words
cc -O2 -o "$dir/bare_libssh" "$here/bare_libssh.c" $(pkg-config --cflags --libs libssh)

gpufleet() {
	run_client "$build/gpufleet" exec "$dir/inventory.json" --forks "$forks" -- echo bench-ok
	expect grep -q "($hosts hosts)" "$dir/out"
}
bare() {
	run_client "$dir/bare_libssh" 127.0.0.1 "$port" "$user" "$dir/user_key" "$fingerprint" "$hosts" \
		"$forks" "echo bench-ok"
}
every_host_said_so() {
	expect [ "$(grep -c bench-ok "$dir/out")" = "$hosts" ]
}
expect() {
	if ! "$@"; then
		echo "not every host answered as it should:" >&2
		tail -n 5 "$dir/out" "$dir/err" >&2
		return 1
	fi
}
clush_() {
	run_client clush -S -f "$forks" -o "-F $dir/ssh_config" -w "h[001-$last]" echo bench-ok
	every_host_said_so
}
pssh_() {
	run_client parallel-ssh -i -p "$forks" -t 0 -h "$dir/hosts" -x "-F $dir/ssh_config" echo bench-ok
	every_host_said_so
}
pdsh_() {
	PDSH_SSH_ARGS="-F $dir/ssh_config %h" run_client pdsh -S -R ssh -f "$forks" -w "h[001-$last]" \
		echo bench-ok
	every_host_said_so
}
ansible_() {
	ANSIBLE_SSH_ARGS="-F $dir/ssh_config" ANSIBLE_LOCAL_TEMP=$dir/ansible ANSIBLE_NOCOLOR=1 \
		run_client ansible all -i "$dir/hosts" -f "$forks" -m raw -a "echo bench-ok"
	every_host_said_so
}

run_client() {
	if ! "$dir/cpu_time" "$dir/cpu" "$@" >"$dir/out" 2>"$dir/err" </dev/null; then
		echo "$1 failed:" >&2
		tail -n 5 "$dir/out" "$dir/err" >&2
		return 1
	fi
}

median() {
	sort -n | awk '{v[NR] = $1} END {print v[int((NR + 1) / 2)]}'
}

echo "$hosts hosts, $forks at once, median of $rounds: CPU time of the client, per host"
printf '%-22s %10s %8s\n' client ms/host ratio
base=
for row in "gpufleet exec:gpufleet:" "bare libssh loop:bare:" "clush:clush_:clush" \
	"parallel-ssh:pssh_:parallel-ssh" "pdsh -R ssh:pdsh_:pdsh" "ansible -m raw:ansible_:ansible"; do
	IFS=: read -r label function needs <<<"$row"
	if [ -n "$needs" ] && ! command -v "$needs" >/dev/null; then
		printf '%-22s %10s\n' "$label" "(absent)"
		continue
	fi
	: >"$dir/times"
	for _ in $(seq "$rounds"); do
		"$function"
		cat "$dir/cpu" >>"$dir/times"
	done
	us=$(median <"$dir/times")
	[ -n "$base" ] || base=$us
	awk -v l="$label" -v us="$us" -v n="$hosts" -v b="$base" \
		'BEGIN {printf "%-22s %10.2f %7.1fx\n", l, us / n / 1000, us / b}'
done
