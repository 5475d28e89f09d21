"""What the process itself may do and must not leave: open files, core dumps, descriptors of ended connections."""

import os
import resource
import socket
import subprocess
import time

from harness import GPUFLEET, Case, main


class Limits(Case):
    def inventory(self, text):
        fleet = self.fleet([{"name": "gpu01", "kind": "control"}])
        path = os.path.join(fleet.directory, "other.json")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def test_too_few_open_files(self):
        """Said before anything begins, with what would do."""
        path = self.inventory('{"version": 1, "fleet": "f", "groups": {"c": {"role": "compute", "hosts": ["h[001-100]"]}}}')

        def few():
            resource.setrlimit(resource.RLIMIT_NOFILE, (200, 200))

        state = os.path.join(os.path.dirname(path), "s.db")
        for command in (["exec", path, "--", "true"], ["scan", path, "--state", state]):
            done = subprocess.run([GPUFLEET, *command], preexec_fn=few, capture_output=True, text=True, timeout=60, check=False)
            self.assertEqual(done.returncode, 1, done)
            self.assertIn("64 connections at once need up to 448 open files, and only 200 are allowed (ulimit -n)", done.stderr)
            self.assertIn("give --forks 22", done.stderr)
        self.assertFalse(os.path.exists(state))

    def test_soft_limit_is_raised(self):
        fleet = self.fleet([{"name": "gpu", "count": 12, "kind": "control"}])

        def soft():
            resource.setrlimit(resource.RLIMIT_NOFILE, (30, 4096))

        done = subprocess.run([GPUFLEET, "exec", fleet.inventory, "--", "true"], preexec_fn=soft, capture_output=True, text=True,
                              timeout=60, check=False)
        self.assertEqual(done.returncode, 0, done)

    def test_no_core_dump(self):
        """Private keys are in memory."""
        with socket.socket() as silent:
            silent.bind(("127.0.0.1", 0))
            silent.listen()
            port = silent.getsockname()[1]
            path = self.inventory('{"version": 1, "fleet": "f", "groups": {"c": {"role": "compute", "hosts": ["h1"]}},'
                                  ' "hosts": {"h1": {"address": "127.0.0.1", "port": %d}}}' % port)
            with subprocess.Popen([GPUFLEET, "exec", path, "--", "true"], stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL) as process:
                connection, _ = silent.accept()
                with open("/proc/%d/limits" % process.pid, encoding="utf-8") as limits:
                    text = limits.read()
                process.kill()
                connection.close()
        line = next(line for line in text.splitlines() if line.startswith("Max core file size"))
        self.assertEqual(line.split()[4:6], ["0", "0"])

    def test_descriptors_do_not_grow(self):
        """Watched from outside while 500 connections come and go."""
        names = ["gpu%03d" % (i + 1) for i in range(500)]
        fleet = self.fleet([{"name": "gpu", "count": 500, "digits": 3, "kind": "control"}],
                           {"groups": {"c": {"role": "compute", "hosts": names}}})
        seen = []
        with subprocess.Popen([GPUFLEET, "exec", fleet.inventory, "--forks", "16", "--", "true"], stdout=subprocess.DEVNULL) as process:
            while process.poll() is None:
                try:
                    seen.append(len(os.listdir("/proc/%d/fd" % process.pid)))
                except OSError:
                    break
                time.sleep(0.05)
            process.wait(timeout=300)
        self.assertEqual(process.returncode, 0)
        self.assertGreater(len(seen), 20)
        self.assertLess(max(seen), 16 + 16 * 5)
        half = max(seen[: len(seen) // 2])
        self.assertLessEqual(max(seen[len(seen) // 2 :]), half + 8)


if __name__ == "__main__":
    main()
