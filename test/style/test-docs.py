#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Man pages, examples and the systemd unit agree with the program and its sources.

    test-docs.py VTAP-AGENT SERVICE-FILE
"""

import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
MAN = {name: (ROOT / "docs" / "man" / f"{name}.scd").read_text() for name in ("vtap-agent.8", "vtap-agent.yaml.5")}
OPTION = re.compile(r"--[a-z][a-z-]*")
KEY = re.compile(r'(?:VTAP_FIELD\w*\(|\.name = )"([a-z_]+)"')


def section(page, name):
    return re.search(rf"^# {name}\n(.*?)(?=^# |\Z)", page, re.MULTILINE | re.DOTALL)[1]


class Docs(unittest.TestCase):
    agent = service = None

    def run_agent(self, *arguments):
        return subprocess.run([self.agent, *arguments], text=True, check=False, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT)

    def check(self, text):
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            file.write(text)
            file.flush()
            done = self.run_agent("--check", "--config", file.name)
        self.assertEqual(done.returncode, 0, done.stdout)

    def test_every_option_is_described(self):
        known = set(OPTION.findall(self.run_agent("--help").stdout))
        described = {option for line in section(MAN["vtap-agent.8"], "OPTIONS").splitlines()
                     if line.startswith("*") for option in OPTION.findall(line)}
        self.assertGreater(len(known), 8)
        self.assertEqual(known, described)

    def test_every_key_is_described(self):
        keys = set()
        for name in ("config", "filter", "session", "target"):  # the readers of the agent's file
            keys.update(KEY.findall((ROOT / "src" / "model" / f"{name}.c").read_text()))
        self.assertGreater(len(keys), 30)
        described = set(re.findall(r"[*_]([a-z_]+)[*_:]", MAN["vtap-agent.yaml.5"]))
        self.assertEqual(keys - described, set())

    def test_examples_are_correct(self):
        self.check((ROOT / "packaging" / "examples" / "agent.yaml").read_text())
        for name, page in MAN.items():
            blocks = re.findall(r"^```\n(targets:.*?)^```", page, re.MULTILINE | re.DOTALL)
            self.assertEqual(len(blocks), 1, name)
            self.check(blocks[0])

    def test_an_example_that_is_wrong_is_noticed(self):
        with self.assertRaises(AssertionError):
            self.check("targets: []\n")

    def test_unit_is_correct(self):
        if not shutil.which("systemd-analyze"):
            self.skipTest("systemd-analyze is not installed")
        text = pathlib.Path(self.service).read_text()
        self.assertEqual(set(re.findall(r"@\w+@", text)), set())
        with tempfile.TemporaryDirectory() as folder:
            unit = pathlib.Path(folder) / "vtap-agent.service"
            unit.write_text(re.sub(r"=\S*/vtap-agent ", f"={self.agent} ", text))
            done = subprocess.run(["systemd-analyze", "verify", "--man=no", str(unit)], text=True, check=False,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.assertEqual((done.returncode, done.stdout), (0, ""))


if __name__ == "__main__":
    Docs.service = sys.argv.pop()
    Docs.agent = str(pathlib.Path(sys.argv.pop()).resolve())
    unittest.main()
