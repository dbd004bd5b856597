# SPDX-License-Identifier: Apache-2.0
"""For tests of what agents leave behind: two guests' cables v1 and v2, and whether all of ours is gone."""

import json
import os

from agent import STAGE_DEVICES
from capture import Capture
from case import SMALL
from host import HostCase, Stream, program_names

RATE = 300 if SMALL else 2000


class LeftoverCase(HostCase):
    def setUp(self):
        super().setUp()
        self.lab.veth(self.lab.namespace("g2"), "eth0", self.host, "v2")

    def ends(self):
        """Where what comes from one guest, and what goes to the other, is sent."""
        return (self.guest, "eth0"), (self.host, "v2")

    def streams(self):
        return [Stream(namespace, device, packets_per_second=RATE) for namespace, device in self.ends()]

    def bare(self):
        """A capture of frames of these streams that come to the collector as they are, without outer headers."""
        macs = [bytes.fromhex(namespace.mac(device).replace(":", "")) for namespace, device in self.ends()]
        return Capture(self.collector, "uC", direction="in", keep=lambda data: data[6:12] in macs)

    def qdiscs(self):
        """Devices that have a clsact qdisc."""
        return {qdisc["dev"] for qdisc in json.loads(self.host.run(["tc", "-j", "qdisc", "show"]).stdout)
                if qdisc["kind"] == "clsact"}

    def ours(self):
        """(device, hook) of every program of ours, as the kernel lists them."""
        names = program_names()
        return {place for place, (filters, programs) in self.attached().items()
                if "vtap_" in filters or any(names.get(program, "").startswith("vtap_") for program in programs)}

    def expect_nothing_left(self, agent):
        self.assertEqual(self.ours(), set())
        self.assertEqual({link["ifname"] for link in self.host.ip_json("link show")} & STAGE_DEVICES, set())
        self.assertEqual([name for _, _, files in os.walk(agent.pin_dir) for name in files], [])
