"""What an operator meets: the terminal, the question, ^C, what scan prints, a second rollback, --help."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time

from harness import GPUFLEET, SOURCE, Case, main

STOCK = {"name": "gpu01", "kind": "intel-nvidia"}
COMMANDS = ("check", "scan", "plan", "apply", "verify", "report", "reboot", "rollback", "status", "exec")
KEYS = {"time", "event", "host", "stage", "task", "status", "message"}


def on_terminal(fleet, args, answers=(), columns=80, environment=None):
    """Runs gpufleet on a terminal of its own; ANSWERS: (what is waited for, what is typed then). (status, what was written)"""
    command = fleet.command(args)
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ.update({"TERM": "xterm", "XDG_STATE_HOME": fleet.directory, **(environment or {})})
        os.environ.pop("SSH_AUTH_SOCK", None)
        time.sleep(0.1)  # the size is set meanwhile
        os.execv(command[0], command)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    written, answered, answers, end = b"", 0, list(answers), time.monotonic() + 100
    while time.monotonic() < end:
        if select.select([terminal], [], [], 0.2)[0]:
            try:
                part = os.read(terminal, 65536)
            except OSError:
                part = b""
            if not part:
                break
            written += part
        found = written.find(answers[0][0].encode(), answered) if answers else -1
        if found >= 0:
            answered = found + len(answers[0][0])
            os.write(terminal, answers.pop(0)[1].encode())
    else:
        os.kill(pid, signal.SIGKILL)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    os.close(terminal)
    return status, written.decode("utf-8")


def screen_lines(written):
    """Each line as it was drawn, footers too, without escape sequences."""
    return re.sub(r"\x1b\[[0-9;]*[a-zA-Z]", "", written).replace("\r", "\n").split("\n")


class Operator(Case):
    def test_question(self):
        fleet = self.fleet([STOCK])
        for answer in ("no\n", "\x03"):
            status, written = on_terminal(fleet, ["apply"], [("[yes/no]", answer)])
            self.assertEqual(status, 2 if answer == "no\n" else 130, written)
            self.assertRegex(written, r"\nNothing was changed\.")
            self.assertNotIn("To go on", written)
        self.assertEqual(fleet.boots("gpu01"), 1)

    def test_question_about_most_of_the_fleet(self):
        """More than half of its hosts: how many they are must be typed; half of them: yes will do."""
        fleet = self.fleet([{"name": "gpu", "count": 4, "kind": "intel-nvidia"}])
        for answer in ("yes\n", "y\n", "4\n", "3 \n", "03\n", "\n"):
            status, written = on_terminal(fleet, ["apply", "--limit", "gpu[01-03]"], [("Apply this? It is about 3 of the fleet's 4 hosts.", answer)])
            self.assertEqual(status, 2, written)
            self.assertNotIn("[yes/no]", written)
            self.assertIn("Nothing was changed.", written)
        self.assertEqual(set(fleet.boots().values()), {1})
        status, written = on_terminal(fleet, ["apply", "--limit", "gpu[01-03]"], [("to go on]", "3\n")])
        self.assertEqual(status, 0, written)
        self.assertEqual(fleet.boots(), {"gpu01": 2, "gpu02": 2, "gpu03": 2, "gpu04": 1})
        status, written = on_terminal(fleet, ["reboot", "--limit", "gpu[01-02]"], [("Reboot these hosts? [yes/no]", "yes\n")])
        self.assertEqual(status, 0, written)
        self.assertEqual(fleet.boots()["gpu02"], 3)

    def test_footer_fits(self):
        fleet = self.fleet([STOCK])
        fleet.fault("gpu01", "slow-update-initramfs", "1")
        status, written = on_terminal(fleet, ["apply"], [("[yes/no]", "yes\n")], columns=60)
        self.assertEqual(status, 0, written)
        footers = [line for line in screen_lines(written) if "running" in line and "/1 done" in line]
        self.assertTrue(any("gpu01: host" in line for line in footers), footers)
        self.assertLess(max(map(len, footers)), 60)
        self.assertIn("gpu01: applying (stage host)", "\n".join(screen_lines(written)))

    def test_dumb_terminal_and_no_color(self):
        fleet = self.fleet([STOCK])
        for environment in ({"TERM": "dumb", "NO_COLOR": "1"}, {"TERM": "dumb"}):
            status, written = on_terminal(fleet, ["scan"], environment=environment)
            self.assertEqual(status, 0, written)
            self.assertNotIn("\x1b[", written)
        status, written = on_terminal(fleet, ["plan"], environment={"NO_COLOR": "1"})
        self.assertNotRegex(written, r"\x1b\[[0-9;]*m")

    def test_recap_is_wrapped(self):
        fleet = self.fleet([{"name": "gpu01", "kind": "no-iommu"}])
        status, written = on_terminal(fleet, ["plan"], columns=60)
        self.assertEqual(status, 2)
        recap = [line.rstrip() for line in screen_lines(written[written.index("(1): gpu01"):])]
        self.assertLessEqual(max(map(len, recap)), 60, recap)
        self.assertIn("Enable VT-d", " ".join(" ".join(recap).split()))

    def test_exec_footer(self):
        fleet = self.fleet([{"name": "gpu", "count": 2, "kind": "control"}])
        status, written = on_terminal(fleet, ["exec", "--", "sleep 1; echo slept"])
        self.assertEqual(status, 0, written)
        self.assertIn("0/2 done, 2 running, 0 failed", written)
        self.assertIn("gpu[01-02] (2 hosts):", written)

    def test_interrupted_twice(self):
        fleet = self.fleet([STOCK], boot_seconds=2)
        status, written = on_terminal(fleet, ["apply"],
                                      [("[yes/no]", "yes\n"), ("rebooting", "\x03"), ("under way", "\x03")])
        self.assertEqual(status, 130, written)
        self.assertIn("goes on there", written)
        self.assertIn("To go on: " + GPUFLEET + " apply " + fleet.inventory, " ".join(written.split()))
        self.expect(fleet.run("apply", "--yes"), 0)
        self.assertEqual(fleet.boots("gpu01"), 2)

    def test_failure_is_told_once(self):
        fleet = self.fleet([STOCK])
        fleet.fault("gpu01", "fail-update-grub")
        result = fleet.run("apply", "--yes")
        told = [line for line in result.out.splitlines() if "ended with status" in line]
        self.assertEqual(len(told), 2, str(result))  # when it happens, and in the recap
        self.assertIn("update-grub ended with status 1", told[0])

    def test_block_can_be_pasted(self):
        fleet = self.fleet([STOCK, {"name": "gpu02", "kind": "amd-radeon"}])
        fleet.inventory_change(lambda inventory: inventory.pop("gpus"))
        self.assertIn("scan", self.expect(fleet.run("plan"), 1).err)
        scan = self.expect(fleet.run("scan"), 0).out
        block = scan[scan.index('  "gpus": ['):scan.rindex("scan: ")]
        with open(fleet.inventory, encoding="utf-8") as file:
            text = file.read()
        with open(fleet.inventory, "w", encoding="utf-8") as file:
            file.write(re.sub(r'^( *"fleet": "test",\n)', lambda line: line.group(1) + block, text, flags=re.MULTILINE))
        self.expect(fleet.run("check"), 0)
        self.assertIn("2 of 2 hosts change", self.expect(fleet.run("plan"), 2).out)

    def test_verify_where_nothing_was_applied(self):
        fleet = self.fleet([STOCK, {"name": "gpu02", "kind": "intel-nvidia"}])
        self.expect(fleet.run("apply", "--yes", "--limit", "gpu01"), 0)
        verify = self.expect(fleet.run("verify"), 2)
        self.assertIn("pending (1): gpu02", verify.out)
        self.assertIn("1 as they should be, 0 drifted, 1 pending", verify.out)
        events = [event for event in fleet.run("verify", "--json").events() if event["event"] == "drift"]
        self.assertEqual([(event["host"], event["status"]) for event in events], [("gpu02", "pending")])
        self.assertEqual(fleet.boots("gpu02"), 1)

    def test_second_rollback_has_nothing_to_do(self):
        fleet = self.fleet([STOCK])
        self.expect(fleet.run("apply", "--yes"), 0)
        self.assertIn("gpu01: 1 stage to undo", self.expect(fleet.run("rollback", "--yes"), 0).out)
        again = self.expect(fleet.run("rollback", "--yes"), 0)
        self.assertNotIn("to undo", again.out)
        self.assertEqual(fleet.boots("gpu01"), 3)

    def test_json_lines_have_all_keys(self):
        fleet = self.fleet([STOCK])
        for args in (("check", "--json"), ("scan", "--json"), ("plan", "--json"), ("verify", "--json"), ("apply", "--json", "--yes"),
                     ("status", "--json"), ("exec", "--json", "--", "true")):
            for event in fleet.run(*args).events():
                self.assertLessEqual(KEYS, set(event), (args, event))

    def test_help(self):
        """Every command explains itself, and the manual page has every option."""
        with open(os.path.join(SOURCE, "docs/man/gpufleet.1"), encoding="utf-8") as file:
            manual = file.read()
        for command in COMMANDS:
            shown = [subprocess.run([GPUFLEET, *args], check=True, capture_output=True, text=True).stdout
                     for args in ((command, "--help"), (command, "-h"), ("help", command))]
            self.assertEqual(len(set(shown)), 1)
            self.assertIn(f".It Cm {command}\n", manual)
            options = re.findall(r"^  --([a-z-]+)", shown[0], re.MULTILINE)
            self.assertIn("help", options)
            for option in options:
                self.assertRegex(manual, rf"Fl -{option}\b", f"--{option} is not in the manual page")


if __name__ == "__main__":
    main()
