# SPDX-License-Identifier: Apache-2.0
"""What is compared: one guest, host and collector each, with one way to mirror between them.

The guest's frames enter the host at v1 and are dropped there, as they are for somebody else's MAC; copies leave by uA and
are counted and dropped when they reach the collector.
"""

import json
import os
import re

import agent
import packet
from lab import CommandFailed, end_process, wait_until

TOOLS = os.path.join(os.path.dirname(os.path.realpath(agent.PROGRAM)), "..", "..", "test", "bench")
GUEST, HOST, HOST_UPLINK, COLLECTOR = "10.0.0.1", "10.0.0.2", "172.31.0.1", "172.31.0.2"
OTHER_GUEST = "10.0.2.2"
NOBODY, NOBODY_MAC = "10.0.0.9", "02:00:00:00:99:99"
FRAME_BYTES = 256
VNI = 66
SENDER_CPU, PEER_CPU = 0, 1
UPLINK_MTU = 1600


def tool(name):
    return os.path.join(TOOLS, name)


class Program:
    """One of the benchmark's own BPF programs at a device, for as long as the lab lives."""

    def __init__(self, namespace, *arguments):
        self._read, write = os.pipe()
        stdin_read, self._stdin = os.pipe()
        namespace.spawn([tool("tc-program"), *arguments], stdin=stdin_read, stdout=write)
        os.close(write)
        os.close(stdin_read)
        self._answers = os.fdopen(self._read)
        namespace.lab.on_exit(lambda: (os.close(self._stdin), self._answers.close()))
        if self._answers.readline() != "ready\n":
            raise CommandFailed(f"tc-program {' '.join(arguments)} did not start")

    def count(self):
        os.write(self._stdin, b"\n")
        return int(self._answers.readline())


OFFLOADS = {
    "all": ["tx", "on"],
    "no tunnel": ["tx-udp_tnl-segmentation", "off", "tx-udp_tnl-csum-segmentation", "off"],
    "none": ["tx", "off"],
}


class Contender:
    """A topology without any mirroring, and the base of the others."""

    def __init__(self, lab, label, offloads="all"):
        """offloads of the uplink: "all" that a veth has, "no tunnel" segmentation, or "none", checksums neither."""
        self.lab, self.label = lab, label
        self.guest, self.host, self.sink = (lab.namespace(f"{label}-{name}") for name in ("g", "h", "c"))
        lab.veth(self.guest, "eth0", self.host, "v1")
        lab.veth(self.host, "uA", self.sink, "uC", mtu=UPLINK_MTU)
        for namespace, device, address in ((self.guest, "eth0", GUEST), (self.host, "v1", HOST),
                                           (self.host, "uA", HOST_UPLINK), (self.sink, "uC", COLLECTOR)):
            namespace.address(device, address + "/24")
        self.guest.neighbour(NOBODY, NOBODY_MAC, "eth0")
        self.guest.neighbour(HOST, self.host.mac("v1"), "eth0")
        self.host.neighbour(GUEST, self.guest.mac("eth0"), "v1")
        self.host.neighbour(COLLECTOR, self.sink.mac("uC"), "uA")
        self.host.run(["ethtool", "-K", "uA", *OFFLOADS[offloads]])
        self.collector = Program(self.sink, "collect", "uC")
        self.setup()

    def setup(self):
        """Starts mirroring both directions of v1."""

    def copies(self, sent):
        """How many copies of so many packets are due."""
        return 0

    def sent_copies(self):
        """Copies that left by the uplink, in wire packets, as far as the host can tell."""
        return self.host.link("uA")["stats64"]["tx"]["packets"]

    def trafgen(self, count):
        """Sends count frames by AF_PACKET; returns nanoseconds per packet."""
        frame = packet.ethernet(packet.ipv4(packet.udp(bytes(FRAME_BYTES - 42), GUEST, NOBODY, 1000, 2000), GUEST, NOBODY,
                                            packet.UDP), self.guest.mac("eth0"), NOBODY_MAC)
        config = self.lab.path("trafgen.cfg")
        with open(config, "w") as out:
            out.write("{ " + ", ".join(f"0x{byte:02x}" for byte in frame) + " }\n")
        done = self.guest.run(["chrt", "--fifo", "1", "trafgen", "--cpus", "1", "--dev", "eth0", "--conf", config,
                               "--num", count, "--no-sock-mem", "--notouch-irq"])
        found = re.search(r"(\d+) sec, (\d+) usec on CPU", done.stdout + done.stderr)
        if not found:
            raise CommandFailed(f"trafgen did not tell its time:\n{done.stdout}{done.stderr}")
        return (int(found[1]) * 1_000_000 + int(found[2])) * 1000 / count

    def udp(self, count):
        """Sends count datagrams through a socket; returns nanoseconds per packet."""
        done = self.guest.run(["chrt", "--fifo", "1", *self.udp_argv(count)])
        return int(done.stdout.split()[3]) / count

    def udp_argv(self, count, rate=0):
        return ["taskset", "-c", SENDER_CPU, tool("udp-send"), NOBODY, "2000", FRAME_BYTES, count, rate]

    def measured(self, sender, count):
        """
        One run of the sender ("trafgen" or "udp"), (nanoseconds per packet, what is wrong with it): every copy that is due
        must have left the host and reached the collector.
        """
        before, left_before = self.collector.count(), self.sent_copies()
        took_ns = getattr(self, sender)(count)
        due = self.copies(count)
        try:
            wait_until(lambda: self.collector.count() - before >= due, 2, "the copies")
        except AssertionError:
            pass  # told below, with the figures
        arrived, left = self.collector.count() - before, self.sent_copies() - left_before
        wrong = f"{due} copies due, {left} left, {arrived} arrived" if {arrived, left} != {due} else ""
        return took_ns, wrong

    def iperf3(self, size_bytes):
        """Bits per second from the guest to the host."""
        server = self.host.spawn(["taskset", "-c", PEER_CPU, "iperf3", "-s", "-1"])
        try:
            self.host.wait_listens(5201)
            done = self.guest.run(["taskset", "-c", SENDER_CPU, "iperf3", "-J", "-c", HOST, "-n", size_bytes])
        finally:
            end_process(server)
        return json.loads(done.stdout)["end"]["sum_received"]["bits_per_second"]

    def other_guest(self):
        """A guest of another host: both hosts have a bridge for their guests, and route between it and the cable to the other."""
        other, guest = (self.lab.namespace(f"{self.label}-{name}") for name in ("o", "og"))
        self.lab.veth(self.host, "w1", other, "w2")
        self.lab.veth(other, "p1", guest, "eth0")
        for host, port in ((self.host, "v1"), (other, "p1")):
            host.ip(f"addr flush dev {port}", f"link add br0 address {host.mac(port)} type bridge", f"link set {port} master br0",
                    "link set br0 up")
            host.sysctl({"net.ipv4.ip_forward": 1})
        for namespace, device, address in ((self.host, "br0", HOST), (self.host, "w1", "10.0.1.1"), (other, "w2", "10.0.1.2"),
                                           (other, "br0", "10.0.2.1"), (guest, "eth0", OTHER_GUEST)):
            namespace.address(device, address + "/24")
        self.guest.route("10.0.2.0/24", via=HOST)
        self.host.route("10.0.2.0/24", via="10.0.1.2")
        other.route("10.0.0.0/24", via="10.0.1.1")
        guest.route("10.0.0.0/24", via="10.0.2.1")
        return guest

    def round_trips(self, peer, rounds):
        """(median, mean) in nanoseconds of round trips over TCP between the guest and other_guest()."""
        server = peer.spawn(["taskset", "-c", PEER_CPU, tool("tcp-ping"), "serve", "7000"])
        try:
            peer.wait_listens(7000)
            done = self.guest.run(["taskset", "-c", SENDER_CPU, tool("tcp-ping"), OTHER_GUEST, "7000", rounds])
        finally:
            end_process(server)
        return tuple(map(int, done.stdout.split()))


