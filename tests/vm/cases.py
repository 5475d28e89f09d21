#!/usr/bin/env python3
"""The machines of cases.json: their QEMU arguments and configuration, and the table of what everybody says about them.

    cases.py names [NAME…]           all cases, or those, one a line; an unknown one is an error
    cases.py qemu|append NAME        QEMU's arguments for the machine, one a line; its kernel arguments
    cases.py tar NAME FILE           what is unpacked over the machine's root: /etc, with /etc/case for cases-init
    cases.py split NAME DIRECTORY    takes what cases-init wrote (answers) apart: a file for each who was asked
    cases.py table TOOL DIRECTORY NAME…
                                     the table from the folders of DIRECTORY. Exit status 0 only when every verdict is the
                                     expected one, "ready" stands nowhere where QEMU refused the device or a guest would do
                                     harm, and anything else only there
"""

import io
import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
IOMMUS = {
    "intel": ["-cpu", "max,vendor=GenuineIntel", "-device", "intel-iommu,intremap=on,caching-mode=on"],
    "intel-no-remapping": ["-cpu", "max,vendor=GenuineIntel", "-device", "intel-iommu,intremap=off,caching-mode=on"],
    "amd": ["-cpu", "max,vendor=AuthenticAMD", "-device", "amd-iommu,intremap=on"],
    "none": ["-cpu", "max,vendor=GenuineIntel"],
}
COLUMNS = ("case", "expected", "gpufleet", "`--probe`", "driverctl", "virt-host-validate", "command line", "kernel log",
           "QEMU, asked for the device", "wrongly ready")

with open(os.path.join(HERE, "cases.json"), encoding="utf-8") as cases_file:
    CASES = json.load(cases_file)
BY_NAME = {case["name"]: case for case in CASES["cases"]}


def qemu_arguments(case):
    """"@NAME" among the devices stands for the list of that name."""
    yield from IOMMUS[case["iommu"]]
    for device in case["devices"]:
        for each in CASES["ports"][device[1:]] if device.startswith("@") else [device]:
            yield "-device"
            yield each


def files(case):
    """Path below the machine's root → content."""
    result = dict(case.get("files", {}))
    for address in case.get("overrides", []):
        result[f"etc/driverctl.d/pci-{address}"] = "vfio-pci\n"
    result["etc/case/wanted"] = " ".join(case["wanted"]) + "\n"
    result["etc/case/run"] = "".join(line + "\n" for line in case.get("run", []))
    return result


def write_tar(case, path):
    """Old as of an earlier boot: what is newer than the boot would ask for another one."""
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in files(case).items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content.encode()))


def split(case, directory):
    with open(os.path.join(directory, "answers"), encoding="utf-8", errors="replace") as file:
        text = file.read().replace("\r", "")
    if not text.endswith("END\n"):
        sys.exit(f"{case['name']}: the machine did not come to its end")
    for part in text.removesuffix("END\n").split("=== ")[1:]:
        name, _, content = part.partition("\n")
        with open(os.path.join(directory, name), "w", encoding="utf-8") as file:
            file.write(content.removesuffix("\n"))
    with open(os.path.join(directory, "facts"), encoding="utf-8") as file:
        answers = [json.loads(line) for line in file if line.startswith('{"id":1,')]
    with open(os.path.join(directory, "facts.json"), "w", encoding="utf-8") as file:
        json.dump(answers[0]["result"], file)
        file.write("\n")


def inventory(case):
    return {"version": 1, "fleet": "cases", "groups": {"machines": {"hosts": [case["name"]]}}, "gpus": case["gpus"]}


def judged(tool, case, facts):
    """The report's host, without the probe's answers and with them: what a plain scan leads to, and what `--probe` does."""
    with tempfile.TemporaryDirectory() as directory:
        paths = [os.path.join(directory, name) for name in ("inventory.json", "facts.json")]
        for path, document in zip(paths, (inventory(case), facts)):
            with open(path, "w", encoding="utf-8") as file:
                json.dump(document, file)
        output = subprocess.run([tool, *paths], check=True, capture_output=True, text=True).stdout
    return json.loads(output)["hosts"][0]


def without_probe(facts):
    return dict(facts, pci=[{key: value for key, value in device.items() if key != "probe"} for device in facts["pci"]])


def card_of(case, host):
    return next((device for device in host["devices"] if device["address"] == case["wanted"][0]), None)


def words(card):
    return " ".join([card["verdict"], *card["reasons"]]) if card else "not listed"


