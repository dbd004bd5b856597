# SPDX-License-Identifier: Apache-2.0
"""
What earlier agents have left that nothing tells of, and what one of another hook has left: it is replaced or removed, and no frame
leaves without outer headers meanwhile. A clsact qdisc goes with the last who uses it, if we have made it.
"""

import signal

from case import main, skip
from foreign import Program
from host import config, has_tcx, session, total
from lab import wait_until
from leftover import LeftoverCase

OTHER = session("other", direction="both", filter=None, sources=[{"device": "v2"}],
                encapsulation={"type": "vxlan", "vni": 77})
BOTH = session(direction="both", filter=None, sources=[{"device": "v2"}, {"device": "v1"}])


class Killed:
    """An agent that was killed, and nobody knows any more what it has attached."""

    def replaced(self, agent, options=()):
        """Another agent takes its place, for v2 alone: of v1 there is neither a copy nor a bare frame from then on."""
        agent.write(config(OTHER))
        agent.options = ["--hook", self.HOOK, *options]
        with self.bare() as bare:
            streams = self.streams()
            agent.start()
            self.wait_state(agent, "active")
            with self.capture() as capture:
                capture.wait(20)
            self.assertEqual({copy.vni for copy in capture.copies()}, {77})
            self.assertEqual(capture.lost, 0)
            for stream in streams:
                stream.stop()
        self.assertEqual(len(bare.frames), 0)
        self.assertEqual({place for place in self.ours() if place[0] == "v1"}, set())
        self.assertEqual(agent.status()["warnings"], [])

    def test_unpinned_and_another_unpinned(self):
        agent = self.agent(config(BOTH), options=["--unpinned"])
        agent.kill9()
        self.replaced(agent, ["--unpinned"])
        agent.stop()
        self.expect_nothing_left(agent)

    def test_unpinned_and_a_pinned_one(self):
        agent = self.agent(config(BOTH), options=["--unpinned"])
        agent.kill9()
        self.replaced(agent)
        agent.stop()
        agent.detach()
        self.expect_nothing_left(agent)

    def test_pins_lost(self):
        agent = self.agent(config(BOTH))
        agent.kill9()
        agent.lose_pins()
        if self.HOOK == "tcx":
            wait_until(lambda: not self.ours(), 5, "links to go with their pins")
        self.replaced(agent)
        agent.stop()
        agent.detach()
        self.expect_nothing_left(agent)

    def test_detach(self):
        for name, options in (("pinned", []), ("unpinned", ["--unpinned"])):
            with self.subTest(name):
                agent = self.agent(config(BOTH), name, options)
                agent.kill9()
                if not options:
                    agent.lose_pins()
                with self.bare() as bare:
                    streams = self.streams()
                    agent.detach()
                    for stream in streams:
                        stream.stop()
                self.assertEqual(len(bare.frames), 0)
                self.expect_nothing_left(agent)


class KilledTcx(Killed, LeftoverCase):
    HOOK = "tcx"


class KilledClsact(Killed, LeftoverCase):
    HOOK = "clsact"


