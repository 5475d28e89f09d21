"""Hosts of a simulated fleet that are reached through a network: a namespace and a real sshd for each.

The test program runs in network and process namespaces of its own: whatever it makes there, and whoever it starts, ends with
it, and nothing of the machine's own network is touched. The host's files, programs and reboots are the simulator's.
"""

import os
import re
import signal
import socket
import struct
import subprocess
import sys
import threading

SSHD = os.environ.get("GPUFLEET_SSHD", "/usr/sbin/sshd")
INSIDE = "GPUFLEET_TEST_OWN_NETWORK"
POSSIBLE = os.geteuid() == 0 and os.path.exists(SSHD)


def enter():
    """Starts this program again in namespaces of its own. Without root it stays where it is."""
    if not POSSIBLE:
        return
    if INSIDE not in os.environ:
        os.environ[INSIDE] = "1"
        os.execvp("unshare", ["unshare", "--net", "--mount-proc", "--pid", "--fork", "--kill-child", sys.executable, "-B", *sys.argv])
    ip("link set lo up")


def ip(line, inside=None):
    prefix = ["nsenter", f"--net=/proc/{inside}/ns/net"] if inside else []
    subprocess.run([*prefix, "ip", *line.split()], check=True)


class Host:
    """The way to host NAME of FLEET, the INDEX-th. Its sshd's sessions are what the simulator's would be."""

    def __init__(self, fleet, name, index):
        self.fleet, self.index = fleet, index
        self.address, self.ours = f"10.77.{index}.2", f"10.77.{index}.1"
        self.directory = os.path.join(fleet.directory, "sshd", name)
        os.makedirs(self.directory)
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", os.path.join(self.directory, "host_key")], check=True)
        with open(os.path.join(self.directory, "authorized_keys"), "w", encoding="utf-8") as file:
            subprocess.run(["ssh-keygen", "-y", "-f", os.path.join(fleet.state, "id_ed25519")], check=True, stdout=file)
        root = fleet.path(name, "root")
        # Nobody gets in while the simulated host is down: this sshd does not go down with it.
        self.entrance = os.path.join(self.directory, "entrance")
        with open(self.entrance, "w", encoding="utf-8") as file:
            file.write(f"#!/bin/sh\nwhile grep -sF ' {name} ' {fleet.state}/power.log | tail -n 1 | grep -q ' down$'; do sleep 0.1; done\n"
                       'exec /bin/sh -c "$SSH_ORIGINAL_COMMAND"\n')
        os.chmod(self.entrance, 0o755)
        with open(os.path.join(self.directory, "config"), "w", encoding="utf-8") as file:
            file.write(f"ListenAddress {self.address}\nHostKey {self.directory}/host_key\nPidFile none\nUsePAM no\nStrictModes no\n"
                       f"AuthorizedKeysFile {self.directory}/authorized_keys\nPermitRootLogin yes\nPasswordAuthentication no\nMaxStartups 1000\n"
                       f"ForceCommand {self.entrance}\n"
                       f"SetEnv GPUFLEET_SYSROOT={root} HOME={root}/root LC_ALL=C "
                       f"PATH={root}/usr/sbin:{root}/usr/bin:{root}/sbin:/usr/sbin:/usr/bin:/sbin:/bin\n")
        self.holder = self.sshd = None
        self.plug()
        with open(os.path.join(self.directory, "host_key.pub"), encoding="utf-8") as key, \
                open(os.path.join(fleet.state, "known_hosts"), "a", encoding="utf-8") as known:
            known.write(f"{self.address} {key.read()}")
        fleet.inventory_change(lambda inventory: inventory["hosts"][name].update(address=self.address, port=22))

    def plug(self):
        """A namespace with a wire to ours, and an sshd in it that knows of no connection."""
        self.holder = subprocess.Popen(["unshare", "--net", "sleep", "infinity"])
        own = os.readlink("/proc/self/ns/net")
        self.fleet.wait(lambda: os.readlink(f"/proc/{self.holder.pid}/ns/net") != own, 30, "the namespace")
        ip(f"link add wire{self.index} type veth peer name eth0 netns {self.holder.pid}")
        ip(f"addr add {self.ours}/24 dev wire{self.index}")
        ip(f"link set wire{self.index} up")
        ip("link set lo up", self.holder.pid)
        ip("link set eth0 up", self.holder.pid)
        self.answers()
        os.makedirs("/run/sshd", mode=0o755, exist_ok=True)
        self.sshd = subprocess.Popen(["nsenter", f"--net=/proc/{self.holder.pid}/ns/net", SSHD, "-D", "-E", os.path.join(self.directory, "log"),
                                      "-f", os.path.join(self.directory, "config")])
        self.fleet.wait(self.accepts, 30, "sshd")

    def accepts(self):
        try:
            socket.create_connection((self.address, 22), 1).close()
            return True
        except OSError:
            return False

    def session(self):
        """The processes of its sshd that serve connections."""
        found = subprocess.run(["pgrep", "-P", str(self.sshd.pid)], stdout=subprocess.PIPE, text=True, check=False).stdout
        return [int(pid) for pid in found.split()]

    def signal(self, number, sessions_only=False):
        sessions = self.session()
        below = [int(pid) for session in sessions for pid in subprocess.run(
            ["pgrep", "-P", str(session), "^sshd"], stdout=subprocess.PIPE, text=True, check=False).stdout.split()]
        for pid in sessions + below + ([] if sessions_only else [self.sshd.pid]):
            os.kill(pid, number)

    def vanishes_from_the_net(self):
        """A black hole: what is sent to it is lost, and nothing says so."""
        shown = subprocess.run(["nsenter", f"--net=/proc/{self.holder.pid}/ns/net", "ip", "-o", "link", "show", "eth0"],
                               check=True, stdout=subprocess.PIPE, text=True).stdout
        link = re.search(r"link/ether (\S+)", shown).group(1)
        ip(f"neigh replace {self.address} lladdr {link} nud permanent dev wire{self.index}")
        ip(f"addr del {self.address}/24 dev eth0", self.holder.pid)

    def answers(self):
        ip(f"addr add {self.address}/24 dev eth0", self.holder.pid)

    def unplug(self):
        """The namespace's wire goes, and with it everything that could end a connection in an orderly way."""
        ip(f"link del wire{self.index}")
        self.signal(signal.SIGKILL)
        self.sshd.wait()
        self.holder.kill()
        self.holder.wait()
        self.sshd = None

    def close(self):
        if self.sshd:
            self.unplug()


