"""The hosts of the benchmarks: real sshds on loopback addresses, each address with a host's root of its own.

One simulated host is taken through the whole playbook by the simulator, reboot and all; the others are copies of its root
directory with a boot id and a name of their own. sshd's `Match LocalAddress` gives each session its host's root in
GPUFLEET_SYSROOT, where the agent and the playbook for Ansible both look.
"""

import json
import os
import random
import shutil
import signal
import socket
import subprocess
import time
import uuid

ADDRESSES_AN_SSHD = 16  # sshd's own limit
SECTION = "127.71.0."
RELAY = "127.72.0.1"
KEX, CIPHER = "curve25519-sha256", "aes128-gcm@openssh.com"
GPUS = [{"alias": "nvidia1080", "vendor": "10de", "device": "1b06", "functions": "all"}]


def call(*argv, **options):
    return subprocess.run(argv, check=True, stdin=subprocess.DEVNULL, **options)


def wait(condition, seconds, what):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise RuntimeError(f"waited {seconds} s for {what}")
        time.sleep(0.02)


class Bed:
    def __init__(self, build, directory, count):
        self.build, self.directory, self.count = build, directory, count
        self.addresses = [f"{SECTION}{i}" for i in range(1, count + 1)]
        self.processes = []
        self.user = subprocess.check_output(["id", "-un"], text=True).strip()
        self.key = self.path("user_key")
        for name in ("host_key", "user_key"):
            call("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.path(name))
        shutil.copy(self.path("user_key.pub"), self.path("authorized_keys"))
        self.fingerprint = subprocess.check_output(["ssh-keygen", "-lf", self.path("host_key.pub")], text=True).split()[1]
        self.make_roots()
        self.port = self.start_sshds(f"KexAlgorithms {KEX}\nCiphers {CIPHER}\n")
        self.default_port = self.start_sshds("")
        self.relay_port = free_port()
        self.write_files()

    def path(self, *parts):
        return os.path.join(self.directory, *parts)

    def root(self, i):
        return self.path("machines", f"h{i + 1:03d}", "root")

    # The roots.

    def make_roots(self):
        scenario = {"boot_seconds": 0.2, "shutdown_seconds": 0.1, "hosts": [{"name": "gpu01", "kind": "intel-nvidia"}],
                    "inventory": {"version": 1, "fleet": "first", "gpus": GPUS,
                                  "groups": {"all": {"role": "compute", "hosts": ["gpu01"]}}}}
        with open(self.path("scenario.json"), "w", encoding="utf-8") as file:
            json.dump(scenario, file)
        state = self.path("sim")
        with open(self.path("sim.log"), "w", encoding="utf-8") as log:
            simulator = subprocess.Popen([os.path.join(self.build, "gpufleet-sim"), "--dir", state, self.path("scenario.json")],
                                         stdout=log, stderr=log)
        self.processes.append(simulator)
        wait(lambda: os.path.exists(os.path.join(state, "ready")), 120, "the simulated host")
        call(os.path.join(self.build, "gpufleet"), "apply", os.path.join(state, "inventory.json"), "--state",
             self.path("first.db"), "--yes", stdout=subprocess.DEVNULL)
        simulator.terminate()
        simulator.wait()
        os.mkdir(self.path("machines"))
        for i in range(self.count):
            self.clone(os.path.join(state, "hosts/gpu01"), i)

    def clone(self, first, i):
        """Files that nobody writes to in their place are shared; what the agent keeps of the host is its own."""
        root = self.root(i)
        call("cp", "-al", first, os.path.dirname(root))
        kept = os.path.join(root, "var/lib/gpufleet")
        own = [os.path.join(kept, name) for name in os.listdir(kept) if name != "agent"]
        for path in own + [os.path.join(os.path.dirname(root), "control")]:
            call("cp", "-a", path, path + ".new")
            if os.path.isdir(path):
                shutil.rmtree(path)
            os.rename(path + ".new", path)
        for name, text in (("proc/sys/kernel/random/boot_id", str(uuid.uuid4())), ("etc/hostname", f"h{i + 1:03d}")):
            path = os.path.join(root, name)
            if os.path.exists(path):
                os.remove(path)
            with open(path, "w", encoding="utf-8") as file:
                file.write(text + "\n")

    def remove_agents(self):
        for i in range(self.count):
            shutil.rmtree(os.path.join(self.root(i), "var/lib/gpufleet/agent"), ignore_errors=True)

    # The sshds.

    def start_sshds(self, algorithms):
        if os.getuid() == 0:
            os.makedirs("/run/sshd", exist_ok=True)
        for _ in range(5):
            port = free_port()
            started = []
            for first in range(0, self.count, ADDRESSES_AN_SSHD):
                started.append(self.start_sshd(port, algorithms, range(first, min(first + ADDRESSES_AN_SSHD, self.count))))
            if all(answers(self.addresses[first], port, process) for first, process in
                   zip(range(0, self.count, ADDRESSES_AN_SSHD), started)):
                self.processes += started
                return port
            for process in started:
                process.terminate()
        raise RuntimeError("sshd does not start: " + self.path("sshd.log"))

    def start_sshd(self, port, algorithms, members):
        config = self.path(f"sshd-{port}-{members[0]}")
        with open(config, "w", encoding="utf-8") as file:
            file.write(f"Port {port}\nHostKey {self.path('host_key')}\nPidFile none\nStrictModes no\nUsePAM no\n"
                       f"AuthorizedKeysFile {self.path('authorized_keys')}\nPermitRootLogin yes\nLogLevel VERBOSE\n"
                       f"PasswordAuthentication no\nMaxStartups 2000\nSubsystem sftp internal-sftp\n{algorithms}")
            for i in members:
                file.write(f"ListenAddress {self.addresses[i]}\n")
            for i in members:
                root = self.root(i)
                path = ":".join([f"{root}/usr/sbin", f"{root}/usr/bin", f"{root}/sbin", "/usr/sbin:/usr/bin:/sbin:/bin"])
                file.write(f"Match LocalAddress {self.addresses[i]}\n"
                           f"SetEnv GPUFLEET_SYSROOT={root} HOME={root}/root PATH={path}\n")
        with open(config + ".log", "w", encoding="utf-8") as log:
            return subprocess.Popen(["/usr/sbin/sshd", "-D", "-e", "-f", config], stdin=subprocess.DEVNULL, stderr=log)

    def logs_size(self):
        return {name: os.path.getsize(self.path(name)) for name in os.listdir(self.directory) if name.startswith("sshd-")
                and name.endswith(".log")}

    def asked_since(self, sizes):
        """How many addresses the sshds say they were connected to since logs_size() said SIZES, and how many commands they
        have started. (Which was started where can't be told: one port of a client may lead to several addresses.)"""
        addresses, commands = set(), 0
        for name, size in sizes.items():
            with open(self.path(name), encoding="utf-8", errors="replace") as file:
                file.seek(size)
                for line in file:
                    if line.startswith("Connection from "):
                        addresses.add(line.split()[6])
                    elif line.startswith("Starting session: command "):
                        commands += 1
        return len(addresses), commands

    # What the clients read.

    def write_files(self):
        with open(self.path("host_key.pub"), encoding="utf-8") as file:
            key = " ".join(file.read().split()[:2])
        with open(self.path("known_hosts"), "w", encoding="utf-8") as file:
            for address in self.addresses:
                file.write(f"[{address}]:{self.port} {key}\n[{address}]:{self.default_port} {key}\n")
            file.write(f"[{RELAY}]:{self.relay_port} {key}\n")
        forced = f"  KexAlgorithms {KEX}\n  Ciphers {CIPHER}\n"
        for name, port, algorithms in (("ssh_config", self.port, forced), ("ssh_config_default", self.default_port, ""),
                                       ("ssh_config_relay", self.relay_port, forced)):
            with open(self.path(name), "w", encoding="utf-8") as file:
                file.write(f"Host *\n  Port {port}\n  User {self.user}\n  IdentityFile {self.key}\n  IdentitiesOnly yes\n"
                           f"  IdentityAgent none\n  UserKnownHostsFile {self.path('known_hosts')}\n"
                           f"  GlobalKnownHostsFile /dev/null\n  StrictHostKeyChecking yes\n{algorithms}")

    def write_inventory(self, path, addresses, port):
        hosts = {f"h{i + 1:03d}": {"address": address} for i, address in enumerate(addresses)}
        with open(path, "w", encoding="utf-8") as file:
            json.dump({"version": 1, "fleet": "bench", "gpus": GPUS, "hosts": hosts,
                       "defaults": {"user": self.user, "port": port, "identity_file": self.key, "host_keys": "strict",
                                    "known_hosts": self.path("known_hosts")},
                       "groups": {"all": {"role": "compute", "hosts": list(hosts)}},
                       "rollout": {"waves": ["100%"], "max_unavailable": len(hosts), "max_failures": 0}}, file)

    def close(self):
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in self.processes:
            process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)


def free_port():
    """Free on every loopback address that is looked at; taken in between, the sshds are started on another one."""
    return random.randrange(20000, 32000)


def answers(address, port, process):
    for _ in range(200):
        if process.poll() is not None:
            return False
        try:
            socket.create_connection((address, port), 1).close()
            return True
        except OSError:
            time.sleep(0.05)
    return False
