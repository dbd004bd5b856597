# SPDX-License-Identifier: Apache-2.0
"""The frame builder, the parser, pcap files and the runner itself."""

import os
import struct
import subprocess
import sys
import tempfile

import packet
import pcap
from case import Case, main
from traffic import number_of, numbered_udp, segments

A_MAC, B_MAC = "02:00:00:00:00:0a", "02:00:00:00:00:0b"
A4, B4, A6, B6 = "10.0.0.1", "10.0.0.2", "2001:db8::1", "2001:db8::2"


def frame4(payload, protocol, **fields):
    return packet.ethernet(packet.ipv4(payload, A4, B4, protocol, **fields), A_MAC, B_MAC)


def frame6(payload, protocol, **fields):
    return packet.ethernet(packet.ipv6(payload, A6, B6, protocol, **fields), A_MAC, B_MAC)


class Checksums(Case):
    def test_rfc1071_example(self):
        self.assertEqual(packet.ones_complement_sum(bytes.fromhex("0001f203f4f5f6f7")), 0xDDF2)

    def test_known_ipv4_header(self):
        header = bytes.fromhex("45000073000040004011b861c0a80001c0a800c7")
        self.assertEqual(packet.checksum(header), 0)
        built = packet.ipv4(b"\0" * 95, "192.168.0.1", "192.168.0.199", packet.UDP, df=True)
        self.assertEqual(built[:20], header)

    def test_odd_length(self):
        self.assertEqual(packet.checksum(b"\1\2\3"), packet.checksum(b"\1\2\3\0"))

    def test_crc32c_check_value(self):
        self.assertEqual(packet.crc32c(b"123456789"), 0xE3069283)

    def test_udp_zero_is_sent_as_ones(self):
        for number in range(65536):
            body = struct.pack("!H", number)
            if packet.udp(body, A4, B4, 1, 2)[6:8] == b"\xff\xff":
                return
        self.fail("no payload gave checksum 0, which must be written as 0xffff")


