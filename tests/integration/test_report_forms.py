"""The report's forms, each read by what it is for: the JSON by its schema, CSV by Python's csv, metrics by promtool, the
inventory by Ansible. The facts in the store are fixtures, and hosts that call their drivers what each form's reader would act on.
"""

import contextlib
import copy
import csv
import io
import json
import os
import re
import shutil
import sqlite3
import stat
import subprocess
import unicodedata
import unittest

import jsonschema

from harness import BUILD, GPUFLEET, REPORT_SCHEMA, SOURCE, closed, main, temporary_directory

FIXTURES = ("done", "nvidia", "shared-group", "in-use", "no-iommu", "iommu-off", "amd", "twin", "nova")
DRIVERS = ("=cmd|' /C calc'!A0", "+1+1", "-2", "@SUM(1)", "\t=1", "\r=1", "a,b", 'say "x"', "two\nlines", "\uff1d1", " blank", "caf\u00e9",
           "\x1b[2J", "\u202egnp", "x" * 300, "{{ lookup('pipe', 'touch MARK') }}", "{% for x in y %}", "{#", "\\n\\", '"} 1\nevil 1',
           "\U0001f4a5", "vfio-pci")
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
COLUMNS = ["host", "domain", "reachable", "observed", "host_verdict", "address", "vendor", "device", "name", "class", "primary",
           "driver", "iommu_group", "numa_node", "alias", "verdict", "reasons"]
VERDICTS = ("ready", "pending", "blocked", "in_use", "ignored", "unknown")


def promtool():
    """The program of that name, or the one that `./dev test` unpacked beside the build."""
    beside = os.path.join(BUILD, "..", "tools", "promtool")
    return shutil.which("promtool") or (beside if os.access(beside, os.X_OK) else None)


