# SPDX-License-Identifier: Apache-2.0
"""Where copies leave: routes, neighbours, uplinks and path MTU as the kernel has them, followed as they change."""

import struct
import time

import packet
from case import main, skip
from host import (COLLECTOR, COLLECTOR6, GUEST, HOST, HOST_INNER, NOBODY_MAC, SLOWNESS, HostCase, Stream, accept, config,
                  number_of, session, total)
from lab import CommandFailed, wait_until
from traffic import STAGED_TAGS, RawSender, numbered_udp

FAR = "192.0.2.7"  # a target behind a gateway
FOLLOW_S, SILENT_S = 1 * SLOWNESS, 5 * SLOWNESS
NEW_MAC = "02:00:00:77:00:01"


def to(address, *sessions, **keys):
    target = {key: keys.pop(key) for key in ("mtu", "local") if key in keys}
    return config(*sessions, **keys, targets=[{"name": "ids", "address": address, **target}]) if keys else {
        **config(*sessions), "targets": [{"name": "ids", "address": address, **target}]}


class NexthopCase(HostCase):
    def second_uplink(self):
        """uB, with a collector of its own behind it."""
        other = self.lab.namespace("d")
        self.lab.veth(self.host, "uB", other, "uD", mtu=1600)
        self.host.address("uB", "172.31.1.1/24")
        other.address("uD", "172.31.1.2/24")
        self.take_copies(other)
        return other

    def seconds_until_copy(self, namespace, device, change, fits=lambda copy: True):
        """Under traffic: from the end of change() until a copy that fits arrives there."""
        stream = Stream(self.guest, packets_per_second=250)
        with self.capture(namespace, device) as capture:
            change()
            start, looked = time.time_ns(), 0

            def arrived():
                nonlocal looked
                frames = capture.frames[looked:]
                looked += len(frames)
                return next((frame for frame in frames if fits(packet.parse_vxlan(frame.data))), None)
            frame = wait_until(arrived, 30 * SLOWNESS, "a copy there")
        stream.stop()
        return (frame.time_ns - start) / 1e9

    def expect_lost(self, agent, state, counter, reason):
        """The state says why, and packets are counted under that reason and nowhere else."""
        found = self.wait_state(agent, state)
        self.assertRegex(found["reason"], reason)
        self.assertIn(f"s: {state} ({found['reason']})", agent.status_text())
        before, after = total(agent), self.expect_silence(agent)
        changed = {name for name in after if after[name] != before[name]}
        self.assertEqual(changed, {"matched_packets", "matched_bytes", counter})
        self.assertEqual(after[counter] - before[counter], 5)


