# SPDX-License-Identifier: Apache-2.0
"""A host with one guest and one collector, for the tests of the agent as an operator meets it."""

import json
import os
import socket
import struct
import threading
import time

import foreign
import packet
from agent import Agent
from capture import Capture
from case import SMALL, Case, skip
from lab import Lab, run
from traffic import STAGED_TAGS, RawSender, number_of, numbered_udp

GUEST, HOST_INNER = "10.0.0.1", "10.0.0.2"
HOST, COLLECTOR = "172.31.0.1", "172.31.0.2"
HOST6, COLLECTOR6 = "fd31::1", "fd31::2"
VNI = 66
# Frames to it end on the host unseen: nobody answers them.
NOBODY_MAC = "02:99:99:99:99:99"


# Times are bars on a real machine; an emulated one is slower than any of them.
SLOWNESS = 10 if SMALL else 1


def session(name="s", **keys):
    """All that the guest sends as UDP, unless keys say otherwise."""
    wanted = {"name": name, "number": 1, "sources": [{"device": "v1", "side": "host"}], "direction": "out",
              "filter": "udp", "target": "ids", "encapsulation": {"type": "vxlan", "vni": VNI}, **keys}
    return {key: value for key, value in wanted.items() if value is not None}


def accept(number=10, **conditions):
    return {"direction": "out", "number": number, "action": "accept", **conditions}


def config(*sessions, **keys):
    return {"targets": [{"name": "ids", "address": COLLECTOR}],
            "filters": [{"name": "udp", "rules": [accept(protocol="udp", source=GUEST + "/32")]}],
            "sessions": list(sessions or [session()]), **keys}


def has_tcx():
    major, minor = os.uname().release.split(".")[:2]
    return (int(major), int(minor)) >= (6, 6)


class Stream:
    """
    The guest sends numbered UDP datagrams, from the moment that the constructor returns until stop(), which tells how many
    were sent to each destination port. The ports take turns; each counts from 0.
        partial: checksums are left to the kernel, as a guest does
        staged: with VLAN tags that make such packets' copies go through the stage
        source: the guest's address
    """

    BATCH_S = 0.004

    def __init__(self, guest, device="eth0", ports=(2000,), packets_per_second=1000, partial=False, staged=False,
                 source=GUEST):
        self._sender = RawSender(guest, device)
        self._send_one = self._sender.send_partial if partial else self._sender.send
        self._frames = [numbered_udp(1 << 30, guest.mac(device), NOBODY_MAC, source, HOST_INNER, dport=port, size_bytes=128,
                                     vlans=STAGED_TAGS if staged else ()) for port in ports]
        self._batch = max(1, round(packets_per_second * self.BATCH_S / len(ports)))
        self.sent = 0  # of each port
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._send, daemon=True)
        self._thread.start()
        guest.lab.on_exit(self.stop)

    def _send(self):
        while not self._stopping.wait(self.BATCH_S):
            for _ in range(self._batch):
                for frames in self._frames:
                    self._send_one(next(frames))
                self.sent += 1

    def stop(self):
        self._stopping.set()
        self._thread.join()
        self._sender.close()
        return self.sent


