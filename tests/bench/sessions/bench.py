"""The controller's cost beside its peers', on real sshds: the table, and whether each target holds.

    bench.py BUILD [--quick] [--only a,b,c,d,e] [--hosts N] [--rounds N] [--output FILE]

Ends with 0 where every target that was looked at holds, 1 where one does not, 2 where a client did not do its work. --quick: fewer
hosts, one round, no looking at the wire for peers.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import describe
from bed import Bed, call
from clients import Clients, Run, missing
from figures import FIGURE_HEAD, TARGET_HEAD, Target, figure_rows, ratio, table
from measure import Meter, interleaved, relay_for, through_relay

WORKS = {"a": "one command, `echo bench-ok`, whose answer is counted", "b": "PCI facts, the agent being there (peers: `lspci -nnk`)",
         "c": "an apply that finds nothing to change (peers: `passthrough.yml`)",
         "d": "scan of hosts without an agent: it is pushed (peer: the same file through `cat`)",
         "e": "rolling apply of 1,000 simulated hosts, virtual time"}


class Bench:
    def __init__(self, options, directory):
        self.options, self.quick = options, options.quick
        hosts = options.hosts or (40 if self.quick else 200)
        self.rounds = options.rounds or (1 if self.quick else 3)
        self.say(f"{hosts} hosts are being made")
        self.bed = Bed(options.build, directory, hosts)
        self.meter, self.relay = Meter(self.bed), relay_for(self.bed)
        self.all, self.one = Clients(self.bed), Clients(self.bed, "_relay")
        self.few = Clients(self.bed, count=min(hosts, 4 if self.quick else 24))
        self.sections, self.targets = [], []
        self.bundle = os.path.getsize(os.path.join(options.build, "gpufleet-agent.tar.gz"))

    @staticmethod
    def say(text):
        print(text, file=sys.stderr, flush=True)

    def close(self):
        self.relay.close()
        self.bed.close()

    def compare(self, work, make, hosts, base, before=None, note=""):
        self.say(f"({work}) {WORKS[work]}: {hosts} hosts")
        figures = interleaved(self.meter, make, hosts, self.rounds, self.say, before)
        head = [cell.format(base=base) for cell in FIGURE_HEAD]
        self.sections.append((work, f"{hosts} hosts, {self.rounds} round{'s' * (self.rounds > 1)}{note}", head, figures, base))
        return figures

    def wire(self, figures, make, before=None):
        """Bytes and round trips, of one host; in a quick run of gpufleet and the bare loop alone."""
        for name, figure in figures.items():
            if self.quick and not name.startswith(("gpufleet", "bare")):
                continue
            figure.bytes, figure.round_trips = through_relay(self.meter, self.relay, lambda: make()[name], before)
            self.say(f"  {name}: {figure.bytes} bytes, {figure.round_trips:.1f} round trips")

    def target(self, work, what, value, limit, **options):
        self.targets.append(Target(work, what, value, limit, **options))

    # The works.

    def a(self):
        figures = self.compare("a", self.all.one_command, self.all.count, "bare libssh loop")
        self.wire(figures, self.one.one_command)
        self.target("a", "CPU beside the bare loop's", ratio(figures, "gpufleet exec", "bare libssh loop"), 1.3, unit="×")
        self.target("a", "CPU beside clush's", ratio(figures, "gpufleet exec", "clush"), 0.1, unit="×")
        if self.quick:
            return
        own = Clients(self.bed, "_default", min(self.all.count, 50))
        rounds, self.rounds = self.rounds, 1
        self.compare("a", own.one_command, own.count, "bare libssh loop", note=", each client's own key exchange and cipher")
        self.rounds = rounds

    def b(self):
        self.meter.run("gpufleet scan", self.all.scan(), self.all.count)  # from now on the agent is there
        figures = self.compare("b", self.all.pci_facts, self.all.count, "bare libssh loop")
        self.wire(figures, self.one.pci_facts)
        _, login = through_relay(self.meter, self.relay, self.one.login_only)
        after = round(figures["gpufleet scan"].round_trips - login)
        self.target("b", "CPU beside the bare loop's", ratio(figures, "gpufleet scan", "bare libssh loop"), 2, unit="×")
        self.target("b", "round trips after the login", after, 4)

    def c(self):
        figures = self.compare("c", self.few.no_op_apply, self.few.count, "gpufleet apply")
        if not self.quick:
            self.wire(figures, self.one.no_op_apply)
        mitogen = "the same with Mitogen"
        wall, cpu = (ratio(figures, mitogen, "gpufleet apply", key) for key in ("wall", "cpu"))
        self.target("c", "wall time of Mitogen beside ours", wall, 20, unit="×", at_least=True)
        self.target("c", "CPU of Mitogen beside ours", cpu, 40, unit="×", at_least=True)

    def pushes(self, clients):
        bundle = os.path.join(self.options.build, "gpufleet-agent.tar.gz")
        script = f"ssh -F {clients.config} \"$1\" 'cat >$HOME/bundle && wc -c <$HOME/bundle' <{bundle}"
        return {"gpufleet scan": clients.scan(),
                "xargs -P ssh": Run(["xargs", "-a", clients.hosts_file(), "-P", "64", "-I", "{}", "sh", "-c", script, "sh", "{}"],
                                    clients.count_of(str(self.bundle)))}

    def d(self):
        clients = Clients(self.bed, count=min(self.all.count, 16 if self.quick else 64))
        figures = self.compare("d", lambda: self.pushes(clients), clients.count, "xargs -P ssh", self.bed.remove_agents)
        self.wire(figures, lambda: self.pushes(self.one), self.bed.remove_agents)
        ours = figures["gpufleet scan"]
        self.target("d", "CPU a host", ours.cpu(), 12, unit=" ms")
        self.target("d", "bytes on the wire beside the compressed agent's", ours.bytes / self.bundle, 1.1, unit="×")

    def e(self):
        self.say(f"(e) {WORKS['e']}")
        out = subprocess.check_output([os.path.join(self.options.build, "rolling_apply")], text=True)
        rows, worst = [], 0
        for line in out.splitlines():
            slots, seconds, least = (float(word) for word in line.split())
            rows.append([f"{slots:.0f}", f"{seconds:.1f}", f"{least:.1f}", f"{seconds / least:.3f}"])
            worst = max(worst, seconds / least)
        self.sections.append(("e", "two stages of 10 s, a reboot of 30 s between them, one wave",
                              ["slots", "took, s", "at least, s", "ratio"], rows, None))
        self.target("e", "time beside the list-scheduling bound", worst, 1.05, unit="×")

    def text(self):
        parts = []
        for work, note, head, figures, base in self.sections:
            rows = figures if base is None else figure_rows(figures, base)
            parts.append(f"## ({work}) {WORKS[work]}\n\n{note[0].upper()}{note[1:]}.\n\n{table(head, rows)}\n")
        parts.append("## Targets\n\n" + table(TARGET_HEAD, [target.row() for target in self.targets]) + "\n")
        return "\n".join(parts)


def options_read():
    parser = argparse.ArgumentParser()
    parser.add_argument("build", type=os.path.abspath)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", default="a,b,c,d,e")
    parser.add_argument("--hosts", type=int)
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--output")
    return parser.parse_args()


def main():
    options = options_read()
    if missing():
        print("not installed: " + ", ".join(missing()), file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(2))
    began = time.monotonic()
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK | os.X_OK) else None
    directory = tempfile.mkdtemp(prefix="gpufleet-bench-", dir=memory)
    bench = None
    try:
        bench = Bench(options, directory)
        for work in options.only.split(","):
            getattr(bench, work)()
    except RuntimeError as fault:
        print(fault, file=sys.stderr)
        return 2
    finally:
        if bench:
            bench.close()
        shutil.rmtree(directory, ignore_errors=True)
    text = bench.text()
    print(text)
    minutes = (time.monotonic() - began) / 60
    if options.output and not options.quick:
        with open(options.output, "w", encoding="utf-8") as file:
            file.write(describe.page(text, minutes))
    return 0 if all(target.holds() for target in bench.targets) else 1


if __name__ == "__main__":
    sys.exit(main())
