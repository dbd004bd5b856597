# SPDX-License-Identifier: Apache-2.0
"""Copies, and what they bring forth, are never mirrored: however they pass a mirrored device again, they are only counted."""

import packet
from agent import Agent
from capture import Capture
from case import main
from lab import wait_until
from scene import COLLECTOR, COLLECTOR6, GUEST, HOST, HOST6, PEER, Scene, SceneCase, balanced, session
from traffic import STAGED_TAGS, RawSender

COUNT = 40  # fewer than a host may answer at once
TUNNEL = {"type": "vxlan", "vni": 66}


def own_frames(status, device):
    return next(source["own_frames"] for one in status["sessions"] for source in one["sources"] if source["device"] == device)


def own(device, side="own"):
    return [{"device": device, "side": side}]


def udp(src, dst, dport=2000, sport=1000, payload=b"x" * 100):
    layer3 = packet.ipv6 if ":" in src else packet.ipv4
    return layer3(packet.udp(payload, src, dst, sport, dport), src, dst, packet.UDP)


def tunnel(src, dst, dport=4789):
    return udp(src, dst, dport, payload=packet.vxlan(b"x" * 100, 7))


def geneve(src, dst, dport=6081):
    return udp(src, dst, dport, payload=bytes([2, 0, 0x65, 0x58, 0, 0, 7, 0]) + b"x" * 100)


class TwoHosts(SceneCase):
    """Each mirrors its uplink to the other. Without a guard, every copy would bring forth two."""

    def hosts(self, addresses, ipv6):
        self.a, self.b = self.lab.namespace("a", ipv6=ipv6), self.lab.namespace("b", ipv6=ipv6)
        self.lab.veth(self.a, "uA", self.b, "uB", mtu=1600)
        for mine, device, address in zip((self.a, self.b), ("uA", "uB"), addresses):
            mine.address(device, address + ("/64" if ipv6 else "/24"))
            # No neighbour is looked for while packets are counted, and every answer is given.
            mine.sysctl({"net.ipv4.icmp_ratelimit": 0, "net.ipv6.icmp.ratelimit": 0})
        self.a.neighbour(addresses[1], self.b.mac("uB"), "uA")
        self.b.neighbour(addresses[0], self.a.mac("uA"), "uB")

    def agent(self, namespace, device, target, protocol):
        rules = [{"direction": direction, "number": 1, "action": "accept", "protocol": protocol,
                  "icmp_type": 8 if protocol == "icmp" else 128} for direction in ("in", "out")]
        rules += [{**rule, "number": 2, "icmp_type": 0 if protocol == "icmp" else 129} for rule in rules]
        rules += [{**rule, "number": 3, "icmp_type": 3 if protocol == "icmp" else 1} for rule in rules[:2]]
        rules += [{"direction": direction, "number": 4, "action": "accept", "protocol": "udp"} for direction in ("in", "out")]
        agent = Agent(namespace, {"targets": [{"name": "other", "address": target}],
                                  "filters": [{"name": "f", "rules": rules}],
                                  "sessions": [{"name": "s", "number": 1, "sources": own(device), "direction": "both",
                                                "filter": "f", "target": "other", "encapsulation": TUNNEL}]},
                      options=["--hook", self.hook]).start()
        agent.wait_status(lambda status: status["sessions"][0]["state"] == "active")
        return agent

    def run_with(self, addresses, protocol):
        self.hosts(addresses, protocol == "icmpv6")
        agents = [self.agent(self.a, "uA", addresses[1], protocol), self.agent(self.b, "uB", addresses[0], protocol)]
        with Capture(self.b, "uB") as cable:
            self.a.run(["ping", "-n", "-q", "-c", "10", "-i", "0.05", addresses[1]])

            def totals():
                return [agent.status()["sessions"][0]["total"] for agent in agents]
            wait_until(lambda: all(total["mirrored_packets"] >= 20 for total in totals()), 10, totals)
            # Nobody listens at either end: Linux answers each copy, though not a UDP datagram over IPv6 without a checksum.
            answers = 0 if protocol == "icmpv6" else 40
            wait_until(lambda: len(unreachable(cable)) >= answers, 10, lambda: cable.frames)
        for total in totals():
            self.assertTrue(balanced(total))
            self.assertEqual((total["matched_packets"], total["mirrored_packets"]), (20, 20))
        # Per host: 20 copies received, answers sent and received. Its own copies are finished where they would be counted.
        self.assertEqual([own_frames(agent.status(), device) for agent, device in zip(agents, ("uA", "uB"))],
                         [20 + answers] * 2)
        self.assertEqual(len(cable.copies()), 40)

    def test_ipv4(self):
        self.run_with((HOST, COLLECTOR), "icmp")

    def test_ipv6(self):
        self.run_with((HOST6, COLLECTOR6), "icmpv6")


