# SPDX-License-Identifier: Apache-2.0
"""What is mirrored follows what the controller is told, under traffic: guests that move, interfaces that join and leave, rules."""

import collections
import itertools
import time

import packet
from capture import Capture
from case import main
from lab import wait_until
from traffic import number_of
from vpc import NETWORK
from whole import RATE, SLOWNESS, WholeCase

PING_INTERVAL_S = 0.005
PORTS = (2001, 2002, 2003, 2004)


class Mover:
    """
    A guest whose NIC is there all the time while its cable, `v-moving` on the host, is plugged into one host or another. Its
    cables are captured inside the guest, where production is seen as it is.
    """

    ADDRESS, DEVICE = "10.0.0.20", "v-moving"

    def __init__(self, vpc):
        self.vpc, self.lab = vpc, vpc.lab
        self.namespace = vpc.lab.namespace("moving")
        self.mac = vpc.lab.next_mac()
        # A bridge without any port that is up has no carrier, and the kernel takes up to a second to notice one.
        self.lab.veth(self.namespace, "always", self.namespace, "on")
        self.namespace.bridge("eth0", ["always"], options="forward_delay 0")
        self.namespace.ip(f"link set eth0 address {self.mac}")
        self.namespace.address("eth0", self.ADDRESS + "/24")
        self.captures, self.numbers = [], itertools.count()
        self.port = self.host = None

    def plug(self, host):
        """The new cable is ready before the old one goes, but both at a time would be a loop."""
        port, old = f"port{next(self.numbers)}", self.port
        self.lab.veth(self.namespace, port, host.namespace, self.DEVICE)
        self.captures = [*self.captures[-1:], Capture(self.namespace, port, keep=is_ping)]
        host.namespace.ip(f"link set {self.DEVICE} master br0")
        # The kernel takes its time to notice a carrier, and a bridge forwards to those only that have one.
        for namespace, device in ((self.namespace, port), (host.namespace, self.DEVICE)):
            wait_until(lambda: namespace.link(device)["operstate"] == "UP", 10 * SLOWNESS, f"{device} to be up")
        if old:
            self.namespace.ip(f"link delete {old}")
        self.namespace.ip(f"link set {port} master eth0")
        self.port, self.host = port, host

    def seen(self):
        """What has passed its cables, each frame as often as it passed."""
        return collections.Counter(frame.data for capture in self.captures for frame in list(capture.frames))


def is_ping(data):
    return data[12:14] == b"\x08\x00" and data[23] == packet.ICMP


