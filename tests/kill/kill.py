"""The kill test: python3 kill.py BUILD_DIR [options], or ./dev kill [options]. See README.md.

An undisturbed rollout says how many journal commits there are and how long it takes. Then the controller is killed before and after
each commit, and at random instants of that time, several times in one rollout; each rollout must end as the undisturbed one did.
"""

import argparse
import concurrent.futures
import json
import os
import random
import signal
import sys
import threading
import time

from rollout import BUILD, HOSTS, evidence_keep, rollout

CHAIN = 8  # kills in one rollout, at most


class Pool:
    """The kills that are still to be made: those at commits as they are written, those at instants as a share of the time that an
    undisturbed rollout takes at present. A rollout's first process lives long, those that go on have less left to do: so of three kills
    drawn the latest is for a first process, the earliest for another. One that found its process ended is for a first one."""

    def __init__(self, kills, golden, seed):
        self.lock = threading.Lock()
        self.waiting, self.missed = kills, []
        self.numbers = random.Random(seed)
        self.commits, self.seconds = golden.commits, golden.seconds

    def left(self):
        return len(self.waiting) + len(self.missed)

    def lateness(self, kill):
        return int(kill[1:]) / self.commits if isinstance(kill, str) else kill

    def take(self, first):
        with self.lock:
            if first and self.missed:
                return self.missed.pop()
            if not self.waiting:
                return None
            drawn = self.numbers.sample(self.waiting, min(3, len(self.waiting)))
            kill = (max if first else min)(drawn, key=self.lateness)
            self.waiting.remove(kill)
            return kill

    def chain(self, given):
        """A rollout's kills, one after the other; GIVEN holds them."""
        while len(given) < CHAIN and (kill := self.take(not given)):
            given.append(kill)
            yield kill if isinstance(kill, str) else "%.3f" % (kill * self.seconds)


class Test:
    def __init__(self, options, pool, golden):
        self.options, self.pool, self.golden = options, pool, golden
        self.lock = threading.Lock()
        self.rollouts, self.kills, self.beyond, self.failed, self.again = 0, {"commit": 0, "instant": 0}, [], 0, 0
        self.down = dict(golden.down)
        self.all = list(pool.waiting)
        self.stop = False
        self.began = time.monotonic()

    def judge(self, fleet, outcome):
        differences = outcome.differences(self.golden)
        with self.lock:
            self.rollouts += 1
            for kill in outcome.struck:
                self.kills["commit" if kill[0] in "ab" else "instant"] += 1
            for who, count in outcome.down.items():
                self.down[who] = max(self.down.get(who, 0), count)
            self.failed += bool(differences)
            self.again += outcome.again
            text = f"{int(time.monotonic() - self.began)} s: rollout {self.rollouts}: killed at {' '.join(outcome.struck) or 'no time'}: "
            print(text + (f"{len(differences)} differences" if differences else "the same"), flush=True)
        if not differences:
            return
        directory = os.path.join(BUILD, "kill", f"{os.getpid()}-{self.rollouts}")
        evidence_keep(fleet, directory)
        print("\n".join(f"    {line}" for line in differences[:20]))
        print(f"    again: ./dev kill --changed {self.options.changed} --replay {','.join(outcome.struck)}; its files: {directory}",
              flush=True)

    def work(self):
        while not self.stop and self.pool.left():
            if self.options.minutes and time.monotonic() - self.began > self.options.minutes * 60:
                return
            given = []
            outcome = rollout(self.pool.chain(given), self.options.changed, judge=self.judge)
            if not outcome.struck:  # nobody disturbed it
                self.pool.seconds = outcome.seconds
            self.left_write(given[:len(outcome.struck)])
            for kill in given[len(outcome.struck):]:
                if outcome.struck or not isinstance(kill, str):
                    self.pool.missed.append(kill)
                else:
                    self.beyond.append(kill)  # how many commits there are varies a little

    def left_write(self, made):
        """What is left of a pass that is to be gone on with, should this be its last rollout. MADE: what this one was killed at."""
        with self.lock:
            for kill in made:
                self.all.remove(kill)
            if self.options.left:
                with open(self.options.left + ".new", "w", encoding="utf-8") as file:
                    json.dump(self.all, file)
                os.replace(self.options.left + ".new", self.options.left)

    def run(self):
        with concurrent.futures.ThreadPoolExecutor(self.options.jobs) as threads:
            try:
                for worker in [threads.submit(self.work) for _ in range(self.options.jobs)]:
                    worker.result()
            finally:
                self.stop = True  # the others end their rollout, and begin none


