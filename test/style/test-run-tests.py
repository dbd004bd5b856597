#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Whoever ends tools/run-tests, or test/vm/run, ends all that they have started: a stand-in for the test machine tells."""

import os
import pathlib
import select
import shutil
import signal
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
TIMEOUT_S = 20
VIRTIOFSD = ("/usr/lib/qemu/virtiofsd", "/usr/libexec/virtiofsd")

# Both say what happens to them through the pipe that is their name's in the environment.
MACHINE = """#!/bin/bash
trap 'echo ended >"$SEEN"; exit 143' TERM
echo started >"$SEEN"
while :; do sleep 0.1; done
"""
QEMU = """#!/bin/bash
echo started >"$SEEN"
exec sleep 1000 >"$SEEN"
"""
MESON = """#!/bin/bash
echo '[{"name": "machine", "suite": ["vtap:kernel"]}]'
"""


class Ending(unittest.TestCase):
    def setUp(self):
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="vtap-run-tests-"))
        self.addCleanup(shutil.rmtree, self.root, ignore_errors=True)
        self.place("bin/meson", MESON)
        (self.root / "build" / "vm").mkdir(parents=True)
        (self.root / "tmp").mkdir()
        pipe = self.root / "seen"
        os.mkfifo(pipe)
        # Open for both, so that nobody waits for anybody.
        self.seen = os.open(pipe, os.O_RDWR | os.O_NONBLOCK)
        self.addCleanup(os.close, self.seen)
        self.environment = {**os.environ, "PATH": f"{self.root}/bin:{os.environ['PATH']}", "SEEN": str(pipe),
                            "TMPDIR": str(self.root / "tmp")}

    def place(self, name, text=None):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text((ROOT / name).read_text() if text is None else text)
        path.chmod(0o755)
        return path

    def next_seen(self):
        self.assertTrue(select.select([self.seen], [], [], TIMEOUT_S)[0], "nothing was heard")
        return os.read(self.seen, 64).decode().strip()

    def started(self, argv):
        """The process, once what it starts has said so."""
        process = subprocess.Popen([str(word) for word in argv], env=self.environment, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.assertEqual(self.next_seen(), "started")
        return process

    def test_run_tests_ends_its_machine(self):
        self.place("test/vm/run", MACHINE)
        program = self.place("tools/run-tests")
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGKILL):
            with self.subTest(number.name):
                process = self.started([program, self.root, self.root])
                process.send_signal(number)
                self.assertEqual(self.next_seen(), "ended")
                self.assertEqual(process.wait(TIMEOUT_S), -9 if number == signal.SIGKILL else 128 + number)

    def test_the_machine_is_switched_off(self):
        if os.geteuid() != 0 or not any(map(os.path.exists, VIRTIOFSD)):
            self.skipTest("needs root and virtiofsd")
        self.place("test/vm/build-initramfs", "#!/bin/sh\n")
        self.place("bin/qemu-system-x86_64", QEMU)
        program = self.place("test/vm/run")
        for number in (signal.SIGTERM, signal.SIGINT):
            with self.subTest(number.name):
                process = self.started([program, "--", "true"])
                process.send_signal(number)
                self.assertEqual(process.wait(TIMEOUT_S), 128 + number)
                self.assertEqual(self.writers(), [])
                self.assertEqual(os.listdir(self.root / "tmp"), [])
                self.assertEqual(os.listdir(self.root / "build" / "vm"), [])

    def writers(self):
        """Processes that write to this test's pipe."""
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                if os.readlink(f"/proc/{pid}/fd/1") == self.environment["SEEN"]:
                    found.append(pid)
            except OSError:
                continue  # it has ended meanwhile
        return found


if __name__ == "__main__":
    unittest.main()
