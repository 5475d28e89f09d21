"""sudo with a password: sent only when sudo asks, asked once, never tried on and on, and found nowhere afterwards."""

import getpass
import glob
import json
import os
import pty
import re
import select
import signal
import subprocess
import time
import unittest

from harness import Case, Result, main
from test_bastion import SSHD, Bastion

PASSWORD = "Korrekt-Pferd-4711"


def password_fd(text):
    """A pipe that holds TEXT, as `3< <(pass show …)` would."""
    out, into = os.pipe()
    os.write(into, text.encode() + b"\n")
    os.close(into)
    return out


def at_terminal(command, home, answers):
    """COMMAND with a terminal of its own; its questions are answered in turn. Returns (status, all that was shown)."""
    pid, master = pty.fork()
    if pid == 0:
        os.environ.update(HOME=home, XDG_STATE_HOME=os.path.join(home, "xdg"), TERM="dumb")
        os.environ.pop("SSH_AUTH_SOCK", None)
        os.execv(command[0], command)
    shown, answered, end = "", 0, time.monotonic() + 100
    while time.monotonic() < end:
        if select.select([master], [], [], 0.2)[0]:
            try:
                data = os.read(master, 65536)
            except OSError:
                break
            if not data:
                break
            shown += data.decode(errors="replace")
        if sum(shown.count(question) for question in ("all hosts): ", "passphrase of the key", " asks: ")) > answered:
            os.write(master, answers[min(answered, len(answers) - 1)].encode() + b"\n")
            answered += 1
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    os.close(master)
    return status, shown