class RoundTrips(Case):
    def test_every_protocol_verifies(self):
        cases = {
            "tcp4": frame4(packet.tcp(b"abc", A4, B4, 1, 2, flags="SA", options=b"\2\4\5\xb4"), packet.TCP),
            "udp4": frame4(packet.udp(b"abc", A4, B4, 1, 2), packet.UDP),
            "icmp": frame4(packet.icmp(b"abc"), packet.ICMP),
            "sctp4": frame4(packet.sctp(b"abc", 1, 2), packet.SCTP),
            "tcp6": frame6(packet.tcp(b"abc", A6, B6, 1, 2), packet.TCP),
            "udp6": frame6(packet.udp(b"abc", A6, B6, 1, 2), packet.UDP),
            "icmpv6": frame6(packet.icmpv6(b"abc", A6, B6), packet.ICMPV6),
        }
        for name, frame in cases.items():
            with self.subTest(name):
                parsed = packet.parse(frame)
                self.assertIs(parsed.l4_checksum_ok, True)
                self.assertTrue(parsed.ip_checksum_ok)
                broken = packet.parse(frame[:-1] + bytes([frame[-1] ^ 1]))
                self.assertIs(broken.l4_checksum_ok, False)

    def test_fields(self):
        parsed = packet.parse(frame4(packet.tcp(b"xyz", A4, B4, 80, 1234, flags="FP", seq=7), packet.TCP, ttl=9, ident=5,
                                     df=True, tos=0xB8, options=b"\1\1\1"))
        self.assertEqual((parsed.src, parsed.dst, parsed.ttl, parsed.ident, parsed.df, parsed.dscp), (A4, B4, 9, 5, True, 46))
        self.assertEqual((parsed.sport, parsed.dport, parsed.seq, parsed.tcp_flags, parsed.payload), (80, 1234, 7, 9, b"xyz"))

    def test_vlan_tags(self):
        inner = packet.ipv4(packet.udp(b"x", A4, B4, 1, 2), A4, B4, packet.UDP)
        one = packet.parse(packet.ethernet(inner, A_MAC, B_MAC, vlans=[5]))
        two = packet.parse(packet.ethernet(inner, A_MAC, B_MAC, vlans=[7, 0x6005]))
        self.assertEqual(one.vlans, [(packet.ETH_VLAN, 5)])
        self.assertEqual(two.vlans, [(packet.ETH_QINQ, 7), (packet.ETH_VLAN, 0x6005)])
        self.assertEqual(two.vlan_ids, [7, 5])
        self.assertIs(two.l4_checksum_ok, True)

    def test_extension_headers(self):
        extensions = [(packet.HOP_BY_HOP, b"\1\4\0\0\0\0"), (packet.ROUTING, b"\4\0" + bytes(20)), (packet.DESTINATION, b"")]
        parsed = packet.parse(frame6(packet.udp(b"x", A6, B6, 1, 2), packet.UDP, extensions=extensions))
        self.assertEqual([kind for kind, _ in parsed.extensions], [packet.HOP_BY_HOP, packet.ROUTING, packet.DESTINATION])
        self.assertEqual((parsed.protocol, parsed.dport), (packet.UDP, 2))
        self.assertIs(parsed.l4_checksum_ok, True)

    def test_fragments(self):
        whole4, whole6 = packet.udp(bytes(3000), A4, B4, 1, 2), packet.udp(bytes(3000), A6, B6, 1, 2)
        for pieces, whole in ((packet.ipv4_fragments(whole4, A4, B4, packet.UDP, 77, 1480), whole4),
                              (packet.ipv6_fragments(whole6, A6, B6, packet.UDP, 77, 1448), whole6)):
            parsed = [packet.parse(packet.ethernet(piece, A_MAC, B_MAC)) for piece in pieces]
            self.assertEqual(b"".join(piece.l4 for piece in parsed), whole)
            self.assertEqual([piece.more for piece in parsed], [True, True, False])
            self.assertEqual([piece.sport for piece in parsed], [1, -1, -1])
            self.assertEqual({piece.ident for piece in parsed}, {77})
            self.assertAll(parsed, lambda piece: piece.l4_checksum_ok is None, "no verdict on a fragment")

    def test_arp(self):
        parsed = packet.parse(packet.ethernet(packet.arp(A_MAC, A4, B4), A_MAC, packet.BROADCAST, packet.ETH_ARP))
        self.assertEqual((parsed.ethertype, parsed.version, parsed.dst_mac), (packet.ETH_ARP, 0, packet.BROADCAST))

    def test_cut_frame_has_no_verdict(self):
        frame = frame4(packet.tcp(bytes(500), A4, B4, 1, 2), packet.TCP)
        parsed = packet.parse(frame[:128])
        self.assertTrue(parsed.truncated)
        self.assertIsNone(parsed.l4_checksum_ok)
        self.assertEqual((parsed.sport, parsed.ip_bytes), (1, 540))

    def test_ethernet_padding_is_not_payload(self):
        parsed = packet.parse(frame4(packet.udp(b"x", A4, B4, 1, 2), packet.UDP) + bytes(17))
        self.assertEqual(parsed.payload, b"x")
        self.assertIs(parsed.l4_checksum_ok, True)


class Vxlan(Case):
    def setUp(self):
        self.inner = frame4(packet.icmp(b"hello"), packet.ICMP)
        self.body = packet.vxlan(self.inner, 66)

    def outer(self, **udp):
        return frame4(packet.udp(self.body, A4, B4, 50000, 4789, **udp), packet.UDP)

    def test_copy_comes_back(self):
        for frame in (self.outer(check=0), self.outer(),
                      frame6(packet.udp(self.body, A6, B6, 50000, 4789, check=0), packet.UDP)):
            copy = packet.parse_vxlan(frame)
            self.assertEqual((copy.vni, copy.inner, copy.outer.sport), (66, self.inner, 50000))

    def test_other_traffic_is_none(self):
        self.assertIsNone(packet.parse_vxlan(self.inner))
        self.assertIsNone(packet.parse_vxlan(self.outer(), port=8472))

    def test_wrong_outer_fields_are_named(self):
        good = self.outer(check=0)
        wrong = {
            "outer IPv4 checksum": good[:24] + b"\0\0" + good[26:],
            "outer UDP header": good[:38] + b"\0\x10" + good[40:],
            "outer UDP checksum": self.outer(check=1),
            "VXLAN header": good[:42] + b"\0" + good[43:],
            "fewer": good[:-1],
        }
        for text, frame in wrong.items():
            with self.subTest(text), self.assertRaisesRegex(packet.Malformed, text):
                packet.parse_vxlan(frame)

    def test_copies_selects_by_vni(self):
        other = frame4(packet.udp(packet.vxlan(self.inner, 7), A4, B4, 1, 4789), packet.UDP)
        self.assertEqual([copy.vni for copy in packet.copies([self.outer(), other, self.inner])], [66, 7])
        self.assertEqual(len(packet.copies([self.outer(), other], vni=7)), 1)


