# SPDX-License-Identifier: Apache-2.0
"""Production packets are never touched: neither their bytes nor what the host wrote on them, and all who come later see them."""

import os

import packet
from capture import Capture
from case import main
from lab import wait_until
from recorder import DRESSED, Recorder
from scene import COLLECTOR, GUEST, GUEST6, PEER, PEER6, SceneCase, session
from traffic import RawSender, segments

# Each takes another way out of the source's hook; several at once run one after the other on the same packet.
SESSIONS = [session("complete", 1, 1, mode="copy"), session("as-is", 2, 2, mode="copy", checksum="as_is"),
            session("cut", 3, 3, mode="copy", packet_length=100), session("sampled", 4, 4, mode="copy", sample={"packets": 2}),
            session("limited", 5, 5, mode="copy", limit={"packets_per_second": 10}),
            session("dropped", 6, 6, mode="copy", mtu_policy="drop", target="small")]
TARGETS = [{"name": "ids", "address": COLLECTOR}, {"name": "small", "address": COLLECTOR, "mtu": 576}]


def traffic(build, sender):
    """Functions that send one packet each: whole, unfinished, tagged, not IP, a fragment, super-packets."""
    payload = os.urandom(900)
    udp = build(packet.ipv4(packet.udp(payload, GUEST, PEER, 5, 6), GUEST, PEER, packet.UDP))
    tcp6 = build(packet.ipv6(packet.tcp(payload, GUEST6, PEER6, 5, 6), GUEST6, PEER6, packet.TCP))
    tagged = build(packet.ipv4(packet.udp(payload, GUEST, PEER, 5, 6), GUEST, PEER, packet.UDP), vlans=[5])
    double = build(packet.ipv4(packet.udp(payload, GUEST, PEER, 5, 6), GUEST, PEER, packet.UDP), vlans=[7, 5])
    piece = build(packet.ipv4_fragments(payload * 2, GUEST, PEER, packet.UDP, 9, 800)[1])
    large = [build(packet.ipv4(packet.tcp(os.urandom(9000), GUEST, PEER, 5, 6, "PA"), GUEST, PEER, packet.TCP), vlans=tags)
             for tags in ([], [5], [7, 5])]
    whole = [udp, tcp6, tagged, double, piece, build(os.urandom(400), 0x88B5),
             build(packet.arp("02:00:00:00:00:01", GUEST, PEER), packet.ETH_ARP)]
    return ([lambda f=frame: sender.send(f) for frame in whole] +
            [lambda f=frame: sender.send_partial(f) for frame in (udp, tcp6, tagged, double)] +
            [lambda f=frame: sender.send_super(f, 1400) for frame in large])


class Untouched(SceneCase):
    """With mirroring and without it, a program behind ours sees the very same."""

    def around(self, scene, device, hook):
        """One recorder whose programs stand before ours and behind."""
        recorder = Recorder(self.lab, f"{device}-{hook}")
        if self.hook == "tcx":
            recorder.attach_tcx(scene.host, device, hook, "dress", first=True)
            recorder.attach_tcx(scene.host, device, hook, "record")
        else:
            recorder.attach_clsact(scene.host, device, hook, "record", 100)
            recorder.attach_clsact(scene.host, device, hook, "dress", 1)
        return recorder

    def run_with(self, device, hook, scene, sends):
        scene.start(*SESSIONS, targets=TARGETS, options=["--hook", self.hook])
        recorder = self.around(scene, device, hook)

        def recorded():
            for send in sends:
                send()
            return recorder.take()
        before = scene.totals()
        with_us = recorded()
        added, _ = scene.settled(before, None, 10)
        for name, one in added.items():
            self.assertGreaterEqual(one["matched_packets"], len(sends), name)
        scene.agent.stop()
        scene.agent.detach()
        self.assertEqual(len(with_us), len(sends))
        for record in with_us:
            self.assertEqual({name: record[name] for name in DRESSED}, DRESSED)
        self.assertEqual(with_us, recorded())

    def test_ingress(self):
        scene = self.scene()
        self.run_with("v1", "ingress", scene, traffic(scene.out, scene.from_guest))

    def test_egress(self):
        scene = self.scene()
        self.run_with("v1", "egress", scene, traffic(scene.into, scene.from_host))


class UntouchedClsact(Untouched):
    hook = "clsact"


