# SPDX-License-Identifier: Apache-2.0
"""Which packets a session takes: rules on real frames, fragments, and several sessions of one interface."""

import os

import packet
from case import main
from scene import GUEST, GUEST6, PEER, PEER6, SceneCase, session

OTHER, OTHER6 = "10.0.1.9", "2001:db8:1:1::9"


def udp(src=GUEST, dst=PEER, sport=1000, dport=2000, **fields):
    layer3 = packet.ipv6 if ":" in src else packet.ipv4
    return layer3(packet.udp(b"x" * 60, src, dst, sport, dport), src, dst, packet.UDP, **fields)


def tcp(src=GUEST, dst=PEER, sport=1000, dport=80, **fields):
    layer3 = packet.ipv6 if ":" in src else packet.ipv4
    return layer3(packet.tcp(b"x" * 60, src, dst, sport, dport), src, dst, packet.TCP, **fields)


def icmp(kind, code):
    return packet.ipv4(packet.icmp(b"x" * 60, kind, code), GUEST, PEER, packet.ICMP)


def icmp6(kind, code):
    return packet.ipv6(packet.icmpv6(b"x" * 60, GUEST6, PEER6, kind, code), GUEST6, PEER6, packet.ICMPV6)


# Name -> (payload, ethertype or None, tags).
PACKETS = {
    "udp": (udp(), None, []),
    "udp 53": (udp(dport=53), None, []),
    "udp from 53": (udp(sport=53), None, []),
    "udp to other": (udp(dst=OTHER), None, []),
    "udp from other": (udp(src=OTHER), None, []),
    "udp with options": (udp(options=b"\1" * 12, dport=53), None, []),
    "udp6": (udp(GUEST6, PEER6), None, []),
    "udp6 53": (udp(GUEST6, PEER6, dport=53), None, []),
    "udp6 to other": (udp(GUEST6, OTHER6), None, []),
    "udp6 behind headers": (udp(GUEST6, PEER6, dport=53, extensions=[(packet.HOP_BY_HOP, b""), (packet.DESTINATION, b"x" * 20),
                                                                    (packet.AUTHENTICATION, b"x" * 10)]), None, []),
    "tcp 80": (tcp(), None, []),
    "tcp 443": (tcp(dport=443), None, []),
    "tcp 444": (tcp(dport=444), None, []),
    "tcp6 80": (tcp(GUEST6, PEER6), None, []),
    "sctp 80": (packet.ipv4(packet.sctp(b"x" * 60, 1000, 80), GUEST, PEER, packet.SCTP), None, []),
    "echo": (icmp(8, 0), None, []),
    "unreachable host": (icmp(3, 1), None, []),
    "unreachable port": (icmp(3, 3), None, []),
    "echo6": (icmp6(128, 0), None, []),
    "gre": (packet.ipv4(b"\0\0\x08\0" + bytes(60), GUEST, PEER, packet.GRE), None, []),
    "arp": (packet.arp("02:00:00:00:00:01", GUEST, PEER), packet.ETH_ARP, []),
    "lldp": (bytes(60), 0x88CC, []),
    "vlan 5": (udp(), None, [5]),
    "vlan 5 priority 7": (udp(), None, [0xE005]),
    "vlan 7 over 5": (udp(), None, [7, 5]),
    "vlan 5 arp": (packet.arp("02:00:00:00:00:01", GUEST, PEER), packet.ETH_ARP, [5]),
}
V6 = {"udp6", "udp6 53", "udp6 to other", "udp6 behind headers", "tcp6 80", "echo6"}
TAGGED_IP = {"vlan 5", "vlan 5 priority 7", "vlan 7 over 5"}
NOT_IP = {"arp", "lldp", "vlan 5 arp"}
EVERY = set(PACKETS)
IP = EVERY - NOT_IP
V4 = IP - V6
UDP = {name for name in IP if name.startswith("udp")} | TAGGED_IP
UDP53 = {"udp 53", "udp with options", "udp6 53", "udp6 behind headers"}
TCP = {name for name in IP if name.startswith("tcp")}
PORTS = UDP | TCP | {"sctp 80"}

