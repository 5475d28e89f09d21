"""Hosts behind a real OpenSSH bastion with its default limits, found through the inventory or ~/.ssh/config."""

import getpass
import glob
import os
import re
import socket
import subprocess
import time
import unittest

from harness import CARDS, Case, main

SSHD = os.environ.get("GPUFLEET_SSHD", "/usr/sbin/sshd")
DROPS = r"drop connection|beginning MaxStartups"


class Bastion:
    """sshd as Debian configures it (MaxStartups 10:30:100), on a port of its own, for one key."""

    def __init__(self, directory, key, prefix=(), extra=""):
        self.directory = directory
        os.makedirs(directory, mode=0o755)
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", os.path.join(directory, "host_key")], check=True)
        with open(os.path.join(directory, "authorized_keys"), "w", encoding="utf-8") as file:
            subprocess.run(["ssh-keygen", "-y", "-f", key], check=True, stdout=file)
        if os.geteuid() == 0:
            os.makedirs("/run/sshd", mode=0o755, exist_ok=True)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.log = os.path.join(directory, "log")
        config = os.path.join(directory, "sshd_config")
        with open(config, "w", encoding="utf-8") as file:
            file.write(f"{extra}Port {self.port}\nListenAddress 127.0.0.1\nHostKey {directory}/host_key\nPidFile none\n"
                       f"AuthorizedKeysFile {directory}/authorized_keys\nStrictModes no\nUsePAM no\nPermitRootLogin yes\n"
                       f"PasswordAuthentication no\nLogLevel VERBOSE\n")
        self.process = subprocess.Popen([*prefix, SSHD, "-D", "-E", self.log, "-f", config])
        self.wait()

    def wait(self):
        for _ in range(250):
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                return
            except OSError:
                time.sleep(0.02)
        raise AssertionError("sshd did not start")

    def signal(self, name):
        """The processes of its sessions get this signal, and not the server. With OpenSSH 10.0 root's sessions, too, are two each."""
        subprocess.run(f"for pid in $(pgrep -P {self.process.pid}); do kill -{name} $pid $(pgrep -P $pid sshd); done", shell=True, check=False,
                       stderr=subprocess.DEVNULL)

    def close(self):
        self.signal("TERM")
        self.process.terminate()
        self.process.wait(20)

    def known_hosts_line(self):
        with open(os.path.join(self.directory, "host_key.pub"), encoding="utf-8") as file:
            return f"[127.0.0.1]:{self.port} {file.read()}"

    def said(self, pattern):
        with open(self.log, encoding="utf-8", errors="replace") as file:
            return len(re.findall(pattern, file.read(), re.MULTILINE))

    def sessions(self):
        return self.said(r"^Accepted publickey")

    def cut(self):
        self.signal("KILL")


def running(*command):
    """How many processes have this very command line."""
    wanted = "".join(f"{word}\0" for word in command).encode()
    count = 0
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        try:
            with open(path, "rb") as file:
                count += file.read() == wanted
        except OSError:
            pass
    return count


