#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Man pages, examples and the systemd units agree with the programs and their sources.

    test-docs.py VTAP-AGENT SERVICE-FILE VTAPD SERVICE-FILE
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
    agent = service = controller = controller_service = None

    def run_agent(self, *arguments):
        return subprocess.run([self.agent, *arguments], text=True, check=False, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT)

    def check(self, text):
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            file.write(text)
            file.flush()
            done = self.run_agent("--check", "--config", file.name)
        self.assertEqual(done.returncode, 0, done.stdout)

    def check_options(self, program, page):
        known = set(OPTION.findall(subprocess.run([program, "--help"], text=True, check=True, stdout=subprocess.PIPE).stdout))
        described = {option for line in section(page, "OPTIONS").splitlines()
                     if line.startswith("*") for option in OPTION.findall(line)}
        self.assertGreater(len(known), 8)
        self.assertEqual(known, described)

    def test_every_option_is_described(self):
        self.check_options(self.agent, MAN["vtap-agent.8"])
        self.check_options(self.controller, (ROOT / "docs" / "man" / "vtapd.8.scd").read_text())

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

    def check_unit(self, program, service):
        text = pathlib.Path(service).read_text()
        self.assertEqual(set(re.findall(r"@\w+@", text)), set())
        with tempfile.TemporaryDirectory() as folder:
            unit = pathlib.Path(folder) / pathlib.Path(service).name
            unit.write_text(re.sub(rf"=\S*/{pathlib.Path(program).name} ", f"={program} ", text))
            done = subprocess.run(["systemd-analyze", "verify", "--man=no", str(unit)], text=True, check=False,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.assertEqual((done.returncode, done.stdout), (0, ""))

    def test_units_are_correct(self):
        if not shutil.which("systemd-analyze"):
            self.skipTest("systemd-analyze is not installed")
        self.check_unit(self.agent, self.service)
        self.check_unit(self.controller, self.controller_service)

    def test_decisions_are_numbered(self):
        """1, 2, 3 ..., each page's heading as its name; every number that a page refers to is there."""
        pages = sorted((ROOT / "docs" / "adr").glob("*.md"))
        self.assertEqual([int(page.name[:4]) for page in pages], list(range(1, len(pages) + 1)))
        for page in pages:
            self.assertRegex(page.read_text(), rf"\A# {int(page.name[:4])}\. ")
        for page in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]:
            for number, name in re.findall(r"\[ADR (\d+)\]\((?:docs/|\.\./)?(?:adr/)?([\w-]+\.md)\)", page.read_text()):
                with self.subTest(page=page.name, number=number):
                    self.assertIn((int(number), name), [(int(each.name[:4]), each.name) for each in pages])


if __name__ == "__main__":
    Docs.controller_service = sys.argv.pop()
    Docs.controller = str(pathlib.Path(sys.argv.pop()).resolve())
    Docs.service = sys.argv.pop()
    Docs.agent = str(pathlib.Path(sys.argv.pop()).resolve())
    unittest.main()
