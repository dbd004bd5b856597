# SPDX-License-Identifier: Apache-2.0
"""Runs the real vtap-agent in a namespace and talks to it as an administrator and systemd would."""

import json
import os
import select
import signal
import socket
import subprocess
import time

from lab import CommandFailed, end_process, wait_until

PROJECT = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", ".."))
PROGRAM = os.environ.get("VTAP_AGENT") or os.path.join(PROJECT, "build", "bin", "vtap-agent")


class Agent:
    """
    One agent: its file, a bpffs and a state directory of its own, which outlive stop(), kill9() and start().
        config: a dict with the file's keys, or the file's text
        options: more arguments, such as ["--hook", "clsact"]
    When the lab ends, the agent is ended and the pins go with their bpffs.
    """

    def __init__(self, namespace, config, name="agent", options=()):
        self.namespace, self.lab, self.name = namespace, namespace.lab, f"{name}-{namespace.label}"
        self.options = list(options)
        # The kernel puts files of its own into the root of a bpffs.
        self.pin_dir = os.path.join(self.lab.bpffs(f"{self.name}.bpf"), "vtap")
        os.mkdir(self.pin_dir)
        self.state_dir = self.lab.path(f"{self.name}.state")
        os.makedirs(self.state_dir, exist_ok=True)
        self.config_path = self.lab.path(f"{self.name}.yaml")
        self.process = None
        self._notify_path = self.lab.path(f"{self.name}.notify")
        self._notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._notify.bind(self._notify_path)
        self.lab.on_exit(self._notify.close)
        self.notifications = []
        self.write(config)

    def write(self, config):
        """Writes the file without telling the agent. JSON is YAML too."""
        text = config if isinstance(config, str) else json.dumps(config, indent=2) + "\n"
        with open(self.config_path + ".new", "w") as new:
            new.write(text)
        os.rename(self.config_path + ".new", self.config_path)

    def argv(self, *arguments):
        return [PROGRAM, *arguments, "--pin-dir", self.pin_dir, "--state-dir", self.state_dir]

    def start(self, timeout_s=20, wait=True):
        """Returns when the agent has said READY=1."""
        self._drain()
        argv = self.argv("--config", self.config_path, *self.options)
        self.process = self.namespace.spawn(argv, log=f"{self.name}.log",
                                            env={**os.environ, "NOTIFY_SOCKET": self._notify_path})
        if wait:
            self.wait_notification("READY=1", timeout_s)
        return self

    def log(self):
        return self.lab.log_of(self.process) if self.process else ""

    def _drain(self):
        while select.select([self._notify], [], [], 0)[0]:
            self.notifications += self._notify.recv(4096).decode().splitlines()

    def wait_notification(self, line, timeout_s=20):
        """Waits for the line (such as READY=1) in what the agent tells systemd from now on."""
        deadline = time.monotonic() + timeout_s
        while True:
            if select.select([self._notify], [], [], 0.05)[0]:
                lines = self._notify.recv(4096).decode().splitlines()
                self.notifications += lines
                if line in lines:
                    return
            elif self.process.poll() is not None:
                raise CommandFailed(f"{self.name} ended with {self.process.returncode} before {line}:\n{self.log()}")
            elif time.monotonic() >= deadline:
                raise CommandFailed(f"{self.name} did not say {line} in {timeout_s} s, only {self.notifications}:\n{self.log()}")

    def reload(self, config=None, timeout_s=20):
        """SIGHUP, after writing config when it is given. Returns when the agent is ready again, with the old file or the new."""
        if config is not None:
            self.write(config)
        self._drain()
        self.process.send_signal(signal.SIGHUP)
        self.wait_notification("RELOADING=1", timeout_s)
        if "READY=1" not in self.notifications[self._last("RELOADING=1"):]:
            self.wait_notification("READY=1", timeout_s)

    def _last(self, line):
        return len(self.notifications) - 1 - self.notifications[::-1].index(line)

    def run(self, *arguments, check=True, **options):
        """vtap-agent with other arguments, and this agent's directories, to its end."""
        return self.namespace.run(self.argv(*arguments), check=check, **options)

    def check(self, config):
        """`--check` of a file with that text or dict: subprocess.CompletedProcess."""
        path = self.lab.path(f"{self.name}-check.yaml")
        with open(path, "w") as out:
            out.write(config if isinstance(config, str) else json.dumps(config, indent=2))
        return self.run("--check", "--config", path, check=False)

    def status(self):
        return json.loads(self.run("--status", "--json").stdout)

    def status_text(self):
        return self.run("--status").stdout

    def wait_status(self, predicate, timeout_s=10, what="a status"):
        """Polls status() until predicate(status) is true; returns that status."""
        last = {}

        def fits():
            last.clear()
            last.update(self.status())
            return predicate(last)
        wait_until(fits, timeout_s, lambda: f"{what} of {self.name}; status: {json.dumps(last)}\n{self.log()}", interval_s=0.05)
        return last

    def detach(self):
        self.run("--detach")

    def stop(self, timeout_s=10):
        """SIGTERM; mirroring stays. Raises when the exit status is not 0."""
        self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            end_process(self.process, signal.SIGKILL)
            raise CommandFailed(f"{self.name} did not end within {timeout_s} s of SIGTERM:\n{self.log()}") from None
        if status != 0:
            raise CommandFailed(f"{self.name} ended with {status} after SIGTERM:\n{self.log()}")

    def kill9(self):
        self.process.kill()
        self.process.wait()

    def memory_bytes(self):
        """Resident memory of the running agent."""
        with open(f"/proc/{self.process.pid}/status") as source:
            return next(int(line.split()[1]) * 1024 for line in source if line.startswith("VmRSS:"))
