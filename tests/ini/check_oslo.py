#!/usr/bin/env python3
"""check_oslo.py TOOL CORPUS [FOLDER…]: the INI editor against oslo.config itself.

Every configuration of CORPUS (its README says how it is laid out) and every *.conf and *.ini below the
FOLDERs is read by oslo.config and by TOOL (ini_tool.c), and so are random texts; what oslo.config says is
right. Then each is edited: oslo.config must read what was written, a second edit must change nothing, and
taking the edit back must give the file back byte for byte, also where others wrote in between.
Ends with 77 where there is no oslo.config.
"""
import json
import os
import random
import re
import subprocess
import sys
import tempfile

try:
    from oslo_config import cfg, types
except ImportError:
    # Another python3 may come first in PATH than the one that Debian's packages are for.
    if sys.executable != "/usr/bin/python3" and os.path.exists("/usr/bin/python3"):
        os.execv("/usr/bin/python3", ["/usr/bin/python3"] + sys.argv)
    print("skipped: no oslo.config here (apt-get install python3-oslo.config)")
    sys.exit(77)

import logging

logging.disable(logging.CRITICAL)
FILTERS = ["ComputeFilter", "ComputeCapabilitiesFilter", "ImagePropertiesFilter"]
# section, name, kind, deprecated, defaults, further
OPTIONS = [
    ("pci", "device_spec", "multi", [("pci", "passthrough_whitelist"), ("DEFAULT", "pci_passthrough_whitelist")], []),
    ("pci", "alias", "multi", [("DEFAULT", "pci_alias")], []),
    ("pci", "report_in_placement", "bool", [], ["False"]),
    ("filter_scheduler", "enabled_filters", "list", [("DEFAULT", "scheduler_default_filters")], FILTERS),
    ("filter_scheduler", "available_filters", "multi", [("DEFAULT", "scheduler_available_filters")],
     ["nova.scheduler.filters.all_filters"]),
    ("filter_scheduler", "pci_in_placement", "bool", [], ["False"]),
    ("DEFAULT", "state_path", "string", [], ["/var/lib/nova"]),
    ("DEFAULT", "instances_path", "string", [], ["$state_path/instances"]),
    ("DEFAULT", "unset_one", "string", [], None),
    ("test", "with-dash", "string", [(None, "old-dash")], None),
    ("test", "bool", "bool", [], None),
    ("test", "list", "list", [], ["a", "$state_path"]),
    ("test", "quoted", "list", [], None, "quotes"),
    ("test", "quoted-too", "list", [(None, "quoted-too")], None, "quotes"),
    ("test", "bounded", "list", [], None, "bounds"),
    ("test", "moved", "string", [("DEFAULT", None)], None),
]
MARK = b"# gpufleet: "
OUT = MARK + b"took out: "
MARK_ADDED = re.compile(MARK + b"added (the section )?[0-9a-f]{8}$")
failures = []
checks = 0


def check(what, ours, theirs):
    global checks
    checks += 1
    if ours != theirs:
        failures.append(what)
        if len(failures) <= 40:
            print("FAILED: %s\n  oslo.config: %r\n  ours:        %r" % (what, theirs, ours))


