# SPDX-License-Identifier: Apache-2.0
"""Super-packets: one copy for each packet that they become on a wire, byte for byte, however they leave."""

import os
import socket
import threading

import packet
from capture import Capture
from case import SMALL, main, skip
from scene import GUEST, GUEST6, PEER, PEER6, Scene, SceneCase, session
from traffic import segments

GSO = 1400
SIZES = (10 * GSO,) if SMALL else (GSO + 1, 10 * GSO, 40000)
LENGTHS = (14, 128) if SMALL else (14, 64, 128, 1000)
OPTIONS = b"\1\1\x08\x0a" + bytes(8)  # timestamps, as every stack sends them


def super4(build, size, **fields):
    payload = os.urandom(size)
    return build(packet.ipv4(packet.tcp(payload, GUEST, PEER, 5, 6, "PA", seq=77, options=OPTIONS), GUEST, PEER, packet.TCP,
                             ident=65530, df=True, **fields))


def super6(build, size):
    payload = os.urandom(size)
    return build(packet.ipv6(packet.tcp(payload, GUEST6, PEER6, 5, 6, "PA", seq=77, options=OPTIONS), GUEST6, PEER6, packet.TCP))


def udp_segments(frame, gso_size):
    parsed = packet.parse(frame)
    layer3 = packet.ipv4 if parsed.version == 4 else packet.ipv6
    result = []
    for index, at in enumerate(range(0, len(parsed.payload), gso_size)):
        datagram = packet.udp(parsed.payload[at:at + gso_size], parsed.src, parsed.dst, parsed.sport, parsed.dport)
        extra = {"ident": (parsed.ident + index) % 65536} if parsed.version == 4 else {}
        result.append(frame[:12] + packet.ethernet(layer3(datagram, parsed.src, parsed.dst, packet.UDP, **extra),
                                                   parsed.src_mac, parsed.dst_mac)[12:])
    return result


class SuperPackets(SceneCase):
    """Full length over each kind of uplink, and cut."""
    UPLINKS = {
        "tunnel offload": {"uplink_mtu": 1600},
        "no tunnel offload": {"uplink_mtu": 1600, "tunnel_offload": False},
        "IPv6 outer": {"uplink_mtu": 1600, "ipv6": True},
        "IPv6 outer, no tunnel offload": {"uplink_mtu": 1600, "ipv6": True, "tunnel_offload": False},
    }

    def sends(self, scene):
        """(name, wire packets, function that sends)."""
        for name, build, sender in (("out", scene.out, scene.from_guest), ("in", scene.into, scene.from_host)):
            for kind, make in (("IPv4", super4), ("IPv6", super6)):
                for size in SIZES:
                    frame = make(build, size)
                    yield (f"{name} {kind} {size}", segments(frame, GSO), lambda f=frame, s=sender: s.send_super(f, GSO))

    def assert_copies(self, scene, wire, send, keep=1 << 20):
        mirrored = scene.mirror(send, len(wire))
        self.assertEqual(mirrored.inner(), [frame[:keep] for frame in wire])
        self.assertEqual(mirrored.added["mirrored_bytes"],
                         sum(min(len(frame), keep) + scene.overhead_bytes for frame in wire))
        return mirrored

    def test_full_length(self):
        for uplink, built in self.UPLINKS.items():
            with self.variant(uplink=uplink):
                scene = self.started(scene=built)
                for checksum in ("complete", "as_is"):
                    scene.reload(session(checksum=checksum))
                    for name, wire, send in self.sends(scene):
                        with self.subTest(f"{uplink}, {checksum}, {name}"):
                            self.full_length(scene, checksum, wire, send)

    def full_length(self, scene, checksum, wire, send):
        mirrored = self.assert_copies(scene, wire, send)
        self.assertChecksums(mirrored.inner())
        self.assertEqual(mirrored.added["staged"], len(wire) if checksum == "complete" else 0)
        self.assertEqual(mirrored.added["matched_bytes"], sum(map(len, wire)))

    def test_cut(self):
        """Each wire packet is cut, not the super-packet; the checksum in the cut copy is the one of the wire."""
        scene = self.started()
        for checksum in ("complete", "as_is"):
            for length in LENGTHS:
                scene.reload(session(packet_length=length, checksum=checksum))
                for name, wire, send in self.sends(scene):
                    with self.subTest(f"{length}, {checksum}, {name}"):
                        self.assert_copies(scene, wire, send, length)

    def test_fit_on_a_1500_uplink(self):
        """Over the path MTU, each segment is cut to it and counted; none vanishes behind the uplink."""
        scene = self.started(scene={"uplink_mtu": 1500})
        room = 1500 - 36
        for checksum in ("complete", "as_is"):
            scene.reload(session(checksum=checksum))
            for build, sender in ((scene.out, scene.from_guest), (scene.into, scene.from_host)):
                frame = super4(build, 20000)
                wire = segments(frame, 1448)
                with self.subTest(checksum):
                    mirrored = self.assert_copies(scene, wire, lambda f=frame, s=sender: s.send_super(f, 1448), room)
                    self.assertEqual(mirrored.added["cut_to_fit"], sum(len(one) > room for one in wire))

    def test_drop_on_a_1500_uplink(self):
        scene = self.started(scene={"uplink_mtu": 1500})
        for checksum in ("complete", "as_is"):
            scene.reload(session(checksum=checksum, mtu_policy="drop"))
            frame = super4(scene.out, 20000)
            wire = segments(frame, 1448)
            fits = [one for one in wire if len(one) <= 1500 - 36]
            self.assertEqual(len(fits), 1, "the last segment is shorter")
            mirrored = scene.mirror(lambda f=frame: scene.from_guest.send_super(f, 1448), len(wire))
            self.assertEqual(mirrored.inner(), fits)
            self.assertEqual((mirrored.added["lost_too_big"], mirrored.added["cut_to_fit"]), (len(wire) - 1, 0))

    def test_udp(self):
        scene = self.started()
        try:
            self.udp_case(scene, packet.ipv4, GUEST, PEER)
        except OSError as error:
            skip(f"this kernel takes no UDP super-packets from a socket: {error}")
        self.udp_case(scene, packet.ipv6, GUEST6, PEER6)

    def udp_case(self, scene, layer3, one, other):
        frame = scene.out(layer3(packet.udp(os.urandom(12000), one, other, 443, 6), one, other, packet.UDP))
        wire = udp_segments(frame, 1350)
        for keys in ({}, {"checksum": "as_is"}, {"packet_length": 128}):
            scene.reload(session(**keys))
            mirrored = self.assert_copies(scene, wire, lambda: scene.from_guest.send_super(frame, 1350),
                                          keys.get("packet_length", 1 << 20))
            if not keys.get("packet_length"):
                self.assertChecksums(mirrored.inner())