class Change(WholeCase):
    def mirrored_from(self, capture, session, address):
        return [copy for copy in capture.of(session) if copy.outer.src == address]

    def move(self, mover, host, tell):
        """
        Moves the guest while it pings; tell() lets the controller know. Every copy is of one frame that passed a cable, and
        those without one lie in the gap, which is printed; returns its length after the controller knew, in seconds.
        """
        session = self.api.get("/v1/sessions/moving")
        session["vni"] = session["encapsulation"]["vni"]
        before = mover.host
        mover.captures[-1].frames.clear()
        with self.copies() as capture:
            ping = mover.namespace.spawn(["ping", "-n", "-q", "-i", PING_INTERVAL_S, self.guests["b"].address])
            wait_until(lambda: len(capture.of(session)) > 50, 10 * SLOWNESS, "copies from the old host")
            mover.plug(host)
            moved_ns = time.time_ns()
            tell()
            told_ns = time.time_ns()
            wait_until(lambda: len(self.mirrored_from(capture, session, host.address)) > 50, 20 * SLOWNESS,
                       lambda: f"copies from host {host.name}: {self.api.get('/v1/sessions/moving')}")
            ping.terminate()
            ping.wait()
            self.wait_state("moving", "active")
            seen = mover.seen()
            wait_until(lambda: capture.of(session)[-1].inner == last_of(mover.captures[-1]), 5 * SLOWNESS, "the last copy")
        self.check_copies(capture, session, seen, mover)
        first_new = next(frame.time_ns for frame in capture.frames
                         if packet.parse(frame.data).src == host.address)
        last_old = max(frame.time_ns for frame in capture.frames if packet.parse(frame.data).src == before.address)
        print(f"# mirrored again {(first_new - moved_ns) / 1e6:.0f} ms after the move, {(first_new - told_ns) / 1e6:.0f} ms after "
              f"the controller knew; between the last copy of host {before.name} and the first of {host.name} "
              f"{(first_new - last_old) / 1e6:.0f} ms")
        return (first_new - told_ns) / 1e9

    def check_copies(self, capture, session, seen, mover):
        copies = collections.Counter(copy.inner for copy in capture.of(session))
        self.assertEqual(copies - seen, collections.Counter(), "copies of what did not pass, or twice of what did once")
        missing = seen - copies
        print(f"# {sum(seen.values())} packets passed the guest's cables, {sum(missing.values())} of them have no copy")
        order = [frame.data for one in mover.captures for frame in one.frames]
        for sent in (True, False):  # the two directions are not switched at the same moment
            way = [data for data in order if (packet.parse(data).src == mover.ADDRESS) == sent]
            places = [place for place, data in enumerate(way) if data in missing]
            if places:
                self.assertEqual(len(places), places[-1] - places[0] + 1, "those without a copy follow one another")

    def moving_guest(self, group=None):
        mover = Mover(self.vpc)
        self.addCleanup(mover.namespace.delete)
        for name in "AC" if group else "":
            self.vtap("host update", name, "--group", group)
            self.addCleanup(self.vtap, "host update", name, "--reset group")
        mover.plug(self.hosts["A"])
        self.create("interface", name="moving", mac=mover.mac, addresses=[mover.ADDRESS], network="vpc", subnet="subnet",
                    host="A", device=mover.DEVICE)
        self.create("filter", name="pings")
        for direction in ("in", "out"):
            self.api.post("/v1/filters/pings/rules", {"direction": direction, "number": 1, "protocol": "icmp"})
        self.session("moving", "moving", filter="pings", direction="both")
        return mover

    def test_guest_moves(self):
        """The interface is updated by whoever moves the guest."""
        mover = self.moving_guest()
        for name in ("C", "A"):
            gap_s = self.move(mover, self.hosts[name],
                              lambda: self.vtap("interface update moving --host", name, "--device", mover.DEVICE))
            self.assertLess(gap_s, 1 * SLOWNESS)

    def test_guest_is_followed(self):
        """Nobody tells: the agents see where its MAC is. Only inside the host's group, and not while it is seen in the old place."""
        mover = self.moving_guest(group="rack-1")
        gap_s = self.move(mover, self.hosts["C"], lambda: None)
        self.assertLess(gap_s, 8 * SLOWNESS)
        self.assertEqual(self.shown("interface show moving")["host"], self.api.get("/v1/hosts/C")["id"])
        mover.plug(self.hosts["B"])
        mover.namespace.spawn(["ping", "-n", "-q", "-i", "0.1", self.guests["b"].address])
        wait_until(lambda: any("another group" in reason for reason in self.reasons("moving")), 20 * SLOWNESS,
                   lambda: f"a conflict: {self.api.get('/v1/sessions/moving')}")
        self.assertEqual(self.shown("interface show moving")["host"], self.api.get("/v1/hosts/C")["id"])
        print(f"# {self.reasons('moving')}")

    # Members of what a session covers.

    def expect_joins_and_leaves(self, session, join, leave):
        """From the moment that a command returns to the first copy, or the last one, is less than a second."""
        for way, command in (("joins", join), ("leaves", leave), ("joins", join)):
            with self.copies() as capture:
                stream = self.stream("b")
                if way == "leaves":
                    capture.wait_of(session)
                command()
                told_ns = time.time_ns()
                if way == "leaves":
                    self.wait_state(session["name"], "waiting")
                else:
                    capture.wait_of(session)
                    self.wait_state(session["name"], "active")
                stream.stop()
            after = [(frame.time_ns - told_ns) / 1e6 for frame in capture.frames]
            gap_ms = max(after) if way == "leaves" else min(after)
            print(f"# the interface {way}: {'last' if way == 'leaves' else 'first'} copy {gap_ms:.0f} ms after the command")
            self.assertLess(gap_ms, 1000 * SLOWNESS)
        self.api.delete(f"/v1/sessions/{session['id']}")

    def test_subnet(self):
        self.api.patch("/v1/networks/vpc", {"cidrs": [NETWORK, "10.0.1.0/24"]})
        self.addCleanup(self.api.patch, "/v1/networks/vpc", {"cidrs": [NETWORK]})
        self.create("subnet", name="edge", network="vpc", cidr="10.0.1.0/24")
        self.vtap("interface update b --reset subnet,addresses")
        self.addCleanup(self.vtap, "interface update b --subnet subnet --address", self.guests["b"].address)
        session = self.session("edge", "edge", active=False)
        self.wait_state("edge", "waiting")
        self.expect_joins_and_leaves(session, lambda: self.vtap("interface update b --subnet edge"),
                                     lambda: self.vtap("interface update b --reset subnet"))
        self.vtap("interface update b --reset subnet")

    def test_tag(self):
        session = self.session("web", "tag:role=web", active=False)
        self.addCleanup(self.vtap, "interface update b --reset tags")
        self.vtap("interface update b --tag role=db")
        self.wait_state("web", "waiting")
        self.assertIn("no interface fits its sources", self.reasons("web"))
        self.expect_joins_and_leaves(session, lambda: self.vtap("interface update b --tag role=web"),
                                     lambda: self.vtap("interface update b --tag role=db"))

    def test_what_is_sent_before_and_after(self):
        """Who is in the subnet all the time loses nothing while another one comes and goes."""
        self.vtap("interface update b --reset subnet")
        self.addCleanup(self.vtap, "interface update b --subnet subnet")
        self.create("filter", name="udp")  # a guest's kernel sends ARP requests by itself
        self.vtap("rule create --filter udp --direction out --number 1 --protocol udp")
        session = self.session("all", "subnet", filter="udp")
        with self.copies() as capture:
            stream = self.stream("a")
            for _ in range(2):
                self.vtap("interface update b --subnet subnet")
                capture.wait(len(capture.frames) + RATE // 10)
                self.vtap("interface update b --reset subnet")
                capture.wait(len(capture.frames) + RATE // 10)
            self.expect_all(capture, session, stream)

    def test_adopted(self):
        """An interface is made of what the agents report: nobody types a MAC."""
        guest, host = self.guests["c"], self.hosts["C"]
        self.vtap("interface delete c")
        self.addCleanup(self.vtap, "interface update c --network vpc --subnet subnet")
        found = {device["device"]: device for device in self.shown("host devices C")}
        self.assertEqual(found["vc"]["behind"], [{"mac": guest.mac, "addresses": [guest.address]}])
        self.assertIsNone(found["vc"]["interface"])
        self.vtap("interface adopt --host C --device vc --name c")
        adopted = self.shown("interface show c")
        self.assertEqual((adopted["mac"], adopted["addresses"], adopted["device"], adopted["side"]),
                         (guest.mac, [guest.address], "vc", "host"))
        self.expect_mirrored("c", self.session("adopted", "c"))
        # A cable that comes later is reported by itself.
        self.lab.veth(host.namespace, "v-late", host.namespace, "v-far")
        self.addCleanup(host.namespace.ip, "link delete v-late")
        wait_until(lambda: "v-late" in [device["device"] for device in self.shown("host devices C")], 10 * SLOWNESS, "v-late")
        refused = self.controller.run("interface", "adopt", "--host", "C", "--device", "nowhere")
        self.assertEqual((refused.returncode, refused.stderr),
                         (1, "vtap: --device: the agent of the host reports no device \"nowhere\"\n"))

    # Rules. Ports take turns in the stream, so that a moment is the same number for all of them.

    def got(self, capture, session, port):
        return [number_of(copy.inner) for copy in capture.of(session) if copy.packet.dport == port]

    def edit(self, capture, *words):
        """One command, with traffic before and after."""
        capture.wait(len(capture.frames) + 50)
        self.vtap(*words)

    def wait_applied(self):
        self.wait_state("filtered", "active")

    def test_edited_under_traffic(self):
        """Each edit is in force for all packets from one moment on; what it does not concern goes on without a gap."""
        first, second, third, fourth = PORTS
        self.create("filter", name="edited")
        self.vtap("rule create --filter edited --direction out --number 10 --protocol udp --destination-ports", first)
        session = self.session("filtered", "a", filter="edited")
        with self.copies() as capture:
            stream = self.stream("a", ports=PORTS)
            for words in (f"rule create --filter edited --direction out --number 20 --protocol udp --destination-ports {second}",
                          f"rule create --filter edited --direction out --number 30 --protocol udp --destination-ports {third}",
                          "rule update edited/out/20 --action reject",
                          "rule update edited/out/20 --action accept",
                          f"rule update edited/out/30 --destination-ports {fourth}",
                          "rule delete edited/out/20"):
                self.edit(capture, words)
                self.wait_applied()
            capture.wait(len(capture.frames) + 50)
            sent = stream.stop()
            wait_until(lambda: len(self.got(capture, session, first)) >= sent, 5 * SLOWNESS, "copies")
        numbers = {port: self.got(capture, session, port) for port in PORTS}
        self.assertEqual(numbers[first], list(range(sent)))
        self.assertEqual(len(runs(numbers[second])), 2, "accepted, rejected, accepted and gone")
        self.assertEqual([len(runs(numbers[port])) for port in (third, fourth)], [1, 1])
        # The rule's port was changed at one moment.
        self.assertEqual(numbers[third][-1] + 1 - numbers[fourth][0], 0 if numbers[third][-1] < numbers[fourth][0] else 1)
        self.wait_counted(session, sum(map(len, numbers.values())), "a")

    def test_replaced_under_traffic(self):
        """All rules at a time: never both of them, and never neither."""
        first, second = PORTS[:2]
        self.create("filter", name="replaced")
        replaced = [[{"direction": "out", "number": 5, "protocol": "udp", "destination_ports": port}] for port in (first, second)]
        self.api.put("/v1/filters/replaced/rules", {"rules": replaced[0]})
        session = self.session("filtered", "a", filter="replaced")
        with self.copies() as capture:
            stream = self.stream("a", ports=(first, second))
            for turn in range(1, 6):
                capture.wait(len(capture.frames) + 50)
                self.api.put("/v1/filters/replaced/rules", {"rules": replaced[turn % 2]})
                self.wait_applied()
            capture.wait(len(capture.frames) + 50)
            sent = stream.stop()
            matched = self.hosts["A"].agent.status()["sessions"][0]["total"]["matched_packets"]
            capture.wait_of(session, matched)
        self.wait_counted(session, len(capture.of(session)), "a")
        turns = sorted((number, port) for port in (first, second) for number in self.got(capture, session, port))
        # At a change, the number that is under way may have both of its packets taken, or none.
        self.assertLessEqual(abs(len(turns) - sent), 5)
        self.assertEqual(sum(len(runs(self.got(capture, session, port))) for port in (first, second)), 6)


def runs(numbers):
    """Lists of numbers that follow one another."""
    found = []
    for number in numbers:
        if found and found[-1][-1] + 1 == number:
            found[-1].append(number)
        else:
            found.append([number])
    return found


def last_of(capture):
    return capture.frames[-1].data


main()
