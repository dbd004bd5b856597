# SPDX-License-Identifier: Apache-2.0
"""The agent as a service: what it tells systemd and the journal, and what it costs."""

import os
import re
import time

from case import SMALL, main
from host import COLLECTOR, HostCase, config, numbers, session, total
from lab import wait_until

SESSIONS = 100
OF_ONE_DEVICE = 60  # whose packet makes as many copies; the others wait for their devices
MEMORY_MAX_BYTES = 30_000_000
QUIET_S = 3


class Service(HostCase):
    def test_what_systemd_is_told(self):
        agent = self.agent()
        self.assertEqual(agent.notifications, ["READY=1", "STATUS=1 sessions"])
        said = agent.reload(config(session(), session("t", number=2)))
        self.assertEqual(said[0], "RELOADING=1")
        stamp = next(line for line in said if line.startswith("MONOTONIC_USEC="))
        self.assertLess(abs(time.monotonic() - int(stamp.split("=")[1]) / 1e6), 5)
        self.assertEqual(said[-1], "READY=1")
        agent.reload("nonsense")
        wait_until(lambda: agent.notifications[-1] == "STATUS=2 sessions", 5, "the status of what is in force")
        agent.stop()
        wait_until(lambda: agent.notifications[-1] == "STOPPING=1", 5, "STOPPING=1")

    def test_log_of_a_normal_run(self):
        """One line for a start and for each reload, nothing for traffic, status and the end."""
        agent = self.agent()
        self.expect_mirrored(20)
        agent.status_text()
        agent.reload(config())
        ticked = time.monotonic() + QUIET_S
        wait_until(lambda: time.monotonic() > ticked and agent.status(), QUIET_S + 10, "some rounds of the agent")
        agent.stop()
        kind = re.search("by (tcx|clsact)", agent.log())[1]
        self.assertEqual(agent.log(), f"mirroring 1 sessions by {kind}, pinned: it goes on when this process ends\n"
                                      "configuration 2 is in force\n")

    def test_journal_levels(self):
        """With systemd's stream on standard error each line has its level in front."""
        agent = self.agent()
        agent.stop()
        with open(self.lab.path("journal"), "w") as journal:
            place = os.fstat(journal.fileno())
            process = self.lab.spawn(self.host.argv(agent.argv("--config", agent.config_path)), stderr=journal,
                                     env={**os.environ, "JOURNAL_STREAM": f"{place.st_dev}:{place.st_ino}"})
            wait_until(lambda: os.path.getsize(journal.name), 20, "a line")
            process.terminate()
            process.wait(10)
        with open(journal.name) as lines:
            self.assertRegex(lines.read(), r"\A<6>mirroring 1 sessions by [a-z]+, pinned: [^\n]*\n\Z")

    def test_many_sessions(self):
        """All of them mirror, in little memory, also after they were replaced."""
        def many(length):
            return config(*[session(f"s{number}", number=number + 1, mode="copy",
                                    sources=[{"device": "v1" if number < OF_ONE_DEVICE else f"d{number}"}],
                                    encapsulation={"type": "vxlan", "vni": number + 1}, packet_length=length + number)
                            for number in range(SESSIONS)])
        started = time.monotonic()
        agent = self.agent(many(100))
        ready_ms = (time.monotonic() - started) * 1000
        for turn in range(3 if SMALL else 20):
            agent.reload(many(100 + turn))
        with self.capture() as capture:
            self.send(3)
            capture.wait(3 * OF_ONE_DEVICE)
        for number in range(OF_ONE_DEVICE):
            self.assertEqual(numbers(capture, number + 1), [0, 1, 2])
        self.assertEqual([total(agent, number)["mirrored_packets"] for number in (0, 59, 60, 99)],
                         [3, 3, 0, 0])
        memory = agent.memory_bytes()
        print(f"# {SESSIONS} sessions: {memory / 1e6:.1f} MB, active after {ready_ms:.0f} ms")
        self.assertLess(memory, MEMORY_MAX_BYTES)
        self.assertEqual(agent.status()["warnings"], [])

    def test_memory_does_not_grow(self):
        agent = self.agent()

        def work():
            for turn in range(10 if SMALL else 100):
                agent.reload(config(session(packet_length=100 + turn % 7)))
                agent.status()
            return agent.memory_bytes()
        first = work()
        self.assertLess(work() - first, 400_000)

    def test_idle_processor_time(self):
        """An idle agent hardly runs: it waits for the kernel, and looks around once a second."""
        agent = self.agent()
        with open(f"/proc/{agent.process.pid}/stat") as source:
            before = sum(map(int, source.read().rsplit(")", 1)[1].split()[11:13]))
        until = time.monotonic() + QUIET_S
        wait_until(lambda: time.monotonic() > until, QUIET_S + 1, "time to pass", 0.1)
        with open(f"/proc/{agent.process.pid}/stat") as source:
            ticks = sum(map(int, source.read().rsplit(")", 1)[1].split()[11:13])) - before
        self.assertLess(ticks / 100 / QUIET_S, 0.5 if SMALL else 0.05, "share of one processor")

    def test_target_that_never_was(self):
        """A wrong address is a state, and the log does not fill with it."""
        agent = self.agent({**config(), "targets": [{"name": "ids", "address": "172.31.0.200"}]}, active=False)
        self.wait_state(agent, "no_neighbour")
        until = time.monotonic() + QUIET_S
        wait_until(lambda: time.monotonic() > until, QUIET_S + 1, "time to pass", 0.1)
        self.assertLessEqual(agent.log().count("\n"), 2, agent.log())
        self.assertNotEqual(agent.status()["sessions"][0]["address"], COLLECTOR)


main()
