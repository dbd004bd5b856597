# SPDX-License-Identifier: Apache-2.0
"""The whole system, for its tests: a VPC of three hosts with their agents, a controller by TLS, one guest on each host."""

import contextlib
import itertools
import time

import packet
from capture import Capture
from case import SMALL, Case
from host import Stream, is_vxlan
from lab import Lab, TimedOut, wait_until
from traffic import RawSender, number_of, numbered_udp
from vpc import COLLECTOR, Guest, Vpc

# Times are bars on a real machine; an emulated one is slower than any of them.
SLOWNESS = 10 if SMALL else 1
RATE = 200 if SMALL else 1000
NOBODY, NOBODY_MAC = "10.0.0.99", "02:99:99:99:99:99"


class Copies(Capture):
    """Of all copies that come to the collector, each of which is parsed once."""

    def __init__(self, vpc):
        super().__init__(vpc.collector, "uC", direction="in", keep=is_vxlan)
        self._parsed, self._by_vni = 0, {}

    def of(self, session):
        while self._parsed < len(self.frames):
            for copy in packet.copies([self.frames[self._parsed]]):
                self._by_vni.setdefault(copy.vni, []).append(copy)
            self._parsed += 1
        return self._by_vni.get(session["vni"], [])

    def numbers(self, session):
        """Of the datagrams of a Stream, or of send(), in the order of their copies."""
        return [number_of(copy.inner) for copy in self.of(session)]

    def wait_of(self, session, count=1, timeout_s=10):
        """Until there are so many copies of a session."""
        wait_until(lambda: len(self.of(session)) >= count, timeout_s * SLOWNESS,
                   lambda: f"{count} copies of {session['name']}, not {len(self.of(session))}")