# Conditions of one accepting rule -> the packets that it takes.
RULES = [
    ({}, IP),
    ({"ethertype": "any"}, EVERY),
    ({"protocol": "udp"}, UDP),
    ({"protocol": 17, "source": "0.0.0.0/0"}, UDP - V6),
    ({"protocol": "udp", "source": "::/0"}, UDP & V6),
    ({"protocol": "tcp"}, TCP),
    ({"protocol": "sctp"}, {"sctp 80"}),
    ({"protocol": 47}, {"gre"}),
    ({"source": "0.0.0.0/0"}, V4),
    ({"destination": "::/0"}, V6),
    ({"source": GUEST + "/32"}, V4 - {"udp from other"}),
    ({"source": "10.0.0.0/24"}, V4 - {"udp from other"}),
    ({"source": "10.0.0.0/23"}, V4),
    ({"source": "10.0.1.8/31"}, {"udp from other"}),
    ({"destination": OTHER + "/32"}, {"udp to other"}),
    ({"destination": PEER + "/32", "source": OTHER + "/32"}, {"udp from other"}),
    ({"destination": "2001:db8:1:1::/64"}, {"udp6 to other"}),
    ({"destination": PEER6 + "/128"}, V6 - {"udp6 to other"}),
    ({"destination": "2001:db8::/47"}, V6),
    ({"destination": "2001:db8:1::2/127"}, V6 - {"udp6 to other"}),
    ({"protocol": "udp", "destination_ports": "53"}, UDP53),
    ({"protocol": "udp", "destination_ports": "53-2000"}, UDP),
    ({"protocol": "udp", "destination_ports": "54-1999"}, set()),
    ({"protocol": "udp", "source_ports": "53"}, {"udp from 53"}),
    ({"protocol": "tcp", "destination_ports": "80-443"}, {"tcp 80", "tcp 443", "tcp6 80"}),
    ({"protocol": "tcp", "destination_ports": "80-443", "source": "0.0.0.0/0"}, {"tcp 80", "tcp 443"}),
    ({"protocol": "sctp", "destination_ports": "80"}, {"sctp 80"}),
    ({"protocol": "sctp", "destination_ports": "81"}, set()),
    ({"protocol": "icmp"}, {"echo", "unreachable host", "unreachable port"}),
    ({"protocol": "icmp", "icmp_type": 8}, {"echo"}),
    ({"protocol": "icmp", "icmp_type": 3}, {"unreachable host", "unreachable port"}),
    ({"protocol": "icmp", "icmp_type": 3, "icmp_code": 3}, {"unreachable port"}),
    ({"protocol": "icmp", "icmp_type": 3, "icmp_code": 0}, set()),
    ({"protocol": "icmpv6", "icmp_type": 128, "icmp_code": 0}, {"echo6"}),
    ({"vlan": 5}, {"vlan 5", "vlan 5 priority 7"}),
    ({"vlan": 5, "ethertype": "any"}, {"vlan 5", "vlan 5 priority 7", "vlan 5 arp"}),
    ({"vlan": 7}, {"vlan 7 over 5"}),
    ({"vlan": 6}, set()),
    ({"ethertype": 0x0806}, {"arp", "vlan 5 arp"}),
    ({"ethertype": 0x88CC}, {"lldp"}),
    ({"ethertype": 0x0800}, V4),
    ({"ethertype": 0x86DD}, V6),
    ({"ethertype": 0x86DD, "protocol": "udp"}, UDP & V6),
]


def frames(build):
    return {name: build(payload, ethertype, tags) for name, (payload, ethertype, tags) in PACKETS.items()}


def names_of(mirrored, sent, vni):
    names = {frame: name for name, frame in sent.items()}
    return [names.get(inner, inner.hex()) for inner in mirrored.inner(vni)]