def unreachable(capture):
    parsed = [packet.parse(frame.data) for frame in capture.frames]
    return [p for p in parsed if (p.protocol, p.icmp_type) in ((packet.ICMP, 3), (packet.ICMPV6, 1))]


class TwoHostsClsact(TwoHosts):
    hook = "clsact"


class Answers(SceneCase):
    """A collector where nobody listens answers every copy; the answers arrive at a mirrored uplink."""
    hook = "auto"

    def started_with(self, ipv6):
        """The guest and the uplink are sources."""
        rules = [{"direction": direction, "number": number, "action": "accept", **conditions}
                 for direction in ("in", "out") for number, conditions in
                 enumerate(({"protocol": "udp"}, {"protocol": "icmp"}, {"protocol": "icmpv6", "icmp_type": 1}), 1)]
        return self.started(session(sources=own("uA") + own("v1", "host"), filter="f"), scene={"ipv6": ipv6},
                            filters=[{"name": "f", "rules": rules}])

    def test_ipv4(self):
        scene = self.started_with(False)
        scene.collector.run(["nft", "flush ruleset"])
        scene.collector.sysctl({"net.ipv4.icmp_ratelimit": 0})
        scene.collector.neighbour(HOST, scene.host.mac("uA"), "uC")
        frames = [scene.out(udp(GUEST, PEER)) for _ in range(COUNT)]
        with Capture(scene.host, "uA", direction="in") as uplink:
            mirrored = scene.mirror(lambda: scene.from_guest.send(*frames), COUNT)
            wait_until(lambda: len(unreachable(uplink)) >= COUNT, 10, lambda: uplink.frames[:5])
        self.assertEqual(own_frames(scene.agent.status(), "uA"), COUNT)
        self.assertEqual(mirrored.inner(), frames)
        self.assertEqual(scene.totals()["s"]["matched_packets"], COUNT)

    def test_ipv6(self):
        """Answered by hand, as a collector that takes datagrams without a checksum would."""
        scene = self.started_with(True)
        frames = [scene.out(udp(GUEST, PEER)) for _ in range(COUNT)]
        mirrored = scene.mirror(lambda: scene.from_guest.send(*frames), COUNT)
        self.assertEqual(mirrored.inner(), frames)
        errors = [packet.icmpv6(copy.outer.l3, COLLECTOR6, HOST6, 1, 4, bytes(4)) for copy in mirrored.copies]
        answers = [packet.ethernet(packet.ipv6(error, COLLECTOR6, HOST6, packet.ICMPV6), scene.collector.mac("uC"),
                                   scene.host.mac("uA")) for error in errors]
        with RawSender(scene.medium, "uM") as wire:
            again = scene.mirror(lambda: wire.send(*answers), 0)
        self.assertEqual((again.copies, own_frames(again.status, "uA")), ([], COUNT))

    def test_other_errors_are_mirrored(self):
        """An "unreachable" that quotes somebody else's packet, or no tunnel's port, is production."""
        icmp = [{"direction": "in", "number": 1, "action": "accept", "protocol": "icmp"}]
        scene = self.started(session(sources=own("uA"), direction="in", filter="icmp"), filters=[{"name": "icmp", "rules": icmp}])
        quotes = {
            "tunnel": (tunnel(HOST, COLLECTOR), True),
            "other port": (tunnel(HOST, COLLECTOR, 4790), False),
            "no tunnel": (udp(HOST, COLLECTOR, 4789), False),
            "no more than the UDP header": (udp(HOST, COLLECTOR, 4789, payload=b""), True),
            "TCP": (packet.ipv4(packet.tcp(b"", HOST, COLLECTOR, 1000, 4789), HOST, COLLECTOR, packet.TCP), False),
            "with options": (packet.ipv4(packet.udp(b"", HOST, COLLECTOR, 1, 4789), HOST, COLLECTOR, packet.UDP,
                                         options=b"\1" * 8), True),
        }
        wire = RawSender(scene.medium, "uM")
        for name, (quoted, ours) in quotes.items():
            answer = packet.ipv4(packet.icmp(quoted[:60], 3, 3, bytes(4)), COLLECTOR, HOST, packet.ICMP)
            frame = packet.ethernet(answer, scene.collector.mac("uC"), scene.host.mac("uA"))
            with self.subTest(name):
                before = own_frames(scene.agent.status(), "uA")
                mirrored = scene.mirror(lambda f=frame: wire.send(f), 0 if ours else 1)
                self.assertEqual(mirrored.inner(), [] if ours else [frame])
                self.assertEqual(own_frames(mirrored.status, "uA") - before, int(ours))