class Become(Case):
    def sudo_fleet(self, hosts, passwords=True, **options):
        fleet = self.fleet(hosts, **options)
        fleet.inventory_change(lambda inventory: inventory["defaults"].update(become="sudo"))
        if passwords:
            for name in fleet.names:
                fleet.fault(name, "sudo-password", PASSWORD)
        return fleet

    def run_with(self, fleet, password, *args, timeout=200):
        fd = password_fd(password)
        process = fleet.start(args[0], "--become-password-fd", str(fd), *args[1:], pass_fds=[fd])
        os.close(fd)
        out, err = process.communicate(timeout=timeout)
        return Result(args, process.returncode, out, err)

    def tries(self, fleet, word):
        count = 0
        for name in fleet.names:
            try:
                with open(fleet.path(name, "control/sudo.log"), encoding="utf-8") as file:
                    count += file.read().split().count(word)
            except FileNotFoundError:
                pass
        return count

    def test_two_hundred_hosts(self):
        names = {"c": {"role": "compute", "hosts": ["gpu[001-200]"]}}
        fleet = self.sudo_fleet([{"name": "gpu", "count": 200, "digits": 3, "kind": "intel-nvidia"}], inventory={"groups": names})
        result = self.expect(self.run_with(fleet, PASSWORD, "exec", "--", "echo it\\'s; cat; echo bad >&2; exit 3"), 2)
        self.assertIn("it's", result.out)
        self.assertIn("bad", result.out)
        self.assertNotIn("lecture", result.out + result.err)
        self.assertNotIn("gpufleet-", result.out + result.err)
        self.assertEqual(self.tries(fleet, "accepted"), 200)
        self.expect(self.run_with(fleet, PASSWORD, "scan", "--limit", "gpu[001-040]", timeout=400), 0)
        self.assertEqual(self.tries(fleet, "accepted"), 240)
        self.assertEqual(self.tries(fleet, "refused"), 0)

    def test_no_password_is_needed(self):
        """With NOPASSWD it is the command that reads standard input: nothing may be there."""
        fleet = self.sudo_fleet([{"name": "gpu", "count": 3, "kind": "intel-nvidia"}], passwords=False)
        result = self.expect(self.run_with(fleet, PASSWORD, "exec", "--", "cat; echo end"), 0)
        self.assertNotIn(PASSWORD, result.out)
        self.expect(self.run_with(fleet, PASSWORD, "scan"), 0)

    def test_wrong_password_is_tried_once(self):
        fleet = self.sudo_fleet([{"name": "gpu", "count": 30, "kind": "control"}])
        for command in (("exec", "--", "true"), ("scan",)):
            before = self.tries(fleet, "refused")
            result = self.expect(self.run_with(fleet, "wrong", *command), 2)
            self.assertEqual(self.tries(fleet, "refused") - before, 1, str(result))
            self.assertIn("sudo refused the password of", result.out + result.err)
            self.assertIn("not tried on more hosts", result.out + result.err)

    def test_other_password_on_some(self):
        """What one host took is not wrong: the others' refusals are theirs, up to a few."""
        fleet = self.sudo_fleet([{"name": "gpu", "count": 6, "kind": "control"}])
        fleet.fault("gpu04", "sudo-password", "another")
        result = self.expect(self.run_with(fleet, PASSWORD, "exec", "--forks", "1", "--", "true"), 2)
        self.assertIn("5 of 6 hosts ok", result.out)

    def test_nobody_to_ask(self):
        fleet = self.sudo_fleet([{"name": "gpu", "count": 2, "kind": "control"}])
        for command in (("exec", "--", "true"), ("scan",)):
            process = fleet.start(*command, start_new_session=True)
            out, err = process.communicate(timeout=60)
            self.assertEqual(process.returncode, 2, out + err)
            self.assertIn("--become-password-fd", out + err)

    def test_asked_once_on_the_terminal(self):
        fleet = self.sudo_fleet([{"name": "gpu", "count": 20, "kind": "control"}])
        for command in (("exec", "--", "true"), ("scan",)):
            status, shown = at_terminal(fleet.command(command), fleet.directory, [PASSWORD])
            self.assertEqual(status, 0, shown)
            self.assertEqual(shown.count("sudo password of"), 1, shown)
            self.assertNotIn(PASSWORD, shown)

    def test_passphrase_asked_once(self):
        """Of the key file; a typing error is asked about again, and without a terminal the error says what to do."""
        fleet = self.fleet([{"name": "gpu", "count": 20, "kind": "control"}])
        key = os.path.join(fleet.state, "id_ed25519")
        subprocess.run(["ssh-keygen", "-q", "-p", "-P", "", "-N", PASSWORD, "-f", key], check=True, stdout=subprocess.DEVNULL)
        status, shown = at_terminal(fleet.command(("exec", "--", "true")), fleet.directory, ["wrong", PASSWORD])
        self.assertEqual(status, 0, shown)
        self.assertEqual(shown.count("passphrase of the key"), 2, shown)
        self.assertIn("that was wrong; once more", shown)
        self.assertNotIn(PASSWORD, shown)
        process = fleet.start("scan", start_new_session=True)
        out, err = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 4, out + err)
        self.assertIn("has a passphrase, and there is no terminal to ask on", out + err)

    def everything_below(self, directory):
        for folder, _, files in os.walk(directory):
            for name in files:
                path = os.path.join(folder, name)
                if name == "sudo-password" or not os.path.isfile(path) or os.path.islink(path):
                    continue
                with open(path, "rb") as file:
                    yield path, file.read()

    def test_found_nowhere(self):
        """Not in arguments or environment of any process, nor in store, logs, hosts' files or a core dump."""
        fleet = self.sudo_fleet([{"name": "gpu01", "kind": "intel-nvidia", "standin_faults": {"slow-update-initramfs": "3"}}])
        fd = password_fd(PASSWORD)
        process = fleet.start("apply", "--yes", "--json", "-v", "--become-password-fd", str(fd), pass_fds=[fd], cwd=fleet.directory)
        os.close(fd)
        fleet.wait(lambda: "update-initramfs" in fleet.programs("gpu01"), 60, "the work to begin")
        secret = PASSWORD.encode()
        for path in glob.glob("/proc/[0-9]*/cmdline") + glob.glob("/proc/[0-9]*/environ"):
            try:
                with open(path, "rb") as file:
                    self.assertNotIn(secret, file.read(), path)
            except (FileNotFoundError, ProcessLookupError, PermissionError):
                pass
        with open(f"/proc/{process.pid}/limits", encoding="utf-8") as file:
            self.assertRegex(file.read(), r"Max core file size +0 ")
        process.send_signal(signal.SIGABRT)
        out, err = process.communicate(timeout=60)
        self.assertEqual(glob.glob(os.path.join(fleet.directory, "core*")), [])
        result = self.expect(self.run_with(fleet, PASSWORD, "apply", "--yes", "--json", "-v"), 0)
        for text in (out, err, result.out, result.err):
            self.assertNotIn(PASSWORD, text)
        seen = 0
        for path, content in self.everything_below(fleet.directory):
            self.assertNotIn(secret, content, path)
            seen += 1
        self.assertGreater(seen, 50)


def in_namespace():
    """May this process have mounts of its own?"""
    return os.geteuid() == 0 and subprocess.run(["unshare", "-m", "true"], check=False, stderr=subprocess.DEVNULL).returncode == 0


