# SPDX-License-Identifier: Apache-2.0
"""One host under test: a guest's cable into it, an uplink out of it, a collector behind that.

    guest eth0 --- v1 host uA --- uM [medium] uN --- uC collector

What the guest sends is `out` of the mirrored interface, what the host sends into v1 is `in`. The medium is a bridge whose
far port has no offloads: super-packets and unfinished checksums that leave the host by an uplink with offloads come to the
collector as a NIC would have put them on the wire.
"""

import contextlib
import os
from dataclasses import dataclass

import packet
from agent import Agent
from capture import Capture
from case import Case, skip
from lab import Lab, wait_until
from traffic import RawSender

GUEST, PEER, GUEST6, PEER6 = "10.0.0.1", "10.0.0.2", "2001:db8:1::1", "2001:db8:1::2"
HOST, COLLECTOR, HOST6, COLLECTOR6 = "172.31.0.1", "172.31.0.2", "2001:db8:9::1", "2001:db8:9::2"
VNI = 66
TUNNEL_OFFLOADS = ("tx-udp_tnl-segmentation", "tx-udp_tnl-csum-segmentation")


def has_tcx():
    return tuple(int(number) for number in os.uname().release.split("-")[0].split(".")[:2]) >= (6, 6)


def session(name="s", number=1, vni=VNI, **keys):
    return {"name": name, "number": number, "sources": [{"device": "v1", "side": "host"}], "direction": "both",
            "target": "ids", "encapsulation": {"type": "vxlan", "vni": vni}, **keys}


def lost(counters):
    """Every reason for a copy not sent, and copies that are still on their way through the stage."""
    return sum(value for name, value in counters.items() if name.startswith("lost_") or name == "sampled_out")


def balanced(counters):
    return counters["matched_packets"] == counters["mirrored_packets"] + lost(counters)


@dataclass
class Mirrored:
    """What one piece of traffic brought forth."""
    copies: list  # packet.Copy, as the collector received them
    counters: dict  # session name -> what was added to its counters, both directions together
    status: dict

    def inner(self, vni=None):
        return [copy.inner for copy in self.copies if vni in (None, copy.vni)]

    @property
    def added(self):
        """Of the only session."""
        return next(iter(self.counters.values()))


