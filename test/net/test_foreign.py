# SPDX-License-Identifier: Apache-2.0
"""
Other people's programs and sessions at the uplink: whatever stands there before ours, and whatever else the uplink serves for, copies
leave with their outer headers.
"""

from capture import Capture
from case import main, skip
from foreign import NEXT, PASS, Program
from host import COLLECTOR, HostCase, accept, config, has_tcx, numbers, session, total
from lab import wait_until

VERDICTS = {"lets go on": NEXT, "takes past us": PASS}


class ForeignCase(HostCase):
    def bare(self):
        """A capture of the guest's frames that come to the collector as they are."""
        mac = bytes.fromhex(self.guest.mac("eth0").replace(":", ""))
        return Capture(self.collector, "uC", direction="in", keep=lambda data: data[6:12] == mac)

    def ahead(self, verdict):
        """Somebody's program that runs before ours at the uplink; returns what takes it away."""
        return Program(self.lab, "ahead", verdict).attach_tcx(self.host, "uA", "egress", first=True)


class Ahead:
    """Before our program at the uplink."""

    def setUp(self):
        if not has_tcx():
            skip("this kernel has no tcx")
        super().setUp()

    def expect_known(self, agent):
        """The agent has looked at the uplink since: all copies go through the stage."""
        def known():
            before = total(agent)
            self.send(1)
            after = agent.wait_status(lambda status: status["sessions"][0]["total"]["matched_packets"] >
                                      before["matched_packets"], what="a packet")["sessions"][0]["total"]
            return after["staged"] > before["staged"]
        wait_until(known, 10, "copies through the stage")

    def test_comes_while_we_run(self):
        """
        Our program at the source finds out by the first copy that it misses at the uplink: that one frame leaves bare if it is let
        past, and no other does, also before the agent has looked.
        """
        for name, verdict in VERDICTS.items():
            with self.subTest(name):
                agent = self.agent(name=f"agent{verdict}")
                self.expect_mirrored()
                with self.bare() as bare, self.capture() as capture:
                    remove = self.ahead(verdict)
                    self.send(100)
                    self.expect_known(agent)
                    wait_until(lambda: set(range(1, 100)) <= set(numbers(capture)), 10, "copies of all but perhaps the first")
                self.assertLessEqual(len(bare.frames), 1 if verdict == PASS else 0)
                self.assertEqual(total(agent)["lost_changed"], len(bare.frames))
                remove()
                agent.stop()
                agent.detach()


class AheadOfTcx(Ahead, ForeignCase):
    HOOK = "tcx"


class AheadOfClsact(Ahead, ForeignCase):
    """All that is attached by tcx runs first, and ours does not even run if it says so."""
    HOOK = "clsact"

    def test_there_before_us(self):
        for name, verdict in VERDICTS.items():
            with self.subTest(name):
                remove = self.ahead(verdict)
                agent = self.agent(name=f"agent{verdict}")
                with self.bare() as bare:
                    self.expect_mirrored()
                self.assertEqual(bare.frames, [])
                self.assertEqual(total(agent)["staged"], 5)
                agent.stop()
                agent.detach()
                remove()


class UplinkIsSource(ForeignCase):
    """The device that copies leave by is mirrored itself, or was, or is to be."""

    def own(self, **keys):
        return session("own", number=2, sources=[{"device": "uA", "side": "own"}], filter="pings", encapsulation={"vni": 77},
                       **keys)

    def config(self, *sessions):
        wanted = config(*sessions)
        pings = [{**accept(number, protocol="icmp"), "direction": direction} for number, direction in enumerate(("in", "out"), 1)]
        wanted["filters"].append({"name": "pings", "rules": pings})
        return wanted

    def ping(self):
        self.host.run(["ping", "-c3", "-i0.2", "-W2", COLLECTOR])

    def expect(self, agent, own, attached):
        """Copies of the guest's come as ever; of the uplink's own there are that many; and what is attached there."""
        with self.bare() as bare, self.capture() as capture:
            self.send(5)
            self.ping()
            capture.wait(5 + own)
        self.assertEqual(bare.frames, [])
        self.assertEqual(numbers(capture, 66), list(range(5)))
        self.assertEqual(len(capture.copies(77)), own)
        self.assertEqual({at["hook"] for at in agent.status()["attachments"] if at["device"] == "uA"}, attached)
        self.assertEqual(agent.status()["warnings"], [])

    def test_sessions_of_its_own_come_and_go(self):
        agent = self.agent(self.config(session(), self.own(enabled=False)))
        self.expect(agent, 0, {"egress"})
        for own, count, hooks in ((self.own(direction="both"), 6, {"ingress", "egress"}),
                                  (self.own(direction="in"), 3, {"ingress", "egress"}),
                                  (self.own(direction="out"), 3, {"egress"}),
                                  (self.own(enabled=False), 0, {"egress"})):
            agent.reload(self.config(session(), own))
            self.expect(agent, count, hooks)
        agent.reload(self.config(session()))
        self.expect(agent, 0, {"egress"})

    def test_only_its_own_session(self):
        agent = self.agent(self.config(self.own(direction="both")))
        with self.capture() as capture:
            self.ping()
            capture.wait(6)
        agent.reload(self.config(self.own(enabled=False)))
        wait_until(lambda: not any(programs or filters for filters, programs in self.attached().values()), 5,
                   "nothing attached")
        with self.capture() as capture:
            self.ping()
        self.assertEqual(capture.frames, [])


class UplinkIsSourceClsact(UplinkIsSource):
    HOOK = "clsact"


main()
