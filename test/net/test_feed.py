# SPDX-License-Identifier: Apache-2.0
"""The agent as one of a controller's, which the test plays: plans, what they cannot be, and what goes on without it."""

import json
import os
import signal
import stat
import statistics
import time

import packet
from agent import Agent
from capture import Capture
from case import main, skip
from feed_case import FeedCase, state_of
from foreign import Program
from host import COLLECTOR, GUEST, SLOWNESS, Stream, has_tcx
from lab import CommandFailed, wait_until
from played import HOST, TOKEN, session, session_id


class Feed(FeedCase):
    def test_join_mirror_report(self):
        agent = self.joined(session(), session(2, packet_length=-1), options=["--metrics", "127.0.0.1:9100"])
        self.expect_mirrored()
        report = self.controller.wait_report(
            lambda report: report["sessions"] and report["sessions"][0].get("counters", {}).get("out"))
        self.assertEqual((report["epoch"], report["revision"], report["hash"]),
                         tuple(self.controller.plan[key] for key in ("epoch", "revision", "hash")))
        self.assertEqual(report["error"], "")
        self.assertEqual(report["sessions"][0]["id"], session_id(1))
        self.assertEqual(report["sessions"][0]["state"], "active")
        self.assertEqual(report["sessions"][0]["sources"],
                         [{"interface": "eni-00000000000000001", "device": "v1", "state": "attached", "reason": ""}])
        self.assertEqual(report["sessions"][0]["counters"]["out"]["mirrored_packets"], 5)
        self.assertEqual(report["uplink"], {"device": "uA", "address": "172.31.0.1", "mtu": 1600})
        self.assertEqual(report["agent"]["instance"], self.controller.connections[0].split(":")[0])
        status = agent.status()
        self.assertEqual({key: status["controller"][key] for key in ("url", "host", "state", "revision")},
                         {"url": self.controller.url, "host": HOST, "state": "connected", "revision": 1})
        self.assertEqual(status["sessions"][0]["label"], "session-1")
        self.assertIn(f"controller {self.controller.url}: connected as {HOST}, revision 1", agent.status_text())
        metrics = self.host.run(["curl", "-s", "http://127.0.0.1:9100/metrics"]).stdout
        for line in ("vtap_controller_connected 1", "vtap_controller_silent_seconds 0", "vtap_plan_revision 1",
                     "vtap_plan_sessions_refused 1", "vtap_certificate_expires_seconds 0"):
            self.assertIn(f"\n{line}\n", metrics)
        for name in ("identity.json", "plan.json"):
            self.assertEqual(stat.S_IMODE(os.stat(self.kept(agent, name)).st_mode), 0o600)
        # The counter grows by one with every question.
        counts = [int(text.split(":")[1]) for text in self.controller.connections]
        self.assertEqual(counts, list(range(1, len(counts) + 1)))

    def test_start_again(self):
        """Without a token, and with the one that it has joined by, which serves only once."""
        agent = self.joined(session())
        agent.stop()
        for join in (None, TOKEN):
            agent.start(join=join)
            self.controller_state(agent, "connected")
            self.state(agent, "active")
            agent.stop()
        self.assertEqual(self.controller.asked.count(("POST", "/agent/v1/join")), 1)
        checked = agent.run("--check", "--controller", self.controller.url)
        self.assertEqual(checked.stdout, f"{agent.state_dir}: joined {self.controller.url} as {HOST}\n")

    def test_refused_starts(self):
        agent = Agent(self.host, None, controller=self.controller.url)
        with open(self.kept(agent, "agent.lock"), "w"):
            pass
        for join, expected in ((None, "has not joined a controller: give --join TOKEN"), ("nonsense", "is no join token"),
                               (TOKEN[:-1] + "1", "of a controller that speaks HTTPS"),
                               (TOKEN.replace("A1b2", "XXXX"), "refuses the join: the join token is not known")):
            with self.subTest(expected):
                with self.assertRaises(CommandFailed):
                    agent.start(join=join)
                self.assertIn(expected, agent.log())
                self.assertEqual(agent.process.returncode, 2)
        self.controller.stop()
        with self.assertRaises(CommandFailed):
            agent.start(join=TOKEN)
        self.assertIn("cannot be reached", agent.log())
        self.assertEqual(agent.process.returncode, 1)
        self.assertFalse(os.path.exists(self.kept(agent, "identity.json")))

    def test_each_session_by_itself(self):
        """What cannot be used says why, and the others go on; so does a session whose device is missing."""
        agent = self.joined(
            session(1), session(2, packet_length=9999), session(3, "v1", "own"), session(4, "nowhere"),
            session(5, "uA", filter="tmf-1"), session(6, "lo"), session(7, "v1", next_hop="nat-1"),
            session(8, "v1", offline="as-you-like"),
            rules={"tmf-1": [[{"id": "tmfr-1", "direction": "out", "number": n, "action": "accept"} for n in range(1, 66)]]})
        self.expect_mirrored()
        report = self.controller.wait_report(lambda report: state_of(report) == "active")
        states = {s["id"]: (s["state"], s["reason"]) for s in report["sessions"]}
        for number, state, reason in (
                (1, "active", ""), (2, "error", "packet_length: must be 0..9216, not 9999"),
                (3, "error", "sources[0]: device v1 has another side"), (4, "waiting", "waiting for nowhere"),
                (5, "error", "filter: tmf-1 cannot be used: rules[64]: is one rule too many"),
                (6, "error", "lo has no Ethernet headers"), (7, "error", "next_hop: unknown key"),
                (8, "error", "offline: must be keep or stop-after DURATION")):
            with self.subTest(number=number):
                self.assertEqual(states[session_id(number)][0], state)
                self.assertIn(reason, states[session_id(number)][1])
        shown = {s["name"]: s["state"] for s in agent.status()["sessions"]}
        self.assertEqual(shown, {name: state for name, (state, _) in states.items()})
        self.assertIn('"session-2": error (packet_length', agent.status_text())

    def test_own_target(self):
        """A target behind its own source is that session's error, not the plan's."""
        agent = self.joined(session(1), session(2, "uA"))
        self.expect_mirrored()
        self.state(agent, "error", 1)
        self.assertIn("uA is what copies to a target leave by", agent.status()["sessions"][1]["reason"])

    def test_what_the_kernel_refuses(self):
        """A hook that is full of other programs is the error of that device's sessions alone, and is tried again."""
        if not has_tcx():
            skip("this kernel has no tcx")
        self.lab.veth(self.lab.namespace("other"), "eth0", self.host, "v2")
        for _ in range(62):  # the kernel takes 63 on one hook
            Program(self.lab).attach_tcx(self.host, "v2", "ingress")
        last = Program(self.lab).attach_tcx(self.host, "v2", "ingress")
        agent = self.joined(session(2, "v2"), session(1), active=False)
        self.controller.wait_report(lambda report: (state_of(report, 1), state_of(report, 2)) == ("active", "error"))
        self.expect_mirrored()
        self.assertIn("v2 cannot be attached to: ", agent.status()["sessions"][0]["reason"])
        last()
        self.controller.wait_report(lambda report: state_of(report, 2) == "active")

    def chunk_requests(self):
        return sum(path.startswith("/agent/v1/chunks") for _, path in self.controller.asked)

    def chunks(self):
        """Fetched once, by their hashes, in order; rules that nobody has end those sessions only."""
        udp = [{"id": "tmfr-1", "direction": "out", "number": 1, "action": "accept", "protocol": "udp", "source": None}]
        tcp = [{"id": "tmfr-2", "direction": "out", "number": 2, "action": "accept", "protocol": "tcp", "source": None}]
        agent = self.joined(session(1, filter="tmf-1"), rules={"tmf-1": [tcp, udp]})
        self.expect_mirrored()
        fetched = self.chunk_requests()
        self.assertEqual(len(os.listdir(self.kept(agent, "chunks"))), 2)
        # One more filter of the same rules, and one rule set less.
        self.controller.put(session(1, filter="tmf-1"), session(2, filter="tmf-2", mode="copy"),
                            rules={"tmf-1": [udp], "tmf-2": [udp]})
        self.controller.wait_applied()
        self.assertEqual(self.chunk_requests(), fetched)
        self.assertEqual(len(os.listdir(self.kept(agent, "chunks"))), 1)
        # What comes instead of a chunk is not taken for it.
        plan = self.controller.put(session(1), session(2, filter="tmf-2", mode="copy"), rules={"tmf-2": [tcp]})
        self.controller.chunks[plan["filters"][0]["chunks"][0]] = json.dumps(udp)
        report = self.controller.wait_applied()
        self.assertEqual((state_of(report, 1), state_of(report, 2)), ("active", "error"))
        self.assertIn("its rules could not be fetched", report["sessions"][1]["reason"])
        return fetched

    def test_chunks(self):
        self.assertEqual(self.chunks(), 1)

    def test_chunks_of_a_controller_that_is_a_release_older(self):
        """It is asked once whether it gives several at a time."""
        self.controller.chunks_at_a_time = 0
        self.assertEqual(self.chunks(), 3)

    def test_many_chunks(self):
        """64 at a time; those that find no room in an answer are asked for again, in as few requests as can be."""
        rules = [[{"id": f"tmfr-{number}", "direction": "in", "number": number, "action": "accept", "protocol": number % 200}]
                 for number in range(1, 101)]
        self.controller.put(session(1, filter="tmf-1"), session(2, mode="copy", filter="tmf-2"),
                            rules={"tmf-1": rules[:50], "tmf-2": rules[50:]})
        self.controller.chunks_at_a_time = 30
        agent = self.joined(active=False)
        self.controller.wait_applied()
        self.assertEqual(self.controller.chunks_asked, [64, 64, 40, 10])
        self.assertEqual(len(os.listdir(self.kept(agent, "chunks"))), 100)
        self.assertEqual([each["state"] for each in agent.status()["sessions"]], ["active", "active"])

    def test_chunks_that_are_not_listed_any_more(self):
        """The plan is asked for again, until there is one whose chunks are there."""
        udp = [{"id": "tmfr-1", "direction": "out", "number": 1, "action": "accept", "protocol": "udp"}]
        for at_a_time in (64, 0):
            with self.subTest(at_a_time):
                self.controller.chunks_at_a_time, self.controller.epoch = at_a_time, f"{at_a_time:032x}"
                plan = self.controller.put(session(1, filter="tmf-1"), rules={"tmf-1": [udp]})
                texts, self.controller.chunks = self.controller.chunks, {}
                before = self.chunk_requests()
                agent = self.joined(active=False, name=f"agent{at_a_time}")
                wait_until(lambda: self.chunk_requests() >= before + 3, 10, "the plan's chunks again")
                self.assertNotIn("revision", agent.status()["controller"])
                self.controller.chunks = texts
                self.controller.wait_applied()
                self.assertEqual(agent.status()["controller"]["hash"], plan["hash"])
                agent.stop()
                agent.detach()

    def test_added_and_removed(self):
        """Sessions that stay lose nothing, and keep their counters."""
        agent = self.joined(session(1))
        with self.capture() as capture:
            stream = Stream(self.guest, packets_per_second=1000)
            for number in range(2, 6):
                capture.wait(len(capture.frames) + 20)
                self.controller.put(session(1), session(number, mode="copy", encapsulation={"type": "vxlan", "vni": number}))
                self.controller.wait_applied()
                self.state(agent, "active", 1)
            self.controller.put(session(1))
            self.controller.wait_applied()
            sent = stream.stop()
            wait_until(lambda: len(capture.copies(66)) >= sent, 10, "copies of all")
        self.assertEqual(len(capture.copies(66)), sent)
        total = agent.status()["sessions"][0]["total"]
        self.assertEqual((total["matched_packets"], total["mirrored_packets"]), (sent, sent))

    def test_never_back(self):
        agent = self.joined(session(1), revision=10)
        self.controller.wait_applied()
        self.controller.put(revision=9)
        self.controller.wait_report(lambda report: "revision 9 is older than 10" in report["error"])
        self.expect_mirrored()
        self.assertEqual(agent.status()["controller"]["revision"], 10)
        # A restored store says so by its epoch.
        self.controller.epoch = "b" * 32
        self.controller.put(session(1), session(2, mode="copy"), revision=3)
        self.assertEqual(self.controller.wait_applied(30)["error"], "")

    def test_what_is_no_plan(self):
        agent = self.joined(session(1))
        self.controller.wait_applied()
        good = self.controller.put(session(1), session(2))
        for wrong, expected in (({"hash": "0" * 64}, "does not have the hash"), ({"host": "host-1"}, "it is of host-1"),
                                ({"version": 2}, "none that this agent knows"), ({"epoch": "../x"}, "epoch: is missing or")):
            with self.subTest(expected):
                with self.controller.changed:
                    self.controller.plan = {**good, **wrong, "revision": good["revision"] + 1}
                    self.controller.changed.notify_all()
                agent.wait_status(lambda status: expected in status["controller"]["error"], 30, expected)
        self.assertEqual(len(agent.status()["sessions"]), 1)
        self.expect_mirrored()

    def test_away(self):
        """Mirroring goes on without the controller, over a restart of the agent too, and what changed meanwhile is taken."""
        agent = self.joined(session(1))
        self.controller.wait_applied()
        self.controller.stop()
        status = self.controller_state(agent, "away")
        self.assertTrue(status["reason"])
        self.expect_mirrored()
        agent.kill9()
        agent.start()
        self.assertIn(agent.status()["controller"]["state"], ("connecting", "away"))
        self.state(agent, "active")
        self.expect_mirrored()
        before = len(self.controller.reports)
        self.controller.put(session(1), session(2, mode="copy"))
        self.controller.start()
        self.controller.wait_applied(30)
        self.assertEqual(self.controller.reports[before]["sessions"][0]["counters"]["out"]["matched_packets"], 10)

    def test_controller_that_asks_for_time(self):
        """The agent asks for nothing before that, then at once, and mirrors all the while."""
        agent = self.joined(session(1))
        for status in (429, 503):
            with self.subTest(status):
                self.controller.refuse(status, "about:blank", "too much at a time", 3)
                away = self.controller_state(agent, "away")
                self.assertEqual(away["reason"], "too much at a time")
                self.expect_mirrored()
                refused = len(self.controller.asked)
                wait_until(lambda: len(self.controller.asked) > refused, 10 * SLOWNESS, "the next request")
                waited_s = self.controller.times[refused] - self.controller.times[refused - 1]
                self.assertTrue(3 <= waited_s <= 3.75 + SLOWNESS, waited_s)
                self.controller.refuse()
                self.controller_state(agent, "connected")
        # A person need not wait.
        self.controller.refuse(503, "about:blank", "too much at a time", 60)
        self.controller_state(agent, "away")
        self.controller.refuse()
        agent.process.send_signal(signal.SIGHUP)
        self.controller_state(agent, "connected", 5)

    def test_offline(self):
        """A session stops when the controller has been away for as long as it says, and goes on when it is back."""
        agent = self.joined(session(1, offline="stop-after 2s"), session(2, mode="copy", encapsulation={"vni": 67}))
        self.controller.wait_applied()
        self.controller.stop()
        self.state(agent, "stopped")
        with self.capture() as capture:
            self.send(5)
            capture.wait(5)
        self.assertEqual({copy.vni for copy in capture.copies()}, {67})
        # Neither a new agent nor a reboot begins anew: one that was long is known by the wall clock.
        agent.stop()
        agent.start()
        self.assertEqual([s["state"] for s in agent.status()["sessions"]], ["stopped", "active"])
        agent.stop()
        with open(self.kept(agent, "contact.json"), "w") as out:
            json.dump({"boot_id": "another", "wall": int(time.time()) - 100, "uptime": 1 << 40}, out)
        agent.start()
        self.assertEqual([s["state"] for s in agent.status()["sessions"]], ["stopped", "active"])
        self.controller.start()
        self.state(agent, "active")
        with self.capture() as capture:
            self.send(5)
            capture.wait(10)
        self.assertEqual(sorted(copy.vni for copy in capture.copies()), [66] * 5 + [67] * 5)

    def test_suspended(self):
        agent = self.joined(session(1))
        self.controller.wait_applied()
        self.controller.refuse(403, "vtap:suspended", "two agents use this host's credential")
        status = self.controller_state(agent, "suspended")
        self.assertEqual(status["reason"], "two agents use this host's credential")
        self.expect_mirrored()
        self.controller.refuse(401)
        agent.process.send_signal(signal.SIGHUP)  # asks again now
        self.controller_state(agent, "refused")
        self.expect_mirrored()
        self.controller.refuse()
        agent.process.send_signal(signal.SIGHUP)
        self.controller_state(agent, "connected")

    def test_revoked(self):
        agent = self.joined(session(1))
        self.controller.wait_applied()
        self.controller.refuse(401, "vtap:revoked", "the host was deleted")
        self.assertEqual(agent.process.wait(20), 3)
        self.assertIn("the controller has revoked this host", agent.log())
        self.assertEqual(self.attached()["v1", "ingress"][1], [])
        with self.capture() as capture:
            self.send(5)
            self.host.run(["ping", "-c1", "-W2", COLLECTOR])
        self.assertEqual(capture.frames, [])
        self.assertEqual(sorted(os.listdir(agent.state_dir)), ["agent.lock", "agent.sock", "chunks"])
        self.assertNotIn("vtap-near", [link["ifname"] for link in self.host.ip_json("link show")])
        with self.assertRaises(CommandFailed):
            agent.start()
        self.assertIn("has not joined a controller", agent.log())

    def test_devices(self):
        """What may be mirrored, with what is known of the other end; told again only when it has changed, or is asked for."""
        guest = self.lab.namespace("other")
        self.lab.veth(guest, "eth0", self.host, "v2")
        guest.address("eth0", "10.5.0.7/24")
        self.host.bridge("br0", ["v2"])
        self.host.address("br0", "10.5.0.1/24")
        self.host.ip("tuntap add tap0 mode tap", "tuntap add tun0 mode tun")
        agent = self.joined(session(1))
        devices = {device["device"]: device for device in
                   self.controller.wait_report(lambda report: "devices" in report)["devices"]}
        self.assertEqual(set(devices), {"v1", "uA", "v2", "br0", "tap0"})
        self.assertEqual(devices["v2"], {
            "device": "v2", "kind": "veth", "mac": self.host.mac("v2"), "mtu": 1500, "up": True, "master": "br0", "addresses": [],
            "behind": [{"mac": guest.mac("eth0"), "addresses": ["10.5.0.7"]}],
            "guest": {"kind": "netns", "name": str(guest), "id": ""}})
        self.assertEqual((devices["br0"]["kind"], devices["br0"]["addresses"], devices["br0"]["behind"], devices["br0"]["guest"]),
                         ("bridge", ["10.5.0.1"], [], None))
        self.assertEqual((devices["tap0"]["kind"], devices["tap0"]["up"]), ("tap", False))
        told = len(self.controller.reports)
        self.lab.veth(guest, "eth1", self.host, "v3")
        report = self.controller.wait_report(lambda report: "v3" in str(report.get("devices")))
        self.assertTrue(report["sessions"])
        self.assertAll(self.controller.reports[1:told], lambda report: "devices" not in report, "devices are told once")
        self.controller.want = ["devices", "history"]
        self.controller.put(session(1), session(2, mode="copy"))
        self.controller.wait_applied()
        told = len(self.controller.reports)
        wait_until(lambda: "devices" in str(self.controller.reports[told - 1:]), 10, "devices again")
        self.assertEqual(self.controller.wait_report(lambda report: "history" in report)["history"]["step"], 10)
        agent.stop()

    def test_many_behind_a_device(self):
        """At most 64 addresses and 64 MACs of one device are told."""
        guest = self.lab.namespace("other")
        self.lab.veth(guest, "eth0", self.host, "v2")
        self.lab.veth(self.lab.namespace("third"), "eth0", self.host, "v3")
        self.host.bridge("br0", ["v2", "v3"])
        guest.address("eth0", *[f"10.5.{number}.1/24" for number in range(64)])
        self.host.run(["bridge", "-b", "-"], input="".join(f"fdb add 02:ff:00:00:00:{number:02x} dev v3 master static\n"
                                                           for number in range(63)))
        self.joined(session(1))

        def devices_when(addresses, macs):
            self.controller.wait_report(
                lambda report: (len(self.behind(report, "v2")[0:1] and self.behind(report, "v2")[0]["addresses"]),
                                len(self.behind(report, "v3"))) == (addresses, macs), what="devices")
        devices_when(64, 64)  # one of the MACs is that of the other end itself
        told = len(self.controller.reports)
        guest.address("eth0", "10.5.64.1/24")
        self.host.run(["bridge", "fdb", "add", "02:ff:00:00:00:63", "dev", "v3", "master", "static"])
        self.controller.want = ["devices"]
        self.controller.put(session(1), session(2, mode="copy"))
        wait_until(lambda: any("devices" in report for report in self.controller.reports[told:]), 10, "devices again")
        self.assertAll([report for report in self.controller.reports if "devices" in report],
                       lambda report: len(self.behind(report, "v3")) <= 64 >= len(self.behind(report, "v2")[0]["addresses"]),
                       "at most 64")

    @staticmethod
    def behind(report, device):
        return next((one["behind"] for one in report.get("devices", ()) if one["device"] == device), [])

    def test_many_requests(self):
        """Eight captures at a time."""
        self.joined(session(1))
        asked = [self.controller.ask(type="capture", session=session_id(1), seconds=20) for _ in range(9)]
        wait_until(lambda: self.controller.answers, 10, "an answer")
        self.assertEqual(self.controller.answers, {asked[8]: {"failed": "8 captures are under way: ask again later"}})
        self.controller.ask(type="cancel", request=asked[0])
        self.controller.ask(type="capture", session=session_id(1), seconds=20)
        self.controller.ask(type="dance")
        wait_until(lambda: len(self.controller.answers) == 2, 10, "an answer")
        self.assertIn("dance", str(list(self.controller.answers.values())[1]))

    def probe(self, number=1, protocol=17, **keys):
        packet_ = {"source": GUEST, "destination": "10.0.0.2", "protocol": protocol, "source_port": 4000, "destination_port": 53,
                   "icmp_type": None, "icmp_code": None, "vlan": None, "ethertype": 0x800, "source_mac": self.guest.mac("eth0")}
        answer = self.answer_to(**{"type": "probe", "session": session_id(number), "interface": "eni-1", "device": "v1",
                                   "direction": "out", "packet": packet_, "mark": "vtap-probe here", **keys})
        return [(hop["hop"], hop["state"], hop["detail"]) for hop in answer["hops"]]

    def test_probe(self):
        """One frame that production does not see; each hop says what became of it."""
        udp = [{"direction": "out", "number": 1, "action": "accept", "protocol": "udp"}]
        self.joined(session(1, filter="tmf-1"), session(2, "nowhere"), rules={"tmf-1": [udp]})
        good = [("source", "ok", ""), ("filter", "ok", ""), ("delivery", "ok", "")]
        with self.capture() as copies, Capture(self.host, "v1") as production:
            self.assertEqual(self.probe(), good + [("path", "ok", "")])
            copies.wait(1)
        inner = copies.copies(66)[0].inner
        self.assertIn(b"vtap-probe here", inner)
        parsed = packet.parse(inner)
        self.assertEqual((parsed.src, parsed.dst, parsed.sport, parsed.dport), (GUEST, "10.0.0.2", 4000, 53))
        self.assertEqual([frame for frame in production.frames if b"vtap-probe" in frame.data], [])
        self.assertEqual(self.probe(protocol=6)[1:],
                         [("filter", "failed", "the rules in force here do not take this packet")])
        self.assertEqual(self.probe(direction="in"),
                         [("source", "failed", "no program is attached to v1 in that direction")])
        self.assertEqual(self.probe(2), [("source", "failed", "the device is none of the session's sources on this host")])
        self.assertEqual(self.probe(2, device="nowhere"), [("source", "failed", "nowhere does not exist on this host")])
        self.collector.sysctl({"net.ipv4.icmp_echo_ignore_all": 1})
        self.assertEqual(self.probe(), good + [("path", "unknown", f"{COLLECTOR} does not answer echoes")])
        self.host.ip("link set uA down")
        self.controller.wait_report(lambda report: state_of(report) not in ("active", None))
        self.assertEqual([hop[:2] for hop in self.probe()],
                         [("source", "ok"), ("filter", "ok"), ("delivery", "failed"), ("path", "failed")])

    def test_what_cannot_be_asked(self):
        self.joined(session(1), session(2, packet_length=-1))
        for request, expected in (({"type": "dance"}, "does not know requests of type dance"),
                                  ({"type": "probe", "session": session_id(3)}, "not in this host's plan"),
                                  ({"type": "probe", "session": session_id(2)}, "cannot be used here: packet_length"),
                                  ({"type": "capture"}, "not in this host's plan"),
                                  ({"type": "capture", "session": session_id(1), "interfaces": []}, "copies do not tell")):
            with self.subTest(expected):
                self.assertIn(expected, self.answer_to(**request)["failed"])

    def test_time_to_first_packet(self):
        """
        From a new session in the plan to its first copy at the collector, with no session before and with a hundred: they come,
        and how soon is printed. make bench judges it.
        """
        for others in (0, 100):
            with self.subTest(others=others):
                self.host.ip(*[f"link add o{number} type veth peer name p{number}" for number in range(others)])
                idle = [session(1000 + number, f"o{number}", direction="both") for number in range(others)]
                self.controller.epoch = f"{others:032x}"
                agent = self.joined(*idle, active=False, name=f"agent{others}", uplink="uA")
                self.controller.wait_applied(60)
                print(f"# memory with {others} sessions: {agent.memory_bytes() / 1e6:.1f} MB")
                self.assertLess(agent.memory_bytes(), 30e6)
                stream = Stream(self.guest, packets_per_second=1000)
                times = []
                for number in range(6):
                    with self.capture() as capture:
                        start = time.time_ns()
                        self.controller.put(session(1, encapsulation={"vni": number}), *idle)
                        first = capture.wait(1, 20, "copies")[0]
                    times.append((first.time_ns - start) / 1e6)
                    self.controller.put(*idle, uplink="uA")
                    self.controller.wait_applied()
                stream.stop()
                print(f"# first copy after {statistics.median(times):.1f} ms (median of {len(times)}), at most "
                      f"{max(times):.1f} ms, with {others} other sessions")
                agent.stop()
                agent.detach()


main()