class Scene:
    def __init__(self, lab, uplink_mtu=1600, guest_mtu=1500, tunnel_offload=True, ipv6=False):
        self.lab = lab
        self.guest, self.host, self.medium, self.collector = map(lab.namespace, ("guest", "host", "medium", "collector"))
        lab.veth(self.guest, "eth0", self.host, "v1", mtu=guest_mtu)
        lab.veth(self.host, "uA", self.medium, "uM", mtu=uplink_mtu)
        lab.veth(self.medium, "uN", self.collector, "uC", mtu=uplink_mtu)
        self.medium.bridge("bridge", ["uM", "uN"])
        self.medium.offload("uN", tx=False, tso=False, gso=False)
        if not tunnel_offload:
            self.host.run(["ethtool", "-K", "uA", *[word for name in TUNNEL_OFFLOADS for word in (name, "off")]])
        self.host.address("uA", HOST + "/24")
        self.collector.address("uC", COLLECTOR + "/24")
        self.host.neighbour(COLLECTOR, self.collector.mac("uC"), "uA")
        if ipv6:
            self._ipv6()
        self.target = COLLECTOR6 if ipv6 else COLLECTOR
        self.overhead_bytes = 70 if ipv6 else 50
        # Nobody listens there, and nothing should answer.
        self.collector.run(["nft", "add table netdev t; add chain netdev t c { type filter hook ingress device uC priority 0; };"
                            " add rule netdev t c udp dport 4789 drop"])
        self.guest_mac, self.host_mac = self.guest.mac("eth0"), self.host.mac("v1")
        self.from_guest, self.from_host = RawSender(self.guest, "eth0"), RawSender(self.host, "v1")
        self.agent = None

    def _ipv6(self):
        for namespace, device, address in ((self.host, "uA", HOST6), (self.collector, "uC", COLLECTOR6)):
            namespace.sysctl({f"net.ipv6.conf.{device}.accept_dad": 0, f"net.ipv6.conf.{device}.disable_ipv6": 0})
            namespace.address(device, address + "/64")
        self.host.neighbour(COLLECTOR6, self.collector.mac("uC"), "uA")

    def out(self, payload, ethertype=None, vlans=()):
        """A frame as the guest sends it."""
        return packet.ethernet(payload, self.guest_mac, self.host_mac, ethertype, vlans)

    def into(self, payload, ethertype=None, vlans=()):
        """A frame as the guest receives it."""
        return packet.ethernet(payload, self.host_mac, self.guest_mac, ethertype, vlans)

    def config(self, *sessions, targets=None, filters=(), **keys):
        return {"targets": targets or [{"name": "ids", "address": self.target}], "filters": list(filters),
                "sessions": list(sessions) or [session()], **keys}

    def start(self, *sessions, options=(), **keys):
        self.agent = Agent(self.host, self.config(*sessions, **keys), options=options).start()
        self.wait_active()
        return self

    def reload(self, *sessions, **keys):
        self.agent.reload(self.config(*sessions, **keys))
        self.wait_active()

    def wait_active(self):
        self.agent.wait_status(lambda status: all(s["state"] in ("active", "disabled") for s in status["sessions"]),
                               what="all sessions active")

    def totals(self, status=None):
        return {s["name"]: s["total"] for s in (status or self.agent.status())["sessions"]}

    def settled(self, before, matched, timeout_s):
        """
        Waits until the sessions have matched that many packets more, together, and the stage is empty (without a number:
        until nothing more happens). Then their counters must agree; returns what was added to them, and the status.
        """
        def added(status):
            return {name: {key: value - before.get(name, {}).get(key, 0) for key, value in total.items()}
                    for name, total in self.totals(status).items()}

        def at_rest():
            nonlocal previous, status, now
            previous, status = now, self.agent.status()
            now = added(status)
            done = now == previous if matched is None else sum(one["matched_packets"] for one in now.values()) >= matched
            return done and not any(one["lost_stage"] for one in now.values())
        previous = status = now = None
        wait_until(at_rest, timeout_s, lambda: f"{matched} packets matched and none in the stage, only {now}", 0.05)
        for name, one in now.items():
            if not balanced(one):
                raise AssertionError(f"counters of {name} do not agree: {one}")
        if matched is not None and sum(one["matched_packets"] for one in now.values()) != matched:
            raise AssertionError(f"more than {matched} packets matched: {now}")
        return now, status

    def mirror(self, send, matched=None, received=None, timeout_s=10):
        """
        Runs send(), waits until the sessions have matched so many wire packets, and until the collector has received
        what was mirrored (or so many, where the path is known to lose some). Every counter must agree with the others.
        """
        before = self.totals()
        with Capture(self.collector, "uC", keep=self._is_copy, direction="in") as capture:
            send()
            added, status = self.settled(before, matched, timeout_s)
            mirrored = sum(one["mirrored_packets"] for one in added.values())
            capture.wait(mirrored if received is None else received, timeout_s, f"copies ({added})")
        if capture.lost:
            raise AssertionError(f"the capture lost {capture.lost} frames")
        copies = capture.copies()
        if received is None and len(copies) != mirrored:
            raise AssertionError(f"{mirrored} packets mirrored, {len(copies)} copies came")
        return Mirrored(copies, added, status)

    @staticmethod
    def _is_copy(data):
        return data[12:14] == b"\x08\x00" and data[23] == packet.UDP or data[12:14] == b"\x86\xdd" and data[20] == packet.UDP


class SceneCase(Case):
    """A lab per test. `hook` is what a class runs with: a subclass with "clsact" runs the same tests with that."""
    hook = "tcx"

    def setUp(self):
        if self.hook == "tcx" and not has_tcx():
            skip("this kernel has no tcx")
        self.lab = self.enterContext(Lab())

    @contextlib.contextmanager
    def variant(self, **parameters):
        """A sub-test in a lab of its own, which ends with it."""
        outer = self.lab
        with self.subTest(**parameters), Lab() as self.lab:
            yield
        self.lab = outer

    def scene(self, **keys):
        return Scene(self.lab, **keys)

    def started(self, *sessions, scene=None, **keys):
        """A scene whose agent runs with those sessions. `scene`: how it is built."""
        return Scene(self.lab, **(scene or {})).start(*sessions, options=["--hook", self.hook], **keys)

    def assertChecksums(self, inner, what="checksum of a copy"):
        """Each verifies, and each could be told."""
        self.assertAll([packet.parse(frame) for frame in inner], lambda p: p.l4_checksum_ok is True and p.ip_checksum_ok, what)