@unittest.skipUnless(os.path.exists(SSHD), "needs openssh-server")
class Behind(Case):
    def behind(self, hosts, inventory=None, jump=True, extra="", **options):
        fleet = self.fleet(hosts, inventory, **options)
        bastion = Bastion(os.path.join(fleet.directory, "bastion"), os.path.join(fleet.state, "id_ed25519"), extra=extra)
        self.addCleanup(bastion.close)
        with open(os.path.join(fleet.state, "known_hosts"), "a", encoding="utf-8") as file:
            file.write(bastion.known_hosts_line())
        if jump:
            fleet.inventory_change(lambda inventory: inventory["defaults"].update(
                jump=f"{getpass.getuser()}@127.0.0.1:{bastion.port}"))
        return fleet, bastion

    def test_two_hundred_hosts(self):
        names = {"c": {"role": "compute", "hosts": ["gpu[001-200]"]}}
        fleet, bastion = self.behind([{"name": "gpu", "count": 200, "digits": 3, "kind": "intel-nvidia"}], {"groups": names})
        self.expect(fleet.run("scan", "--forks", "200", timeout=400), 0)
        self.assertEqual(bastion.sessions(), 1)
        self.assertEqual(bastion.said(DROPS), 0)
        self.assertEqual(self.report(fleet)["totals"]["pending"], 400)

    def test_five_hundred_hosts(self):
        """All at once, through one session; it dies under them, and the next command makes one anew."""
        names = {"c": {"role": "compute", "hosts": ["gpu[001-500]"]}}
        fleet, bastion = self.behind([{"name": "gpu", "count": 500, "digits": 3, "kind": "control"}], {"groups": names})
        result = self.expect(fleet.run("exec", "--forks", "500", "--", "true"), 0)
        self.assertEqual(bastion.sessions(), 1, str(result))
        sleep = f"100.{bastion.port}"
        process = fleet.start("exec", "--forks", "500", "--", f"exec sleep {sleep}")
        # Of a host on which the command has not begun, exec would try again.
        fleet.wait(lambda: running("sleep", sleep) == 500, 90, "the command to run everywhere")
        self.assertEqual(bastion.sessions(), 2)
        bastion.cut()
        out, err = process.communicate(timeout=150)
        self.assertEqual(process.returncode, 4, out + err)
        self.assertRegex(out, r"gpu\[001-500\] .*: bastion .*: the connection to .* was closed by the host")
        self.expect(fleet.run("exec", "--forks", "500", "--", "true"), 0)
        self.assertEqual(bastion.sessions(), 3)
        self.assertEqual(bastion.said(DROPS), 0)

    def test_forwarding_is_forbidden(self):
        fleet, bastion = self.behind([{"name": "gpu", "count": 3, "kind": "control"}], extra="AllowTcpForwarding no\n")
        result = self.expect(fleet.run("exec", "--", "true"), 4)
        self.assertRegex(result.out, r"gpu\[01-03\] .*: bastion .* does not let us through to the host .*AllowTcpForwarding yes")
        self.assertEqual(bastion.sessions(), 1)

    def test_apply_goes_on_when_the_bastion_dies(self):
        """The hosts come back through one new session, and nothing is done twice."""
        fleet, bastion = self.behind([{"name": "gpu", "count": 4, "kind": "intel-nvidia", "standin_faults": {"slow-update-initramfs": "4"}}])
        process = fleet.start("apply", "--yes")
        for name in fleet.names:
            fleet.wait(lambda name=name: "update-initramfs" in fleet.programs(name), 60, "the work to begin")
        before = bastion.sessions()
        bastion.cut()
        out, err = process.communicate(timeout=150)
        self.assertEqual(process.returncode, 0, out + err)
        for name in fleet.names:
            self.assertEqual(fleet.on_vfio(name), CARDS)
            self.assertEqual(fleet.boots(name), 2)
        self.assertEqual(bastion.sessions(), before + 1, out + err)

    def test_from_ssh_config(self):
        fleet, bastion = self.behind([{"name": "gpu", "count": 2, "kind": "control"}], jump=False)
        path = os.path.join(fleet.directory, ".ssh/config")
        os.makedirs(os.path.dirname(path), mode=0o700)
        with open(path, "w", encoding="utf-8") as file:
            file.write(f"Host jump\n  HostName 127.0.0.1\n  Port {bastion.port}\n  User {getpass.getuser()}\n"
                       "Host gpu* !gpu02\n  ProxyJump jump\n")
        os.chmod(path, 0o600)
        self.expect(fleet.run("exec", "--limit", "gpu02", "--", "true"), 0)
        self.assertEqual(bastion.sessions(), 0)
        self.expect(fleet.run("exec", "--", "true"), 0)
        self.assertEqual(bastion.sessions(), 1)
        fleet.inventory_change(lambda inventory: inventory["defaults"].update(jump="none"))
        self.expect(fleet.run("exec", "--", "true"), 0)
        self.assertEqual(bastion.sessions(), 1)

    def test_errors_name_the_bastion(self):
        fleet, bastion = self.behind([{"name": "gpu", "count": 3, "kind": "control"}])
        with open(os.path.join(fleet.state, "known_hosts"), encoding="utf-8") as file:
            lines = file.readlines()
        with open(os.path.join(fleet.state, "known_hosts"), "w", encoding="utf-8") as file:
            file.writelines(lines[:-1])
        result = self.expect(fleet.run("exec", "--", "true"), 4)
        self.assertRegex(result.out, r"gpu\[01-03\] .*: bastion .*: the host key of .* is not known")
        bastion.close()
        result = self.expect(fleet.run("scan"), 4)
        self.assertIn("bastion 127.0.0.1: cannot connect to 127.0.0.1", result.out + result.err)


if __name__ == "__main__":
    main()
