# SPDX-License-Identifier: Apache-2.0
"""What goes on while the controller, its way, a host or an agent is away, and what is right again when it is back."""

import contextlib
import time

from case import main
from pinned import as_older_layout, globals_of
from vpc import PORT
from whole import RATE, WholeCase


class Outage(WholeCase):
    def cut(self, name, silently):
        """The host's way to the controller is blocked, and what stood broken off, unless silently. Returns how to undo it."""
        namespace = self.hosts[name].namespace
        namespace.run(["nft", f"""add table inet cut
            add chain inet cut sent {{ type filter hook output priority 0; }}
            add chain inet cut received {{ type filter hook input priority 0; }}
            add rule inet cut sent tcp dport {PORT} {"drop" if silently else "reject with tcp reset"}
            add rule inet cut received iifname {self.hosts[name].uplink} tcp sport {PORT} drop"""])
        if not silently:
            namespace.run(["ss", "-K", "dport", "=", PORT])
        undo = contextlib.ExitStack()
        undo.callback(namespace.run, ["nft", "delete table inet cut"])
        self.addCleanup(undo.close)
        return undo.close

    def test_controller_killed(self):
        """Mirroring never stops; agents come back by themselves, and take what is new."""
        session = self.session("watched", "a")
        with self.copies() as capture:
            stream = self.stream("a")
            capture.wait(100)
            self.controller.kill()
            self.wait_away()
            capture.wait(len(capture.frames) + 200)
            start = time.monotonic()
            self.controller.start()
            ready_s = time.monotonic() - start
            print(f"# the controller was ready again after {ready_s:.2f} s, all agents {self.wait_connected():.2f} s later")
            later = self.session("later", "b")
            self.expect_mirrored("b", later)
            self.wait_state("watched", "active")
            sent = self.expect_all(capture, session, stream)
        self.wait_counted(session, sent, "a")

    def test_agent_cut_off(self):
        """It keeps mirroring, but for what is to stop; what was changed meanwhile comes when it is back."""
        kept, stopping = self.session("kept", "a"), self.session("stopping", "a", mode="copy", offline="stop-after 2s")
        gone = self.session("gone", "a", mode="copy")
        agent = self.hosts["A"].agent
        with self.copies() as capture:
            stream = self.stream("a")
            back = self.cut("A", silently=False)
            self.wait_away("A")
            later = self.session("later", "a", mode="copy", active=False)
            self.api.delete(f"/v1/sessions/{gone['id']}")
            agent.wait_status(lambda status: [each["state"] for each in status["sessions"] if each["name"] == stopping["id"]] ==
                              ["stopped"], 20, "a stopped session")
            before = len(capture.of(stopping))
            capture.wait(len(capture.frames) + 200)
            self.assertEqual(len(capture.of(stopping)), before)
            self.assertEqual(capture.of(later), [])
            self.assertEqual(self.wait_state("later", "pending")["state"], "pending")
            back()
            print(f"# connected {self.wait_connected('A'):.2f} s after the way was free")
            capture.wait_of(later)
            capture.wait_of(stopping, before + 1)
            for name in ("kept", "stopping", "later"):
                self.wait_state(name, "active")
            ended = len(capture.of(gone))
            capture.wait(len(capture.frames) + 200)
            self.assertEqual(len(capture.of(gone)), ended)
            self.expect_all(capture, kept, stream)

    def test_agent_cut_off_silently(self):
        """Neither end notices; a change that was sent meanwhile arrives soon."""
        kept = self.session("kept", "a")
        back = self.cut("A", silently=True)
        later = self.session("later", "a", mode="copy", active=False)
        with self.copies() as capture:
            stream = self.stream("a")
            capture.wait(RATE * 2)
            back()
            self.expect_all(capture, kept, stream)
        start = time.monotonic()
        self.wait_state("later", "active")
        print(f"# a change arrived {time.monotonic() - start:.2f} s after the way was free")
        self.expect_mirrored("a", later)

    def test_controller_lost_silently(self):
        """As by a loss of power there: a connection waits of which the controller knows nothing."""
        kept = self.session("kept", "a")
        back = self.cut("A", silently=True)
        self.controller.namespace.run(["ss", "-K", "state", "established", "sport", "=", PORT])
        self.controller.kill()
        self.controller.start()
        later = self.session("later", "a", mode="copy", active=False)
        back()
        start = time.monotonic()
        self.wait_state("later", "active")
        print(f"# a change arrived {time.monotonic() - start:.2f} s after the way was free")
        self.expect_mirrored("a", kept)
        self.expect_mirrored("a", later)

    def test_host_rebooted(self):
        """The agent finds its plan in its state directory, and the host as it was, while the controller is away."""
        session, other = self.session("rebooted", "a"), self.session("stays", "b")
        host = self.hosts["A"]
        self.expect_mirrored("a", session)
        self.controller.kill()
        with self.copies() as capture:
            stream = self.stream("b")
            host.reboot()
            start = time.monotonic()
            host.agent.start()
            host.agent.wait_status(lambda status: status["sessions"][0]["state"] == "active", 20, "an active session")
            print(f"# mirroring {time.monotonic() - start:.2f} s after the start of the agent")
            self.expect_mirrored("a", session)
            self.expect_all(capture, other, stream)
        self.assertIn(host.agent.status()["controller"]["state"], ("connecting", "away"))
        self.controller.start()
        self.wait_connected()
        self.wait_state("rebooted", "active")
        self.wait_counted(session, 5, "a")  # counting began anew with the host

    def test_agent_of_another_layout(self):
        """An agent is replaced by one whose maps are laid out otherwise: nothing is lost, and the counters go on."""
        session = self.session("upgraded", "a")
        agent = self.hosts["A"].agent
        layout = globals_of(agent)[0]
        with self.copies() as capture:
            stream = self.stream("a")
            capture.wait(RATE // 4)
            self.upgrade(agent, layout)
            capture.wait(len(capture.frames) + RATE // 4)
            sent = self.expect_all(capture, session, stream)
        # What passed between the reading of the counters and the change of the programs is mirrored, but not in them.
        counted = agent.status()["sessions"][0]["total"]["matched_packets"]
        print(f"# {counted} of {sent} packets counted")
        self.assertTrue(RATE // 4 <= counted <= sent, (counted, sent))
        # Where it had fewer counters, those that it had are carried over.
        self.upgrade(agent, layout, counters=5)
        self.expect_mirrored("a", session)
        self.wait_counted(session, counted + 5, "a")

    def upgrade(self, agent, layout, counters=None):
        agent.stop()
        as_older_layout(agent, counters)
        agent.start()
        self.assertEqual(globals_of(agent)[0], layout)
        self.wait_connected("A")
        self.wait_state("upgraded", "active")


main()
