"""What docs/benchmarks.md says around the tables: how they came about, on which machine, with which versions."""

import os
import platform
import subprocess
import time

HEAD = """# Benchmarks

Written by `./dev bench`, which measures gpufleet beside its peers and ends with a status other than 0 where a target does not hold.

The hosts are real: OpenSSH's sshds on loopback addresses, one address a host, each with a root directory of its own (one simulated
host, taken through the playbook and its reboot, and copies of it). All clients do the same work on the same hosts, with the
same key exchange (curve25519-sha256) and cipher (aes128-gcm) unless it says otherwise, 64 at once. Clients take turns, round by
round; a figure is the median, with the least and the most beside it. No client is taken at its word: its output must have every host's
answer, and the sshds' own logs must say that a command was started on every one.

- *CPU a host*: of the client and all its processes, those included that it leaves behind. The hosts' own share is not in it.
- *peak memory*: of all its processes together, shared pages divided among them.
- *bytes a host*, *round trips*: of one host behind a relay that counts, and then holds back, what passes. Round trips are those that
  the client waits for, TCP's own handshake not among them, measured by the time that they add.
- *bare libssh loop*: `tests/bench/sessions/bare_libssh.c`, the least that a client on this library can do.
- Ansible has pipelining and one connection a host for all tasks; its playbook gathers no facts.
"""


def version(*argv):
    try:
        out = subprocess.run(argv, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout
    except OSError:
        return "absent"
    return out.splitlines()[0].strip() if out else "unknown"


def packages(*names):
    out = subprocess.run(["dpkg-query", "-W", "-f", "${Package} ${Version}\n", *names], check=False, stdout=subprocess.PIPE,
                         stderr=subprocess.DEVNULL, text=True).stdout
    return ", ".join(out.splitlines())


def processor():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        for line in file:
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.machine()


def page(text, minutes):
    with open("/proc/meminfo", encoding="ascii") as file:
        memory = int(file.readline().split()[1]) / 1048576
    busy = os.getloadavg()
    machine = (f"Measured on {time.strftime('%Y-%m-%d', time.gmtime())} in {minutes:.0f} minutes: {os.cpu_count()} processors "
               f"({processor()}), {memory:.0f} GB, Linux {platform.release()}; at the end the load was {busy[2]:.1f} over 15 minutes.\n"
               f"{version('ssh', '-V')}; " +
               packages("libssh-4", "clustershell", "pdsh", "pssh", "ansible-core", "ansible-mitogen", "pciutils", "libsqlite3-0",
                        "libjansson4") + ".\n")
    return f"{HEAD}\n{machine}\n{text}"