@unittest.skipUnless(os.path.exists("/usr/bin/sudo") and os.path.exists(SSHD) and in_namespace(), "needs sudo, sshd and root")
class RealSudo(Case):
    """sshd, PAM and sudo as Debian has them; users and rules exist in a mount namespace only."""

    def start_sshd(self, directory, rule, extra="", pam=None):
        os.makedirs(directory, mode=0o755)
        os.chmod(os.path.dirname(directory), 0o755)
        shown = subprocess.run(["openssl", "passwd", "-6", "-salt", "gpufleet", PASSWORD], check=True, stdout=subprocess.PIPE, text=True)
        for name, line in (("passwd", "deploy:x:4711:4711::/tmp:/bin/sh"), ("shadow", f"deploy:{shown.stdout.strip()}:19000::::::"),
                           ("group", "deploy:x:4711:")):
            with open(f"/etc/{name}", encoding="utf-8") as source, open(f"{directory}/{name}", "w", encoding="utf-8") as file:
                file.write(source.read().rstrip("\n") + "\n" + line + "\n")
        with open(f"{directory}/sudoers", "w", encoding="utf-8") as file:
            file.write(f"Defaults lecture=always\nDefaults !syslog\ndeploy ALL=(ALL:ALL) {rule}ALL\n")
        os.chmod(f"{directory}/shadow", 0o640)
        os.chmod(f"{directory}/sudoers", 0o440)
        key = f"{directory}/key"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
        mounted = {name: name for name in ("passwd", "shadow", "group", "sudoers")}
        if pam:
            mounted["pam"] = "pam.d/sshd"
            with open(f"{directory}/pam", "w", encoding="utf-8") as file:
                file.write(pam)
        mounts = " && ".join(f"mount --bind {directory}/{name} /etc/{place}" for name, place in mounted.items())
        sshd = Bastion(f"{directory}/sshd", key, prefix=["unshare", "-m", "sh", "-c", f'{mounts} && exec "$@"', "sh"],
                       extra=extra + "MaxStartups 1000\nAllowUsers deploy\n")
        self.addCleanup(sshd.close)
        return sshd, key

    def inventory(self, directory, sshd, key, count, **defaults):
        path = os.path.join(directory, "inventory.json")
        with open(os.path.join(directory, "known_hosts"), "a", encoding="utf-8") as file:
            file.write(sshd.known_hosts_line())
        settings = {"user": "deploy", "port": sshd.port, "become": "sudo",
                    "known_hosts": os.path.join(directory, "known_hosts"), **defaults}
        if key:
            settings["identity_file"] = key
        names = [f"gpu{i + 1:03d}" for i in range(count)]
        with open(path, "w", encoding="utf-8") as file:
            json.dump({"version": 1, "fleet": "real", "defaults": settings, "groups": {"all": {"hosts": names}},
                       "hosts": {name: {"address": "127.0.0.1"} for name in names}}, file)
        return path

    def exec(self, inventory, password, *command, **options):
        fd = password_fd(password)
        result = subprocess.run([self.gpufleet(), "exec", inventory, "--become-password-fd", str(fd), "--", *command],
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, pass_fds=[fd],
                                env=dict(os.environ, HOME=os.path.dirname(inventory)), timeout=300, check=False, **options)
        os.close(fd)
        return Result(command, result.returncode, result.stdout, result.stderr)

    def gpufleet(self):
        from harness import GPUFLEET
        return GPUFLEET

    def directory(self):
        import shutil
        import tempfile
        path = tempfile.mkdtemp(prefix="gpufleet-sudo-")
        self.addCleanup(shutil.rmtree, path, ignore_errors=True)
        return path

    def test_two_hundred_hosts_behind_a_bastion(self):
        directory = self.directory()
        sshd, key = self.start_sshd(os.path.join(directory, "host"), "")
        bastion = Bastion(os.path.join(directory, "bastion"), key)
        self.addCleanup(bastion.close)
        with open(os.path.join(directory, "known_hosts"), "w", encoding="utf-8") as file:
            file.write(bastion.known_hosts_line())
        inventory = self.inventory(directory, sshd, key, 200, jump=f"{getpass.getuser()}@127.0.0.1:{bastion.port}")
        result = self.expect(self.exec(inventory, PASSWORD, "id -un; cat; echo done"), 0)
        self.assertIn("gpu[001-200]", result.out)
        self.assertIn("root", result.out)
        self.assertNotIn(PASSWORD, result.out + result.err)
        self.assertNotIn("lecture", result.out + result.err)
        self.assertEqual(bastion.sessions(), 1)
        self.assertEqual(bastion.said(r"drop connection|beginning MaxStartups"), 0)
        self.assertEqual(sshd.sessions(), 200)
        result = self.expect(self.exec(inventory, "wrong", "true"), 2)
        self.assertIn("sudo refused the password of deploy", result.out)
        self.assertIn("not tried on more hosts", result.out)

    def test_without_a_password(self):
        directory = self.directory()
        sshd, key = self.start_sshd(os.path.join(directory, "host"), "NOPASSWD: ")
        inventory = self.inventory(directory, sshd, key, 3)
        result = self.expect(self.exec(inventory, PASSWORD, "id -un; cat; echo done"), 0)
        self.assertNotIn(PASSWORD, result.out + result.err)
        self.assertTrue(re.search(r"root\s+done", result.out), result.out)

    def login(self, extra):
        """Twenty hosts that take no key: the password is asked once; a wrong one is tried on one host."""
        directory = self.directory()
        sshd, _ = self.start_sshd(os.path.join(directory, "host"), "", extra)
        inventory = self.inventory(directory, sshd, None, 20, become="none")
        command = [self.gpufleet(), "exec", inventory, "--", "id -un"]
        status, shown = at_terminal(command, directory, [PASSWORD])
        self.assertEqual(status, 0, shown)
        self.assertEqual(shown.count("password of deploy"), 1, shown)
        self.assertIn("gpu[001-020]", shown)
        self.assertNotIn(PASSWORD, shown)
        before = sshd.said("^Failed ")
        status, shown = at_terminal(command, directory, ["wrong"])
        self.assertEqual(status, 4, shown)
        self.assertIn("not tried on more hosts", shown)
        self.assertLessEqual(sshd.said("^Failed ") - before, 1)
        result = self.exec(inventory, PASSWORD, "true", start_new_session=True)
        self.assertEqual(result.status, 4, str(result))
        self.assertIn("no terminal to ask on", result.out)

    def test_password(self):
        self.login("PasswordAuthentication yes\n")

    def test_keyboard_interactive(self):
        self.login("UsePAM yes\nKbdInteractiveAuthentication yes\n")

    def test_key_and_password(self):
        """AuthenticationMethods that ask for both."""
        directory = self.directory()
        sshd, key = self.start_sshd(os.path.join(directory, "host"), "",
                                    "PasswordAuthentication yes\nAuthenticationMethods publickey,password\n")
        inventory = self.inventory(directory, sshd, key, 5, become="none")
        status, shown = at_terminal([self.gpufleet(), "exec", inventory, "--", "id -un"], directory, [PASSWORD])
        self.assertEqual(status, 0, shown)
        self.assertEqual(shown.count("password of deploy"), 1, shown)

    @unittest.skipUnless(glob.glob("/lib/*/security/pam_oath.so"), "needs libpam-oath")
    def test_one_time_code(self):
        """A bastion may ask for a password and a one-time code, each once for all hosts behind it; a host may not."""
        directory = self.directory()
        users = os.path.join(directory, "users.oath")
        with open(users, "w", encoding="utf-8") as file:
            file.write("HOTP deploy - 3132333435363738393031323334353637383930\n")
        os.chmod(users, 0o600)
        pam = (f"auth required pam_unix.so\nauth required pam_oath.so usersfile={users} digits=6\n"
               "account required pam_permit.so\nsession required pam_permit.so\n")
        questions = "UsePAM yes\nKbdInteractiveAuthentication yes\nAuthenticationMethods keyboard-interactive\n"
        bastion, _ = self.start_sshd(os.path.join(directory, "bastion"), "", questions, pam)
        sshd, key = self.start_sshd(os.path.join(directory, "host"), "")
        with open(os.path.join(directory, "known_hosts"), "w", encoding="utf-8") as file:
            file.write(bastion.known_hosts_line())
        inventory = self.inventory(directory, sshd, key, 20, become="none", jump=f"deploy@127.0.0.1:{bastion.port}")
        command = [self.gpufleet(), "exec", inventory, "--", "id -un"]
        # The first two codes of RFC 4226, appendix D.
        status, shown = at_terminal(command, directory, [PASSWORD, "755224"])
        self.assertEqual(status, 0, shown)
        self.assertIn("gpu[001-020]", shown)
        self.assertEqual(shown.count("password of deploy"), 1, shown)
        self.assertEqual(shown.count("One-time password"), 1, shown)
        self.assertNotIn("755224", shown)
        self.assertNotIn(PASSWORD, shown)
        status, shown = at_terminal(command, directory, [PASSWORD, "000000"])
        self.assertEqual(status, 4, shown)
        self.assertIn("refused", shown)
        inventory = self.inventory(directory, bastion, None, 3, become="none")
        status, shown = at_terminal([self.gpufleet(), "exec", inventory, "--", "id -un"], directory, [PASSWORD])
        self.assertEqual(status, 4, shown)
        self.assertIn("asks more than a password", " ".join(shown.split()))

    def test_no_rule(self):
        directory = self.directory()
        sshd, key = self.start_sshd(os.path.join(directory, "host"), "/bin/false, !")
        inventory = self.inventory(directory, sshd, key, 2)
        result = self.expect(self.exec(inventory, PASSWORD, "true"), 2)
        self.assertIn("sudo", result.out)


if __name__ == "__main__":
    main()
