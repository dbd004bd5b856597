# SPDX-License-Identifier: Apache-2.0
"""Runs the real vtap as a person or a script does.

    vtap = Vtap(controller)
    vtap("target", "create", "--name", "ids", "--address", "10.0.0.2")
    vtap.json("target", "show", "ids")["address"]
"""

import json
import os
import pty
import select
import signal
import subprocess
import tempfile
import termios

PROJECT = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", ".."))
PROGRAM = os.environ.get("VTAP") or os.path.join(PROJECT, "build", "bin", "vtap")
TIMEOUT_S = 60
DONE, REFUSED, USAGE, UNREACHABLE = range(4)


class VtapFailed(Exception):
    """vtap ended with another status than it should."""


class Vtap:
    """
    vtap with a controller's bootstrap key and a home of its own.
        credential: (key id, secret); None = the bootstrap key; () = none
        wrap: words in front of the command, such as ["ip", "netns", "exec", NAME]
    """

    def __init__(self, controller=None, project=None, credential=None, url=None, wrap=(), environment=None):
        self.wrap = list(wrap)
        self._home = tempfile.TemporaryDirectory(prefix="vtap-home-")
        self.home = self._home.name
        own = ("VTAP_", "XDG_CONFIG_HOME", "NO_COLOR", "COLUMNS")
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith(own)}
        self.environment.update({"HOME": self.home, "TERM": "xterm", "VTAP_URL": url or controller.url})
        if credential is None:
            credential = controller.key
        if credential:
            self.environment["VTAP_ACCESS_KEY_ID"], self.environment["VTAP_SECRET_ACCESS_KEY"] = credential
        if project:
            self.environment["VTAP_PROJECT"] = project
        self.environment.update(environment or {})

    def close(self):
        self._home.cleanup()

    def argv(self, *arguments):
        return [*self.wrap, PROGRAM, *arguments]

    def run(self, *arguments, stdin="", environment=None):
        """The process as it has ended: returncode, stdout, stderr."""
        return subprocess.run(self.argv(*arguments), input=stdin, text=True, check=False, timeout=TIMEOUT_S,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**self.environment, **(environment or {})})

    def __call__(self, *arguments, stdin="", status=DONE, environment=None):
        """What it prints, or VtapFailed when it ends with another status. Of a refusal, the sentence without "vtap: "."""
        done = self.run(*arguments, stdin=stdin, environment=environment)
        if done.returncode != status:
            raise VtapFailed(f"vtap {' '.join(arguments)}: status {done.returncode}, not {status}\n{done.stdout}{done.stderr}")
        return done.stdout if status == DONE else done.stderr.removeprefix("vtap: ").rstrip("\n")

    def json(self, *arguments, **options):
        return json.loads(self(*arguments, "--output", "json", **options))

    def start(self, *arguments):
        """A process whose standard output is read by the caller."""
        return subprocess.Popen(self.argv(*arguments), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                text=True, env=self.environment)

    def terminal(self, *arguments, columns=80, environment=None):
        """Started in a terminal of its own."""
        return Terminal(self.argv(*arguments), {**self.environment, "COLUMNS": str(columns), **(environment or {})})


class Terminal:
    """
    A program and the other side of its terminal: type() and wait(), which returns (status, everything that it has shown).
    After that, echoed tells whether it has left a terminal that shows what is typed.
    """

    def __init__(self, argv, environment):
        self.shown, self.echoed = b"", None
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execvpe(argv[0], argv, environment)

    def _read(self):
        """False at the end."""
        ready, _, _ = select.select([self.fd], [], [], TIMEOUT_S)
        if not ready:
            os.kill(self.pid, signal.SIGKILL)
            raise VtapFailed(f"nothing more is shown after {self.shown!r}")
        try:
            piece = os.read(self.fd, 4096)
        except OSError:  # EIO: the program has closed its side
            piece = b""
        self.shown += piece
        return bool(piece)

    def wait_for(self, text):
        while text.encode() not in self.shown:
            if not self._read():
                raise VtapFailed(f"it ended without {text!r}: {self.shown!r}")

    def type(self, text):
        os.write(self.fd, text.encode())

    def echoes(self):
        """Whether the terminal shows what is typed."""
        return bool(termios.tcgetattr(self.fd)[3] & termios.ECHO)

    def kill(self, number=signal.SIGTERM):
        os.kill(self.pid, number)

    def wait(self):
        while self._read():
            pass
        self.echoed = self.echoes()
        os.close(self.fd)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1]), self.shown.decode()