class HostCase(Case):
    """guest eth0 -- v1 host uA -- uC collector. The collector takes the copies and says nothing."""

    HOOK = "auto"
    IPV6 = False

    def setUp(self):
        if self.HOOK == "tcx" and not has_tcx():
            skip("this kernel has no tcx")
        self.lab = self.enterContext(Lab())
        self.guest = self.lab.namespace("g")
        self.host, self.collector = self.lab.namespace("h", ipv6=self.IPV6), self.lab.namespace("c", ipv6=self.IPV6)
        self.lab.veth(self.guest, "eth0", self.host, "v1")
        self.lab.veth(self.host, "uA", self.collector, "uC", mtu=1600)
        self.guest.address("eth0", GUEST + "/24")
        self.host.address("v1", HOST_INNER + "/24")
        self.host.address("uA", HOST + "/24")
        self.collector.address("uC", COLLECTOR + "/24")
        if self.IPV6:
            self.host.address("uA", HOST6 + "/64")
            self.collector.address("uC", COLLECTOR6 + "/64")
        self.take_copies(self.collector)

    def take_copies(self, namespace, port=packet.VXLAN_PORT):
        """Binds the tunnel's port, so that copies are not answered by ICMP errors."""
        family = socket.AF_INET6 if self.IPV6 else socket.AF_INET
        bound = namespace.socket(family, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        bound.bind(("::" if self.IPV6 else "0.0.0.0", port))
        self.addCleanup(bound.close)

    def agent(self, text=None, name="agent", options=(), active=True):
        """A started agent with that configuration; active: its sessions mirror when this returns."""
        agent = Agent(self.host, text or config(), name=name, options=["--hook", self.HOOK, *options])
        agent.start()
        if active:
            self.wait_state(agent, "active")
        return agent

    def wait_state(self, agent, state, timeout_s=10, position=0):
        return agent.wait_status(lambda status: status["sessions"][position]["state"] == state, timeout_s,
                                 f"state {state}")["sessions"][position]

    def capture(self, namespace=None, device="uC"):
        """Of the copies that arrive there."""
        return Capture(namespace or self.collector, device, direction="in", keep=is_vxlan)

    def send(self, count=10, first=0, dport=2000):
        """That many numbered datagrams of the guest, at once."""
        with RawSender(self.guest, "eth0") as sender:
            sender.send(*numbered_udp(count, self.guest.mac("eth0"), NOBODY_MAC, GUEST, HOST_INNER, dport=dport,
                                      size_bytes=128, first=first))

    def expect_mirrored(self, count=5, namespace=None, device="uC"):
        """The guest sends, and exactly these datagrams arrive as copies; returns them."""
        with self.capture(namespace, device) as capture:
            self.send(count)
            capture.wait(count, what="copies")
        self.assertEqual(numbers(capture), list(range(count)))
        return capture.copies()

    def expect_silence(self, agent, count=5):
        """The guest sends, the agent counts that as matched, and no copy arrives; returns the session's counters."""
        before = total(agent)
        with self.capture() as capture:
            self.send(count)
            agent.wait_status(lambda status: status["sessions"][0]["total"]["matched_packets"] ==
                              before["matched_packets"] + count, what="matched packets")
        self.assertEqual(capture.frames, [])
        return total(agent)

    def attached(self):
        """What is attached to this host's devices, as the kernel itself lists it."""
        devices = [link["ifname"] for link in self.host.ip_json("link show")]
        return {(device, hook): (self.host.tc(f"filter show dev {device} {hook}"),
                                 foreign.tcx_programs(self.host, device, hook) if has_tcx() else [])
                for device in devices for hook in ("ingress", "egress")}


def is_vxlan(data):
    """Quick, for captures: UDP to the tunnel's port over IPv4 or IPv6."""
    at = {b"\x08\x00": 36, b"\x86\xdd": 56}.get(data[12:14], 0)
    return bool(at) and data[at:at + 2] == struct.pack("!H", packet.VXLAN_PORT)


def numbers(capture, vni=None, dport=None):
    """The numbers of the datagrams whose copies were captured, in order."""
    copies = capture.copies(vni)
    return [number_of(copy.inner) for copy in copies if dport is None or copy.packet.dport == dport]


def total(agent, position=0):
    return agent.status()["sessions"][position]["total"]


def pinned_links(agent):
    """Name of the pin -> (link id, program id), as bpftool reads them: tcx only."""
    directory = os.path.join(agent.pin_dir, "attached")
    return {name: tuple(json.loads(run(["bpftool", "-j", "link", "show", "pinned", os.path.join(directory, name)]).stdout)[key]
                        for key in ("id", "prog_id"))
            for name in sorted(os.listdir(directory)) if name.endswith("-0")}


def program_names():
    """Id -> name of every loaded program."""
    return {program["id"]: program.get("name", "") for program in json.loads(run(["bpftool", "-j", "prog", "show"]).stdout)}


def wait_for(predicate, timeout_s):
    """Seconds until predicate() is true; None when it does not become so in time."""
    start = time.monotonic()
    while time.monotonic() < start + timeout_s:
        if predicate():
            return time.monotonic() - start
        time.sleep(0.01)
    return None
