# SPDX-License-Identifier: Apache-2.0
"""Pins that somebody has removed, or that another agent holds: what goes on, what status says, and what a start and --detach make of them."""

import os
import shutil

from agent import PROGRAM
from case import main
from host import config, session
from lab import wait_until
from leftover import LeftoverCase

EVERYTHING = session(direction="both", filter=None, sources=[{"device": "v2"}, {"device": "v1"}])


class PinCase(LeftoverCase):
    def lose(self, agent, *names):
        """These pins, or all in these directories."""
        for name in names:
            path = os.path.join(agent.pin_dir, name)
            shutil.rmtree(path) if os.path.isdir(path) else os.unlink(path)

    def attachments(self, agent, device):
        index = self.host.ifindex(device)
        return [f"attached/{name}" for name in os.listdir(os.path.join(agent.pin_dir, "attached"))
                if name.startswith(f"{index}-")]


class Incomplete:
    """
    Lost while no agent runs. No frame may leave bare, but for one of each source where the uplink's link goes with its pin: by its
    first copy a source's program learns that nobody finishes copies there any more.
    """

    LOST = {
        "the sources": lambda self, agent: ["maps/vtap_port_index"],
        "the fence": lambda self, agent: ["maps/vtap_fence"],
        "all maps": lambda self, agent: ["maps"],
        "a source's programs": lambda self, agent: self.attachments(agent, "v1"),
        "the uplink's program": lambda self, agent: self.attachments(agent, "uA"),
        "everything": lambda self, agent: ["attached", "maps"],
    }
    LINKS = ("the uplink's program", "everything")

    def run_with(self, name, act):
        agent = self.agent(config(EVERYTHING))
        agent.stop()
        with self.bare() as bare:
            streams = self.streams()
            self.lose(agent, *self.LOST[name](self, agent))
            act(agent)
            for stream in streams:
                stream.stop()
        self.assertLessEqual(len(bare.frames), 2 if self.HOOK == "tcx" and name in self.LINKS else 0)
        return agent

    def again(self):
        """The next one in a lab of its own."""
        self.doCleanups()
        self.setUp()

    def test_detach(self):
        for name in self.LOST:
            with self.subTest(name):
                self.expect_nothing_left(self.run_with(name, lambda agent: agent.detach()))
            self.again()

    def started(self, agent):
        agent.start()
        self.wait_state(agent, "active")

    def test_start(self):
        """All is pinned again, and goes on when the agent ends."""
        for name in self.LOST:
            with self.subTest(name):
                agent = self.run_with(name, self.started)
                self.expect_mirrored()
                self.assertEqual(agent.status()["warnings"], [])
                agent.stop()
                self.expect_mirrored()
                self.assertEqual(agent.status()["sessions"][0]["state"], "active")
                agent.detach()
                self.expect_nothing_left(agent)
            self.again()


    def test_start_with_many_devices(self):
        """
        Taking them over lasts, and packets pass meanwhile: who finishes copies must know those of who makes them, though what both
        knew them by was in the maps.
        """
        names = [f"x{number}" for number in range(30)]
        self.host.ip(*[f"link add {name} type veth peer name p{name}" for name in names])
        sources = [{"device": name} for name in (*names[:15], "v2", "v1", *names[15:])]
        agent = self.agent(config({**EVERYTHING, "sources": sources}))
        agent.stop()
        self.lose(agent, "maps")
        with self.bare() as bare:
            streams = self.streams()
            self.started(agent)
            with self.capture() as capture:
                capture.wait(20)
            for stream in streams:
                stream.stop()
        self.assertEqual(len(bare.frames), 0)


class IncompleteTcx(Incomplete, PinCase):
    HOOK = "tcx"


class IncompleteClsact(Incomplete, PinCase):
    HOOK = "clsact"


class Status:
    def test_lost_while_the_agent_runs(self):
        """Mirroring goes on, as the agent holds what was pinned; that it would end with the agent is said."""
        for name in ("attached", "maps"):
            with self.subTest(name):
                agent = self.agent(name=name)
                self.lose(agent, name)
                status = agent.status()
                self.assertEqual(status["sessions"][0]["state"], "active")
                self.assertEqual(status["warnings"], [
                    f"pins below {agent.pin_dir} are gone: mirroring ends with this agent; start it again"])
                self.expect_mirrored()
                agent.stop()
                agent.start()
                self.wait_state(agent, "active")
                self.assertEqual(agent.status()["warnings"], [])
                agent.stop()
                self.expect_mirrored()
                agent.detach()

    def test_lost_without_an_agent(self):
        """Nothing is called active that is not attached; what is not complete is said, not shown."""
        agent = self.agent(config(session(), session("off", number=2, enabled=False)))
        self.expect_mirrored(3)
        agent.stop()
        self.assertEqual([each["state"] for each in agent.status()["sessions"]], ["active", "disabled"])
        self.lose(agent, *self.attachments(agent, "v1"))
        if self.HOOK == "clsact":
            self.host.tc("qdisc del dev v1 clsact")
        status = agent.status()
        self.assertEqual([(each["state"], each["reason"]) for each in status["sessions"]],
                         [("waiting", "no program is attached to any of its sources"), ("disabled", "")])
        self.assertEqual(status["sessions"][0]["total"]["mirrored_packets"], 3)
        self.lose(agent, "maps/vtap_ports")
        refused = agent.run("--status", check=False)
        self.assertEqual((refused.returncode, refused.stdout), (1, ""))
        self.assertEqual(refused.stderr, f"vtap-agent: what is pinned in {agent.pin_dir} is another version's, or "
                                         "incomplete: start this agent, or --detach\n")
        self.lose(agent, "maps", "attached")
        self.assertIn("nothing is pinned", agent.run("--status", check=False).stderr)

    def test_waiting_without_an_agent(self):
        agent = self.agent(config(session(sources=[{"device": "absent"}])), active=False)
        self.wait_state(agent, "waiting")
        agent.stop()
        self.assertEqual(agent.status()["sessions"][0]["state"], "waiting")


class StatusTcx(Status, PinCase):
    HOOK = "tcx"


class StatusClsact(Status, PinCase):
    HOOK = "clsact"


class OneAgent(PinCase):
    def test_second_agent_with_these_pins_is_refused(self):
        agent = self.agent()
        other = [PROGRAM, "--pin-dir", agent.pin_dir, "--state-dir", self.lab.path("other-state")]
        for words, sentence in ((["--config", agent.config_path], f"another agent runs with the pin directory {agent.pin_dir}"),
                                (["--detach"], f"an agent runs with the pin directory {agent.pin_dir}: stop it first")):
            refused = self.host.run([*other, *words], check=False)
            self.assertEqual((refused.returncode, refused.stdout, refused.stderr), (1, "", f"vtap-agent: {sentence}\n"))
        self.expect_mirrored()
        self.assertEqual(agent.status()["warnings"], [])
        # The lock goes with its holder, however that ends.
        agent.kill9()
        second = self.host.spawn([*other, "--config", agent.config_path], log="second.log")
        wait_until(lambda: "mirroring 1 sessions" in self.lab.log_of(second), 20, lambda: self.lab.log_of(second))
        self.expect_mirrored()


main()