class Said:
    """What everybody said on one machine."""

    def __init__(self, case, directory):
        self.case, self.directory = case, directory

    def text(self, name):
        with open(os.path.join(self.directory, name), encoding="utf-8") as file:
            return file.read()

    def qemu(self):
        """"opened", or its message about the device: why it ended, or what it could not do with a device that it opened."""
        lines = self.text("qemu").splitlines()
        messages = [line for line in lines if "qemu-system" in line]
        # "(qemu) qemu-system-x86_64: -device vfio-pci,host=0000:01:00.0: vfio 0000:01:00.0: group 3 is not viable"
        message = re.sub(r"^.*?qemu-system-x86_64: (-device vfio-pci,[^ ]*: )?(vfio [0-9a-f:.]*: )?", "", messages[0]) if messages else lines[-1]
        if lines[-1] != "exit status 0":
            return message
        return f"opened, but: {message}" if messages else "opened"

    def driverctl(self):
        """The driver of each wanted function, as `driverctl list-devices` has it."""
        lines = (line.split() for line in self.text("driverctl").splitlines())
        listed = {line[0]: line[1] for line in lines if len(line) > 1}
        return " ".join(listed.get(address, "-") for address in self.case["wanted"])

    def validate(self):
        """The results that are about assigning devices; the others are about KVM and control groups."""
        found = re.findall(r"(?:device assignment IOMMU support|IOMMU is enabled by kernel)\s*: (\w+)", self.text("virt-host-validate"))
        return " ".join(found)

    def probe(self, facts):
        device = next((device for device in facts["pci"] if device["address"] == self.case["wanted"][0]), {})
        answer = device.get("probe")
        if not answer:
            return "not asked"
        return answer["result"] if answer["result"] == "ok" else f"{answer['result']}: {answer['step']} {answer['message']}".replace(":  ", ": ")

    def command_line(self):
        """grep -E 'intel_iommu=on|amd_iommu=on|iommu=pt' /proc/cmdline"""
        return bool(re.search("intel_iommu=on|amd_iommu=on|iommu=pt", self.text("command-line")))

    def kernel_log(self):
        """dmesg | grep -e DMAR -e IOMMU -e AMD-Vi, and an eye for the line that guides name."""
        return bool(re.search("DMAR: IOMMU enabled|AMD-Vi: Interrupt remapping enabled", self.text("kernel-log")))

    def ready(self):
        """Which of the peers would call the card ready."""
        yes = {
            "driverctl": set(self.driverctl().split()) == {"vfio-pci"},
            "virt-host-validate": set(self.validate().split()) == {"PASS"},
            "command line": self.command_line(),
            "kernel log": self.kernel_log(),
        }
        return [name for name, is_ready in yes.items() if is_ready]


def row(tool, case, directory):
    """The case's line of the table, what is wrong in it, and who calls the card ready that is not (None: it is)."""
    said = Said(case, directory)
    facts = json.loads(said.text("facts.json"))
    plain = card_of(case, judged(tool, case, without_probe(facts)))
    probed = card_of(case, judged(tool, case, facts))
    qemu, wrong, mistaken = said.qemu(), [], None
    possible = qemu == "opened" and "wrong" not in case
    if not plain or plain["verdict"] != case["expect"] or plain["reasons"] != case["reasons"]:
        wrong.append(f"{words(plain)}, not {words({'verdict': case['expect'], 'reasons': case['reasons']})}")
    for what, card in (("", plain), (" after the probe", probed)):
        if (card is not None and card["verdict"] == "ready") != possible:
            wrong.append(f"{words(card)}{what}, but QEMU: {qemu}")
    if not possible:
        mistaken = said.ready() + (["gpufleet"] if plain and plain["verdict"] == "ready" else [])
    cells = (f"{case['name']}: {case['about']}", case["expect"], words(plain), said.probe(facts), said.driverctl(), said.validate(),
             "yes" if said.command_line() else "no", "yes" if said.kernel_log() else "no",
             qemu + (f", but {case['wrong']}" if "wrong" in case else ""), ", ".join(mistaken or ["nobody"]) if mistaken is not None else "")
    return cells, wrong, mistaken


def table(tool, directory, names):
    print("| " + " | ".join(COLUMNS) + " |\n" + "|---" * len(COLUMNS) + "|")
    failed, counts, unready = [], dict.fromkeys(("driverctl", "virt-host-validate", "command line", "kernel log", "gpufleet"), 0), 0
    for name in names:
        if not os.path.exists(os.path.join(directory, name, "facts.json")):
            failed.append(f"{name}: the machine failed")
            continue
        cells, wrong, mistaken = row(tool, BY_NAME[name], os.path.join(directory, name))
        print("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
        failed += [f"{name}: {each}" for each in wrong]
        unready += mistaken is not None
        for each in mistaken or []:
            counts[each] += 1
    print(f"\nReady in the {unready} machines where the card is not: " + ", ".join(f"{who} {count}" for who, count in counts.items()) + ".")
    for each in failed:
        print(f"NOT AS EXPECTED: {each}")
    if not failed:
        print(f"All {len(names)} verdicts are the expected ones, and \"ready\" stands only where QEMU takes the card and no harm comes of it.")
    return not failed


def main():
    command, arguments = (sys.argv + [""])[1], sys.argv[2:]
    if command == "names":
        unknown = [name for name in arguments if name not in BY_NAME]
        if unknown:
            sys.exit(f"no such case: {' '.join(unknown)} (there are {' '.join(BY_NAME)})")
        print("\n".join(arguments or BY_NAME))
    elif command == "qemu" and len(arguments) == 1:
        print("\n".join(qemu_arguments(BY_NAME[arguments[0]])))
    elif command == "append" and len(arguments) == 1:
        print(BY_NAME[arguments[0]]["append"])
    elif command == "tar" and len(arguments) == 2:
        write_tar(BY_NAME[arguments[0]], arguments[1])
    elif command == "split" and len(arguments) == 2:
        split(BY_NAME[arguments[0]], arguments[1])
    elif command == "table" and len(arguments) > 2:
        sys.exit(0 if table(arguments[0], arguments[1], arguments[2:]) else 1)
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