class Routes(NexthopCase):
    def test_target_behind_a_gateway(self):
        self.host.route(FAR, via=COLLECTOR)
        agent = self.agent(to(FAR))
        copies = self.expect_mirrored()
        self.assertAll(copies, lambda copy: (copy.outer.dst, copy.outer.src) == (FAR, HOST), "outer addresses")
        self.assertAll(copies, lambda copy: (copy.outer.dst_mac, copy.outer.src_mac) ==
                       (self.collector.mac("uC"), self.host.mac("uA")), "the gateway's MAC")
        self.assertEqual(agent.status()["sessions"][0]["next_hop_mac"], self.collector.mac("uC"))

    def test_changed_route_is_followed(self):
        other = self.second_uplink()
        self.host.route(FAR, via=COLLECTOR)
        self.agent(to(FAR))
        ways = [(other, "uD", "172.31.1.2"), (self.collector, "uC", COLLECTOR)] * 3
        for namespace, device, gateway in ways:
            self.host.run(["ping", "-c1", "-W2", gateway])  # the neighbour is known: what is measured is the route
            seconds = self.seconds_until_copy(namespace, device, lambda: self.host.route(FAR, via=gateway))
            print(f"# route to {device} followed after {seconds * 1000:.0f} ms")
            # Who only looked around once a second would be within the bar by luck, but not six times within half of it.
            self.assertLess(seconds, FOLLOW_S / 2)
            self.expect_mirrored(namespace=namespace, device=device)

    def test_abandoned_uplink_is_left_alone(self):
        other = self.second_uplink()
        self.host.route(FAR, via=COLLECTOR)
        before = self.attached()
        agent = self.agent(to(FAR))
        self.host.route(FAR, via="172.31.1.2")
        agent.wait_status(lambda status: status["sessions"][0]["uplink"] == "uB" and
                          status["sessions"][0]["state"] == "active")
        self.expect_mirrored(namespace=other, device="uD")
        wait_until(lambda: self.attached()["uA", "egress"] == before["uA", "egress"], 5, "our program to leave uA")

    def test_no_route(self):
        agent = self.agent(to(FAR), active=False)
        self.expect_lost(agent, "no_route", "lost_no_route", f"there is no route to {FAR}: Network is unreachable")
        seconds = self.seconds_until_copy(self.collector, "uC", lambda: self.host.route(FAR, via=COLLECTOR))
        self.assertLess(seconds, FOLLOW_S)
        self.host.ip(f"route del {FAR} via {COLLECTOR}", f"route add prohibit {FAR}")
        self.expect_lost(agent, "no_route", "lost_no_route", f"there is no route to {FAR}")

    def test_uplink_option_prefers_a_device(self):
        other = self.second_uplink()
        self.host.ip(f"route add {FAR} via {COLLECTOR} dev uA metric 10", f"route add {FAR} via 172.31.1.2 dev uB metric 20")
        agent = self.agent(to(FAR))
        self.expect_mirrored()
        agent.reload(to(FAR, uplink="uB"))
        agent.wait_status(lambda status: status["sessions"][0]["uplink"] == "uB" and
                          status["sessions"][0]["state"] == "active")
        self.expect_mirrored(namespace=other, device="uD")
        # Where the preferred device leads nowhere, and where there is none, the routes decide.
        for absent in ("v1", "nowhere0"):
            agent.reload(to(FAR, uplink=absent))
            self.assertEqual(self.wait_state(agent, "active")["uplink"], "uA")

    def test_path_mtu(self):
        """The least of device, route and target, in status and on the wire."""
        agent = self.agent(to(COLLECTOR, session(direction="both")))
        status = agent.status()["sessions"][0]["mtu"]
        self.assertEqual(status, {"path": 1600, "needed": 1500 + 14 + 36, "advice": ""})
        self.expect_sizes(1550)
        self.host.route(COLLECTOR + "/32", dev="uA", extra="mtu 1450")
        mtu = agent.wait_status(lambda status: status["sessions"][0]["mtu"]["path"] == 1450)["sessions"][0]["mtu"]
        self.assertRegex(mtu["advice"], "cut to fit, .*raise the MTU of the path to 1550, or set packet_length to 1414 or less")
        self.assertIn("MTU: full-size packets are cut to fit", agent.status_text())
        self.expect_sizes(1450)
        agent.reload(to(COLLECTOR, mtu=1300))
        self.assertEqual(self.wait_state(agent, "active")["mtu"]["path"], 1300)
        self.expect_sizes(1300)
        agent.reload(to(COLLECTOR, session(mtu_policy="drop"), mtu=1300))
        self.assertIn("not mirrored", self.wait_state(agent, "active")["mtu"]["advice"])
        agent.reload(to(COLLECTOR, session(packet_length=1264), mtu=1300))
        self.assertEqual(self.wait_state(agent, "active")["mtu"], {"path": 1300, "needed": 1300, "advice": ""})
        agent.reload(to(COLLECTOR, mtu=1300))
        self.host.ip("link set uA mtu 1200")
        agent.wait_status(lambda status: status["sessions"][0]["mtu"]["path"] == 1200)

    def expect_sizes(self, ip_bytes):
        with self.capture() as capture, RawSender(self.guest, "eth0") as sender:
            sender.send(*numbered_udp(1, self.guest.mac("eth0"), NOBODY_MAC, GUEST, HOST_INNER, size_bytes=1514))
            copies = capture.copies() if capture.wait(1) else []
        self.assertEqual([copy.outer.ip_bytes for copy in copies], [ip_bytes])
        self.assertEqual([copy.packet.ip_bytes for copy in copies], [1500])

    def test_local_address_of_the_target(self):
        self.host.address("uA", "172.31.0.77/32")
        self.agent(to(COLLECTOR, local="172.31.0.77"))
        self.assertAll(self.expect_mirrored(), lambda copy: copy.outer.src == "172.31.0.77", "source of the copies")


