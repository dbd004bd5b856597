#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every rule of tools/check-style accepts a good tree and fails on each breach that it is there for."""

import importlib.machinery
import importlib.util
import pathlib
import shutil
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
APACHE = "SPDX-License-Identifier: Apache-2.0"
GPL = "SPDX-License-Identifier: GPL-2.0-only"
DUAL = "SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0"


def load():
    sys.dont_write_bytecode = True
    loader = importlib.machinery.SourceFileLoader("check_style", str(ROOT / "tools" / "check-style"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("check_style", loader))
    loader.exec_module(module)
    return module


STYLE = load()


def c_text(body="", licence=APACHE):
    return f"/* {licence} */\n{body}"


def function(lines):
    return "int f(void)\n{\n" + "\tg();\n" * lines + "}\n"


GOOD = {
    "src/basic/util.h": c_text("#pragma once\n"),
    "src/bpf/mirror_abi.h": c_text("#pragma once\n", DUAL),
    "src/bpf/mirror.bpf.c": c_text('#include <bpf/bpf_helpers.h>\n\n#include "bpf/mirror_abi.h"\n', GPL),
    "src/http/http.c": c_text('#include <microhttpd.h>\n#include <net/if.h>\n\n#include "basic/util.h"\n'),
    "src/agent/dataplane.c": c_text('#include <bpf/libbpf.h>\n\n#include "bpf/mirror_abi.h"\n#include "net/net.h"\n'),
    "test/bpf/test-a.c": c_text('#include <bpf/libbpf.h>\n\n#include "agent/plan.h"\n'),
    "tools/run": f"#!/bin/sh\n# {APACHE}\necho \"$1\"\n",
    "tools/look": f"#!/usr/bin/env python3\n# {APACHE}\nprint(1)\n",
    "README.md": "# A title\n",
    "test/unit/test-a.c": c_text('const char *a = "recieve";\n'),
    "build/src/bad.c": "no rule looks here \n",
}

BREACHES = {  # rule: (file, text, a part of the sentence)
    "format": [
        ("src/basic/a.c", c_text("int a (void);\n"), "clang-formatted"),
        ("test/unit/a.c", c_text("  int a(void);\n"), "clang-formatted"),
    ],
    "layers": [
        ("src/basic/a.c", c_text('#include "model/config.h"\n'), "downward"),
        ("src/model/a.c", c_text('#include "classify/classify.h"\n'), "downward"),
        ("src/http/a.c", c_text('#include "metrics/metrics.h"\n'), "downward"),
        ("src/net/a.c", c_text('#  include "http/http.h"\n'), "downward"),
        ("src/metrics/a.h", c_text('#include "agent/plan.h"\n'), "downward"),
        ("src/new/a.c", c_text('#include "basic/util.h"\n'), "no layer"),
        ("src/model/a.c", c_text('#include "bpf/mirror_abi.h"\n'), "the two sides"),
        ("src/agent/a.c", c_text('#include "bpf/parse.bpf.h"\n'), "the two sides"),
        ("src/bpf/a.bpf.h", c_text('#include "basic/util.h"\n', GPL), "the two sides"),
        ("src/agent/a.c", c_text('#include "../net/net.h"\n'), "leaves its folder"),
    ],
    "length": [
        ("src/basic/a.c", c_text("\n" * 599 + "int a;\n"), "601 lines"),
        ("tools/long.py", f"# {APACHE}\n" + "\n" * 599 + "a = 1\n", "601 lines"),
        ("src/basic/a.c", c_text(function(61)), "61 lines"),
        ("src/basic/a.c", c_text(function(1) + function(61) + function(1)), "61 lines"),
    ],
    "licence": [
        ("src/basic/a.c", "int a;\n", "no SPDX"),
        ("src/basic/a.c", "\n\n" + c_text(), "no SPDX"),
        ("src/basic/a.c", c_text(licence=GPL), "not Apache-2.0"),
        ("src/bpf/a.bpf.h", c_text(), "not GPL-2.0-only"),
        ("src/bpf/a.bpf.h", c_text(licence=DUAL), "not GPL-2.0-only"),
        ("src/bpf/mirror_abi.h", c_text(licence=GPL), "OR Apache-2.0"),
        ("tools/other", "#!/bin/bash\n", "no SPDX"),
        ("tools/a.py", "a = 1\n", "no SPDX"),
    ],
    "owners": [
        ("src/agent/plan.c", c_text("#include <bpf/libbpf.h>\n"), "belongs to"),
        ("src/agent/plan.c", c_text('#include "mirror.skel.h"\n'), "belongs to"),
        ("src/agent/a.c", c_text("#include <netlink/route/link.h>\n"), "belongs to"),
        ("src/metrics/a.c", c_text("#include <microhttpd.h>\n"), "belongs to"),
        ("src/model/config.c", c_text("#include <yaml.h>\n"), "belongs to"),
        ("src/http/a.c", c_text("#include <jansson.h>\n"), "belongs to"),
        ("src/net/a.c", c_text("#include <systemd/sd-event.h>\n"), "belongs to"),
    ],
    "python": [
        ("tools/a.py", "def f(:\n", "tools/a.py:1"),
        ("tools/a", "#!/usr/bin/python3\nif True\n", "tools/a:2"),
    ],
    "shell": [
        ("tools/a", "#!/bin/sh\nrm $1\n", "SC2086"),
        ("tools/a.sh", "#!/bin/bash\nif true\n", "SC1"),
    ],
    "spelling": [
        ("README.md", "We recieve packets.\n", "receive"),
        ("src/basic/a.c", c_text('const char *a = "We recieve packets.";\n'), "receive"),
        ("test/unit/a.c", c_text("/* We recieve packets. */\n"), "receive"),
    ],
    "text": [
        ("README.md", "a \n", "blanks"),
        ("README.md", "a", "does not end"),
    ],
}


class CheckStyle(unittest.TestCase):
    def tree(self, files):
        folder = pathlib.Path(tempfile.mkdtemp(prefix="vtap-style-"))
        self.addCleanup(shutil.rmtree, folder)
        shutil.copy(ROOT / ".clang-format", folder)
        for name, text in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return STYLE.Tree(folder)

    def breaches(self, files, rule):
        try:
            return STYLE.breaches(self.tree(files), rule)
        except STYLE.ToolMissing as error:
            self.skipTest(str(error))

    def test_good_tree_passes(self):
        for rule in STYLE.RULES:
            with self.subTest(rule=rule):
                self.assertEqual(self.breaches(GOOD, rule), [])

    def test_limits_are_inclusive(self):
        files = {**GOOD, "src/basic/a.c": c_text(function(60)), "src/basic/b.c": c_text("\n" * 598 + "int a;\n")}
        self.assertEqual(self.breaches(files, "length"), [])

    def test_every_rule_has_breaches(self):
        self.assertEqual(set(BREACHES), set(STYLE.RULES))

    def test_every_breach_is_found(self):
        for rule, cases in BREACHES.items():
            for name, text, sentence in cases:
                with self.subTest(rule=rule, name=name, sentence=sentence):
                    found = self.breaches({**GOOD, name: text}, rule)
                    self.assertTrue(found)
                    self.assertIn(name, "\n".join(found))
                    self.assertIn(sentence, "\n".join(found))

    def test_a_rule_without_files_fails(self):
        for rule in STYLE.RULES:
            with self.subTest(rule=rule):
                tree = self.tree({})
                tree.texts.clear()
                self.assertIn("finds no file", STYLE.breaches(tree, rule)[0])


if __name__ == "__main__":
    unittest.main()
