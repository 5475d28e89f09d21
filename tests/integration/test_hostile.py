"""Hosts that lie, flood or stop listening, beside one that does not: the honest one is served, each of the others ends with
a message of its own, memory stays bounded, and nothing that a terminal obeys is printed.
"""

import json
import os
import re
import socket
import threading

from harness import Case, main

KIND = "intel-nvidia"
HELLO = '{"hello":"gpufleet-agent","protocol":1,"version":"0.1.0","boot_id":"11111111-2222-3333-4444-555555555555"}'
FACTS = {"facts": 1, "observed": "2026-01-01T00:00:00Z", "host": {}, "pci": []}
OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")
MEMORY_MAX = 1 << 20  # KiB, under the sanitizers


def say(text):
    """A shell command that prints TEXT as a line."""
    quoted = text.replace("'", "'\\''")
    return f"printf '%s\\n' '{quoted}'\n"


def after_hello(commands):
    return say(HELLO) + "read request\n" + commands + "cat >/dev/null"


def answer(result):
    """A whole session: hello, and one answer to the first request."""
    return after_hello(say('{"id":1,"result":%s}' % result))


def deep_answer(depth):
    """Facts with values that are lists in lists."""
    facts = json.dumps(dict(FACTS, deep="DEEP", host={"deep": "DEEP"})).replace('"DEEP"', "%s")
    program = f"deep = '[' * {depth} + ']' * {depth}; print('{{\"id\":1,\"result\":{facts}}}' % (deep, deep))"
    return after_hello("/usr/bin/python3 -c '" + program.replace("'", "'\\''") + "'\n")


class Stranger:
    """Something that listens where sshd should, and says PIECES to whoever comes: the last of them without an end if
    FOREVER."""

    def __init__(self, *pieces, forever=False):
        self.pieces, self.forever = pieces, forever
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()

    def serve(self):
        while True:
            try:
                connection = self.listener.accept()[0]
            except OSError:
                return
            with connection:
                connection.settimeout(30)
                try:
                    for piece in self.pieces:
                        connection.sendall(piece)
                    while self.forever:
                        connection.sendall(self.pieces[-1])
                    while connection.recv(65536):
                        pass
                except OSError:
                    pass

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join()