class Unusable(NexthopCase):
    def test_tun_device(self):
        try:
            self.host.ip("tuntap add tun0 mode tun")
        except CommandFailed as error:
            skip(f"no tun device here: {error}")
        self.host.ip("link set tun0 up", f"route add {FAR} dev tun0")
        agent = self.agent(to(FAR), active=False)
        self.expect_lost(agent, "error", "lost_bad_next_hop", "the route leads out of tun0, which has no Ethernet headers")
        self.host.route(FAR, via=COLLECTOR)
        self.wait_state(agent, "active")
        self.expect_mirrored()

    def test_target_on_this_host(self):
        self.host.route(FAR, via=COLLECTOR)
        agent = self.agent(to(FAR))
        self.expect_mirrored()
        self.host.address("lo", FAR + "/32")
        self.expect_lost(agent, "error", "lost_bad_next_hop", "the target is an address of this host itself")
        self.host.ip(f"address del {FAR}/32 dev lo")
        self.wait_state(agent, "active")
        self.expect_mirrored()

    def test_ipsec_policy(self):
        agent = self.agent()
        policy = f"dst {COLLECTOR}/32 dir out tmpl dst {COLLECTOR} proto esp mode transport"
        self.host.ip(f"xfrm policy add {policy}")
        self.expect_lost(agent, "error", "lost_bad_next_hop", r"an IPsec policy \(xfrm\) takes packets to the target")
        self.host.ip(f"xfrm policy delete dst {COLLECTOR}/32 dir out")
        self.wait_state(agent, "active")
        self.expect_mirrored()

    def test_uplink_down(self):
        agent = self.agent()
        self.collector.ip("link set uC down")
        found = self.wait_state(agent, "uplink_down")
        self.assertEqual(found["reason"], "the uplink uA is down")
        before = total(agent)
        self.send(5)
        after = agent.wait_status(lambda status: status["sessions"][0]["total"]["matched_packets"] ==
                                  before["matched_packets"] + 5)["sessions"][0]["total"]
        self.assertEqual(after["lost_uplink_down"] - before["lost_uplink_down"], 5)
        self.collector.ip("link set uC up")
        self.wait_state(agent, "active")
        self.expect_mirrored()


class Neighbours(NexthopCase):
    TARGET = COLLECTOR

    def announce(self):
        """As a machine does that took the address over: to everybody, unasked."""
        frame = packet.ethernet(packet.arp(NEW_MAC, COLLECTOR, COLLECTOR), NEW_MAC, packet.BROADCAST, packet.ETH_ARP)
        with RawSender(self.collector, "uC") as sender:
            sender.send(frame)

    def silence(self, silent):
        self.collector.ip(f"link set uC arp {'off' if silent else 'on'}")

    def seconds_to_move(self, announced):
        agent = self.agent(to(self.TARGET))
        self.expect_mirrored()

        def move():
            if announced:
                self.silence(True)  # what is found is found by the announcement alone
            self.collector.ip(f"link set uC address {NEW_MAC}")
            if announced:
                self.announce()
        seconds = self.seconds_until_copy(self.collector, "uC", move, lambda copy: copy.outer.dst_mac == NEW_MAC)
        self.assertEqual(agent.status()["sessions"][0]["next_hop_mac"], NEW_MAC)
        self.assertAll(self.expect_mirrored(), lambda copy: copy.outer.dst_mac == NEW_MAC, "the new MAC")
        print(f"# {self.TARGET} found {'when announced' if announced else 'by asking'} after {seconds * 1000:.0f} ms")
        return seconds

    def test_announced_move(self):
        self.assertLess(self.seconds_to_move(announced=True), FOLLOW_S)

    def test_silent_move(self):
        self.assertLess(self.seconds_to_move(announced=False), SILENT_S)

    def test_unresolved_neighbour(self):
        self.silence(True)
        agent = self.agent(to(self.TARGET), active=False)
        self.expect_lost(agent, "no_neighbour", "lost_no_neighbour", f"{self.TARGET} does not answer on uA")
        self.silence(False)
        self.wait_state(agent, "active")
        self.expect_mirrored()