class NeverMirror(SceneCase):
    """Tunnels of other hosts, named in the file, are left alone: by address, port and header, in both directions."""
    hook = "auto"

    def test_endpoints(self):
        scene = self.started(never_mirror=[{"address": "10.9.0.1", "port": 4789}, {"address": "10.9.0.2", "port": 8472},
                                           {"address": "2001:db8::9", "port": 6081}])
        never = [tunnel(GUEST, "10.9.0.1"), tunnel("10.9.0.1", GUEST), tunnel(GUEST, "10.9.0.2", 8472),
                 geneve("2001:db8::1", "2001:db8::9"), geneve("2001:db8::9", "2001:db8::1"),
                 tunnel(GUEST, COLLECTOR), tunnel(COLLECTOR, GUEST)]
        always = [tunnel(GUEST, "10.9.0.1", 4790), tunnel(GUEST, "10.9.0.2"), tunnel(GUEST, "10.9.0.3"),
                  tunnel(GUEST, "10.9.0.1", 8472), geneve("2001:db8::1", "2001:db8::9", 4789), geneve("2001:db8::1", "2001:db8::8"),
                  udp(GUEST, "10.9.0.1", 2000, sport=4789),
                  # Services at the very endpoints, and what is too short for a header.
                  udp(GUEST, COLLECTOR, 4789), udp(COLLECTOR, GUEST, 4789), udp("2001:db8::1", "2001:db8::9", 6081),
                  udp(GUEST, "10.9.0.1", 4789, payload=b"\x08\0\0"),
                  packet.ipv4(packet.tcp(b"", GUEST, "10.9.0.1", 1, 4789), GUEST, "10.9.0.1", packet.TCP)]
        for tags in ([], [5], [7, 5]):
            expected = [scene.out(payload, vlans=tags) for payload in always]
            before = own_frames(scene.agent.status(), "v1")
            mirrored = scene.mirror(lambda t=tags, e=expected: scene.from_guest.send(
                *[scene.out(payload, vlans=t) for payload in never], *e), len(always))
            self.assertEqual(mirrored.inner(), expected)
            self.assertEqual(own_frames(mirrored.status, "v1") - before, len(never))


class Bridge(SceneCase):
    """The target is behind a bridge of the host, and every port of it is mirrored, the one towards the target too."""

    def build(self):
        host, guest, collector = map(self.lab.namespace, ("host", "guest", "collector"))
        self.lab.veth(guest, "eth0", host, "v1")
        self.lab.veth(host, "p2", collector, "uC")
        host.bridge("br0", ["v1", "p2"])
        for device in ("br0", "v1", "p2"):
            host.ip(f"link set {device} mtu 1600")
        collector.ip("link set uC mtu 1600")
        host.address("br0", HOST + "/24")
        collector.address("uC", COLLECTOR + "/24")
        host.neighbour(COLLECTOR, collector.mac("uC"), "br0")
        collector.neighbour(HOST, host.mac("br0"), "uC")
        collector.run(["nft", "add table netdev t; add chain netdev t c "
                              "{ type filter hook ingress device uC priority 0; }; add rule netdev t c drop"])
        return host, guest, collector

    def run_with(self, send_name, vlans=()):
        host, guest, collector = self.build()
        # A bridge talks by itself, too: ARP and IGMP.
        rules = [{"direction": direction, "number": 1, "action": "accept", "protocol": "udp"} for direction in ("in", "out")]
        agent = Agent(host, {"targets": [{"name": "ids", "address": COLLECTOR}], "filters": [{"name": "udp", "rules": rules}],
                             "sessions": [session(sources=own("v1", "host") + own("p2", "host"), filter="udp")]},
                      options=["--hook", self.hook])
        agent.start().wait_status(lambda status: status["sessions"][0]["state"] == "active")
        frame = packet.ethernet(udp(GUEST, PEER), guest.mac("eth0"), collector.mac("uC"), vlans=vlans)
        # The bridge learns where the collector is, so that every count is exact.
        host.run(["bridge", "fdb", "replace", collector.mac("uC"), "dev", "p2", "master", "static"])
        with Capture(collector, "uC", direction="in") as capture, RawSender(guest, "eth0") as sender:
            for _ in range(10):
                getattr(sender, send_name)(frame)
            capture.wait(30)
        status = agent.status()
        total = status["sessions"][0]["total"]
        self.assertEqual((total["matched_packets"], total["mirrored_packets"]), (20, 20))
        self.assertEqual({own_frames(status, "v1"), own_frames(status, "p2")}, {0, 20})
        copies = capture.copies()
        self.assertEqual([copy.inner for copy in copies], [frame] * 20)

    def test_fast(self):
        self.run_with("send")

    def test_through_the_stage(self):
        self.run_with("send_partial", STAGED_TAGS)


