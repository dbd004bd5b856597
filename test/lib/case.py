# SPDX-License-Identifier: Apache-2.0
"""Test cases that report as TAP: each test method is one test for meson (`protocol: 'tap'`).

    from case import Case, main, skip
    class MyTest(Case):
        def test_something(self): ...
    main()

A script's arguments name the methods to run; without arguments all of them run.
"""

import os
import sys
import time
import traceback
import unittest

# True where runs should be small, as under software emulation.
SMALL = os.environ.get("VTAP_TEST_SMALL") == "1"


class Case(unittest.TestCase):
    maxDiff = 4000

    def assertAll(self, items, predicate, what):
        """Every item fits; the message shows the first that does not."""
        for position, item in enumerate(items):
            if not predicate(item):
                self.fail(f"{what}: not so for number {position} of {len(items)}: {item!r}")


def skip(reason):
    """reason: any number of lines, which become one, as TAP has it."""
    raise unittest.SkipTest(" ".join(reason.split()))


class _TapResult(unittest.TestResult):
    def __init__(self):
        super().__init__()
        self.reported = set()
        self.class_outcomes = []  # (description, reason to skip or None, traceback) of what happened outside of methods
        self.started_s = 0.0

    def startTest(self, test):
        super().startTest(test)
        self.started_s = time.monotonic()
        self.subtest_failed = False

    def report(self, ok, test, note="", detail=""):
        self.reported.add(test.id())
        for line in detail.rstrip().splitlines():
            print(f"#   {line}")
        name = f"{type(test).__name__}.{test._testMethodName}"
        print(f"{'ok' if ok else 'not ok'} {len(self.reported)} {name}{note}", flush=True)
        if self.started_s:
            print(f"# took {time.monotonic() - self.started_s:.2f} s", flush=True)

    def addSuccess(self, test):
        if not self.subtest_failed:
            self.report(True, test)

    def _failed(self, test, err):
        detail = "".join(traceback.format_exception(*err))
        if isinstance(test, unittest.TestCase):
            self.report(False, test, detail=detail)
        else:
            self.class_outcomes.append((test.id(), None, detail))

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self._failed(test, err)

    def addError(self, test, err):
        super().addError(test, err)
        self._failed(test, err)

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is None:
            return
        print(f"# {subtest._subDescription()}:")
        if self.subtest_failed:
            for line in "".join(traceback.format_exception(*err)).splitlines():
                print(f"#   {line}")
        else:
            self._failed(test, err)
        self.subtest_failed = True

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        if isinstance(test, unittest.TestCase):
            self.report(True, test, note=f" # SKIP {reason}")
        else:
            self.class_outcomes.append((test.id(), reason, ""))

    def report_rest(self, tests):
        """Methods that did not run because of what happened in their class's set-up share its outcome."""
        self.started_s = 0.0
        for test in tests:
            if test.id() in self.reported:
                continue
            own = f"({type(test).__module__}.{type(test).__qualname__})"
            _, reason, detail = next((o for o in self.class_outcomes if own in o[0]), ("", None, "not run"))
            self.report(reason is not None, test, note=f" # SKIP {reason}" if reason is not None else "", detail=detail)


def main():
    wanted = sys.argv[1:]
    loaded = unittest.defaultTestLoader.loadTestsFromModule(sys.modules["__main__"])
    tests = [test for group in loaded for test in group if not wanted or test._testMethodName in wanted]
    if wanted and not tests:
        sys.exit(f"no test is named {' or '.join(wanted)}")
    if not tests:
        sys.exit("there is no test here")
    print(f"1..{len(tests)}", flush=True)
    result = _TapResult()
    unittest.TestSuite(tests).run(result)
    result.report_rest(tests)
    for description, reason, detail in result.class_outcomes:
        if reason is None:
            print(f"# {description} failed:\n" + "\n".join(f"#   {line}" for line in detail.splitlines()))
    sys.exit(0 if result.wasSuccessful() else 1)