class Proxy:
    """Stands between gpufleet and a HOST, and cuts its first TIMES connections after BYTES of both directions together: with
    RST, or in an orderly way. `reset` does so to all that there are."""

    def __init__(self, host, count=None, times=1, rst=True):
        self.host, self.count, self.left, self.rst = host, count, times, rst
        self.cuts, self.pairs, self.lock = 0, [], threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                near = self.listener.accept()[0]
            except OSError:
                return
            far = socket.create_connection((self.host.address, 22))
            with self.lock:
                left = self.count if self.count is not None and self.left > 0 else None
                self.left -= 1
            pair = {"near": near, "far": far, "left": left}
            self.pairs.append(pair)
            for one, other in (("near", "far"), ("far", "near")):
                threading.Thread(target=self.relay, args=(pair, one, other), daemon=True).start()

    def relay(self, pair, one, other):
        try:
            while True:
                data = pair[one].recv(65536)
                with self.lock:
                    if pair["left"] is not None:
                        data = data[:pair["left"]]
                        pair["left"] -= len(data)
                if data:
                    pair[other].sendall(data)
                if not data or pair["left"] == 0:
                    break
        except OSError:
            pass
        if pair["left"] == 0:
            with self.lock:
                self.cuts += pair.setdefault("cut", 1)
                pair["cut"] = 0
        self.end(pair)

    def end(self, pair):
        for sock in (pair["near"], pair["far"]):
            try:
                if self.rst:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    # A reader that blocks keeps the socket: with this it ends, and no FIN goes out before the RST.
                sock.shutdown(socket.SHUT_RD)
            except OSError:
                pass
            sock.close()

    def reset(self):
        for pair in self.pairs:
            self.end(pair)

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.reset()


def lead_through(fleet, name, host, **options):
    """HOST is reached through a Proxy from now on."""
    proxy = Proxy(host, **options)
    with open(os.path.join(host.directory, "host_key.pub"), encoding="utf-8") as key, \
            open(os.path.join(fleet.state, "known_hosts"), "a", encoding="utf-8") as known:
        known.write(f"[127.0.0.1]:{proxy.port} {key.read()}")
    fleet.inventory_change(lambda inventory: inventory["hosts"][name].update(address="127.0.0.1", port=proxy.port))
    return proxy