class Rules(SceneCase):
    def by_rule(self, direction):
        """One copy session per rule, in that direction."""
        filters = [{"name": f"f{number}", "rules": [{"direction": direction, "number": 1, "action": "accept", **conditions}]}
                   for number, (conditions, _) in enumerate(RULES)]
        sessions = [session(f"s{number}", number + 1, 100 + number, mode="copy", filter=f"f{number}")
                    for number in range(len(RULES))]
        return self.started(*sessions, filters=filters)

    def run_with(self, direction):
        scene = self.by_rule(direction)
        there, back = ((scene.out, scene.from_guest), (scene.into, scene.from_host))[::1 if direction == "out" else -1]
        sent = frames(there[0])
        mirrored = scene.mirror(lambda: there[1].send(*sent.values()), sum(len(taken) for _, taken in RULES), timeout_s=20)
        for number, (conditions, taken) in enumerate(RULES):
            with self.subTest(direction=direction, rule=conditions):
                got = names_of(mirrored, sent, 100 + number)
                self.assertEqual((set(got), len(got)), (taken, len(taken)))
        # No rule speaks of the other direction: not mirrored.
        other = scene.mirror(lambda: back[1].send(*frames(back[0]).values()), 0)
        self.assertEqual(other.copies, [])

    def test_out(self):
        self.run_with("out")

    def test_in(self):
        self.run_with("in")

    def test_order_and_reject(self):
        """The first rule that fits decides; what none fits is not mirrored."""
        rules = [{"number": 10, "action": "reject", "protocol": "udp", "destination_ports": "53"},
                 {"number": 20, "action": "accept", "protocol": "udp", "source": GUEST + "/32"},
                 {"number": 30, "action": "reject", "source": "0.0.0.0/0"},
                 {"number": 40, "action": "accept", "ethertype": "any"}]
        scene = self.started(session(filter="f"), filters=[
            {"name": "f", "rules": [{"direction": "out", **rule} for rule in reversed(rules)]}])
        sent = frames(scene.out)
        taken = (UDP & V4) - UDP53 - {"udp from other"} | (EVERY - V4 - UDP53)
        mirrored = scene.mirror(lambda: scene.from_guest.send(*sent.values()), len(taken))
        self.assertEqual(set(names_of(mirrored, sent, 66)), taken)

    def test_direction_of_the_session(self):
        scene = self.started(session("in", 1, 1, direction="in", mode="copy"), session("out", 2, 2, direction="out", mode="copy"))
        outward, inward = frames(scene.out), frames(scene.into)
        mirrored = scene.mirror(lambda: (scene.from_guest.send(*outward.values()), scene.from_host.send(*inward.values())),
                                2 * len(PACKETS))
        self.assertEqual(mirrored.inner(1), list(inward.values()))
        self.assertEqual(mirrored.inner(2), list(outward.values()))


class RulesClsact(Rules):
    hook = "clsact"


class Sessions(SceneCase):
    """Exclusive sessions take turns by number; copy sessions always get their own."""
    hook = "auto"

    def filters(self):
        def rule(number, action, **conditions):
            return {"direction": "out", "number": number, "action": action, **conditions}
        return [{"name": "udp", "rules": [rule(1, "accept", protocol="udp")]},
                {"name": "tcp-never-443", "rules": [rule(1, "reject", protocol="tcp", destination_ports="443"),
                                                     rule(2, "accept", protocol="tcp")]},
                {"name": "dns", "rules": [rule(1, "accept", protocol="udp", destination_ports="53")]},
                {"name": "all", "rules": [rule(1, "accept", ethertype="any")]}]

    def run_with(self, sessions, expected):
        scene = self.started(*sessions, filters=self.filters())
        sent = frames(scene.out)
        mirrored = scene.mirror(lambda: scene.from_guest.send(*sent.values()), sum(map(len, expected.values())))
        for vni, taken in expected.items():
            with self.subTest(vni=vni):
                got = names_of(mirrored, sent, vni)
                self.assertEqual((set(got), len(got)), (taken, len(taken)))

    def test_exclusive_by_number(self):
        # Written in another order than their numbers.
        self.run_with([session("rest", 30, 3, filter="all"), session("dns", 20, 2, filter="dns"),
                       session("udp", 10, 1, filter="udp")],
                      {1: UDP, 2: set(), 3: EVERY - UDP})

    def test_exclusive_narrow_first(self):
        self.run_with([session("rest", 30, 3), session("udp", 20, 2, filter="udp"), session("dns", 10, 1, filter="dns")],
                      {1: UDP53, 2: UDP - UDP53, 3: EVERY - UDP})

    def test_copy_besides_exclusive(self):
        self.run_with([session("udp", 1, 1, filter="udp"), session("all", 2, 2, filter="all"),
                       session("copy-dns", 1, 3, mode="copy", filter="dns"), session("copy-all", 1, 4, mode="copy")],
                      {1: UDP, 2: EVERY - UDP, 3: UDP53, 4: EVERY})

    def test_on_reject_next(self):
        self.run_with([session("tcp", 1, 1, filter="tcp-never-443", on_reject="next"), session("all", 2, 2, filter="all")],
                      {1: TCP - {"tcp 443"}, 2: EVERY - TCP | {"tcp 443"}})

    def test_on_reject_stop(self):
        """An explicit reject is final for the exclusive sessions behind, not for what no rule fits, nor for copies."""
        self.run_with([session("tcp", 1, 1, filter="tcp-never-443", on_reject="stop"), session("all", 2, 2, filter="all"),
                       session("copy", 3, 3, mode="copy", filter="all")],
                      {1: TCP - {"tcp 443"}, 2: EVERY - TCP, 3: EVERY})

    def test_on_reject_stop_behind_one_that_took_it(self):
        self.run_with([session("all", 1, 1, filter="all"), session("tcp", 2, 2, filter="tcp-never-443", on_reject="stop")],
                      {1: EVERY, 2: set()})

    def test_disabled(self):
        self.run_with([session("udp", 1, 1, filter="udp", enabled=False), session("all", 2, 2, filter="all")], {1: set(), 2: EVERY})

    def test_sixty_four_sessions(self):
        """Each gets its own copy, from 64 different places of delivery."""
        sessions = [session(f"s{number}", number, 1000 + number, mode="copy", packet_length=100 + number,
                            checksum=("complete", "as_is")[number % 2]) for number in range(1, 65)]
        scene = self.started(*sessions)
        udp_frame = scene.out(udp() + os.urandom(200))
        mirrored = scene.mirror(lambda: scene.from_guest.send(udp_frame), 64)
        self.assertEqual([(copy.vni, copy.inner) for copy in mirrored.copies],
                         [(1000 + number, udp_frame[:100 + number]) for number in range(1, 65)])
        unfinished = scene.out(packet.ipv4(packet.udp(os.urandom(300), GUEST, PEER, 5, 6), GUEST, PEER, packet.UDP))
        mirrored = scene.mirror(lambda: scene.from_guest.send_partial(unfinished), 64)
        self.assertEqual(sorted((copy.vni, len(copy.inner)) for copy in mirrored.copies),
                         [(1000 + number, 100 + number) for number in range(1, 65)])