class Bare(Contender):
    """The floor: a program that clones to the uplink and does nothing else."""

    def setup(self):
        for direction in ("ingress", "egress"):
            Program(self.host, "clone", "v1", direction, "uA")

    def copies(self, sent):
        return sent


class TrafficControl(Contender):
    """What one would do without vtap: tc u32 that matches everything, and mirred into a vxlan device."""

    def setup(self):
        self.host.ip(f"link add vx0 type vxlan id {VNI} local {HOST_UPLINK} remote {COLLECTOR} dstport 4789 dev uA nolearning",
                     "link set vx0 up")
        self.host.tc("qdisc add dev v1 clsact")
        for direction in ("ingress", "egress"):
            self.host.tc(f"filter add dev v1 {direction} protocol all prio 1 u32 match u32 0 0 "
                         "action mirred egress mirror dev vx0")

    def copies(self, sent):
        return sent


class Vtap(Contender):
    """The agent with one session for everything that v1 carries, in both directions."""

    def __init__(self, lab, label, offloads="all", **session):
        self.session = session
        super().__init__(lab, label, offloads)

    def setup(self):
        self.agent = agent.Agent(self.host, configuration(self.session)).start()
        self.agent.wait_status(lambda status: status["sessions"][0]["state"] == "active")

    def copies(self, sent):
        return sent

    def counters(self, session=0):
        return self.agent.status()["sessions"][session]["total"]

    def sent_copies(self):
        """By the session's own count: the uplink also carries what the agent asks its neighbours."""
        return self.counters()["mirrored_packets"]

    def lost(self):
        """What is wrong once traffic has stopped: every wire packet that matched must have reached the collector."""
        def settled():
            counters = self.counters()
            return counters["matched_packets"] == counters["mirrored_packets"] == self.collector.count()
        try:
            wait_until(settled, 2, "the copies")
        except AssertionError:
            counters = self.counters()
            lost = "".join(f", {name} {value}" for name, value in counters.items() if name.startswith("lost_") and value)
            return (f"{counters['matched_packets']} packets matched, {counters['mirrored_packets']} mirrored, "
                    f"{self.collector.count()} arrived{lost}")
        return ""


def configuration(*sessions):
    """A file with these sessions: what differs from one for all that v1 carries. Each has a number and a VNI of its own."""
    return {"targets": [{"name": "ids", "address": COLLECTOR}],
            "sessions": [{"name": f"s{index}", "number": 1 + index, "mode": "copy",
                          "sources": [{"device": "v1", "side": "host"}], "direction": "both", "target": "ids",
                          "encapsulation": {"type": "vxlan", "vni": VNI + index}, **session}
                         for index, session in enumerate(sessions)]}