class SuperPacketsClsact(SuperPackets):
    hook = "clsact"
    UPLINKS = {name: SuperPackets.UPLINKS[name] for name in ("tunnel offload", "IPv6 outer, no tunnel offload")}


class Transfers(SceneCase):
    """A transfer between two real stacks comes out of the copies byte for byte."""
    hook = "auto"
    SIZE = 200_000 if SMALL else 3 << 20

    def transfer(self, scene, data):
        listener = scene.host.socket(socket.AF_INET, socket.SOCK_STREAM)
        client = scene.guest.socket(socket.AF_INET, socket.SOCK_STREAM)
        with listener, client:
            listener.bind((PEER, 80))
            listener.listen()
            client.connect((PEER, 80))
            accepted, _ = listener.accept()
            with accepted:
                sender = threading.Thread(target=lambda: (client.sendall(data), client.shutdown(socket.SHUT_WR)))
                sender.start()
                received = b"".join(iter(lambda: accepted.recv(1 << 20), b""))
                sender.join()
        self.assertEqual(len(received), len(data))

    def run_with(self, built, **keys):
        scene = self.started(session(**keys), scene=built)
        scene.guest.address("eth0", GUEST + "/24")
        scene.host.address("v1", PEER + "/24")
        data = os.urandom(self.SIZE)
        mirrored = scene.mirror(lambda: self.transfer(scene, data), timeout_s=30)
        parsed = [packet.parse(frame) for frame in mirrored.inner()]
        tcp = [p for p in parsed if p.protocol == packet.TCP and p.dport == 80]
        self.assertEqual(mirrored.added["mirrored_packets"], mirrored.added["matched_packets"])
        first = next(p.seq for p in tcp if p.tcp_flags & packet.TCP_FLAGS["S"]) + 1
        stream = bytearray(self.SIZE)
        for p in tcp:
            at = (p.seq - first) % (1 << 32)
            if p.payload:
                stream[at:at + len(p.payload)] = p.payload
        self.assertEqual(bytes(stream), data)
        self.assertAll(tcp, lambda p: p.l4_checksum_ok is True and len(p.l3) <= 1500, "checksum and size of a segment")

    def test_complete(self):
        self.run_with({})

    def test_as_is_with_tunnel_offload(self):
        """Handshake and acknowledgements leave unfinished: the NIC at the end of the path finishes them here."""
        self.run_with({}, checksum="as_is")

    def test_as_is_without_tunnel_offload(self):
        self.run_with({"tunnel_offload": False}, checksum="as_is")

    def test_complete_over_ipv6(self):
        self.run_with({"ipv6": True})


