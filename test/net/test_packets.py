# SPDX-License-Identifier: Apache-2.0
"""What a session without a filter copies: every frame, byte for byte, with the outer headers that were asked for."""

import collections
import os
import socket
import struct
import tempfile
import threading

import packet
from capture import Capture
from case import SMALL, main
from recorder import Recorder
from scene import COLLECTOR, COLLECTOR6, GUEST, GUEST6, HOST, HOST6, PEER, PEER6, SceneCase, session
from traffic import STAGED_TAGS

LLDP = bytes.fromhex("0207040200000000010403040205070601780000")
LENGTHS = (1, 34, 128) if SMALL else (1, 14, 33, 34, 64, 128, 1500, 9216)


def udp4(payload=b"x" * 100, sport=1000, dport=2000, src=GUEST, dst=PEER, **fields):
    return packet.ipv4(packet.udp(payload, src, dst, sport, dport), src, dst, packet.UDP, **fields)


def udp6(payload=b"x" * 100, sport=1000, dport=2000, src=GUEST6, dst=PEER6, **fields):
    return packet.ipv6(packet.udp(payload, src, dst, sport, dport), src, dst, packet.UDP, **fields)


def odd_frames(scene):
    """Frames that are not plain IP, or not what they claim."""
    bad_ihl = bytearray(udp4())
    bad_ihl[0] = 0x42
    long_claim = bytearray(udp4())
    long_claim[2:4] = b"\xff\xff"
    return {
        "arp": scene.out(packet.arp(scene.guest_mac, GUEST, PEER), packet.ETH_ARP),
        "lldp": scene.out(LLDP, 0x88CC),
        "llc": scene.out(bytes.fromhex("424203") + bytes(35), 38),
        "unknown": scene.out(b"\xaa" * 200, 0x88B5),
        "own ethertype of the stage": scene.out(b"\x45" + b"\xbb" * 99, 0x88B5),
        "unknown, large": scene.out(bytes(range(250)) * 6, 0x1234),
        "runt: no payload": scene.out(b"", 0x0800),
        "runt: half an IPv4 header": scene.out(udp4()[:9], 0x0800),
        "runt: half a UDP header": scene.out(udp4()[:24], 0x0800),
        "runt: half an IPv6 header": scene.out(udp6()[:20], 0x86DD),
        "IPv4 version 6": scene.out(udp6(), 0x0800),
        "IPv4 header length of 8": scene.out(bytes(bad_ihl), 0x0800),
        "IPv4 length beyond the frame": scene.out(bytes(long_claim), 0x0800),
        "TCP data offset beyond the frame": scene.out(packet.ipv4(bytes(12) + b"\xf0" + bytes(7), GUEST, PEER, packet.TCP)),
        "nothing behind ICMP": scene.out(packet.ipv4(b"", GUEST, PEER, packet.ICMP)),
        "extension headers without end": scene.out(udp6(extensions=[(packet.DESTINATION, b"")] * 12)),
        "extension header beyond the frame": scene.out(packet.ipv6(b"\x3b\xff", GUEST6, PEER6, packet.HOP_BY_HOP)),
        "padded": scene.out(udp4(b"x")) + bytes(17),
        "IPv4 options": scene.out(udp4(options=b"\x94\x04\0\0" * 10)),
        "no next header": scene.out(packet.ipv6(b"", GUEST6, PEER6, 59)),
        "SCTP": scene.out(packet.ipv4(packet.sctp(b"chunk", 5, 6), GUEST, PEER, packet.SCTP)),
        "GRE": scene.out(packet.ipv4(b"\0\0\x08\0" + udp4(), GUEST, PEER, packet.GRE)),
        "ESP": scene.out(packet.ipv4(bytes(60), GUEST, PEER, packet.ESP)),
    }