class Fragments(SceneCase):
    """Later fragments carry no ports; they follow the first one's."""
    hook = "auto"

    def setUp(self):
        super().setUp()
        rules = [{"direction": direction, "number": 1, "action": "accept", "protocol": "udp", "destination_ports": "53"}
                 for direction in ("in", "out")]
        self.subject = self.started(session(filter="dns"), filters=[{"name": "dns", "rules": rules}])

    def pieces(self, dport, ident, src=GUEST, dst=PEER, build=None):
        datagram = packet.udp(os.urandom(3000), src, dst, 1000, dport)
        cut = packet.ipv6_fragments if ":" in src else packet.ipv4_fragments
        return [(build or self.subject.out)(piece) for piece in cut(datagram, src, dst, packet.UDP, ident, 1000)]

    def expect(self, sent, taken):
        mirrored = self.subject.mirror(lambda: self.subject.from_guest.send(*sent), len(taken))
        self.assertEqual(mirrored.inner(), taken)

    def test_follow_the_first(self):
        for src, dst in ((GUEST, PEER), (GUEST6, PEER6)):
            with self.subTest(src=src):
                dns, web = self.pieces(53, 7, src, dst), self.pieces(80, 8, src, dst)
                self.assertEqual(len(dns), 4)
                self.expect([piece for pair in zip(dns, web) for piece in pair], dns)

    def test_without_the_first(self):
        """Ports that nobody told are not known: a rule that needs them does not fit."""
        self.expect(self.pieces(53, 9)[1:], [])
        late = self.pieces(53, 10)
        self.expect([late[1], late[0], late[2]], [late[0], late[2]])

    def test_identity(self):
        """Another id, address, protocol or direction is another datagram."""
        scene = self.subject
        first = self.pieces(53, 11)
        others = [self.pieces(53, 12)[1], self.pieces(53, 11, dst=OTHER)[1],
                  scene.out(packet.ipv4_fragments(bytes(3000), GUEST, PEER, packet.SCTP, 11, 1000)[1])]
        self.expect([first[0], *others, first[1]], [first[0], first[1]])

    def test_tagged(self):
        for tags in ([5], [7, 5]):
            pieces = self.pieces(53, 13 + len(tags), build=lambda payload, t=tags: self.subject.out(payload, vlans=t))
            self.expect(pieces, pieces)

    def test_without_ports_in_the_rule(self):
        self.subject.config = lambda *sessions, config=self.subject.config: config(
            *sessions, filters=[{"name": "udp", "rules": [{"direction": "out", "number": 1, "action": "accept", "protocol": "udp"}]}])
        self.subject.reload(session(filter="udp"))
        pieces = self.pieces(80, 20)[1:] + self.pieces(80, 21, GUEST6, PEER6)[1:]
        self.expect(pieces, pieces)


main()
