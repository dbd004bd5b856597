# SPDX-License-Identifier: Apache-2.0
"""Runs the real vtap-agent in a namespace and talks to it as an administrator and systemd would."""

import json
import os
import shutil
import signal
import socket
import subprocess
import threading
import time

from lab import CommandFailed, end_process, wait_until

PROJECT = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", ".."))
PROGRAM = os.environ.get("VTAP_AGENT") or os.path.join(PROJECT, "build", "bin", "vtap-agent")


# An emulated machine takes long to verify the programs.
START_S = 120 if os.environ.get("VTAP_TEST_SMALL") == "1" else 20
STAGE_DEVICES = {"vtap-near", "vtap-far", "vtap-end"}  # bridge, its port, and the end that leads nowhere


class Agent:
    """
    One agent: its file, a bpffs and a state directory of its own, which outlive stop(), kill9() and start().
        config: a dict with the file's keys, or the file's text
        options: more arguments, such as ["--hook", "clsact"]
        controller: instead of a file, the URL of a controller; config is None then
    When the lab ends, the agent is ended and the pins go with their bpffs.
    """

    def __init__(self, namespace, config, name="agent", options=(), controller=None):
        self.namespace, self.lab, self.name = namespace, namespace.lab, f"{name}-{namespace.label}"
        self.options, self.controller = list(options), controller
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
        self.notifications = []  # every line that the agent told systemd, in order
        self._told = threading.Condition()
        # A thread reads them, as an agent whose notifications nobody takes would block.
        threading.Thread(target=self._listen, daemon=True).start()
        self.lab.on_exit(self._stop_listening)
        if config is not None:
            self.write(config)

    def write(self, config):
        """Writes the file without telling the agent. JSON is YAML too."""
        text = config if isinstance(config, str) else json.dumps(config, indent=2) + "\n"
        with open(self.config_path + ".new", "w") as new:
            new.write(text)
        os.rename(self.config_path + ".new", self.config_path)

    def argv(self, *arguments):
        return [PROGRAM, *arguments, "--pin-dir", self.pin_dir, "--state-dir", self.state_dir]

    def start(self, timeout_s=START_S, wait=True, join=None):
        """Returns when the agent has said READY=1. join: the token by which it becomes one of the controller's."""
        before = len(self.notifications)
        mode = ["--controller", self.controller] if self.controller else ["--config", self.config_path]
        argv = self.argv(*mode, *(["--join", join] if join else []), *self.options)
        self.process = self.namespace.spawn(argv, log=f"{self.name}.log",
                                            env={**os.environ, "NOTIFY_SOCKET": self._notify_path})
        if wait:
            self.wait_notification("READY=1", timeout_s, before)
        return self

    def log(self):
        return self.lab.log_of(self.process) if self.process else ""

    def _listen(self):
        while True:
            lines = self._notify.recv(4096).decode().splitlines()
            with self._told:
                self.notifications += lines
                self._told.notify_all()
            if not lines:
                self._notify.close()
                return

    def _stop_listening(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as last:
            last.sendto(b"", self._notify_path)

    def wait_notification(self, line, timeout_s=20, after=0):
        """Waits for the line (such as READY=1) among self.notifications[after:]; returns the position behind it."""
        deadline = time.monotonic() + timeout_s
        with self._told:
            while line not in self.notifications[after:]:
                ended = self.process.poll()
                self._told.wait(0.05)
                if line in self.notifications[after:]:
                    break
                if ended is not None:
                    raise CommandFailed(f"{self.name} ended with {ended} before {line}:\n{self.log()}")
                if time.monotonic() >= deadline:
                    raise CommandFailed(f"{self.name} did not say {line} in {timeout_s} s, only "
                                        f"{self.notifications[after:]}:\n{self.log()}")
            return self.notifications.index(line, after) + 1

    def reload(self, config=None, timeout_s=20):
        """
        SIGHUP, after writing config when it is given. Returns when the agent is ready again, with the old file or the
        new, and what it said meanwhile.
        """
        if config is not None:
            self.write(config)
        before = len(self.notifications)
        self.process.send_signal(signal.SIGHUP)
        reloading = self.wait_notification("RELOADING=1", timeout_s, before)
        ready = self.wait_notification("READY=1", timeout_s, reloading)
        return self.notifications[before:ready]

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
        wait_until(fits, timeout_s, lambda: f"{what} of {self.name}; status: {json.dumps(last)}\n{self.log()}", 0.05)
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

    def lose_pins(self):
        """What was pinned is gone, as after a reboot."""
        shutil.rmtree(self.pin_dir)
        os.mkdir(self.pin_dir)

    def memory_bytes(self):
        """Resident memory of the running agent."""
        with open(f"/proc/{self.process.pid}/status") as source:
            return next(int(line.split()[1]) * 1024 for line in source if line.startswith("VmRSS:"))