class WholeCase(Case):
    """
    Guest a is plugged into host A as va, b into B, c into C; copies go to target `ids`. The VPC is the class's: a test gives back
    what it takes (create() does so by itself); after one that failed the next gets a new VPC.
    """

    HOSTS = "ABC"
    _exits = None

    @classmethod
    def _open(cls):
        cls._exits = contextlib.ExitStack()
        cls.lab = cls._exits.enter_context(Lab())
        cls.vpc = Vpc(cls.lab)
        cls.hosts = {name: cls.vpc.add_host(name, f"172.31.0.{number}") for number, name in enumerate(cls.HOSTS, 1)}
        cls.guests = {name.lower(): Guest(cls.vpc, name.lower(), f"10.0.0.{number}")
                      for number, name in enumerate(cls.HOSTS, 1)}
        cables = [(cls.guests[name.lower()], host, f"v{name.lower()}") for name, host in cls.hosts.items()]
        for guest, host, device in cables:
            host.guest(guest, device)
        cls.controller = cls.vpc.start_controller()
        cls.vpc.describe(cables)
        cls.vpc.start_agents()
        cls.api = cls.controller.client()
        cls.api.post("/v1/targets", {"name": "ids", "address": COLLECTOR})
        cls.vnis = itertools.count(100)

    @classmethod
    def _close(cls):
        if cls._exits:
            exits, cls._exits = cls._exits, None
            exits.close()

    @classmethod
    def tearDownClass(cls):
        cls._close()

    def setUp(self):
        if not self._exits:
            type(self)._open()

    def run(self, result=None):
        before = len(result.failures) + len(result.errors)
        super().run(result)
        if len(result.failures) + len(result.errors) > before:
            type(self)._close()
        return result

    def vtap(self, *words):
        """The command line as the administrator types it, where no word has blanks inside."""
        return self.controller.vtap(*(word for text in words for word in str(text).split()))

    def shown(self, *words):
        return self.controller.shown(*(word for text in words for word in str(text).split()))

    def create(self, kind, **attributes):
        """A resource that goes with the test."""
        made = self.api.post(f"/v1/{kind}s", attributes)
        self.addCleanup(self.api.request, "DELETE", f"/v1/{kind}s/{made['id']}")
        return made

    def session(self, name, *sources, active=True, **attributes):
        """A session of all that the sources send, with a number and VNI of its own; active: it mirrors when this returns."""
        vni = next(self.vnis)
        wanted = {"name": name, "sources": list(sources), "direction": "out", "target": "ids", "number": vni,
                  "encapsulation": {"vni": vni}, **attributes}
        made = self.create("session", **wanted)
        made["vni"] = made["encapsulation"]["vni"]
        if active:
            self.wait_state(name, "active")
        return made

    def wait_state(self, name, *states, timeout_s=20):
        """Until the session is in one of these; returns it."""
        seen = {}

        def fits():
            seen.clear()
            seen.update(self.api.get(f"/v1/sessions/{name}"))
            return seen["state"] in states
        wait_until(fits, timeout_s * SLOWNESS, lambda: f"session {name} {states}, not {seen['state']}: {seen['reasons']}\n"
                   + "\n".join(host.agent.log()[-2000:] for host in self.hosts.values()))
        return dict(seen)

    def reasons(self, name):
        return [reason["reason"] for reason in self.api.get(f"/v1/sessions/{name}")["reasons"]]

    def wait_connected(self, *names, timeout_s=30):
        """Seconds until the agents of these hosts, or all, have the controller's answer."""
        start = time.monotonic()
        for name in names or self.hosts:
            self.hosts[name].agent.wait_status(lambda status: status["controller"]["state"] == "connected",
                                               timeout_s * SLOWNESS, "the controller connected")
        return time.monotonic() - start

    def wait_away(self, *names, timeout_s=30):
        for name in names or self.hosts:
            self.hosts[name].agent.wait_status(lambda status: status["controller"]["state"] == "away",
                                               timeout_s * SLOWNESS, "the controller away")

    def copies(self):
        return Copies(self.vpc)

    def stream(self, name, **options):
        guest = self.guests[name]
        stream = Stream(guest.namespace, source=guest.address, **{"packets_per_second": RATE, **options})
        self.addCleanup(stream.stop)
        return stream

    def send(self, name, count=5, dport=2000):
        """That many numbered datagrams of a guest, to nobody."""
        guest = self.guests[name]
        with RawSender(guest.namespace, "eth0") as sender:
            sender.send(*numbered_udp(count, guest.mac, NOBODY_MAC, guest.address, NOBODY, dport=dport, size_bytes=128))

    def expect_mirrored(self, name, session, count=5):
        """The guest sends, and exactly these datagrams come as copies of the session."""
        with self.copies() as capture:
            self.send(name, count)
            capture.wait_of(session, count)
        self.assertEqual(sorted(capture.numbers(session)), list(range(count)))

    def expect_all(self, capture, session, stream):
        """The stream ends, and each datagram of it has exactly one copy for the session; how many there were."""
        sent = stream.stop()
        with contextlib.suppress(TimedOut):
            capture.wait_of(session, sent, 5)
        capture.stop()
        self.assertEqual(capture.lost, 0)
        got = capture.numbers(session)
        missing = sorted(set(range(sent)) - set(got))
        self.assertEqual(missing, [], f"{len(missing)} of {sent} were not mirrored")
        self.assertEqual(len(got), sent)
        return sent

    def counted(self, session):
        """(matched, mirrored, lost) packets, as the controller knows them."""
        found = self.api.get(f"/v1/sessions/{session['id']}/stats")
        return found["total"].get("matched_packets", 0), found["total"].get("mirrored_packets", 0), found["lost"]

    def wait_counted(self, session, count, source, timeout_s=20):
        """
        Until the controller knows of so many packets; none of them was lost, and there are no more. source: of the session,
        and silent; agents report at once after a change.
        """
        self.session(f"after-{count}", source, mode="copy", active=False)
        wait_until(lambda: self.counted(session)[0] >= count, timeout_s * SLOWNESS,
                   lambda: f"{count} packets counted, only {self.counted(session)}")
        self.assertEqual(self.counted(session), (count, count, 0))