class Tool:
    def __init__(self, path):
        self.process = subprocess.Popen([path], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(self, **request):
        self.process.stdin.write(json.dumps(request, ensure_ascii=False).encode("utf-8") + b"\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            sys.exit("the tool ended: %d, asked %r" % (self.process.wait(), request))
        return json.loads(line)

    def end(self):
        self.process.stdin.close()
        return self.process.wait()


class LineParser(cfg.ConfigParser):
    """Also keeps [section, key, value, line of the key]."""

    def __init__(self, path):
        super().__init__(path, {})
        self.entries = []
        self.key_line = 0

    def _split_key_value(self, line):
        self.key_line = self.lineno
        return super()._split_key_value(line)

    def assignment(self, key, value):
        super().assignment(key, value)
        self.entries.append([self.section, key, "\n".join(value), self.key_line])


def parse(path):
    """The entries, or the error as [line, message]."""
    parser = LineParser(path)
    try:
        parser.parse()
    except cfg.ParseError as error:
        return None, [error.lineno, error.msg.lower()]
    except UnicodeDecodeError:
        return None, [None, "not utf-8"]
    return parser.entries, None


def oslo_option(option):
    section, name, kind, deprecated, defaults = option[:5]
    further = option[5:]
    old = [cfg.DeprecatedOpt(n, group=s) for s, n in deprecated if n]
    given = {"default": None if defaults is None else defaults if kind in ("list", "multi") else defaults[0],
             "deprecated_opts": old, "deprecated_group": next((s for s, n in deprecated if not n), None)}
    if kind == "list":
        return cfg.ListOpt(name, bounds="bounds" in further,
                           item_type=types.String(quotes=True) if "quotes" in further else None, **given)
    return {"string": cfg.StrOpt, "bool": cfg.BoolOpt, "multi": cfg.MultiStrOpt}[kind](name, **given)


def found_options(paths):
    """The table, and every other option that a file has, as a string."""
    options, seen = list(OPTIONS), set()
    for option in OPTIONS:
        seen.add((option[0], option[1].replace("-", "_")))
        seen.update((s or option[0], (n or option[1]).replace("-", "_")) for s, n in option[3])
    for path in paths:
        for section, key, _, _ in parse(path)[0] or []:
            section = section if section == "DEFAULT" else section.lower()
            if not key.replace("_", "a").isalnum() or key.startswith("_") or (section, key) in seen:
                continue
            seen.add((section, key))
            options.append((section, key, "string", [], None))
    groups = {o[0] for o in options}
    return [o for o in options if o[0] != "DEFAULT" or o[1] not in groups | {"config_file", "config_dir", "config_source"}]


def oslo_read(arguments, options, environment):
    """oslo.config's values: a list of ["value", source, value] or ["unresolved"] or ["invalid"]; None where it
    does not start."""
    conf = cfg.ConfigOpts()
    for option in options:
        conf.register_opt(oslo_option(option), group=None if option[0] == "DEFAULT" else option[0])
    for line in environment:
        os.environ[line.split("=", 1)[0]] = line.split("=", 1)[1]
    try:
        conf(arguments, project="gpufleet-test", prog="none", default_config_files=[], default_config_dirs=[])
        return [oslo_value(conf, option) for option in options]
    except (cfg.ConfigFileParseError, UnicodeDecodeError):
        return None
    finally:
        for line in environment:
            if line.split("=", 1)[0] != "PATH":
                del os.environ[line.split("=", 1)[0]]


def oslo_value(conf, option):
    group = None if option[0] == "DEFAULT" else conf._get_group(option[0])
    dest = option[1].replace("-", "_")
    try:
        value, place = conf._do_get(dest, group)
    except (cfg.NoSuchOptError, cfg.NoSuchGroupError, cfg.TemplateSubstitutionError, RecursionError):
        return ["unresolved"]
    except ValueError:
        return ["invalid"]
    source = {"user": "file", "environment": "environment"}.get(place.location.name if place else "", "default")
    if value is None:
        return ["value", "unset", []]
    if isinstance(value, bool):
        value = ["true" if value else "false"]
    return ["value", source, value if isinstance(value, list) else [value]]


def ours_value(answer):
    if answer["unresolved"] or answer["invalid"]:
        return [{"unresolved"} if not answer["invalid"] else {"invalid"} if not answer["unresolved"] else
                {"unresolved", "invalid"}]
    return ["value", answer["source"], answer["values"]]


def ask_read(tool, files, options, environment=()):
    return tool.ask(do="read", files=files, environment=list(environment), options=[
        {"section": o[0], "name": o[1], "kind": o[2], "deprecated": [list(d) for d in o[3]], "defaults": o[4],
         "quotes": "quotes" in o[5:], "bounds": "bounds" in o[5:]} for o in options])


def check_read(tool, what, files, arguments=None, environment=()):
    """What the FILES together give: both must say the same. Returns our answer with the options."""
    options = found_options(files)
    theirs = oslo_read(arguments or ["--config-file=" + f for f in files], options, environment)
    answer = ask_read(tool, files, options, environment)
    parsed = [parse(f) for f in files]
    faults = [(f, p[1]) for f, p in zip(files, parsed) if p[1]]
    check(what + ": is it refused", answer["fault"] is not None, theirs is None)
    if theirs is None:
        path, (line, message) = faults[0]
        fault = answer["fault"] or {"message": "", "line": 0, "file": ""}
        check(what + ": why", [fault["file"], fault["message"].lower()], [path, message])
        if message.startswith("section must be"):  # they notice it at a later line
            check(what + ": line", 0 < fault["line"] <= line, True)
        elif line:
            check(what + ": line", fault["line"], line)
        return None
    for option, value, own in zip(options, theirs, answer["options"]):
        name = "%s: [%s] %s" % (what, option[0], option[1])
        mine = ours_value(own)
        if len(value) == 1 and len(mine) == 1:
            check(name, value[0] in mine[0], True)
        else:
            check(name, mine, value)
        for entry in own["entries"]:
            index = files.index(entry["file"])
            check(name + " entry", [entry["section"], entry["name"], entry["raw"], entry["line"]] in parsed[index][0],
                  True)
        if own["source"] == "file" and option[2] == "multi" and len(mine) == 3:
            check(name + " entries", [e["value"] for e in own["entries"]], own["values"])
    return dict(zip([(o[0], o[1]) for o in options], answer["options"]))


def data(path):
    with open(path, "rb") as file:
        return file.read()


def store(path, content):
    with open(path, "wb") as file:
        file.write(content)


def lines(text):
    return text.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")


def others_lines(text):
    """The lines that are not ours, as they were."""
    kept, ours = [], False
    for line in lines(text):
        if line.startswith(OUT):
            kept.append(line[len(OUT):])
        elif MARK_ADDED.match(line):
            ours = True
        elif line == MARK + b"added the line end above":
            ours = False
        else:
            if not ours:
                kept.append(line)
            ours = False
    return kept


VALUES = [['{"address":"0000:01:00.0"}', '{"address":"0000:02:00.0"}'], ["$my_ip \\$x", ' " spaces" '], ['"'], ["", "ü"],
          ["'q'", "a:b=c # d"]]


def changes_for(read, number):
    """A list of changes, and what oslo.config has to read afterwards: {option: values}, "sorted" for multi."""
    changes, wanted = [], {}
    for i, key in enumerate([("pci", "device_spec"), ("pci", "alias"), ("filter_scheduler", "available_filters")]):
        values = VALUES[(number + i) % len(VALUES)]
        entries = read[key]["entries"]
        out = [e for e in entries if (number + i) % 2 and "\0" not in e["raw"]]
        for entry in out:
            changes.append({"op": "out", "section": entry["section"], "name": entry["name"], "values": [entry["raw"]]})
        # The same entry under another spelling of the section goes, too.
        taken = {(e["name"], e["raw"]) for e in out}
        left = [e for e in entries if (e["name"], e["raw"]) not in taken]
        changes.append({"op": "set", "section": key[0], "name": key[1], "values": values, "multi": True})
        if not any("$" in e["raw"] for e in left):
            wanted[key] = sorted([e["value"] for e in left] + values)
    for key, value in ((("filter_scheduler", "enabled_filters"), "A,PciPassthroughFilter"),
                       (("pci", "report_in_placement"), "true"), (("newsection", "name"), VALUES[number % len(VALUES)][0])):
        changes.append({"op": "set", "section": key[0], "name": key[1], "values": [value], "multi": False})
        wanted[key] = value.split(",") if key[1] == "enabled_filters" else [value]
    return changes, wanted


def check_edit(tool, what, path, read, number, scratch):
    original, edited, again = data(path), os.path.join(scratch, "edited"), os.path.join(scratch, "again")
    changes, wanted = changes_for(read, number)
    check(what + ": edit", tool.ask(do="edit", file=path, out=edited, changes=changes)["error"], None)
    tool.ask(do="edit", file=edited, out=again, changes=changes)
    check(what + ": edited twice", data(again), data(edited))
    tool.ask(do="unedit", file=edited, out=again)
    check(what + ": taken back", data(again), original)
    before = lines(original)
    after = others_lines(data(edited))
    check(what + ": others' lines", after[:len(before)] if len(after) == len(before) + 1 and not after[-1] else after, before)
    now = check_read(tool, what + ", edited", [edited])
    for key, values in wanted.items():
        answer = now.get(key, {"values": None})["values"]
        check("%s, edited: %s" % (what, key), sorted(answer) if key[1] in ("device_spec", "alias", "available_filters")
              else answer, values)
    # Others go on writing.
    text = data(edited)
    end = b"\r\n" if b"\r\n" in original else b"\n"
    more = b"[others]" + end + b"a = 1" + end
    if original.endswith(b"\n"):
        store(again, b"# top" + end + text + more)
        tool.ask(do="unedit", file=again, out=again)
        check(what + ": taken back from among others' lines", data(again), b"# top" + end + original + more)
    # One after the other, and back one by one.
    for change in changes:
        tool.ask(do="edit", file=again, out=again, changes=[change]) if change is not changes[0] else \
            tool.ask(do="edit", file=path, out=again, changes=[change])
    check(what + ": one after the other", tool.ask(do="unedit", file=again, out=again)["error"], None)
    check(what + ": one after the other, taken back", data(again), original)
    back = [dict(c, values=[]) if c["op"] == "set" else dict(c, op="back") for c in changes]
    random.Random(number).shuffle(back)
    store(again, data(edited))
    for change in back:
        tool.ask(do="edit", file=again, out=again, changes=[change])
    check(what + ": back one by one", data(again), original)


PIECES = ["[", "]", "pci", "PCI", "DEFAULT", "alias", "device_spec", "passthrough_whitelist", "pci_alias", "test", "bool", "list",
          "bounded", "quoted", "with_dash", "with-dash", "=", ":", " = ", " ", "\t", "\n", "\r\n", "\r",
          "\n ", "\n\t", "\n[pci]\n", "\n[DEFAULT]\n", "\n[test]\n", "\n#", "\n;", "#", ";", '"', "'", ",", "$", "$$", "\\$", "${", "}",
          "$alias", "$pci.alias", "${bool}", "$test.list", "$test.bool", "$test", "$a.", "a", "b", "1", "true", "no", "\0", "\x0b",
          "\x1c", "\x85", "\u00a0", "\u2028", "\u3000", "\ufeff", "ü", "\u017f", "\u212a", "moved", "\nalias = ", "\ndevice_spec = ",
          "\nlist = ", "\nbool = ", "\nquoted = ", "\na = ", "\nb = $a", "\ntest = x"]


LINES = ["[pci]", "[PCI]", "[DEFAULT]", "[test]", "[filter_scheduler]", "", "  ", "# %s", "; %s", "alias = %s", "alias=%s", "alias: %s",
         "device_spec = %s", "passthrough_whitelist = %s", "pci_alias = %s", "scheduler_default_filters = %s", "with_dash = %s",
         "old-dash = %s", "old_dash = %s", "moved = %s", "bool = %s", "list = %s", "quoted = %s", "bounded = [%s]", "a = %s", "b = %s",
         "enabled_filters = %s", "report_in_placement = true", "state_path = %s", "test = %s"]
ENDS = ["\n", "\n", "\n", "\n", "\n  %s\n", "\n\t%s\n", "\r\n", "\r", " \n", "\r\n  %s\r\n"]


def random_value(source):
    return "".join(source.choice(PIECES).strip("\n\r") for _ in range(source.randrange(0, 5)))


def random_text(source):
    """Some are any pieces, most are lines that may well be right."""
    if source.random() < 0.3:
        text = "".join(source.choice(PIECES) for _ in range(source.randrange(1, 30)))
        return (source.choice(["", "[pci]\n", "[DEFAULT]\n", "[test]\nlist = "]) + text).encode("utf-8")
    text = source.choice(["[pci]\n", "[DEFAULT]\n", "# first\n[test]\n"])
    for _ in range(source.randrange(0, 12)):
        line, end = source.choice(LINES), source.choice(ENDS)
        if "=" not in line:
            end = end[end.rindex("%s") + 2:] if "%s" in end else end
        text += (line + end).replace("%s", random_value(source))
    while source.random() < 0.3 and text:
        text = text[:-1]
    return text.encode("utf-8")


def check_random(tool, scratch, count):
    source, path, read = random.Random(20), os.path.join(scratch, "random"), 0
    for number in range(count):
        text = random_text(source)
        store(path, text)
        what = "random text %d: %r" % (number, text)
        answer = check_read(tool, what, [path])
        if answer is not None:
            read += 1
            check_edit(tool, what, path, answer, number, scratch)
        if len(failures) > 100:
            break
    return read


def check_sets(tool, folder):
    names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    for name in names:
        here = os.path.join(folder, name)
        files = [os.path.join(here, f) for f in sorted(os.listdir(here)) if f.endswith((".conf", ".ini"))]
        arguments = ["--config-file=" + f for f in files]
        drop_ins = os.path.join(here, "conf.d")
        if os.path.isdir(drop_ins):
            arguments.append("--config-dir=" + drop_ins)
            files += [os.path.join(drop_ins, f) for f in sorted(os.listdir(drop_ins))
                      if f.endswith(".conf") and not f.startswith(".")]
        environment = os.path.join(here, "environment")
        environment = data(environment).decode().splitlines() if os.path.exists(environment) else []
        check_read(tool, "sets/" + name, files, arguments, environment)
    return len(names)


def main():
    tool, corpus, folders = Tool(sys.argv[1]), sys.argv[2], sys.argv[3:]
    count = int(os.environ.get("GPUFLEET_INI_RANDOM", "300"))
    with tempfile.TemporaryDirectory() as scratch:
        paths = []
        for folder in [os.path.join(corpus, part) for part in ("packaged", "shaped", "refused")] + folders:
            for place, _, names in sorted(os.walk(folder)):
                paths += [os.path.join(place, n) for n in sorted(names) if n.endswith((".conf", ".ini"))]
        read = 0
        for number, path in enumerate(paths):
            what = os.path.relpath(path, corpus)
            answer = check_read(tool, what, [path])
            check(what + ": in its place", answer is None, what.startswith("refused/")) if not what.startswith("..") else None
            if answer is not None:
                read += 1
                check_edit(tool, what, path, answer, number, scratch)
                check_edit(tool, what, path, answer, number + 1, scratch)
        sets = check_sets(tool, os.path.join(corpus, "sets"))
        texts = check_random(tool, scratch, count)
    if tool.end() != 0:
        failures.append("the tool failed")
    print("%d files (%d that oslo.config reads), %d sets, %d random texts (%d read): %d comparisons, %d failed"
          % (len(paths), read, sets, count, texts, checks, len(failures)))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