class AnotherHook(LeftoverCase):
    def test_over_restarts(self):
        """Counters go on, nothing of the other kind stays, and no frame leaves bare."""
        if not has_tcx():
            skip("this kernel has no tcx")
        agent = self.agent(config(BOTH), options=["--hook", "tcx"])
        places = {("v1", "ingress"), ("v1", "egress"), ("v2", "ingress"), ("v2", "egress"), ("uA", "egress"),
                  ("vtap-far", "egress")}
        last = 0
        with self.bare() as bare:
            streams = self.streams()
            for hook in ("clsact", "tcx", "clsact"):
                agent.stop()
                agent.options = ["--hook", hook]
                agent.start()
                self.wait_state(agent, "active")
                status = agent.status()
                self.assertEqual((status["agent"]["hook"], status["warnings"]), (hook, []))
                self.assertEqual({(at["device"], at["hook"]) for at in status["attachments"]}, places)
                self.assertEqual({at["kind"] for at in status["attachments"]}, {hook})
                self.assertEqual({place for place, (filters, _) in self.attached().items() if "vtap_" in filters},
                                 places if hook == "clsact" else set())
                self.assertEqual({place for place, (_, programs) in self.attached().items() if programs},
                                 places if hook == "tcx" else set())
                wait_until(lambda: total(agent)["mirrored_packets"] > last, 10, "more copies")
                last = total(agent)["mirrored_packets"]
            for stream in streams:
                stream.stop()
        self.assertEqual(len(bare.frames), 0)
        agent.stop()
        self.expect_mirrored()
        agent.detach()
        self.expect_nothing_left(agent)
        self.assertEqual(self.qdiscs(), set())


class Qdiscs(LeftoverCase):
    HOOK = "clsact"
    OURS = {"v1", "uA", "vtap-far"}

    def test_ours_goes(self):
        """Also when others than who made it detach, and with the session, and with an agent that pins nothing."""
        agent = self.agent()
        self.assertEqual(self.qdiscs(), self.OURS)
        agent.kill9()
        agent.start()
        self.wait_state(agent, "active")
        agent.stop()
        self.assertEqual(self.qdiscs(), self.OURS)
        agent.detach()
        self.assertEqual(self.qdiscs(), set())
        agent.start()
        agent.reload({**config(), "sessions": []})
        wait_until(lambda: not self.qdiscs(), 5, "no qdisc")
        agent.reload(config())
        self.expect_mirrored()
        agent.stop()
        agent.detach()
        unpinned = self.agent(name="unpinned", options=["--unpinned"])
        self.assertEqual(self.qdiscs(), self.OURS)
        unpinned.stop()
        self.assertEqual(self.qdiscs(), set())

    def test_somebody_else_s_stays(self):
        """One that was there before, though it is empty, one that somebody has come to use, and one that was put in its place."""
        self.host.tc("qdisc add dev v1 clsact")
        agent = self.agent(config(session(), session("second", number=2, sources=[{"device": "v2"}])))
        self.host.tc("filter add dev uA ingress pref 7 protocol all u32 match u32 0 0 flowid 1:1")
        agent.process.send_signal(signal.SIGSTOP)  # or it puts its own there in between
        self.host.tc("qdisc del dev v2 clsact")
        self.host.tc("qdisc add dev v2 clsact")
        agent.process.send_signal(signal.SIGCONT)
        agent.wait_status(lambda status: ("v2", "ingress") in self.ours(), what="v2 attached again")
        self.assertEqual(self.qdiscs(), {"v2", *self.OURS})
        agent.stop()
        agent.detach()
        self.assertEqual(self.qdiscs(), {"v1", "v2", "uA"})
        self.assertEqual(self.ours(), set())
        self.assertIn("u32", self.host.tc("filter show dev uA ingress"))

    def test_replaced_while_no_agent_runs(self):
        agent = self.agent()
        agent.stop()
        self.host.tc("qdisc del dev v1 clsact")
        self.host.tc("qdisc add dev v1 clsact")
        agent.start()
        self.wait_state(agent, "active")
        self.expect_mirrored()
        agent.stop()
        agent.detach()
        self.assertEqual(self.qdiscs(), {"v1"})

    def test_a_program_of_somebody_else_s(self):
        """By tcx, which needs no qdisc: that neither keeps ours nor goes with it."""
        if not has_tcx():
            skip("this kernel has no tcx")
        other = Program(self.lab)
        other.attach_tcx(self.host, "v1", "ingress")
        agent = self.agent()
        self.expect_mirrored()
        agent.stop()
        agent.detach()
        self.assertEqual(self.qdiscs(), set())
        self.assertEqual(self.attached()["v1", "ingress"][1], [other.id])


main()