class Forms(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.directory = temporary_directory()
        cls.addClassCleanup(shutil.rmtree, cls.directory, ignore_errors=True)
        cls.store = os.path.join(cls.directory, "fleet.db")
        cls.inventory = os.path.join(cls.directory, "fleet.json")
        cls.mark = os.path.join(cls.directory, "MARK")
        facts = {name: cls.fixture(name) for name in FIXTURES}
        for number, driver in enumerate(DRIVERS):
            facts[f"hostile{number:02d}"] = cls.hostile(driver.replace("MARK", cls.mark))
        facts["liar"] = {"facts": 1, "host": [], "pci": 3}
        facts["clock"] = dict(cls.fixture("done"), observed="=NOW()")
        names = list(facts) + ["unreached"]
        cls.names = names
        document = {
            "version": 1, "fleet": "forms", "defaults": {"user": "ops", "known_hosts": "kh", "become": "sudo"},
            "groups": {"a": {"role": "compute", "hosts": names[:5], "domain": "rack-1"},
                       "b": {"role": "compute", "hosts": names[5:], "domain": "rack.1"},
                       "c": {"role": "control", "hosts": ["ctl1"]}},
            "hosts": {name: {"address": "127.0.0.1", "port": 1} for name in names + ["ctl1"]},
            "gpus": [{"alias": "nvidia1080", "vendor": "10de", "device": "1b06", "functions": "all"},
                     {"alias": "radeon", "vendor": "1002", "class": "0300"}],
            "flavors": [{"name": "gpu.1", "vcpus": 4, "ram": 4096, "disk": 10, "gpus": {"nvidia1080": 1}}]}
        cls.write_inventory(document)
        # It reaches nobody and leaves a store.
        cls.gpufleet("scan", "--limit", "unreached", status=4)
        with contextlib.closing(sqlite3.connect(cls.store)) as store:
            store.executemany("INSERT INTO facts (host, time, body) VALUES (?, '2026-01-01T00:00:00Z', ?)",
                              ((name, json.dumps(body)) for name, body in facts.items()))
            store.commit()
        cls.json = json.loads(cls.gpufleet("report", "--format", "json"))

    @classmethod
    def write_inventory(cls, document):
        with open(cls.inventory, "w", encoding="utf-8") as file:
            json.dump(document, file)

    @staticmethod
    def fixture(name):
        with open(os.path.join(SOURCE, "tests/unit/facts", name + ".json"), encoding="utf-8") as file:
            return json.load(file)

    @classmethod
    def hostile(cls, driver):
        facts = cls.fixture("nvidia")
        for device in facts["pci"]:
            if device["header"] == "endpoint":
                device["driver"] = driver
        facts["host"]["guests"] = [{"pid": 1, "name": driver, "source": "qemu", "devices": []}]
        return facts

    @classmethod
    def gpufleet(cls, command, *args, status=0):
        environment = dict(os.environ, HOME=cls.directory)
        result = subprocess.run([GPUFLEET, command, cls.inventory, "--state", cls.store, *args], stdin=subprocess.DEVNULL,
                                capture_output=True, env=environment, check=False, timeout=150)
        assert result.returncode == status, (args, result.returncode, result.stderr.decode())
        return result.stdout.decode()

    def run_program(self, *command):
        result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=150,
                                env=dict(os.environ, HOME=self.directory, ANSIBLE_NOCOLOR="1", ANSIBLE_LOCAL_TEMP=self.directory))
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        return result

    def test_schema(self):
        validator = jsonschema.Draft202012Validator(closed(REPORT_SCHEMA))
        self.assertEqual([error.message for error in validator.iter_errors(self.json)], [])
        self.assertEqual([host["name"] for host in self.json["hosts"]], sorted(self.names + ["ctl1"], key=self.natural))

    @staticmethod
    def natural(name):
        return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]

    def test_schema_refuses(self):
        """Each fixed name taken away, and each value of another type; a name that is added is taken."""
        validator = jsonschema.Draft202012Validator(REPORT_SCHEMA)
        host = next(i for i, host in enumerate(self.json["hosts"]) if host["name"] == "shared-group")
        places = [(), ("totals",), ("capacity",), ("capacity", "aliases", 0), ("capacity", "flavors", 0), ("hosts", host),
                  ("hosts", host, "checks", 0), ("hosts", host, "devices", 0)]
        report = dict(self.json, hosts=[self.json["hosts"][host]])
        for place in places:
            place = tuple(0 if part == host else part for part in place)
            for key in self.at(report, place):
                broken = copy.deepcopy(report)
                del self.at(broken, place)[key]
                self.assertFalse(validator.is_valid(broken), f"taken without {place} {key}")
                broken = copy.deepcopy(report)
                self.at(broken, place)[key] = {"of": "another type"} if not isinstance(self.at(report, place)[key], dict) else 7
                self.assertFalse(validator.is_valid(broken), f"taken with another type at {place} {key}")
            added = copy.deepcopy(report)
            self.at(added, place)["of_a_later_version"] = [1]
            self.assertTrue(validator.is_valid(added), place)
        for place, value in ((("hosts", 0, "verdict"), "fine"), (("hosts", 0, "checks", 0, "status"), "ok"),
                             (("hosts", 0, "checks", 0, "id"), "no such"), (("hosts", 0, "devices", 0, "address"), "01:00.0"),
                             (("hosts", 0, "devices", 0, "vendor"), "10DE"), (("generated",), "today"), (("totals", "gpus"), -1)):
            broken = copy.deepcopy(report)
            self.at(broken, place[:-1])[place[-1]] = value
            self.assertFalse(validator.is_valid(broken), f"taken with {value} at {place}")

    @staticmethod
    def at(value, place):
        for part in place:
            value = value[part]
        return value

    def test_csv(self):
        raw = self.gpufleet("report", "--format", "csv")
        self.assertEqual(raw.count("\n"), raw.count("\r\n"))
        rows = list(csv.reader(io.StringIO(raw, newline=""), strict=True))
        self.assertEqual(rows[0], COLUMNS)
        expected = []
        for host in self.json["hosts"]:
            about = [host["name"], {"ctl1": ""}.get(host["name"], "rack-1" if host["name"] in self.names[:5] else "rack.1"),
                     host["reachable"], host["observed"], host["verdict"]]
            expected += [about + [device.get(column) for column in COLUMNS[5:-1]] + [" ".join(device["reasons"])]
                         for device in host["devices"]] or [about + [""] * 12]
        self.assertEqual(len(rows) - 1, len(expected))
        for row, values in zip(rows[1:], expected):
            self.assertEqual(row, [self.cell(value) for value in values])
            for cell in row:
                self.assertFalse(cell.startswith(FORMULA), row)
                self.assertIsNone(re.search("[\x00-\x1f\x7f-\x9f\u2028-\u202e]", cell), row)

    @staticmethod
    def cell(value):
        if value is None:
            return ""
        if isinstance(value, bool):
            return "true" if value else "false"
        text = re.sub("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]",
                      lambda match: "".join(f"\\x{byte:02x}" for byte in match.group().encode()), str(value))
        return "'" + text if text.startswith(FORMULA) else text

    def test_text(self):
        """No line is wider than a terminal, and none has what one would obey."""
        for options in ((), ("--limit", "hostile[00-%02d]" % (len(DRIVERS) - 1)), ("--limit", "unreached")):
            for line in self.gpufleet("report", *options).splitlines():
                self.assertLessEqual(sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in line), 80, line)
                self.assertIsNone(re.search("[\x00-\x1f\x7f-\x9f\u2028-\u202e]", line), repr(line))
        self.assertIn("x" * 40, self.gpufleet("report", "--limit", "hostile%02d" % DRIVERS.index("x" * 300)))
        text = " ".join(self.gpufleet("report").split())
        for host in self.json["hosts"]:
            for check in host["checks"]:
                if check["status"] == "fail" and check["device"] is None and host["verdict"] != "ignored":
                    self.assertIn(check["id"], text)

    def samples(self):
        """{metric: {labels: value}}"""
        text, metrics = self.gpufleet("report", "--format", "prometheus"), {}
        for line in text.splitlines():
            if line.startswith("#"):
                continue
            match = re.fullmatch(r'(\w+)\{((?:\w+="(?:[^"\\\n]|\\.)*",?)*)\} (-?\d+)', line)
            self.assertIsNotNone(match, line)
            labels = tuple(sorted(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', match[2])))
            self.assertIn(("fleet", "forms"), labels)
            series = metrics.setdefault(match[1], {})
            self.assertNotIn(labels, series, line)
            series[labels] = int(match[3])
        return metrics

    def test_prometheus(self):
        metrics = self.samples()
        for verdict in VERDICTS:
            total = sum(value for labels, value in metrics["gpufleet_gpus"].items() if ("verdict", verdict) in labels)
            self.assertEqual(total, self.json["totals"][verdict], verdict)
            hosts = [host["name"] for host in self.json["hosts"] if host["verdict"] == verdict]
            self.assertEqual(sum(value for labels, value in metrics["gpufleet_hosts"].items() if ("verdict", verdict) in labels), len(hosts))
            self.assertEqual({dict(labels)["host"] for labels, value in metrics["gpufleet_host_verdict"].items()
                              if value and ("verdict", verdict) in labels}, set(hosts))
        self.assertEqual({dict(labels)["host"] for labels, value in metrics["gpufleet_host_ready"].items() if value},
                         {host["name"] for host in self.json["hosts"] if host["verdict"] == "ready"})
        self.assertEqual({dict(labels)["host"]: bool(value) for labels, value in metrics["gpufleet_host_reachable"].items()},
                         {host["name"]: host["reachable"] for host in self.json["hosts"]})
        for metric, status in (("gpufleet_check_failing", "fail"), ("gpufleet_check_warning", "warn")):
            counted = {}
            for labels, value in metrics[metric].items():
                counted[dict(labels)["check"]] = counted.get(dict(labels)["check"], 0) + value
            for check, value in counted.items():
                self.assertEqual(value, sum(any(c["id"] == check and c["status"] == status for c in host["checks"])
                                            for host in self.json["hosts"]), check)
            self.assertEqual(set(counted), set(REPORT_SCHEMA["$defs"]["check_id"]["enum"]))
        fits = {dict(labels)["when"]: value for labels, value in metrics["gpufleet_flavor_fits"].items()}
        flavor = self.json["capacity"]["flavors"][0]
        self.assertEqual(fits, {"now": flavor["fits_now"], "when_ready": flavor["fits_when_ready"]})

    def test_promtool(self):
        program = promtool()
        if not program:
            self.skipTest("SKIP: promtool (Debian's package prometheus) is not here; `./dev test` unpacks it into build/tools")
        path = os.path.join(self.directory, "gpufleet.prom")
        self.gpufleet("report", "--format", "prometheus", "--output", path)
        # The node exporter is another user's, whatever the umask.
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o644)
        with open(path, "rb") as file:
            result = subprocess.run([program, "check", "metrics"], stdin=file, capture_output=True, text=True, check=False, timeout=150)
        self.assertEqual((result.returncode, result.stdout, result.stderr), (0, "", ""))
        rules = os.path.join(SOURCE, "docs/guide/gpufleet-alerts.yml")
        result = subprocess.run([program, "check", "rules", rules], capture_output=True, text=True, check=False, timeout=150)
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        with open(rules, encoding="utf-8") as file:
            for metric in re.findall(r"gpufleet_[a-z_]+", "".join(line for line in file if "#" not in line)):
                self.assertIn(metric, self.samples(), "a rule about a metric that there isn't")
        with open(path, "rb") as file:
            wrong = file.read().replace(b"# HELP gpufleet_gpus ", b"# HELP gpufleet_gpuz ")
        result = subprocess.run([program, "check", "metrics"], input=wrong, capture_output=True, check=False, timeout=150)
        self.assertNotEqual(result.returncode, 0, "promtool takes anything")

    def ansible(self):
        path = os.path.join(self.directory, "ansible.json")
        self.gpufleet("report", "--format", "ansible-inventory", "--output", path)
        with open(path, encoding="utf-8") as file:
            return path, json.load(file)

    def test_ansible_shape(self):
        _, document = self.ansible()
        groups, hosts = document["all"]["children"], document["all"]["hosts"]
        self.assertEqual(set(hosts), set(self.names) | {"ctl1"})
        for group, content in groups.items():
            self.assertRegex(group, "^[a-z][A-Za-z0-9_]*$")
            self.assertLessEqual(set(content["hosts"]), set(hosts))
        for verdict in VERDICTS:
            self.assertEqual(set(groups["verdict_" + verdict]["hosts"]),
                             {host["name"] for host in self.json["hosts"] if host["verdict"] == verdict})
        self.assertEqual(set(groups["role_control"]["hosts"]), {"ctl1"})
        # Two domains, rack-1 and rack.1, that become one name.
        self.assertEqual({frozenset(groups["domain_rack_1"]["hosts"]), frozenset(groups["domain_rack_1_2"]["hosts"])},
                         {frozenset(self.names[:5]), frozenset(self.names[5:])})
        self.assertIn("shared-group", groups["check_device_group_viable"]["hosts"])
        self.assertIn("done", groups["alias_nvidia1080"]["hosts"])
        self.assertEqual({key: hosts["done"][key] for key in ("ansible_host", "ansible_port", "ansible_user", "ansible_become")},
                         {"ansible_host": "127.0.0.1", "ansible_port": 1, "ansible_user": "ops", "ansible_become": True})
        self.assertNotRegex(json.dumps(document["all"]["hosts"]).replace('{"', "").replace("{}", "").replace("}", ""), "{",
                            "a brace that could be a template")

    def test_ansible_reads_it(self):
        if not shutil.which("ansible-inventory"):
            self.skipTest("SKIP: ansible-inventory (Debian's package ansible-core) is not here")
        path, document = self.ansible()
        result = self.run_program("ansible-inventory", "-i", path, "--list")
        self.assertNotIn("WARNING", result.stderr)
        read = json.loads(result.stdout)
        for group, content in document["all"]["children"].items():
            self.assertEqual(read.get(group, {}).get("hosts", []), list(content["hosts"]), group)
        self.assertEqual(read["_meta"]["hostvars"]["shared-group"]["gpufleet_verdict"], "blocked")

    def test_ansible_runs_nothing(self):
        """Variables are templates to Ansible: what hosts say must not become a program of the controller's."""
        if not shutil.which("ansible"):
            self.skipTest("SKIP: ansible (Debian's package ansible-core) is not here")
        path, _ = self.ansible()
        result = self.run_program("ansible", "all", "-i", path, "-c", "local", "-m", "debug", "-a", "var=hostvars[inventory_hostname]")
        self.assertIn("((", result.stdout)
        self.assertFalse(os.path.exists(self.mark), "a host had a program run")

    def test_unknown_form(self):
        result = subprocess.run([GPUFLEET, "report", self.inventory, "--state", self.store, "--format", "promethus"],
                                capture_output=True, text=True, check=False)
        self.assertEqual(result.returncode, 1)
        self.assertIn("did you mean prometheus?", result.stderr)


if __name__ == "__main__":
    main()
