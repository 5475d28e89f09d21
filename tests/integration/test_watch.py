"""scan --watch: round after round in one process, whose lines are waited for."""

import json
import os
import queue
import signal
import threading

from harness import Case, main

STOCK = {"name": "gpu", "count": 2, "kind": "intel-nvidia"}


class Watch:
    """A watch that runs, and its lines as they come."""

    def __init__(self, case, fleet, *args, interval="1s"):
        self.case, self.fleet = case, fleet
        self.process = fleet.start("scan", "--watch", interval, *args)
        self.lines, self.seen, self.errors = queue.Queue(), [], []
        self.readers = [threading.Thread(target=self.read, daemon=True),
                        threading.Thread(target=lambda: self.errors.extend(self.process.stderr), daemon=True)]
        for reader in self.readers:
            reader.start()
        case.addCleanup(self.close)

    def read(self):
        for line in self.process.stdout:
            self.lines.put(line.rstrip("\n"))

    def line(self, containing=""):
        """The next line with these words."""
        while True:
            try:
                line = self.lines.get(timeout=120)
            except queue.Empty:
                self.case.fail(f"no line with \"{containing}\" came; lines: {self.seen}; errors: {self.errors}")
            self.seen.append(line)
            if containing in line:
                return line

    def files(self):
        """What the process has open."""
        base, files = f"/proc/{self.process.pid}/fd", []
        for name in os.listdir(base):
            try:
                files.append(os.readlink(os.path.join(base, name)))
            except FileNotFoundError:
                pass
        return files

    def rest(self):
        """Waits for a moment between two scans: no connection and no store is open. Returns what is."""
        files = []

        def resting():
            before, files[:] = list(files), sorted(self.files())
            busy = [file for file in files if file.startswith("socket:") or file.startswith(self.fleet.store)]
            return not busy and files == before  # … nor a file that is just being read

        self.fleet.wait(resting, 60, "connections and store to be closed")
        return [file.split(":")[0] for file in files]

    def resident(self):
        with open(f"/proc/{self.process.pid}/status", encoding="utf-8") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("VmRSS:"))

    def end(self, number=signal.SIGINT):
        self.process.send_signal(number)
        status = self.process.wait(60)
        for reader in self.readers:
            reader.join(10)
        return status

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for reader in self.readers:
            reader.join(10)
        self.process.stdout.close()
        self.process.stderr.close()