class NeighboursIpv6(Neighbours):
    IPV6 = True
    TARGET = COLLECTOR6

    def announce(self):
        """An unsolicited neighbour advertisement (RFC 4861, 7.2.6) that overrides."""
        message = packet.icmpv6(packet.address(COLLECTOR6) + b"\2\1" + packet.mac(NEW_MAC), COLLECTOR6, "ff02::1", 136, 0,
                                struct.pack("!I", 0x20000000))
        frame = packet.ethernet(packet.ipv6(message, COLLECTOR6, "ff02::1", packet.ICMPV6, hop_limit=255), NEW_MAC,
                                "33:33:00:00:00:01")
        with RawSender(self.collector, "uC") as sender:
            sender.send(frame)

    def silence(self, silent):
        if silent:
            self.collector.ip("address flush dev uC scope global")
        else:
            self.collector.address("uC", COLLECTOR6 + "/64")


class Uplinks(NexthopCase):
    def expect_uplink(self, device):
        """Both ways of sending work, and our program stands at the device itself."""
        agent = self.agent()
        status = agent.status()
        self.assertEqual(status["sessions"][0]["uplink"], device)
        self.assertIn((device, "egress"), [(at["device"], at["hook"]) for at in status["attachments"]])
        copies = self.expect_mirrored()
        self.assertAll(copies, lambda copy: copy.outer.src_mac == self.host.mac(device), "the uplink's MAC")
        with self.capture() as capture, RawSender(self.guest, "eth0") as sender:
            for frame in numbered_udp(5, self.guest.mac("eth0"), NOBODY_MAC, GUEST, HOST_INNER, size_bytes=200, vlans=STAGED_TAGS):
                sender.send_partial(frame)
            capture.wait(5, what="copies")
        self.assertEqual([number_of(copy.inner) for copy in capture.copies()], list(range(5)))
        self.assertAll(capture.copies(), lambda copy: copy.packet.l4_checksum_ok is True, "inner checksum")
        return agent

    def test_bridge(self):
        self.host.ip("address flush dev uA")
        self.host.bridge("br0", ["uA"])
        self.host.ip("link set br0 mtu 1600")
        self.host.address("br0", HOST + "/24")
        self.expect_uplink("br0")

    def test_bond(self):
        try:
            self.host.ip("link add bond0 type bond mode active-backup miimon 100")
        except CommandFailed as error:
            skip(f"no bond device here: {error}")
        self.lab.veth(self.host, "uB", self.collector, "uD", mtu=1600)
        self.host.ip("address flush dev uA", *[f"link set {device} {what}" for device in ("uA", "uB")
                                               for what in ("down", "master bond0")],
                     "link set bond0 mtu 1600", "link set bond0 up")
        self.host.address("bond0", HOST + "/24")
        self.collector.ip("address flush dev uC", "link set uC down")
        self.collector.bridge("br0", ["uC", "uD"])
        self.collector.address("br0", COLLECTOR + "/24")
        agent = self.agent(active=False)
        self.wait_state(agent, "active", 20)
        self.assertEqual(agent.status()["sessions"][0]["uplink"], "bond0")
        self.expect_mirrored(device="br0")
        self.host.ip("link set uA down")
        wait_until(lambda: self.host.link("bond0")["linkinfo"]["info_data"]["active_slave"] == "uB", 10, "the other port")
        self.wait_state(agent, "active", 20)
        self.expect_mirrored(device="br0")


main()