class Encapsulated(SceneCase):
    """The uplink of a host that itself runs a VXLAN device as the source: super-packets that are a tunnel's already."""
    hook = "auto"

    def build(self, **keys):
        scene = Scene(self.lab, **keys)
        self.far = self.lab.namespace("far")
        self.lab.veth(scene.host, "uS", self.far, "uF", mtu=1600)
        # The wire behind the source is what copies are compared with.
        scene.host.run(["ethtool", "-K", "uS", "tx", "off", "tso", "off", "tx-udp_tnl-segmentation", "off",
                        "tx-udp_tnl-csum-segmentation", "off"])
        for namespace, device, mine, other, inner in ((scene.host, "uS", "172.30.0.1", "172.30.0.2", "10.5.0.1"),
                                                      (self.far, "uF", "172.30.0.2", "172.30.0.1", "10.5.0.2")):
            namespace.address(device, mine + "/24")
            namespace.ip(f"link add vx0 mtu 1450 type vxlan id 5 local {mine} remote {other} dstport 8472 dev {device}",
                         "link set vx0 up")
            namespace.address("vx0", inner + "/24")
        return scene

    def source(self, **keys):
        return session(sources=[{"device": "uS", "side": "own"}], direction="out", **keys)

    def talk(self, scene):
        listener = self.far.socket(socket.AF_INET, socket.SOCK_STREAM)
        client = scene.host.socket(socket.AF_INET, socket.SOCK_STREAM)
        with listener, client:
            listener.bind(("10.5.0.2", 80))
            listener.listen()
            client.connect(("10.5.0.2", 80))
            accepted, _ = listener.accept()
            with accepted:
                client.sendall(os.urandom(100_000))
                client.shutdown(socket.SHUT_WR)
                while accepted.recv(1 << 20):
                    pass

    def exchange(self, scene):
        """Returns what was mirrored and what was on the wire."""
        with Capture(self.far, "uF", direction="in") as wire:
            mirrored = scene.mirror(lambda: self.talk(scene), timeout_s=20)
        return mirrored, [frame.data for frame in wire.frames]

    def run_with(self, keep, built, **keys):
        scene = self.build(**built).start(self.source(**keys), options=["--hook", self.hook])
        self.talk(scene)  # neighbours are known from here on
        mirrored, wire = self.exchange(scene)
        self.assertGreater(len(wire), 50)
        self.assertEqual((mirrored.added["matched_packets"], mirrored.added["uncut"]), (len(wire), 0))
        self.assertEqual(sorted(mirrored.inner()), sorted(frame[:keep] for frame in wire))
        return mirrored, wire

    def test_full_length(self):
        for checksum in ("complete", "as_is"):
            with self.variant(checksum=checksum):
                self.run_with(1 << 20, {"uplink_mtu": 1700}, checksum=checksum)

    def test_cut(self):
        self.run_with(128, {}, packet_length=128)

    def test_fit(self):
        mirrored, wire = self.run_with(1400 - 36, {"uplink_mtu": 1400})
        self.assertEqual(mirrored.added["cut_to_fit"], sum(len(frame) > 1400 - 36 for frame in wire))
        self.assertGreater(mirrored.added["cut_to_fit"], 50)

    def test_drop(self):
        scene = self.build(uplink_mtu=1400).start(self.source(mtu_policy="drop"), options=["--hook", self.hook])
        self.talk(scene)
        mirrored, wire = self.exchange(scene)
        self.assertEqual(sorted(mirrored.inner()), sorted(frame for frame in wire if len(frame) <= 1400 - 36))
        self.assertEqual(mirrored.added["lost_too_big"], sum(len(frame) > 1400 - 36 for frame in wire))
        self.assertGreater(mirrored.added["lost_too_big"], 50)


main()