class EveryFrame(SceneCase):
    def assert_copied(self, scene, frames, send):
        mirrored = scene.mirror(lambda: send(*frames.values()), len(frames))
        names = {frame: name for name, frame in frames.items()}
        self.assertEqual([names.get(inner, inner.hex()) for inner in mirrored.inner()], list(frames))

    def test_frames_that_are_not_plain_ip(self):
        scene = self.started()
        for checksum in ("complete", "as_is"):
            scene.reload(session(checksum=checksum))
            with self.subTest(checksum=checksum, direction="out"):
                self.assert_copied(scene, odd_frames(scene), scene.from_guest.send)
            with self.subTest(checksum=checksum, direction="in"):
                self.assert_copied(scene, odd_frames(scene), scene.from_host.send)

    def test_through_the_stage(self):
        """A program that sits ahead of ours on the uplink makes every copy go through the stage."""
        scene = self.started()
        scene.host.run(["nft", "add table netdev t; add chain netdev t e { type filter hook egress device uA priority 0; }"])
        scene.reload()
        frames = odd_frames(scene)
        mirrored = scene.mirror(lambda: scene.from_guest.send(*frames.values()), len(frames))
        self.assertEqual(mirrored.added["staged"], len(frames))
        self.assertEqual(mirrored.inner(), list(frames.values()))

    def test_every_size(self):
        scene = self.started(scene={"guest_mtu": 9500, "uplink_mtu": 10000})
        frames = [scene.out(udp4(bytes(size % 251 for size in range(room)))) for room in
                  [*range(0, 40), 100, 1000, 1471, 1472, 1473, 4000, 9000]]
        mirrored = scene.mirror(lambda: scene.from_guest.send(*frames), len(frames))
        self.assertEqual(mirrored.inner(), frames)
        self.assertEqual(mirrored.added["matched_bytes"], sum(map(len, frames)))
        self.assertEqual(mirrored.added["mirrored_bytes"], sum(map(len, frames)) + 50 * len(frames))


class EveryFrameClsact(EveryFrame):
    hook = "clsact"


class PacketLength(SceneCase):
    def test_exact(self):
        """Whatever the way and the length: the first bytes of the frame, no more and no fewer."""
        scene = self.started(scene={"guest_mtu": 9500, "uplink_mtu": 10000})
        payloads = [bytes(size % 251 for size in range(room)) for room in (0, 7, 22, 40, 86, 200, 1458, 9300)]
        for length in LENGTHS:
            scene.reload(session(packet_length=length))
            whole = [scene.out(udp4(payload)) for payload in payloads] + [scene.out(udp6(payload)) for payload in payloads]
            whole += [scene.out(packet.ipv4(packet.tcp(payload, GUEST, PEER, 5, 6), GUEST, PEER, packet.TCP))
                      for payload in payloads]
            whole += [frame for frame in odd_frames(scene).values()]
            partial = whole[:3 * len(payloads)]
            with self.subTest(packet_length=length, way="fast"):
                mirrored = scene.mirror(lambda: scene.from_guest.send(*whole), len(whole))
                self.assertEqual(mirrored.added["staged"], 0)
                self.assertEqual(mirrored.inner(), [frame[:length] for frame in whole])
                self.assertEqual(mirrored.added["uncut"], 0)
            tagged = [scene.out(frame[14:], vlans=STAGED_TAGS) for frame in partial]
            for way, frames in (("unfinished", partial), ("staged", tagged)):
                with self.subTest(packet_length=length, way=way):
                    mirrored = scene.mirror(lambda: [scene.from_guest.send_partial(frame) for frame in frames], len(frames))
                    self.assertEqual(mirrored.added["staged"], len(frames) if way == "staged" else 0)
                    self.assertEqual(mirrored.inner(), [frame[:length] for frame in frames])


class PacketLengthClsact(PacketLength):
    hook = "clsact"


