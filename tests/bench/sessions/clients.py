"""What each client is told to do for each work, and how its success is seen."""

import json
import os
import shutil
import subprocess

FORKS = 64
WORD = "bench-ok"
LSPCI = "lspci -A linux-sysfs -O sysfs.path=$GPUFLEET_SYSROOT/sys/bus/pci -nnk"
PLAYBOOK = os.path.join(os.path.dirname(os.path.abspath(__file__)), "passthrough.yml")
MITOGEN = "/usr/lib/python3/dist-packages/ansible_mitogen/plugins/strategy"


class Run:
    """What a client is run with: ARGV, ENVIRONMENT beside the plain one; ok(out, err) is true when every host did its part.
    COMMANDS: it starts some on every host."""

    def __init__(self, argv, ok, environment=None, commands=True):
        self.argv, self.ok, self.environment, self.commands = argv, ok, environment or {}, commands


class Clients:
    """The clients on BED. WHICH: "" for the forced key exchange and cipher, "_default" for each client's own, "_relay" for
    one host behind the relay."""

    def __init__(self, bed, which="", count=None):
        self.bed, self.which = bed, which
        ports = {"": bed.port, "_default": bed.default_port, "_relay": bed.relay_port}
        addresses = ["127.72.0.1"] if which == "_relay" else bed.addresses
        self.addresses = addresses[:count]
        self.port, self.count = ports[which], len(self.addresses)
        self.config = bed.path("ssh_config" + which)

    def count_of(self, text, each=1):
        return lambda out, err: out.count(text) == each * self.count

    # One shell command everywhere.

    def bare(self, command, ok):
        return Run([self.bed.path("bare_libssh"), str(self.port), self.bed.user, self.bed.key, self.bed.fingerprint,
                    str(FORKS), command, *self.addresses], ok)

    def clush(self, command, ok):
        return Run(["clush", "-S", "-f", str(FORKS), "-o", "-F " + self.config, "-w", ",".join(self.addresses), command], ok)

    def pssh(self, command, ok):
        return Run(["parallel-ssh", "-i", "-p", str(FORKS), "-t", "0", "-h", self.hosts_file(), "-x", "-F " + self.config,
                    command], ok)

    def pdsh(self, command, ok):
        return Run(["pdsh", "-S", "-R", "ssh", "-f", str(FORKS), "-w", ",".join(self.addresses), command], ok,
                   {"PDSH_SSH_ARGS": f"-F {self.config} %h"})

    def xargs(self, command, ok):
        return Run(["xargs", "-a", self.hosts_file(), "-P", str(FORKS), "-I", "{}", "ssh", "-n", "-F", self.config, "{}",
                    command], ok)

    def ansible_raw(self, command, ok):
        return Run(["ansible", "all", "-i", self.ansible_inventory(), "-f", str(FORKS), "-m", "raw", "-a", command], ok,
                   self.ansible_environment())

    def peers(self, command, ok):
        return {"clush": self.clush(command, ok), "parallel-ssh": self.pssh(command, ok), "pdsh -R ssh": self.pdsh(command, ok),
                "xargs -P ssh": self.xargs(command, ok), "ansible -m raw": self.ansible_raw(command, ok)}

    # The works.

    def one_command(self):
        ok = self.count_of(WORD)
        command = "echo " + WORD
        folded = f"({self.count} hosts)" if self.count > 1 else WORD
        ours = self.gpufleet("exec", "--", *command.split(), ok=lambda out, err: folded in out, state=False)
        return {"gpufleet exec": ours, "bare libssh loop": self.bare(command, ok), **self.peers(command, ok)}

    def login_only(self):
        run = self.bare("", lambda out, err: f"{self.count} of {self.count} ok" in err)
        run.commands = False
        return run

    def pci_facts(self, new=True):
        """NEW: a store that knows nothing of the hosts yet."""
        ok = self.count_of("[10de:1b06]", 2)
        return {"gpufleet scan": self.scan(new), "bare libssh loop": self.bare(LSPCI, ok), **self.peers(LSPCI, ok)}

    def scan(self, new=True):
        return self.gpufleet("scan", ok=lambda out, err: self.facts_there(), new=new)

    def facts_there(self):
        """Every host's facts, each with the boot id of that host alone, and both cards on vfio-pci."""
        out = subprocess.run([os.path.join(self.bed.build, "gpufleet"), "report", self.inventory(), "--state", self.state(),
                              "--format", "json"], check=True, stdout=subprocess.PIPE).stdout
        report = json.loads(out)
        return len(report["hosts"]) == self.count and all(host["reachable"] for host in report["hosts"]) and \
            report["totals"]["ready"] == 2 * self.count

    def no_op_apply(self):
        done = f"{self.count} done (0 changed, 0 rebooted)"
        return {"gpufleet apply": self.gpufleet("apply", "--yes", ok=lambda out, err: done in out),
                "ansible-playbook": self.playbook("linear"),
                "the same with Mitogen": self.playbook("mitogen_linear")}

    def gpufleet(self, command, *args, ok, state=True, new=True):
        argv = [os.path.join(self.bed.build, "gpufleet"), command, self.inventory(), "--forks", str(FORKS)]
        if state:
            argv += ["--state", self.state()]
        if state and new:
            for end in ("", "-wal", "-shm", ".lock"):
                if os.path.exists(self.state() + end):
                    os.remove(self.state() + end)
        return Run(argv + list(args), ok)

    def playbook(self, strategy):
        argv = ["ansible-playbook", "-i", self.ansible_inventory(), "-f", str(FORKS), "-e", "state_files=" + self.bed.root(0),
                PLAYBOOK]
        return Run(argv, self.count_of("ok=6    changed=0    unreachable=0    failed=0"),
                   {**self.ansible_environment(), "ANSIBLE_STRATEGY": strategy, "ANSIBLE_STRATEGY_PLUGINS": MITOGEN})

    # Their files.

    def state(self):
        return self.bed.path(f"bench{self.which}.db")

    def hosts_file(self):
        path = self.bed.path(f"hosts-{self.count}{self.which}")
        with open(path, "w", encoding="utf-8") as file:
            file.writelines(address + "\n" for address in self.addresses)
        return path

    def inventory(self):
        path = self.bed.path(f"inventory-{self.count}{self.which}.json")
        self.bed.write_inventory(path, self.addresses, self.port)
        return path

    def ansible_inventory(self):
        path = self.bed.path(f"ansible-{self.count}{self.which}")
        with open(path, "w", encoding="utf-8") as file:
            file.writelines(f"{address} root={self.bed.root(i)}\n" for i, address in enumerate(self.addresses))
        return path

    def ansible_environment(self):
        """As fast as it can be set without changing what it does: pipelining, and one connection a host for all tasks."""
        for name in ("ansible-tmp", "ansible-control"):
            os.makedirs(self.bed.path(name), exist_ok=True)
        with open(self.bed.path("ansible.cfg"), "w", encoding="utf-8"):
            pass
        return {"ANSIBLE_CONFIG": self.bed.path("ansible.cfg"), "ANSIBLE_LOCAL_TEMP": self.bed.path("ansible-tmp"),
                "ANSIBLE_SSH_ARGS": f"-F {self.config} -o ControlMaster=auto -o ControlPersist=60s",
                "ANSIBLE_SSH_CONTROL_PATH_DIR": self.bed.path("ansible-control"), "ANSIBLE_PIPELINING": "1",
                "ANSIBLE_NOCOLOR": "1", "ANSIBLE_PYTHON_INTERPRETER": "/usr/bin/python3"}


def missing():
    """Peers that are not installed, by the program that is not there."""
    programs = ("clush", "parallel-ssh", "pdsh", "ansible", "ansible-playbook", "lspci", "ssh", "xargs")
    gone = [program for program in programs if not shutil.which(program)]
    return gone + ([] if os.path.isdir(MITOGEN) else ["ansible-mitogen"])