def golden_make(options):
    """As many undisturbed rollouts at once as there will be others, so that they take as long; they must agree with each other."""
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as threads:
        all_of_them = list(threads.map(lambda _: rollout([], options.changed), range(options.jobs)))
    golden = all_of_them[0]
    for other in all_of_them:
        if differences := other.differences(golden):
            sys.exit("undisturbed rollouts differ:\n" + "\n".join(differences))
        golden.commits = max(golden.commits, other.commits)
        golden.seconds = max(golden.seconds, other.seconds)
    return golden


def kills_make(options, golden):
    if options.left and os.path.exists(options.left):
        with open(options.left, encoding="utf-8") as file:
            return json.load(file)
    numbers = random.Random(options.seed)
    kills = [f"{side}{n}" for n in range(1, golden.commits + 1) for side in "ba"]
    numbers.shuffle(kills)
    if options.commits is not None:
        kills = kills[:options.commits]
    return kills + [numbers.random() for _ in range(options.instants)]


def options_read():
    parser = argparse.ArgumentParser(prog="./dev kill", description=__doc__.split("\n\n")[1])
    parser.add_argument("build", help=argparse.SUPPRESS)
    parser.add_argument("--instants", type=int, default=500, metavar="N", help="random instants (500)")
    parser.add_argument("--commits", type=int, metavar="N", help="only N of the kills at commits (all)")
    parser.add_argument("--seed", type=int, default=1, metavar="S", help="of the instants and the order (1)")
    parser.add_argument("--changed", type=int, default=12, metavar="N", help=f"of the {HOSTS} hosts, how many have GPUs to be taken (12)")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)), metavar="N", help="rollouts at once (one a CPU)")
    parser.add_argument("--minutes", type=float, metavar="M", help="begin no rollout after so long")
    parser.add_argument("--left", metavar="FILE", help="keep in FILE what is left to be done; where it is there, go on with that")
    parser.add_argument("--replay", metavar="KILLS", help="one rollout with these kills, as printed of one that failed: b17,3.250,a60")
    return parser.parse_args()


def main():
    options = options_read()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    golden = golden_make(options)
    print(f"undisturbed: {HOSTS} hosts, {options.changed} to be changed: {golden.commits} commits in {golden.seconds:.1f} s, exit status "
          f"{golden.status}, most down at once: {dict(golden.down)}", flush=True)
    kills = options.replay.split(",") if options.replay else kills_make(options, golden)
    at_commits = sum(isinstance(kill, str) for kill in kills)
    print(f"seed {options.seed}: {at_commits} kills at commits, {len(kills) - at_commits} at instants, {options.jobs} rollouts at once", flush=True)
    pool = Pool([] if options.replay else kills, golden, options.seed)
    test = Test(options, pool, golden)
    if options.replay:
        rollout(kills, options.changed, judge=test.judge)
    else:
        test.run()
    left = pool.left()
    print(f"{test.again} times a trial was staged anew that had not been booted yet")
    print(f"{test.rollouts} rollouts, killed at {test.kills['commit']} commits and {test.kills['instant']} instants; "
          f"{len(test.beyond)} commits were no more reached, {left} were not made; "
          f"most down at once: {test.down}; {test.failed} rollouts ended otherwise than the undisturbed one")
    return 1 if test.failed else 0


if __name__ == "__main__":
    sys.exit(main())