class Traffic(Case):
    def test_numbers(self):
        frames = list(numbered_udp(3, A_MAC, B_MAC, size_bytes=256, first=10))
        self.assertEqual([number_of(frame) for frame in frames], [10, 11, 12])
        self.assertEqual({len(frame) for frame in frames}, {256})

    def test_segments_carry_the_whole_payload(self):
        payload = bytes(range(256)) * 20
        for frame in (frame4(packet.tcp(payload, A4, B4, 1, 2, flags="PA", seq=100, options=b"\1" * 12), packet.TCP, ident=9),
                      frame6(packet.tcp(payload, A6, B6, 1, 2, flags="PA", seq=100), packet.TCP)):
            parsed = [packet.parse(segment) for segment in segments(frame, 1400)]
            self.assertEqual(b"".join(segment.payload for segment in parsed), payload)
            self.assertEqual([segment.seq for segment in parsed], [100, 1500, 2900, 4300])
            self.assertAll(parsed, lambda segment: segment.l4_checksum_ok is True, "checksum of a segment")
            self.assertEqual([bool(segment.tcp_flags & 8) for segment in parsed], [False, False, False, True])


class Pcap(Case):
    def test_round_trip(self):
        frames = [(1_600_000_000_123_456_789, b"a" * 60), (1_600_000_001_000_000_000, b"b" * 1514)]
        with tempfile.NamedTemporaryFile() as out:
            pcap.write(out.name, frames)
            self.assertEqual(pcap.read(out.name), frames)
            os.truncate(out.name, os.path.getsize(out.name) - 1)
            self.assertEqual(pcap.read(out.name), frames[:1])

    def test_other_files_are_refused(self):
        with tempfile.NamedTemporaryFile() as out:
            out.write(b"no pcap, just text that is long enough")
            out.flush()
            with self.assertRaises(ValueError):
                pcap.read(out.name)


class Runner(Case):
    SCRIPT = """
import sys
sys.path.insert(0, sys.argv.pop(1))
from case import Case, main, skip
class A(Case):
    def test_good(self): pass
    def test_bad(self): self.assertEqual(1, 2)
    def test_skipped(self): skip("no such\\nfeature")
class B(Case):
    @classmethod
    def setUpClass(cls): skip("not here")
    def test_one(self): pass
    def test_two(self): pass
class C(Case):
    @classmethod
    def setUpClass(cls): raise RuntimeError("broken")
    def test_one(self): pass
main()
"""

    def test_tap_output(self):
        done = subprocess.run([sys.executable, "-c", self.SCRIPT, os.path.dirname(os.path.abspath(__file__))],
                              capture_output=True, text=True)
        verdicts = [line.split(" ", 2) for line in done.stdout.splitlines() if not line.startswith("#")]
        self.assertEqual(done.returncode, 1, done)
        self.assertEqual(verdicts[0], ["1..6"])
        self.assertEqual(sum(line[0] == "ok" for line in verdicts), 4)
        self.assertEqual(sum(line[0] == "not" for line in verdicts), 2)
        self.assertEqual(done.stdout.count("# SKIP"), 3)
        self.assertIn("1 != 2", done.stdout)
        self.assertIn("broken", done.stdout)


main()
