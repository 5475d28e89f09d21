"""The agent under the real programs that Debian packages of other distributions' ways to boot: dracut, tuned, GRUB's mkconfig as
grub2-mkconfig, and systemd's kernel-install. Each test has a root of its own (an overlay over one that is made once and kept in
~/.cache/gpufleet); only the disk is missing, so grub-probe is a stand-in, and so is /sys.

Run as `python3 test_distributions.py BUILD_DIR`. Skipped (77) without root, mount namespaces, debootstrap or a mirror.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

BUILD = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else "build/debug")
HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.path.abspath(os.path.join(HERE, "..", "..", ".."))
CARD = {"address": "0000:01:00.0", "vendor": "10de", "device": "1b06", "subsystem_vendor": "1462", "subsystem_device": "3609",
        "class": "0300", "primary": True}
VIRTUAL = {"address": "0000:00:05.0", "vendor": "1af4", "device": "1050", "subsystem_vendor": "1af4", "subsystem_device": "1100",
           "class": "0380", "primary": True}
SHOW = """{
echo
for device in 0000:00:05.0 0000:00:06.0; do
    driver=$(readlink /sys/bus/pci/devices/$device/driver || echo none)
    echo "gpufleet-driver $device ${driver##*/}"
done
} >/dev/console
poweroff -f
"""
BASE = ""  # the unpacked root, which no test writes to


def skip(why):
    print("SKIP:", why)
    sys.exit(77)


def base_prepare():
    """The root, made or unpacked."""
    if os.geteuid() != 0:
        skip("needs root for debootstrap, mount and chroot")
    if subprocess.run(["unshare", "-m", "true"], stderr=subprocess.DEVNULL, check=False).returncode:
        skip("this machine gives no mount namespaces")
    cache = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "gpufleet")
    archive = os.path.join(cache, "distributions-bookworm.tar.gz")
    if not os.path.exists(archive):
        if not shutil.which("debootstrap"):
            skip("debootstrap is not installed")
        os.makedirs(cache, exist_ok=True)
        mirror = os.environ.get("GPUFLEET_DEBIAN_MIRROR", "http://deb.debian.org/debian")
        made = subprocess.run(["unshare", "-m", os.path.join(HERE, "make_root.sh"), mirror, archive], check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if made.returncode:
            print(made.stdout.decode(errors="replace")[-1000:])
            skip(f"no root could be made from {mirror}")
    base = tempfile.mkdtemp(prefix="gpufleet-distributions-")
    subprocess.run(["tar", "-xzf", archive, "-C", base], check=True)
    return base


class Host:
    """One root, with a card, that the agent is pushed to."""

    def __init__(self, card):
        self.card = card
        self.work = tempfile.mkdtemp(prefix="gpufleet-distribution-")
        self.root = os.path.join(self.work, "root")
        for name in ("root", "upper", "scratch"):
            os.mkdir(os.path.join(self.work, name))
        mounted = subprocess.run(
            ["mount", "-t", "overlay", "-o",
             f"lowerdir={BASE},upperdir={self.work}/upper,workdir={self.work}/scratch", "none", self.root],
            stderr=subprocess.DEVNULL, check=False)
        if mounted.returncode:  # an overlay in a container of its own
            subprocess.run(["cp", "-a", BASE + "/.", self.root], check=True)
        for name in ("proc", "dev"):
            subprocess.run(["mount", "--rbind", "/" + name, os.path.join(self.root, name)], check=True)
        subprocess.run(["mount", "-t", "tmpfs", "none", os.path.join(self.root, "run")], check=True)
        self.write("usr/sbin/grub-probe", "#!/bin/sh\necho ext2\n", 0o755)
        self.write("etc/default/grub", 'GRUB_DEFAULT=0\nGRUB_TIMEOUT=5\nGRUB_CMDLINE_LINUX_DEFAULT="quiet"\n'
                                       'GRUB_CMDLINE_LINUX=""\n')
        device = f"sys/devices/pci0000:00/{card['address']}"
        for name in ("vendor", "device", "subsystem_vendor", "subsystem_device"):
            self.write(f"{device}/{name}", f"0x{card[name]}\n")
        self.write(f"{device}/class", f"0x{card['class']}00\n")
        self.write(f"{device}/driver_override", "(null)\n")
        os.makedirs(self.path("sys/bus/pci/devices"))
        os.symlink(f"../../../devices/pci0000:00/{card['address']}", self.path(f"sys/bus/pci/devices/{card['address']}"))
        self.kernel = os.listdir(self.path("lib/modules"))[0]
        self.image = f"boot/initrd.img-{self.kernel}"
        with open(os.path.join(BUILD, "gpufleet-agent.hash"), encoding="utf-8") as file:
            self.hash = file.read().strip()
        self.bundle = os.path.join(BUILD, "gpufleet-agent.tar.gz")
        self.pushed = False

    def close(self):
        subprocess.run(["umount", "-R", self.root], stderr=subprocess.DEVNULL, check=False)
        for name in ("proc", "dev", "run"):
            subprocess.run(["umount", "-R", os.path.join(self.root, name)], stderr=subprocess.DEVNULL, check=False)
        subprocess.run(["rm", "-rf", "--one-file-system", self.work], check=False)

    def path(self, name):
        return os.path.join(self.root, name)

    def write(self, name, text, mode=0o644):
        os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
        if os.path.lexists(self.path(name)):
            os.remove(self.path(name))
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(self.path(name), mode)

    def read(self, name):
        with open(self.path(name), encoding="utf-8", errors="replace") as file:
            return file.read()

    def chroot(self, *argv, check=True):
        done = subprocess.run(["chroot", self.root, *argv], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, check=False, timeout=600,
                              env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"})
        text = done.stdout.decode(errors="replace")
        if check and done.returncode:
            raise AssertionError(f"{' '.join(argv)} ended with {done.returncode}: {text[-2000:]}")
        return text

    def ask(self, **request):
        """One request to the real agent; its result, and its events."""
        with open(os.path.join(SOURCE, "node-agent/launch.sh"), encoding="utf-8") as file:
            script = file.read()
        with open(os.path.join(SOURCE, "node-agent/place.sh"), "rb") as file:
            place = file.read().rstrip(b"\n")
        data = b""
        if not self.pushed:
            with open(self.bundle, "rb") as file:
                data = place + file.read()
        self.pushed = True
        data += json.dumps({"id": 1, **request}).encode() + b"\n"
        done = subprocess.run(
            ["chroot", self.root, "sh", "-c", script, "gpufleet", self.hash, str(os.path.getsize(self.bundle)),
             os.uname().machine, str(len(place))],
            input=data, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False, timeout=900)
        events = []
        for line in done.stdout.decode().splitlines():
            message = json.loads(line) if line.startswith("{") else {}
            if "event" in message:
                events.append(message["event"])
            if "result" in message:
                return message["result"], events
            if "error" in message:
                raise AssertionError(message["error"])
        raise AssertionError(f"no answer: {done.stdout[-1000:]} {done.stderr[-1000:]}")

    def work_on(self, operation, **request):
        context = {"run": "R1", "wanted": [self.card], "kernel_args": {"add": [], "remove": []}, "cpu_vendor": "intel"}
        result, events = self.ask(operation=operation, context=context, allow_running_guests=True, **request)
        if result["state"] != "done":
            raise AssertionError(json.dumps([result, events], indent=1))
        return result, events

    def apply(self, operation):
        with open(os.path.join(SOURCE, "playbooks/gpu-passthrough.json"), encoding="utf-8") as file:
            stages = json.load(file)["stages"]
        stage = next(stage for stage in stages if stage["name"] == "host")
        # No systemd runs here that could be asked about services.
        stage["tasks"] = [task for task in stage["tasks"] if task["type"] != "vendor_services"]
        return self.work_on(operation, request="apply", stage=stage)[0]

    def facts(self):
        host = self.ask(request="facts")[0]["host"]
        return host["boot_loader"], host["boot_tool"], host["initramfs"]

    def unpack(self, image=None):
        """The image's files, by the distribution's own program."""
        self.chroot("sh", "-c", f"rm -rf /var/tmp/image && mkdir /var/tmp/image && cd /var/tmp/image && "
                                f"lsinitrd --unpack /{image or self.image} 2>/dev/null || :")
        return self.path("var/tmp/image")

    def settings(self):
        """Everything below /etc that is not a log, byte for byte."""
        return self.chroot("sh", "-c", "cd / && find etc usr/lib/dracut usr/lib/kernel -type f ! -name ld.so.cache "
                                       "! -name machine-id -print0 | sort -z | xargs -0 sha256sum")


class Distributions(unittest.TestCase):
    maxDiff = None

    def start(self, card=None):
        host = Host(card or CARD)
        self.addCleanup(host.close)
        return host

    def expect_bound(self, host, image=None):
        """What the image's own shell does before udev: it keeps the card, and no other."""
        tree = host.unpack(image)
        hooks = sorted(os.listdir(os.path.join(tree, "usr/lib/dracut/hooks/pre-udev")))
        self.assertEqual(hooks[0], "00-gpufleet-bind.sh")
        device = os.path.join(tree, "sys/bus/pci/devices/0000:01:00.0")
        os.makedirs(device)
        for name, text in (("vendor", "0x10de"), ("device", "0x1b06"), ("subsystem_vendor", "0x1462"),
                           ("subsystem_device", "0x3609"), ("driver_override", "(null)")):
            with open(os.path.join(device, name), "w", encoding="utf-8") as file:
                file.write(text + "\n")
        subprocess.run(["chroot", tree, "/bin/sh", "-ec",
                        "for hook in /usr/lib/dracut/hooks/pre-udev/00-*.sh; do . $hook; done; echo alive"],
                       stdout=subprocess.PIPE, check=True, timeout=60)
        with open(os.path.join(device, "driver_override"), encoding="utf-8") as file:
            self.assertEqual(file.read(), "vfio-pci\n")
        found = subprocess.run(["find", tree, "-name", "vfio-pci.ko*"], stdout=subprocess.PIPE, check=True).stdout
        self.assertTrue(found)

    def test_dracut_tuned_update_grub(self):
        """dracut instead of initramfs-tools; tuned's own arguments are a variable in grub.cfg."""
        host = self.start()
        host.write("etc/tuned/mine/tuned.conf", "[main]\nsummary=x\n[bootloader]\ncmdline=nohz=on nohz_full=2-3\n")
        host.write("etc/tuned/tuned-main.conf", "daemon = 0\n")
        os.makedirs(host.path("boot/grub"), exist_ok=True)
        host.chroot("update-grub")
        host.chroot("tuned", "--no-dbus", "--no-socket", "--profile", "mine", check=False)
        self.assertIn("$tuned_params", host.read("boot/grub/grub.cfg"), "tuned is not what it was")
        before, tuned = host.settings(), host.read("etc/tuned/bootcmdline")
        self.assertIn('TUNED_BOOT_CMDLINE="nohz=on nohz_full=2-3"', tuned)
        self.assertEqual(host.facts(), ("grub", "update-grub", "dracut"))

        result = host.apply("one")
        self.assertTrue(result["changed"] and result["reboot"])
        config = host.read("boot/grub/grub.cfg")
        line = next(line for line in config.splitlines() if line.strip().startswith("linux"))
        self.assertIn("$tuned_params", line)
        self.assertIn("iommu=pt", line)
        self.assertIn('set tuned_params="nohz=on nohz_full=2-3"', config)
        self.assertEqual(host.read("etc/tuned/bootcmdline"), tuned)
        self.expect_bound(host)
        self.assertFalse(host.apply("two")["changed"])

        # The next kernel package, and the next tuned profile.
        host.chroot("sh", "-c", f"DEB_MAINT_PARAMS=configure /etc/kernel/postinst.d/dracut {host.kernel} "
                                f"/boot/vmlinuz-{host.kernel}")
        self.expect_bound(host)
        host.chroot("update-grub")
        self.assertIn("iommu=pt", host.read("boot/grub/grub.cfg"))

        self.assertTrue(host.work_on("undo-one", request="undo", operations=["two", "one"])[0]["changed"])
        self.assertEqual(host.settings(), before)
        self.assertFalse(os.path.exists(os.path.join(host.unpack(), "etc/gpufleet")))
        config = host.read("boot/grub/grub.cfg")
        self.assertIn("$tuned_params", config)
        self.assertNotIn("iommu=pt", config)

    @unittest.skipUnless(shutil.which("qemu-system-x86_64"), "qemu-system-x86_64 is not installed")
    def test_dracut_boots(self):
        """The image that apply built, booted by a real kernel: of two equal devices the wanted one is on vfio-pci, its twin is not,
        though their driver is in the image."""
        host = self.start(VIRTUAL)
        host.write("etc/dracut.conf.d/01-test.conf", 'add_drivers+=" virtio_pci "\n')
        os.makedirs(host.path("boot/grub"))
        host.chroot("update-grub")
        host.apply("one")
        # What shows the drivers, as one more archive behind the image that was built.
        image = os.path.join(host.work, "image")
        name = "usr/lib/dracut/hooks/initqueue/settled/99-show.sh"
        host.write(f"var/tmp/extra/{name}", SHOW)
        archive = subprocess.run(["chroot", host.root, "sh", "-c", f"cd /var/tmp/extra && echo {name} | cpio --quiet -o -H newc"],
                                 stdout=subprocess.PIPE, check=True).stdout
        with open(host.path(host.image), "rb") as built, open(image, "wb") as file:
            data = built.read()
            file.write(data + b"\0" * (-len(data) % 4) + archive)
        serial = subprocess.run(
            ["qemu-system-x86_64", "-accel", "tcg,thread=multi", "-machine", "q35,kernel-irqchip=split", "-cpu", "max", "-m", "512",
             "-nodefaults", "-display", "none", "-serial", "stdio", "-no-reboot",
             "-device", "intel-iommu,intremap=on,caching-mode=on", "-device", "virtio-gpu-pci,addr=5",
             "-device", "virtio-gpu-pci,addr=6", "-kernel", host.path(f"boot/vmlinuz-{host.kernel}"), "-initrd", image,
             "-append", "console=ttyS0 root=/dev/vda intel_iommu=on mitigations=off rd.shell=0 quiet"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True, timeout=400).stdout.decode(errors="replace")
        found = {line.split()[1]: line.split()[2] for line in serial.splitlines() if line.startswith("gpufleet-driver")}
        self.assertEqual(found, {"0000:00:05.0": "vfio-pci", "0000:00:06.0": "virtio-pci"}, serial[-3000:])

    def test_grub2_mkconfig(self):
        """GRUB's own mkconfig under the name and with the paths that SUSE has."""
        host = self.start()
        os.remove(host.path("usr/sbin/update-grub"))
        os.symlink("grub-mkconfig", host.path("usr/sbin/grub2-mkconfig"))
        os.makedirs(host.path("boot/grub2"))
        os.makedirs(host.path("boot/grub"))  # Debian's scripts put fonts there
        host.chroot("grub2-mkconfig", "-o", "/boot/grub2/grub.cfg")
        before, config = host.settings(), host.read("boot/grub2/grub.cfg")
        self.assertEqual(host.facts(), ("grub", "grub2-mkconfig", "dracut"))
        self.assertTrue(host.apply("one")["changed"])
        self.assertRegex(host.read("boot/grub2/grub.cfg"), r"(?m)^\s*linux.* ro +quiet .*iommu=pt")
        self.assertFalse(host.apply("two")["changed"])
        host.work_on("undo-one", request="undo")
        self.assertEqual(host.settings(), before)
        self.assertEqual(host.read("boot/grub2/grub.cfg"), config)

    def test_kernel_install(self):
        """systemd-boot: entries and copies of the images on the EFI partition, by systemd's own kernel-install."""
        host = self.start()
        os.remove(host.path("etc/default/grub"))
        host.write("efi/loader/loader.conf", "timeout 3\n")
        host.write("etc/machine-id", "6f1d0b7e3c2a4e58b9d0c1a2f3e4d5c6\n")
        host.write("etc/kernel/entry-token", "gpu\n")
        host.write("etc/kernel/install.conf", "layout=bls\n")
        host.write("etc/kernel/cmdline", "root=UUID=1 ro quiet console=tty0 console=ttyS0\n")
        os.mkdir(host.path("efi/gpu"))
        host.chroot("kernel-install", "add", host.kernel, f"/boot/vmlinuz-{host.kernel}")
        name = f"efi/loader/entries/gpu-{host.kernel}.conf"
        before, entry = host.settings(), host.read(name)
        self.assertRegex(entry, r"(?m)^options +root=UUID=1 ro quiet console=tty0 console=ttyS0$")
        self.assertEqual(host.facts(), ("systemd-boot", "kernel-install", "dracut"))
        self.assertTrue(host.apply("one")["changed"])
        self.assertRegex(host.read(name), r"(?m)^options +root=UUID=1 ro quiet console=tty0 console=ttyS0 .*iommu=pt$")
        self.expect_bound(host, f"efi/gpu/{host.kernel}/initrd.img-{host.kernel}")
        self.assertFalse(host.apply("two")["changed"])
        host.work_on("undo-one", request="undo")
        self.assertEqual(host.settings(), before)
        self.assertEqual(host.read(name), entry)


if __name__ == "__main__":
    if os.environ.get("GPUFLEET_DISTRIBUTIONS") != "namespace":
        BASE = base_prepare()
        environment = {**os.environ, "GPUFLEET_DISTRIBUTIONS": "namespace", "GPUFLEET_DISTRIBUTIONS_BASE": BASE}
        try:
            # Mounts are the namespace's: they end with it, whatever happens.
            status = subprocess.run(["unshare", "-m", "--propagation", "private", sys.executable, "-B", __file__, *sys.argv[1:]],
                                    env=environment, check=False).returncode
        finally:
            shutil.rmtree(BASE)
        sys.exit(status)
    BASE = os.environ["GPUFLEET_DISTRIBUTIONS_BASE"]
    unittest.main(argv=sys.argv[:1] + sys.argv[2:], verbosity=2)