class BridgeClsact(Bridge):
    hook = "clsact"


class Routers(SceneCase):
    """A router on the way to the target answers copies with ICMP errors, as fast as it likes."""
    TARGET = "198.51.100.9"
    ANSWERS = {"time exceeded": {"ttl": 1}, "fragmentation needed": {"df": True}}

    def test_errors_about_copies_are_not_mirrored(self):
        for name, target in self.ANSWERS.items():
            with self.variant(answer=name):
                scene = Scene(self.lab)
                scene.collector.run(["nft", "flush ruleset"])
                scene.collector.sysctl({"net.ipv4.ip_forward": 1, "net.ipv4.icmp_ratelimit": 0})
                behind = self.lab.namespace("behind")
                self.lab.veth(scene.collector, "cx", behind, "ry", mtu=100)
                scene.collector.address("cx", "198.51.100.1/24")
                scene.collector.neighbour(HOST, scene.host.mac("uA"), "uC")
                scene.host.route("198.51.100.0/24", via=COLLECTOR)
                # Not what the agent asks for the router, and is answered.
                ip = [{"direction": direction, "number": 1, "action": "accept"} for direction in ("in", "out")]
                scene.start(session(sources=own("uA"), filter="ip"), filters=[{"name": "ip", "rules": ip}],
                            targets=[{"name": "ids", "address": self.TARGET, **target}])
                self.assert_answers_stay(scene)

    def assert_answers_stay(self, scene):
        """One datagram is mirrored once; the router's answer to its copy arrives and is left out."""
        frame = packet.ethernet(udp(HOST, COLLECTOR), scene.host.mac("uA"), scene.collector.mac("uC"))
        before = scene.totals()["s"]["matched_packets"]
        with RawSender(scene.host, "uA") as sender:
            sender.send(frame)
        wait_until(lambda: own_frames(scene.agent.status(), "uA") > 0, 10, "an answer that was left out")
        # The datagram, and what the collector's host itself says to it: nobody listens on its port.
        self.assertLessEqual(scene.totals()["s"]["matched_packets"] - before, 2)


class OverATunnel(SceneCase):
    """
    Copies leave by a VXLAN device of the kernel's, whose packets leave by a mirrored uplink. Whose copies they carry, only
    their mark tells: nobody named that tunnel's ends.
    """

    def run_with(self, send_name, vlans=()):
        scene = self.scene(uplink_mtu=1700)
        for namespace, device, mine, other, inner in ((scene.host, "uA", HOST, COLLECTOR, "172.29.0.1"),
                                                      (scene.collector, "uC", COLLECTOR, HOST, "172.29.0.2")):
            namespace.ip(f"link add vx0 mtu 1600 type vxlan id 5 local {mine} remote {other} dstport 8472 dev {device}",
                         "link set vx0 up")
            namespace.address("vx0", inner + "/24")
        scene.host.neighbour("172.29.0.2", scene.collector.mac("vx0"), "vx0")
        rules = [{"direction": "out", "number": 1, "action": "accept", "protocol": "udp"}]
        scene.start(session(sources=own("v1", "host") + own("uA"), direction="out", filter="udp"),
                    targets=[{"name": "ids", "address": "172.29.0.2"}], filters=[{"name": "udp", "rules": rules}],
                    options=["--hook", self.hook])
        frame = scene.out(udp(GUEST, PEER), vlans=vlans)
        with Capture(scene.collector, "vx0", direction="in", keep=lambda data: frame in data) as capture:
            for _ in range(10):
                getattr(scene.from_guest, send_name)(frame)
            _, status = scene.settled({}, None, 10)
            capture.wait(10)
        self.assertEqual([copy.inner for copy in capture.copies()], [frame] * 10)
        # Besides, the agent asks for the collector through that tunnel, and its packet there is production. The copy of
        # that one is sent from within its sending; some kernels do not let tunnels nest so deep.
        total = scene.totals(status)["s"]
        self.assertTrue(10 <= own_frames(status, "uA") <= total["mirrored_packets"] < 20, total)

    def test_fast(self):
        self.run_with("send")

    def test_through_the_stage(self):
        self.run_with("send_partial", STAGED_TAGS)


class OverATunnelClsact(OverATunnel):
    hook = "clsact"


main()
