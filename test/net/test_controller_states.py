# SPDX-License-Identifier: Apache-2.0
"""What the controller says of sessions and hosts is what is the case: states, reasons, traces, checks, captures, lost trust."""

import shutil

import pcap
from agent import Agent
from capture import tshark
from case import main
from lab import wait_until
from traffic import number_of
from vpc import COLLECTOR
from whole import SLOWNESS, WholeCase

NOWHERE, FAR, GATEWAY = "192.168.77.7", "172.31.9.9", "172.31.0.77"


class States(WholeCase):
    def wait_states(self, wanted):
        def differing():
            found = {session["name"]: session["state"] for session in self.shown("session list")}
            return {name: found.get(name) for name, state in wanted.items() if found.get(name) != state}
        wait_until(lambda: not differing(), 20 * SLOWNESS,
                   lambda: f"{wanted}; {[(name, state, self.reasons(name)) for name, state in differing().items()]}\n"
                   + "\n".join(host.agent.log() for host in self.hosts.values()))

    def test_each_session_by_itself(self):
        """What cannot be done for one session does not keep the others from being active."""
        good = self.session("good", "a")
        host = self.hosts["A"]
        host.namespace.route(FAR + "/32", via=GATEWAY)
        self.addCleanup(host.namespace.ip, f"route delete {FAR}/32")
        for name, address in (("far", FAR), ("nowhere", NOWHERE)):
            self.create("target", name=name, address=address)
        self.create("target", name="receiver", interface="c")
        self.create("interface", name="ghost", mac="02:0a:00:00:00:01", network="vpc", host="A", device="no-such")
        self.create("interface", name="loose", mac="02:0a:00:00:00:02", network="vpc")
        expected = {
            "good": ("active", None),
            "far": ("error", f"host A: {GATEWAY} does not answer on uA"),
            "nowhere": ("error", f"host A: there is no route to {NOWHERE}: Network is unreachable"),
            "ghost": ("waiting", "host A, device no-such: it does not exist yet"),
            "half": ("degraded", "host A, device no-such: it does not exist yet"),
            "loose": ("waiting", "loose is not plugged: it needs a host and a device"),
            "receiver": ("error", "interface targets are not delivered by this release; give the target an address"),
            "off": ("disabled", "the session is disabled"),
            "nobody": ("waiting", "no interface fits its sources"),
        }
        copy = {"mode": "copy", "active": False}
        self.session("far", "a", target="far", **copy)
        self.session("nowhere", "a", target="nowhere", **copy)
        self.session("ghost", "ghost", **copy)
        self.session("half", "ghost", "b", **copy)
        self.session("loose", "loose", **copy)
        self.session("receiver", "a", target="receiver", **copy)
        self.session("off", "a", enabled=False, **copy)
        self.session("nobody", "tag:role=nobody", **copy)
        self.wait_states({name: state for name, (state, _) in expected.items()})
        for name, (_, reason) in expected.items():
            with self.subTest(name):
                self.assertEqual(reason in self.reasons(name) if reason else self.reasons(name) == [], name != "off",
                                 self.reasons(name))
                # Where there are reasons, people see them.
                self.assertIn(reason if reason and name != "off" else name, self.vtap("session show", name))
        self.expect_mirrored("a", good)
        # The device comes, and the way to the far target.
        self.lab.veth(host.namespace, "no-such", host.namespace, "its-peer")
        self.addCleanup(host.namespace.ip, "link delete no-such")
        self.vpc.collector.address("uC", GATEWAY + "/24")
        self.addCleanup(self.vpc.collector.ip, f"address delete {GATEWAY}/24 dev uC")
        self.wait_states({"far": "active", "ghost": "active", "half": "active"})

    def test_collector_goes_and_comes_back(self):
        """A next hop that answers no more is noticed, and named by the check."""
        near = self.hosts["A"].namespace  # which doubts soon, so that the test need not wait
        near.sysctl({f"net.ipv4.neigh.uA.{name}": value for name, value in (
            ("base_reachable_time_ms", 500), ("delay_first_probe_time", 1), ("retrans_time_ms", 200))})
        near.ip(f"neighbour flush to {COLLECTOR}")
        self.session("watched", "a", mode="copy")
        self.assertEqual([(hop["hop"], hop["state"]) for hop in self.shown("session check watched")],
                         [(hop, "ok") for hop in ("source", "filter", "delivery", "path")])
        self.vpc.collector.ip("link set uC down")
        self.addCleanup(self.vpc.collector.ip, "link set uC up")
        self.wait_state("watched", "error")
        self.assertIn(f"host A: {COLLECTOR} does not answer on uA", self.reasons("watched"))
        checked = self.controller.run("session", "check", "watched")
        self.assertEqual(checked.returncode, 1)
        self.assertRegex(checked.stdout, r"source +ok.*\nfilter +ok.*\ndelivery +failed +lost_no_neighbour\n")
        self.vpc.collector.ip("link set uC up")
        self.wait_state("watched", "active")
        wait_until(lambda: self.controller.run("session", "check", "watched").returncode == 0, 20 * SLOWNESS,
                   lambda: self.controller.run("session", "check", "watched").stdout)

    def test_check_of_what_cannot_be(self):
        """The hop is named that loses the probe, before anything is sent where it should not be."""
        self.create("filter", name="empty")
        self.create("interface", name="ghost", mac="02:0a:00:00:00:01", network="vpc", host="A", device="no-such")
        self.session("empty", "a", filter="empty", mode="copy", active=False)
        self.session("ghost", "ghost", active=False)
        self.wait_states({"empty": "active", "ghost": "waiting"})
        for name, sentence in (("empty", r"filter +failed +no packet was found that the session takes on this interface"),
                               ("ghost", r"source +failed +no-such does not exist on this host")):
            checked = self.controller.run("session", "check", name)
            self.assertEqual(checked.returncode, 1)
            self.assertRegex(checked.stdout, sentence)

    def test_trace_tells_what_is_mirrored(self):
        """Of packets of several kinds, those sessions have copies that the trace has named."""
        ports = range(2000, 2008)
        rules = {"first": ("2000-2001", "accept", "2002", "reject"), "second": ("2001-2003", "accept", "2005", "accept"),
                 "third": ("2004-2006", "reject", "1-65535", "accept")}
        sessions = {}
        for name, (ports_1, action_1, ports_2, action_2) in rules.items():
            self.create("filter", name=name)
            for number, port_range, action in ((10, ports_1, action_1), (20, ports_2, action_2)):
                self.vtap(f"rule create --filter {name} --direction out --number {number} --protocol udp "
                          f"--destination-ports {port_range} --action {action}")
            sessions[name] = self.session(name, "a", filter=name, mode="copy" if name == "third" else "exclusive",
                                          on_reject="stop" if name == "first" else "next")
        traced = {}
        for port in ports:
            answer = self.shown("trace --interface a --direction out --protocol udp --source 10.0.0.1 --destination 10.0.0.99 "
                                "--source-port 1000 --destination-port", port)
            traced[port] = {each["name"] for each in answer["sessions"] if each["taken"]}
        with self.copies() as capture:
            for port in ports:
                self.send("a", 1, dport=port)
            self.hosts["A"].agent.wait_status(lambda status: sum(
                each["total"]["mirrored_packets"] for each in status["sessions"]) >= sum(map(len, traced.values())))
        mirrored = {port: {name for name, session in sessions.items()
                           if any(copy.packet.dport == port for copy in capture.of(session))} for port in ports}
        self.assertEqual(mirrored, traced)
        self.assertEqual((mirrored[2000], mirrored[2002], mirrored[2003], mirrored[2005], mirrored[2007]),
                         ({"first", "third"}, {"third"}, {"second", "third"}, {"second"}, {"third"}))

    def test_capture(self):
        """What the session takes, as a file that other tools read, while the collector gets it, too."""
        session = self.session("captured", "a")
        path = self.lab.path("captured.pcap")
        with self.copies() as capture:
            stream = self.stream("a")
            self.vtap("capture captured --seconds 20 --packets 100 --write", path)
            self.expect_all(capture, session, stream)
        numbers = [number_of(data) for _, data in pcap.read(path)]
        self.assertEqual(numbers, list(range(numbers[0], numbers[0] + 100)))
        self.assertEqual([row[1] for row in tshark(path, ["frame.number", "udp.dstport"])], ["2000"] * 100)
        refused = self.controller.run("capture", "no-such", "--write", path)
        self.assertEqual((refused.returncode, refused.stdout), (1, ""))

    def test_capture_of_a_shared_tunnel(self):
        """Copies of two sessions that nobody can tell apart, and a sentence that says so."""
        path, first = self.lab.path("shared.pcap"), self.session("first", "a")
        self.session("second", "a", mode="copy", encapsulation={"vni": first["vni"]})
        refused = self.controller.run("capture", "first", "--write", path)
        self.assertEqual((refused.returncode, refused.stdout), (1, ""))
        self.assertIn("host A: another session of this host has the same target address, port and VNI", refused.stderr)

    def back_in(self, name):
        """The host's agent joins again."""
        self.hosts[name].start_agent()
        self.wait_connected(name)

    def expect_detached(self, name, session):
        """The agent of the host has ended, and nothing of the guest's is mirrored any more."""
        agent = self.hosts[name].agent
        self.assertEqual(agent.process.wait(20), 3, agent.log())
        with self.copies() as capture:
            self.send(name.lower())
            self.expect_mirrored("a", self.session("witness", "a", active=True))
        self.assertEqual(capture.of(session), [])

    def test_revoked_host(self):
        session = self.session("revoked", "c")
        self.vtap("host revoke C")
        self.expect_detached("C", session)
        self.back_in("C")
        self.wait_state("revoked", "active")
        self.expect_mirrored("c", session)

    def test_deleted_host(self):
        """Nothing may be plugged into it any more; its agent, which is still there, detaches."""
        session = self.session("deleted", "c")
        refused = self.controller.run("host", "delete", "C")
        self.assertEqual(refused.returncode, 1)
        self.assertRegex(refused.stderr, r"used by interface eni-\w+ \(c\)")
        self.vtap("interface update c --reset host,device")
        self.vtap("host delete C")
        self.expect_detached("C", session)
        self.assertEqual(self.wait_state("deleted", "waiting")["state"], "waiting")
        self.vtap("host create --name C --underlay-address 172.31.0.3 --uplink uC")
        self.vtap("interface update c --host C --device vc")
        self.assertEqual(self.wait_state("deleted", "pending")["state"], "pending")
        self.back_in("C")
        self.wait_state("deleted", "active")
        self.expect_mirrored("c", session)

    def test_copied_state_directory(self):
        """Both users of a credential are suspended, which everybody sees, and mirroring goes on; until a person says otherwise."""
        session = self.session("doubled", "a")
        agent = self.hosts["A"].agent
        events = self.controller.client()
        copy = Agent(self.hosts["B"].namespace, None, "copy", controller=self.controller.url)
        shutil.copytree(agent.state_dir, copy.state_dir, dirs_exist_ok=True,
                        ignore=lambda _, names: [name for name in names if name.startswith("agent.")])
        copy.start()
        for one in (agent, copy):
            one.wait_status(lambda status: status["controller"]["state"] == "suspended", 60, "suspended")
        self.wait_state("doubled", "degraded")
        self.assertIn("host A is suspended, as two agents use its credential", self.reasons("doubled"))
        self.assertEqual(events.get(f"/v1/hosts/{self.api.get('/v1/hosts/A')['id']}/state")["state"], "suspended")
        self.assertIn("suspend", self.vtap("audit list"))
        self.expect_mirrored("a", session)
        copy.stop()
        copy.detach()
        self.vtap("host resume A")
        agent.process.send_signal(1)  # asks again now
        self.wait_connected("A")
        self.wait_state("doubled", "active")
        self.expect_mirrored("a", session)


main()