class WatchTest(Case):
    def watch(self, *args, **options):
        return Watch(self, *args, **options)

    def test_rounds(self):
        """What has changed on a host shows in the next round; between two there is no connection."""
        fleet = self.fleet([STOCK])
        watch = self.watch(fleet)
        self.assertRegex(watch.line(), r"^\d\d:\d\d:\d\d done: 2 of 2 hosts scanned, 0 failed, 0 unreachable; 4 GPUs: "
                         r"0 ready, 0 in use, 4 pending, 0 blocked, 0 unknown$")
        watch.rest()
        for function in "01":
            fleet.remove("gpu01", f"sys/bus/pci/devices/0000:02:00.{function}")
        watch.line("3 GPUs")
        watch.line("3 GPUs")
        self.assertEqual(watch.end(), 130)
        self.assertEqual(watch.errors, [])
        history = self.report(fleet, "--history")["history"]
        self.assertGreaterEqual(len(history), 3)
        self.assertEqual([history[0]["total"], history[-1]["total"]], [6, 5])

    def test_json_and_file(self):
        fleet = self.fleet([STOCK])
        path = os.path.join(fleet.directory, "report.json")
        watch = self.watch(fleet, "--json", "--output", path, "--format", "json")
        files = []
        for _ in range(3):
            event = json.loads(watch.line())
            self.assertEqual([event["event"], event["status"], event["hosts"]["done"], event["totals"]["gpus"]],
                             ["scan", "done", 2, 6])
            with open(path, encoding="utf-8") as file:
                files.append((os.fstat(file.fileno()).st_ino, json.load(file)["totals"]["gpus"]))
        self.assertEqual([gpus for _, gpus in files], [6, 6, 6])
        self.assertEqual(watch.end(signal.SIGTERM), 130)
        self.assertEqual([name for name in os.listdir(fleet.directory) if name.startswith("report.json.")], [])

    def test_prometheus_textfile(self):
        """For the node exporter, which runs as another user."""
        fleet = self.fleet([STOCK])
        path = os.path.join(fleet.directory, "gpufleet.prom")
        watch = self.watch(fleet, "--output", path, "--format", "prometheus")
        watch.line("4 GPUs")
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o644)
        for function in "01":
            fleet.remove("gpu01", f"sys/bus/pci/devices/0000:02:00.{function}")
        watch.line("3 GPUs")
        with open(path, encoding="utf-8") as file:
            lines = file.read().splitlines()
        self.assertEqual(sum(int(line.split()[-1]) for line in lines if line.startswith("gpufleet_gpus{")), 5)
        self.assertEqual(watch.end(), 130)

    def test_file_can_not_be_written(self):
        """It is said each time, and the watch goes on."""
        fleet = self.fleet([STOCK])
        watch = self.watch(fleet, "--output", os.path.join(fleet.directory, "nowhere/report.txt"))
        watch.line("cannot create a file beside")
        watch.line("2 of 2 hosts")
        watch.line("cannot create a file beside")
        self.assertEqual(watch.end(), 130)

    def test_host_is_tried_again(self):
        fleet = self.fleet([STOCK], boot_seconds=3)
        watch = self.watch(fleet, "--timeout", "5")
        watch.line("2 of 2 hosts")
        fleet.request("gpu02", "power")
        self.assertIn("1 unreachable (gpu02)", watch.line("incomplete: 1 of 2 hosts"))
        watch.line("done: 2 of 2 hosts")
        self.assertEqual(watch.end(), 130)

    def test_apply_between_two_scans(self):
        """Nobody is kept from apply; the rounds that fall into it are left out."""
        fleet = self.fleet([STOCK])
        watch = self.watch(fleet)
        watch.line("done")
        self.expect(fleet.run("apply", "--yes"), 0)
        watch.line("4 ready")
        self.assertIn("another gpufleet (process", "\n".join(line for line in watch.seen if "skipped" in line))
        self.assertEqual(watch.end(), 130)

    def test_scan_is_waited_for(self):
        """A watch that is in the middle of a scan is waited for, by plan as by apply."""
        fleet = self.fleet([{"name": "gpu01", "kind": "intel-nvidia"}, {"name": "gpu02", "kind": "intel-nvidia", "faults": {"hang": True}}])
        watch = self.watch(fleet, "--timeout", "4")

        def scanning():
            try:
                with open(fleet.store + ".lock", encoding="utf-8") as lock:
                    return "\nwatch\n" in lock.read()
            except FileNotFoundError:
                return False

        fleet.wait(scanning, 60, "the watch to scan")
        result = self.expect(fleet.run("scan", "--limit", "gpu01"), 0)
        self.assertIn("waiting for the end of the scan that `gpufleet scan --watch` has under way (process ", result.err)
        watch.line("incomplete: 1 of 2 hosts")
        self.assertEqual(watch.end(), 130)

    def test_inventory_is_read_anew(self):
        """A round that can't begin is left out with what is wrong."""
        fleet = self.fleet([STOCK])
        with open(fleet.inventory, encoding="utf-8") as file:
            good = file.read()
        watch = self.watch(fleet)
        watch.line("done")
        with open(fleet.inventory, "w", encoding="utf-8") as file:
            file.write('{"version": 1,\n "flet": 2}\n')
        self.assertIn(f"{fleet.inventory}:2:", watch.line("skipped"))
        with open(fleet.inventory, "w", encoding="utf-8") as file:
            file.write(good)
        watch.line("done: 2 of 2 hosts")
        self.assertEqual(watch.end(), 130)

    def test_interrupted_in_the_middle(self):
        fleet = self.fleet([{"name": "gpu01", "kind": "intel-nvidia", "faults": {"hang": True}}])
        watch = self.watch(fleet, "--timeout", "20", "-v")
        watch.line("connecting")
        self.assertEqual(watch.end(), 130)
        self.assertIn("interrupted: nothing new begins", "".join(watch.errors))

    def test_what_can_not_be_watched(self):
        fleet = self.fleet([STOCK])
        for args, told in ((("--watch", "5"), "--watch takes an interval such as 60s, 5m or 1h"),
                           (("--watch", "0s"), "from 1s to 7d"),
                           (("--watch", "30d"), "from 1s to 7d"),
                           (("--watch", "1s", "--format", "json"), "--output FILE"),
                           (("--watch", "1s", "--format", "yaml", "--output", "/nowhere"), "yaml"),
                           (("--watch", "1s", "--limit", "other"), "other")):
            result = self.expect(fleet.run("scan", *args), 1)
            self.assertIn(told, result.err)
            self.assertEqual(result.out, "")

    def test_output_of_a_single_scan(self):
        fleet = self.fleet([STOCK])
        path = os.path.join(fleet.directory, "report.json")
        result = self.expect(fleet.run("scan", "--output", path, "--format", "json", "--limit", "gpu02"), 0)
        self.assertIn('"gpus"', result.out)
        with open(path, encoding="utf-8") as file:
            self.assertEqual([host["name"] for host in json.load(file)["hosts"]], ["gpu02"])

    def test_does_not_grow(self):
        """Neither in memory nor in open files, round after round."""
        options = os.environ.get("ASAN_OPTIONS")
        # What the sanitizer keeps of freed memory is not what is looked for.
        os.environ["ASAN_OPTIONS"] = ":".join(filter(None, [options, "quarantine_size_mb=0", "thread_local_quarantine_size_kb=0"]))
        try:
            fleet = self.fleet([{"name": "gpu", "count": 8, "kind": "intel-nvidia"}])
            watch = self.watch(fleet)
        finally:
            os.environ.pop("ASAN_OPTIONS")
            if options is not None:
                os.environ["ASAN_OPTIONS"] = options
        files, resident = [], []
        for rounds in (6, 20):
            for _ in range(rounds):
                watch.line("8 of 8 hosts")
            files.append(watch.rest())
            resident.append(watch.resident())
        self.assertEqual(files[0], files[1])
        self.assertLess(resident[1] - resident[0], 20 * 64, f"KiB in 20 rounds of 8 hosts: {resident}")
        self.assertEqual(watch.end(), 130)


if __name__ == "__main__":
    main()
