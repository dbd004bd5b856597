# SPDX-License-Identifier: Apache-2.0
"""The demo, and the VPC to play in, as a user runs them: the demo succeeds, it notices copies that are wrong, and it cleans up when it is interrupted."""

import os
import re
import signal
import stat
import subprocess
import tempfile

import agent
from case import Case, main
from lab import run, wait_until
from vpc import VTAP

DEMO = os.path.join(agent.PROJECT, "tools", "demo")


class Demo(Case):
    def setUp(self):
        self.output = self.enterContext(tempfile.TemporaryDirectory())
        self.log = os.path.join(self.output, "log")

    def start(self, *arguments, command_line=VTAP):
        with open(self.log, "w") as log:
            process = subprocess.Popen([DEMO, "--output", self.output, *arguments], stdin=subprocess.DEVNULL, stdout=log,
                                       stderr=log, start_new_session=True, env={**os.environ, "VTAP": command_line})
        self.addCleanup(lambda: process.poll() is None and (process.terminate(), process.wait()))
        return process

    def text(self):
        with open(self.log) as log:
            return log.read()

    def assert_nothing_left(self, process):
        self.assertNotIn(f"vtap-{process.pid}-", run(["ip", "netns", "list"]).stdout)
        self.assertEqual([name for name in os.listdir(tempfile.gettempdir()) if name.startswith(f"vtap-{process.pid}-")], [])
        children = run(["pgrep", "-f", f"/vtap-{process.pid}-"], check=False).stdout.split()
        self.assertEqual(children, [])

    def test_result(self):
        process = self.start()
        self.assertEqual(process.wait(), 0, self.text())
        text = self.text()
        for wanted in (r"12 of 12 requests mirrored", r"300000 bytes, identical", r"leaves out +0 mirrored",
                       r"identical to their originals +(\d+) of \1\n", r"VNI 66 +10.0.0.1 > 10.0.0.2 +ICMP",
                       r'"web-to-ids": active', r"every copy as it should be +yes"):
            self.assertRegex(text, wanted)
        self.assertGreater(os.path.getsize(os.path.join(self.output, "copies.pcap")), 300_000)
        self.assert_nothing_left(process)

    def test_wrong_copies_are_noticed(self):
        """Behind the demo's back its sessions are created with cut copies."""
        program = os.path.join(self.output, "cutting-vtap")
        with open(program, "w") as out:
            out.write("#!/bin/sh\n"
                      "[ \"$1 $2\" != 'session create' ] || set -- \"$@\" --packet-length 200\n"
                      f"exec {VTAP} \"$@\"\n")
        os.chmod(program, stat.S_IRWXU)
        process = self.start(command_line=program)
        self.assertEqual(process.wait(), 1, self.text())
        self.assertRegex(self.text(), r"bytes, DIFFERENT")
        self.assertRegex(self.text(), r"identical to their originals +frame \d+ differs")
        self.assert_nothing_left(process)

    def test_interrupted(self):
        for awaited in ("vtap demo", "Traffic of guest web", "replayed and compared"):
            with self.subTest(awaited):
                process = self.start()
                wait_until(lambda: awaited in self.text(), 60, lambda: f"{awaited} in {self.text()}")
                os.killpg(process.pid, signal.SIGINT)  # as Ctrl-C does: everything that it runs gets it too
                self.assertEqual(process.wait(), 130, self.text())
                self.assertIn("interrupted", self.text())
                self.assert_nothing_left(process)

    def test_play(self):
        """The commands that it shows work as they are shown, and all is gone after Ctrl-C."""
        process = self.start("--play")
        wait_until(lambda: "Ctrl-C" in self.text(), 60, self.text)
        shown = re.findall(r"^    (\S+ --profile-file .*)$", self.text(), re.MULTILINE)
        stats, capture, trace = (command.replace(command.split()[0], VTAP, 1) for command in shown)
        wait_until(lambda: re.search(r"mirrored_packets +[1-9]", run(stats.replace("--watch", "").split()).stdout), 20,
                   "a ping that is counted")
        seen = run(["bash", "-o", "pipefail", "-c", capture.replace("--seconds 5", "--packets 2")]).stdout
        self.assertIn("Echo (ping)", seen)
        self.assertRegex(run(trace.split()).stdout, r"web-to-ids +1 +exclusive +yes")
        os.killpg(process.pid, signal.SIGINT)
        self.assertEqual(process.wait(), 130, self.text())
        self.assert_nothing_left(process)


main()