class OuterHeaders(SceneCase):
    hook = "auto"

    def check(self, scene, target, frames, mirrored):
        self.assertEqual(mirrored.inner(), frames)
        for copy in mirrored.copies:
            outer = copy.outer
            self.assertEqual((outer.src_mac, outer.dst_mac), (scene.host.mac("uA"), scene.collector.mac("uC")))
            self.assertEqual((outer.src, outer.dst), target["ends"])
            self.assertEqual((outer.ttl, outer.dscp, outer.dport), (target["ttl"], target["dscp"], target["port"]))
            self.assertTrue(49152 <= outer.sport <= 65535, outer.sport)
            if outer.version == 4:
                self.assertEqual(outer.df, target["df"])

    def conversations(self, scene, count):
        """(there, back) of that many UDP and TCP conversations over both versions."""
        pairs = []
        for number in range(count):
            for layer3, layer4, protocol, one, other in (
                    (packet.ipv4, packet.udp, packet.UDP, GUEST, PEER), (packet.ipv6, packet.tcp, packet.TCP, GUEST6, PEER6)):
                there = layer4(b"there", one, other, 1024 + number, 80)
                back = layer4(b"back", other, one, 80, 1024 + number)
                pairs.append((scene.out(layer3(there, one, other, protocol)), scene.into(layer3(back, other, one, protocol))))
        return pairs

    def run_with(self, target, ends, ipv6):
        scene = self.started(
            session(vni=0xABCDEF, encapsulation={"type": "vxlan", "vni": 0xABCDEF, "port": 4789}), scene={"ipv6": ipv6},
            targets=[{"name": "ids", "address": COLLECTOR6 if ipv6 else COLLECTOR, **target}])
        pairs = self.conversations(scene, 40)
        expected = {"ends": ends, "port": 4789, "ttl": 64, "dscp": 0, "df": False, **target}

        def send():
            for there, back in pairs:
                scene.from_guest.send(there)
                scene.from_host.send(back)
        mirrored = scene.mirror(send, 2 * len(pairs))
        self.check(scene, expected, [frame for pair in pairs for frame in pair], mirrored)
        self.assertEqual({copy.vni for copy in mirrored.copies}, {0xABCDEF})
        ports = [copy.outer.sport for copy in mirrored.copies]
        self.assertEqual(ports[0::2], ports[1::2], "both directions of a conversation share a source port")
        # 80 balls into 16384 bins: even 70 distinct ports would be an event of less than 1 in 10**12.
        self.assertGreater(len(set(ports)), 70)
        return mirrored

    def test_defaults(self):
        self.run_with({}, (HOST, COLLECTOR), False)

    def test_df_dscp_ttl(self):
        self.run_with({"df": True, "dscp": 46, "ttl": 7}, (HOST, COLLECTOR), False)

    def test_ipv6_outer(self):
        mirrored = self.run_with({"dscp": 46, "ttl": 7}, (HOST6, COLLECTOR6), True)
        self.assertAll(mirrored.copies, lambda copy: copy.outer.l4[6:8] == b"\0\0", "UDP checksum of 0")

    def test_local_address(self):
        lab_local = "172.31.0.77"
        scene = self.scene()
        scene.host.address("uA", lab_local + "/24")
        scene.start(targets=[{"name": "ids", "address": COLLECTOR, "local": lab_local}], options=["--hook", self.hook])
        mirrored = scene.mirror(lambda: scene.from_guest.send(scene.out(udp4())), 1)
        self.assertEqual(mirrored.copies[0].outer.src, lab_local)

    def test_identification_varies(self):
        """The outer identification is not a constant: a receiver that puts fragments together must tell copies apart."""
        scene = self.started()
        frames = [scene.out(udp4())] * 50
        mirrored = scene.mirror(lambda: scene.from_guest.send(*frames), 50)
        counts = collections.Counter(copy.outer.ident for copy in mirrored.copies)
        self.assertGreater(len(counts), 40)


def tagged_in_bytes(frames, direction):
    """Those that the hook sees with a VLAN tag in their bytes: the outermost of what comes in is set apart on the way."""
    return [frame for frame in frames if len(packet.parse(frame).vlans) > (direction == "out")]