class Forwarded(SceneCase):
    """Between two guests on a bridge: what arrives is the same, with mirroring and without it, to the last byte."""

    def received(self, other, sender_mac, sends):
        """What the guest itself sent; a bridge says things of its own, too (IGMP)."""
        sender = bytes.fromhex(sender_mac.replace(":", ""))
        with Capture(other, "eth0", direction="in", keep=lambda data: data[6:12] == sender) as capture:
            for send in sends:
                send()
            frames = capture.wait(len(sends))
        return [(frame.data, frame.partial) for frame in frames]

    def test_bytes(self):
        scene = self.scene()
        other = self.lab.namespace("other")
        self.lab.veth(other, "eth0", scene.host, "v2")
        scene.host.bridge("br0", ["v1", "v2"])
        for mac, port in ((scene.guest_mac, "v1"), (other.mac("eth0"), "v2")):
            scene.host.run(["bridge", "fdb", "replace", mac, "dev", port, "master", "static"])

        def build(payload, ethertype=None, vlans=()):
            return packet.ethernet(payload, scene.guest_mac, other.mac("eth0"), ethertype, vlans)
        sends = traffic(build, scene.from_guest)
        plain = self.received(other, scene.guest_mac, sends)
        both = [{**one, "sources": [{"device": "v1", "side": "host"}, {"device": "v2", "side": "host"}]} for one in SESSIONS]
        scene.start(*both, targets=TARGETS, options=["--hook", self.hook])
        before = scene.totals()
        mirrored = self.received(other, scene.guest_mac, sends)
        added, _ = scene.settled(before, None, 10)
        for name, one in added.items():
            self.assertGreaterEqual(one["matched_packets"], 2 * len(sends), name)
        self.assertEqual(mirrored, plain)


class ForwardedClsact(Forwarded):
    hook = "clsact"


class Uplink(SceneCase):
    """The uplink carries production as well; copies leave by it beside that."""

    def production(self, scene):
        def build(payload, ethertype=None, vlans=()):
            return packet.ethernet(payload, scene.host.mac("uA"), scene.collector.mac("uC"), ethertype, vlans)
        return traffic(build, RawSender(scene.host, "uA"))

    def test_production_beside_copies(self):
        """It passes our program there unchanged, even with a mark like ours."""
        scene = self.started(*SESSIONS, targets=TARGETS)
        recorder = Recorder(self.lab, "uplink")
        recorder.attach_clsact(scene.host, "uA", "egress", "record", 100)
        sends, others = self.production(scene), traffic(scene.out, scene.from_guest)

        def recorded(with_copies):
            for send, other in zip(sends, others):
                send()
                if with_copies:
                    other()
            return recorder.take()
        before = scene.totals()
        seen = recorded(True)
        scene.settled(before, None, 10)
        scene.agent.stop()
        scene.agent.detach()
        recorder.take()  # what the agent has said since
        self.assertEqual([record for record in seen if not is_copy(record) and not is_solicitation(record)], recorded(False))
        self.assertGreater(sum(is_copy(record) for record in seen), len(others))

    def test_ahead_of_us(self):
        """Who sits before us on the uplink sees finished copies only, and they arrive as ever."""
        scene = self.scene()
        recorder = Recorder(self.lab, "ahead")
        if self.hook == "tcx":
            scene.start(options=["--hook", self.hook])
            recorder.attach_tcx(scene.host, "uA", "egress", "record", first=True)
        else:
            scene.start(options=["--hook", self.hook])
            recorder.attach_clsact(scene.host, "uA", "egress", "record", 1)

        def noticed():
            scene.from_guest.send(scene.out(b"x" * 60, 0x88B5))
            return scene.agent.status()["sessions"][0]["total"]["staged"] > 0
        wait_until(noticed, 10, "copies go through the stage")
        recorder.take()
        frames = [scene.out(packet.ipv4(packet.udp(os.urandom(size), GUEST, PEER, 5, 6), GUEST, PEER, packet.UDP))
                  for size in (10, 500, 1400)]
        large = scene.out(packet.ipv4(packet.tcp(os.urandom(9000), GUEST, PEER, 5, 6, "PA"), GUEST, PEER, packet.TCP))
        wire = frames + segments(large, 1400)
        mirrored = scene.mirror(lambda: (scene.from_guest.send(*frames), scene.from_guest.send_super(large, 1400)), len(wire))
        self.assertEqual(mirrored.inner(), wire)
        self.assertEqual(mirrored.added["staged"], len(wire))
        seen = [record for record in recorder.take() if not is_solicitation(record)]
        self.assertEqual(len(seen), len(wire))
        self.assertAll(seen, is_copy, "no bare frame on the uplink")


def is_copy(record):
    """A frame of the tunnel, by its first bytes."""
    return record["frame"][23] == packet.UDP and record["frame"][36:38] == b"\x12\xb5"


def is_solicitation(record):
    """The agent asks for the collector by itself."""
    return record["frame"][12:14] == b"\x08\x06" and record["frame"][38:42] == packet.address(COLLECTOR)


class UplinkClsact(Uplink):
    hook = "clsact"


main()
