"""A small share of `./dev kill`: a controller that is killed at journal commits and at random instants ends as an undisturbed one."""

import os
import random
import sys

from harness import Case, main

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "kill"))
from rollout import rollout  # noqa: E402 # in the kill test's folder

CHANGED, HOSTS = 4, 8


class Kill(Case):
    def test_ends_as_an_undisturbed_rollout(self):
        golden = rollout([], CHANGED, HOSTS)
        self.assertEqual(golden.faults, [])
        self.assertEqual(golden.status, 2, "two hosts have no IOMMU")
        self.assertEqual(sum(host["boots"] for host in golden.hosts.values()), HOSTS + CHANGED)
        seed = random.SystemRandom().randrange(1 << 32)
        numbers = random.Random(seed)

        def commit(side, first, last):  # somewhere between these shares of all commits
            return f"{side}{numbers.randint(int(golden.commits * first), int(golden.commits * last))}"

        for kills in ([commit("a", 0.3, 0.9), commit("b", 0.1, 0.3), "%.3f" % numbers.uniform(0, golden.seconds / 4)],
                      ["%.3f" % numbers.uniform(0, golden.seconds), commit("a", 0.01, 0.2), commit("b", 0.2, 0.5)]):
            outcome = rollout(kills, CHANGED, HOSTS)
            with self.subTest(seed=seed, kills=kills, struck=outcome.struck):
                self.assertEqual(outcome.differences(golden), [])


if __name__ == "__main__":
    main()