class Checksums(SceneCase):
    def frames(self, build):
        """Every transport whose checksum the kernel may have left to the device."""
        payload = bytes(range(200)) + b"odd"
        # The payload that brings the checksum to 0, which UDP writes as 0xffff.
        zero = packet.udp(packet.udp(b"\0\0", GUEST, PEER, 1000, 2000)[6:8], GUEST, PEER, 1000, 2000, check=0xFFFF)
        return [
            build(packet.ipv4(zero, GUEST, PEER, packet.UDP)),
            build(packet.ipv4(packet.tcp(b"", GUEST, PEER, 5, 6), GUEST, PEER, packet.TCP)),
            build(udp4(b"1")),
            build(udp4(payload, options=b"\x94\x04\0\0" * 10)),
            build(udp6(payload * 4, extensions=[(packet.DESTINATION, b"")] * 4)),
            build(packet.ipv6(packet.tcp(b"", GUEST6, PEER6, 5, 6), GUEST6, PEER6, packet.TCP)),
            build(udp6(b"")),
            build(packet.ipv4(packet.tcp(payload, GUEST, PEER, 5, 6), GUEST, PEER, packet.TCP)),
            build(packet.ipv4(packet.tcp(b"", GUEST, PEER, 5, 6, "S", options=b"\2\4\5\xb4"), GUEST, PEER, packet.TCP)),
            build(udp4(payload)),
            build(udp4(b"")),
            build(packet.ipv6(packet.tcp(payload, GUEST6, PEER6, 5, 6), GUEST6, PEER6, packet.TCP)),
            build(udp6(payload)),
            build(packet.ipv6(packet.icmpv6(payload, GUEST6, PEER6), GUEST6, PEER6, packet.ICMPV6)),
            build(udp4(payload), vlans=[5]),
            build(udp6(payload), vlans=[7, 5]),
        ]

    def whole(self, build):
        return [
            build(packet.ipv4(packet.icmp(b"ping"), GUEST, PEER, packet.ICMP)),
            build(packet.ipv4(packet.sctp(b"chunk", 5, 6), GUEST, PEER, packet.SCTP)),
            build(packet.ipv6(packet.sctp(b"chunk", 5, 6), GUEST6, PEER6, packet.SCTP)),
        ]

    def test_complete(self):
        """
        What the kernel had left open is finished, on the fast way but for tags in the frame's bytes. As the uplink sends it:
        a copy is what was on the wire, and nobody is asked to finish it again. What was whole is left as it was.
        """
        scene = self.started()
        for name, build, sender in (("out", scene.out, scene.from_guest), ("in", scene.into, scene.from_host)):
            frames, whole = self.frames(build), self.whole(build)
            with self.subTest(name), Capture(scene.medium, "uM", direction="in", keep=scene._is_copy) as uplink:
                mirrored = scene.mirror(lambda: [sender.send_partial(frame) for frame in frames], len(frames))
                self.assertEqual([copy.inner for copy in packet.copies(uplink.wait(len(frames)))], frames)
                self.assertFalse(any(frame.partial for frame in uplink.frames))
                self.assertEqual(mirrored.inner(), frames)
                self.assertChecksums(mirrored.inner())
                self.assertEqual(mirrored.added["staged"], len(tagged_in_bytes(frames, name)))
            with self.subTest(name + ", whole already"):
                mirrored = scene.mirror(lambda: sender.send(*frames, *whole), len(frames + whole))
                self.assertEqual(mirrored.inner(), frames + whole)
                self.assertChecksums(mirrored.inner())
                self.assertEqual(mirrored.added["staged"], 0)

    def test_complete_and_cut(self):
        """A cut copy carries the checksum that was on the wire, not one of what is left."""
        scene = self.started(session(packet_length=100))
        frames = self.frames(scene.out)
        mirrored = scene.mirror(lambda: [scene.from_guest.send_partial(frame) for frame in frames], len(frames))
        self.assertEqual(mirrored.inner(), [frame[:100] for frame in frames])

    def test_as_is(self):
        """As the hook saw it, by the fast way: the pseudo header's sum stands where the checksum will be."""
        scene = self.started(session(checksum="as_is"))
        frames = self.frames(scene.out)
        with Capture(scene.medium, "uM", direction="in") as uplink:
            mirrored = scene.mirror(lambda: [scene.from_guest.send_partial(frame) for frame in frames], len(frames))
        self.assertEqual(mirrored.added["staged"], 0)
        for copy, frame in zip(packet.copies(uplink.frames), frames, strict=True):
            parsed = packet.parse(frame)
            offset = {packet.TCP: 16, packet.UDP: 6, packet.ICMPV6: 2}[parsed.protocol]
            at = len(frame) - len(parsed.l4) + offset
            unfinished = packet.pseudo_header_sum(parsed.src, parsed.dst, parsed.protocol, len(parsed.l4))
            self.assertEqual(copy.inner, frame[:at] + struct.pack("!H", unfinished) + frame[at + 2:])

    def test_as_is_and_cut(self):
        """
        Whatever the length, the cut is exact outside of the checksum's own two bytes, and nothing is lost. Before a cut that
        may reach into the headers, the checksum is finished: whoever finishes one that lies behind the end of a packet drops
        it.
        """
        scene = self.started()
        frames = self.frames(scene.out)
        for length in (1, 34, 60, 100, 127, 128, 240):
            scene.reload(session(checksum="as_is", packet_length=length))
            mirrored = scene.mirror(lambda: [scene.from_guest.send_partial(frame) for frame in frames], len(frames))
            early = [frame for frame in frames if length < 128 and length < len(frame)]
            self.assertEqual(mirrored.added["staged"], len(tagged_in_bytes(early, "out")))
            for inner, frame in zip(sorted(mirrored.inner()), sorted(frames), strict=True):
                parsed = packet.parse(frame)
                at = len(frame) - len(parsed.l4) + {packet.TCP: 16, packet.UDP: 6, packet.ICMPV6: 2}[parsed.protocol]
                self.assertEqual(inner[:at] + inner[at + 2:], frame[:length][:at] + frame[:length][at + 2:])
                self.assertEqual(len(inner), min(length, len(frame)))

    def test_real_stacks(self):
        """A guest and a host that talk by their own sockets: TCP, UDP and ping, each direction, every checksum verifies."""
        scene = self.started(scene={"guest_mtu": 1400})
        scene.guest.address("eth0", GUEST + "/24")
        scene.host.address("v1", PEER + "/24")
        received = scene.host.socket(2, 2)
        received.bind((PEER, 99))
        talker = scene.guest.socket(2, 2)
        self.addCleanup(received.close)
        self.addCleanup(talker.close)

        def send():
            talker.sendto(b"a datagram", (PEER, 99))
            data, sender = received.recvfrom(100)
            received.sendto(data * 100, sender)
            scene.guest.run(["ping", "-n", "-c2", "-i0.05", PEER])
        scene.guest.neighbour(PEER, scene.host_mac, "eth0")
        scene.host.neighbour(GUEST, scene.guest_mac, "v1")
        with Capture(scene.medium, "uM", direction="in") as uplink:
            scene.mirror(send, 6)
        # As they leave the host: no NIC finishes anything here.
        copies = packet.copies(uplink.frames)
        self.assertEqual(len(copies), 6)
        self.assertChecksums([copy.inner for copy in copies])

    def test_a_stream_whose_payload_lies_in_fragments(self):
        """By sendfile and by large sends, from a guest that makes no super-packets: small acknowledgements, too."""
        scene = self.started(scene={"guest_mtu": 1400})
        scene.guest.address("eth0", GUEST + "/24")
        scene.host.address("v1", PEER + "/24")
        for namespace, device in ((scene.guest, "eth0"), (scene.host, "v1")):
            namespace.offload(device, tso=False, gso=False, gro=False)
        data = os.urandom(100_000)
        with tempfile.TemporaryFile() as file, Capture(scene.medium, "uM", direction="in", keep=scene._is_copy) as uplink:
            file.write(data)
            mirrored = scene.mirror(lambda: self.stream(scene, file, data))
            frames = uplink.wait(len(mirrored.copies))
        self.assertEqual(mirrored.added["staged"], 0)
        self.assertFalse(any(frame.partial for frame in frames))
        segments = [copy for copy in packet.copies(frames) if copy.packet.protocol == packet.TCP]
        self.assertChecksums([copy.inner for copy in segments])
        sent = [copy.packet for copy in segments if copy.packet.dport == 80]
        first = next(one.seq for one in sent if one.tcp_flags & packet.TCP_FLAGS["S"]) + 1
        stream = bytearray(len(data) * 2)
        for one in sent:
            at = (one.seq - first) % (1 << 32)
            if one.payload:
                stream[at:at + len(one.payload)] = one.payload
        self.assertEqual(bytes(stream), data * 2)

    def behind(self, program, change):
        """The copy of a packet that somebody's program has changed before it came to ours, and how many went through the stage."""
        scene = self.started()
        recorder = Recorder(self.lab, "ahead")
        if self.hook == "tcx":
            recorder.attach_tcx(scene.host, "v1", "ingress", program, first=True)
        else:
            recorder.attach_clsact(scene.host, "v1", "ingress", program, 1)
        sent = scene.out(udp4(bytes(range(200))))
        mirrored = scene.mirror(lambda: scene.from_guest.send_partial(sent), 1)
        changed = change(sent)
        datagram = changed[-208:-202] + bytes(2) + changed[-200:]
        check = packet.checksum(datagram, packet.pseudo_header_sum(GUEST, PEER, packet.UDP, len(datagram)))
        self.assertEqual(mirrored.inner(), [changed[:-202] + struct.pack("!H", check) + changed[-200:]])
        return mirrored.added["staged"]

    def test_bytes_that_a_program_ahead_of_us_changed(self):
        self.assertEqual(self.behind("edit", lambda frame: frame[:50] + bytes(4) + frame[54:]), 0)

    def test_bytes_that_a_program_ahead_of_us_put_in_front(self):
        """The checksum's place is no longer where it is in other frames."""
        self.assertEqual(self.behind("lengthen", lambda frame: bytes(14) + frame), 1)

    def stream(self, scene, file, data):
        listener = scene.host.socket(socket.AF_INET, socket.SOCK_STREAM)
        client = scene.guest.socket(socket.AF_INET, socket.SOCK_STREAM)
        with listener, client:
            listener.bind((PEER, 80))
            listener.listen()
            client.connect((PEER, 80))
            accepted, _ = listener.accept()
            with accepted:
                received = []
                reader = threading.Thread(target=lambda: received.extend(iter(lambda: accepted.recv(1 << 20), b"")))
                reader.start()
                client.sendfile(file)
                client.sendall(data)
                client.shutdown(socket.SHUT_WR)
                reader.join()
        self.assertEqual(b"".join(received), data * 2)


class ChecksumsClsact(Checksums):
    hook = "clsact"


main()