class Hostile(Case):
    def against(self, *cases, timeout=20):
        """A scan of an honest host and one for each of CASES: (script that runs instead of every command, what must be
        said, the report's verdict)."""
        fleet = self.fleet([{"name": "gpu", "count": len(cases), "kind": "control"}, {"name": "honest", "kind": KIND}],
                           {"rollout": {"waves": ["100%"], "max_unavailable": 99, "max_failures": 99}})
        for index, case in enumerate(cases):
            # Two with one boot id are taken for one machine.
            fleet.fault("gpu%02d" % (index + 1), "answer", case[0].replace("2222", "%04d" % index))
        process = fleet.start("scan", "--timeout", str(timeout))
        with process.stdout, process.stderr:
            text = process.stdout.read() + process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        self.assertIn(process.returncode, (0, 2, 4), text)
        self.assertIsNone(OBEYED.search(text), repr(text))
        self.assertLess(usage.ru_maxrss, MEMORY_MAX)
        verdicts = {host["name"]: host["verdict"] for host in self.report(fleet)["hosts"]}
        self.assertEqual(verdicts.pop("honest"), "pending", text)
        for index, (script, message, verdict) in enumerate(cases):
            name = "gpu%02d" % (index + 1)
            said = "\n".join(line for line in text.splitlines() if f" {name}: " in line)
            self.assertIn(message, said, script[:300] + "\n" + text)
            self.assertEqual(verdicts[name], verdict, script[:300] + "\n" + text)
        plain = self.expect(fleet.run("report"), 0).out
        self.assertIsNone(OBEYED.search(plain), repr(plain))
        return text

    def test_floods(self):
        """Without an end: a line, before and after hello; other output."""
        line = "head -c 40000000 /dev/zero | tr '\\0' x\n"
        self.against((line + "cat >/dev/null", "a line longer than", "unknown"),
                     (after_hello(line), "a line longer than", "unknown"),
                     ("yes", "other output came before", "unknown"), timeout=120)

    def test_deadlines(self):
        """What is no answer does not put a deadline off: standard error, events, not reading what was asked for."""
        event = '{"id":1,"event":{"seq":1,"type":"task","task":"x"}}'
        self.against(("yes >&2", "no answer while starting", "unknown"),
                     (after_hello(f"yes '{event}'\n"), "no answer while facts", "unknown"),
                     (say('{"gpufleet":"place"}') + "sleep 60", "no answer while starting", "unknown"),
                     (say('{"gpufleet":"place"}\n{"gpufleet":"push"}') + "sleep 60", "no answer while starting", "unknown"))

    def test_greetings(self):
        """A banner that looks like the agent's first words, and words that are not the agent's."""
        place, push = say('{"gpufleet":"place"}'), say('{"gpufleet":"push"}')
        self.against((say(HELLO.replace(":1,", ":99,")) + "cat >/dev/null", "speaks protocol 99", "unknown"),
                     (say('{"hello":"gpufleet-agent"}') + "cat >/dev/null", "speaks protocol 0", "unknown"),
                     (say('{"hello":"gpufleet-agent",') + "exit 3", "ended with status 3", "unknown"),
                     (say('{"hello":"gpufleet-agent","protocol":1}') + "cat >/dev/null", "no boot id", "unknown"),
                     (place + place + "cat >/dev/null", "asked twice for how to put the agent there", "unknown"),
                     (push + "cat >/dev/null", "before it asked for how to put it there", "unknown"),
                     (place + push + push + "cat >/dev/null", "asked twice for the agent", "unknown"))

    def test_answers(self):
        """Of another shape, of no shape; deeper than the parser goes, and as deep as it goes, where all behind it must follow."""
        self.against(*[(answer(result), "expected shape", "unknown")
                       for result in ("[]", "1", "null", '{"host":[],"pci":[]}', '{"host":{},"pci":{}}')],
                     (after_hello(say("\x1b[2J{")), "not valid JSON", "unknown"),
                     (after_hello(say("[1]")), "not a JSON object", "unknown"),
                     (after_hello(say('{"result":{}}')), "without an id", "unknown"),
                     (after_hello(say('{"id":1,"id":1}')), "not valid JSON", "unknown"),
                     (after_hello(say('{"id":1,"x":"\\ud800"}')), "not valid JSON", "unknown"),
                     (after_hello("printf '{\"id\":1,\"x\":\"\\377\"}\\n'\n"), "not valid JSON", "unknown"),
                     (deep_answer(200000), "not valid JSON", "unknown"),
                     (deep_answer(2045), "", "blocked"))

    def test_escapes(self):
        """What a terminal would obey, in an error's message and in facts."""
        error = '"code":"agent","message":"\\u001b[2J\\u009b31mgone\\u0007"}'
        facts = dict(FACTS, host={"kernel": "\x1b[2J", "hostname": "\x1b]0;x\x07", "arch": "\x9b31m", "cmdline": "a\nb\r"},
                     pci=[{"address": "0000:01:00.0", "vendor": "10de", "device": "1b06", "class": "0300",
                           "driver": "\x1b[31m\x7f", "siblings": ["\x1b[2J"]}])
        self.against((say('{"gpufleet":"error",' + error), "gone", "unknown"),
                     (after_hello(say('{"id":1,"error":{' + error + "}")), "gone", "unknown"),
                     ("printf '\\033[2Jgone\\007\\n' >&2; exit 3", "gone", "unknown"),
                     (answer(json.dumps(facts)), "", "blocked"))

    def test_two_names_of_one_machine(self):
        """Two that say the same boot id: the second is left alone."""
        twin = answer("[]").replace("2222", "abcd")
        text = self.against((twin, "", "unknown"), (twin, "", "unknown"))
        self.assertEqual(text.count("blocked: it is the same machine as gpu0"), 1, text)

    def test_strangers(self):
        """Before any key is exchanged: no SSH at all, floods, and lengths that lie."""
        hello = b"SSH-2.0-OpenSSH_9.2\r\n"
        strangers = [Stranger(b"HTTP/1.1 400 Bad Request\r\n\r\n"), Stranger(b"x" * 65536, forever=True),
                     Stranger(b"welcome\r\n" * 1000, forever=True), Stranger(b"SSH-2.0-\x1b[2J\x07\r\n", b"\x1b[2J\r\n" * 100),
                     Stranger(b"SSH-1.5-old\r\n"), Stranger(hello, b"\xff" * 4096), Stranger(hello, b"\x00" * 4096),
                     Stranger(hello, b"\x00\x00\x00\x0c\x0a\x14" + b"\xff" * 65536, forever=True)]
        for stranger in strangers:
            self.addCleanup(stranger.close)
        fleet = self.fleet([{"name": "gpu", "count": len(strangers), "kind": "control"}, {"name": "honest", "kind": KIND}])

        def move(inventory):
            for index, stranger in enumerate(strangers):
                inventory["hosts"]["gpu%02d" % (index + 1)]["port"] = stranger.port

        fleet.inventory_change(move)
        result = self.expect(fleet.run("scan", "--timeout", "20"), 4)
        text = result.out + result.err
        self.assertIsNone(OBEYED.search(text), repr(text))
        self.assertIn("%d unreachable" % len(strangers), text)
        verdicts = {host["name"]: host["verdict"] for host in self.report(fleet)["hosts"]}
        self.assertEqual(verdicts.pop("honest"), "pending", text)
        self.assertEqual(set(verdicts.values()), {"unknown"}, text)


if __name__ == "__main__":
    main()
