"""Runs clients, one at a time, and sees what they cost and whether every host did its part."""

import os
import subprocess
import threading

from figures import Figure, Sample
from relay import Relay
import bed as beds

ROUND_TRIP = 0.3  # s, of the slow run; long beside what a loaded machine adds


class Meter:
    def __init__(self, bed):
        self.bed = bed
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE", "SSH_"))}
        self.environment.update(HOME=bed.path("home"), LC_ALL="C.UTF-8", TERM="dumb")
        os.makedirs(bed.path("home"), exist_ok=True)
        sources = os.path.dirname(os.path.abspath(__file__))
        flags = subprocess.check_output(["pkg-config", "--cflags", "--libs", "libssh"], text=True).split()
        for program in ("meter", "bare_libssh"):
            beds.call("cc", "-O2", "-o", bed.path(program), os.path.join(sources, program + ".c"), *flags)

    def run(self, name, run, hosts):
        """A sample of RUN, which HOSTS hosts must have taken part in; RuntimeError when one did not."""
        before = self.bed.logs_size()
        with open(self.bed.path("out"), "w+", encoding="utf-8", errors="replace") as out, \
                open(self.bed.path("err"), "w+", encoding="utf-8", errors="replace") as err:
            process = subprocess.Popen([self.bed.path("meter"), self.bed.path("measured"), *run.argv],
                                       stdin=subprocess.DEVNULL, stdout=out, stderr=err,
                                       env={**self.environment, **run.environment})
            peak = self.watch(process)
            out.seek(0)
            err.seek(0)
            said, complained = out.read(), err.read()
        with open(self.bed.path("measured"), encoding="ascii") as file:
            status, wall, cpu, largest = file.read().split()
        reached, commands = self.bed.asked_since(before)
        if run.commands:
            reached = min(reached, commands)
        if status != "0" or not run.ok(said, complained) or reached < hosts:
            raise RuntimeError(f"{name}: not every host did as it was told: status {status}, {reached} of {hosts} hosts "
                               f"were asked\n{' '.join(run.argv)[:300]}\n{said[-1500:]}\n{complained[-1500:]}")
        return Sample(hosts, float(cpu), float(wall), max(int(largest), peak))

    @staticmethod
    def watch(process):
        """The largest sum of the memory of all processes of the client that was seen, in kB."""
        peak, ended = 0, threading.Event()
        waiter = threading.Thread(target=lambda: (process.wait(), ended.set()))
        waiter.start()
        while not ended.wait(0.2):
            peak = max(peak, sum(share_kb(pid) for pid in descendants(process.pid)))
        waiter.join()
        return peak


def descendants(of):
    parents = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:
                    parents[int(name)] = int(file.read().rsplit(b")", 1)[1].split()[1])
            except (OSError, IndexError):
                continue
    found, more = set(), {of}
    while more:
        more = {pid for pid, parent in parents.items() if parent in more and pid not in found}
        found |= more
    return found


def share_kb(pid):
    """Its memory; pages that several processes map are divided among them."""
    try:
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
            return sum(int(line.split()[1]) for line in file if line.startswith("Pss:"))
    except OSError:
        return 0


def interleaved(meter, make, hosts, rounds, say, before=None):
    """{client: Figure} of ROUNDS rounds in which each client of make() has its turn; before(): between two runs."""
    figures = {}
    for turn in range(rounds):
        for name in make():
            if before:
                before()
            sample = meter.run(name, make()[name], hosts)
            figures.setdefault(name, Figure(name)).samples.append(sample)
            say(f"  {turn + 1}/{rounds} {name}: {1000 * sample.cpu / hosts:.2f} ms a host, {sample.wall:.2f} s")
    return figures


def through_relay(meter, relay, run, before=None):
    """Bytes both ways, and round trips: by how much longer it takes when each takes longer."""
    walls = []
    for round_trip in (0.0, ROUND_TRIP):
        if before:
            before()
        relay.reset(round_trip)
        walls.append(meter.run("through the relay", run(), 1).wall)
        if round_trip == 0.0:
            sent = relay.bytes
    return sent, (walls[1] - walls[0]) / ROUND_TRIP


def relay_for(bed):
    return Relay(beds.RELAY, bed.relay_port, (bed.addresses[0], bed.port))
