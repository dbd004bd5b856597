# SPDX-License-Identifier: Apache-2.0
"""What an administrator reads: status as text and JSON, metrics, and who came before us on a hook."""

import os
import re
import stat
import urllib.request

import foreign
from agent import PROGRAM
from case import main, skip
from host import COLLECTOR, HostCase, Stream, accept, config, has_tcx, session
from lab import wait_until

METRICS_PORT = 9109


class Status(HostCase):
    def test_text(self):
        agent = self.agent(config(session(), session("idle", number=2, enabled=False)))
        self.expect_mirrored(5)
        text = agent.status_text()
        kind = agent.status()["agent"]["hook"]
        for line in (rf"vtap-agent \d+\.\d+\.\d+, pid {agent.process.pid}, {kind}, pinned", "sessions: 2", "  s: active",
                     rf"    to ids \({COLLECTOR}\) VNI 66 port 4789 by uA, path MTU 1600", r"    source v1 \(host\): attached",
                     "    in   matched 0  mirrored 0", "    out  matched 5  mirrored 5",
                     r"    now \d+ packets/s and \d+ bits/s mirrored, 0 packets/s lost", "  idle: disabled",
                     r"    source v1 \(host\): disabled", "attached: 3",
                     "  v1 ingress: (tcx, place 1 of 1|clsact, preference 1)",
                     r"device uA \(uplink\): dropped 0 sent, 0 received, 0 in its queue"):
            self.assertRegex(text, rf"(?m)^{line}$")
        self.assertNotIn("warning", text)

    def test_json(self):
        agent = self.agent()
        self.expect_mirrored(5)
        status = agent.status()
        only = status["sessions"][0]
        self.assertEqual({key: only[key] for key in ("name", "state", "reason", "number", "mode", "in", "out", "filter", "target",
                                                     "address", "vni", "port", "uplink", "next_hop_mac", "lost")},
                         {"name": "s", "state": "active", "reason": "", "number": 1, "mode": "exclusive", "in": False, "out": True,
                          "filter": "udp", "target": "ids", "address": COLLECTOR, "vni": 66, "port": 4789, "uplink": "uA",
                          "next_hop_mac": self.collector.mac("uC"), "lost": 0})
        self.assertEqual(only["sources"], [{"device": "v1", "side": "host", "state": "attached", "reason": "",
                                            "ifindex": self.host.ifindex("v1"), "own_frames": 0}])
        self.assertEqual({name: value for name, value in only["counters"]["out"].items() if value},
                         {"matched_packets": 5, "matched_bytes": 5 * 128, "mirrored_packets": 5,
                          "mirrored_bytes": 5 * (128 + 50)})
        self.assertEqual(set(only["counters"]["in"].values()), {0})
        self.assertEqual(only["counters"]["out"], only["total"])
        self.assertEqual({at["device"] + " " + at["hook"] for at in status["attachments"]},
                         {"v1 ingress", "uA egress", "vtap-far egress"})
        self.assertEqual((status["agent"]["pid"], status["agent"]["config"], status["agent"]["generation"]),
                         (agent.process.pid, agent.config_path, 1))

    def test_rates(self):
        agent = self.agent()
        stream = Stream(self.guest, packets_per_second=500)
        with self.capture() as capture:
            found = agent.wait_status(lambda status: status["sessions"][0]["rates"]["mirrored_packets_per_second"] > 50)
            stream.stop()
        self.assertTrue(capture.frames)
        rates = found["sessions"][0]["rates"]
        self.assertLess(rates["mirrored_packets_per_second"], 1000)
        self.assertAlmostEqual(rates["mirrored_bits_per_second"], rates["mirrored_packets_per_second"] * 178 * 8, delta=1)
        self.assertEqual(rates["lost_packets_per_second"], 0)
        agent.wait_status(lambda status: status["sessions"][0]["rates"]["mirrored_packets_per_second"] == 0)

    def test_control_socket_is_ours_alone(self):
        agent = self.agent()
        self.assertEqual(stat.S_IMODE(os.stat(os.path.join(agent.state_dir, "agent.sock")).st_mode), 0o600)
        fresh = self.lab.path("fresh-state")
        second = self.host.spawn([*agent.argv("--config", agent.config_path)[:-1], fresh, "--unpinned"], log="fresh.log")
        wait_until(lambda: os.path.exists(fresh), 10, lambda: self.lab.log_of(second))
        self.assertEqual(stat.S_IMODE(os.stat(fresh).st_mode), 0o700)

    def test_drops_of_the_uplink_are_shown(self):
        """A queue that is full further down is not our counter, but status names the device."""
        self.host.tc("qdisc add dev uA root tbf rate 8kbit burst 2000 limit 2000")
        agent = self.agent()
        self.send(200)
        total = agent.wait_status(lambda status: status["sessions"][0]["total"]["matched_packets"] == 200)["sessions"][0]["total"]
        self.assertGreater(total["lost_queue"], 100)
        self.assertEqual(total["mirrored_packets"] + total["lost_queue"], 200)
        device = next(entry for entry in agent.status()["devices"] if entry["device"] == "uA")
        self.assertGreaterEqual(device["queue_dropped"], total["lost_queue"])
        self.assertIn(f"lost_queue {total['lost_queue']}", agent.status_text())


class Order(HostCase):
    WARNING = "v1 ingress: another program runs before ours, and packets that it takes are not mirrored"

    def place(self, agent, device="v1", hook="ingress"):
        return next(at for at in agent.status()["attachments"] if (at["device"], at["hook"]) == (device, hook))

    def test_tcx(self):
        if not has_tcx():
            skip("this kernel has no tcx")
        behind = foreign.Program(self.lab, "behind")
        behind.attach_tcx(self.host, "v1", "ingress")
        agent = self.agent()
        place = self.place(agent)
        self.assertEqual((place["position"], place["first"], place["programs"]), (1, True, [place["program_id"], behind.id]))
        self.assertEqual(agent.status()["warnings"], [])
        ahead = foreign.Program(self.lab, "ahead")
        remove = ahead.attach_tcx(self.host, "v1", "ingress", first=True)
        place = self.place(agent)
        self.assertEqual((place["position"], place["first"]), (2, False))
        self.assertEqual(place["programs"], [ahead.id, place["program_id"], behind.id])
        self.assertEqual(agent.status()["warnings"], [self.WARNING])
        self.assertIn("  v1 ingress: tcx, place 2 of 3\n", agent.status_text())
        self.assertIn(f"warning: {self.WARNING}\n", agent.status_text())
        self.expect_mirrored()
        remove()
        agent.wait_status(lambda status: status["warnings"] == [])

    def test_clsact(self):
        self.host.tc("qdisc add dev v1 clsact")
        self.host.tc("filter add dev v1 ingress pref 1 protocol all u32 match u32 0 0 flowid 1:1")
        agent = self.agent(options=["--hook", "clsact"])
        place = self.place(agent)
        self.assertEqual((place["preference"], place["first"]), (2, False))
        self.assertEqual(agent.status()["warnings"], [self.WARNING])
        self.host.tc("filter del dev v1 ingress pref 1")
        self.assertEqual(agent.status()["warnings"], [])
        self.host.tc("filter add dev v1 ingress pref 7 protocol all u32 match u32 0 0 flowid 1:1")
        self.assertEqual(agent.status()["warnings"], [])
        self.expect_mirrored()

    def test_ahead_on_the_uplink(self):
        """Who sits ahead of us there would see bare frames: copies go through the stage, and arrive all the same."""
        if not has_tcx():
            skip("this kernel has no tcx")
        agent = self.agent()
        self.expect_mirrored()
        self.assertEqual(agent.status()["sessions"][0]["total"]["staged"], 0)
        remove = foreign.Program(self.lab, "ahead").attach_tcx(self.host, "uA", "egress", first=True)
        self.expect_way(agent, staged=True)
        remove()
        self.expect_way(agent, staged=False)

    def expect_way(self, agent, staged):
        """Within a second or so the agent notices; from then on all copies take that way."""
        def takes_it():
            before = agent.status()["sessions"][0]["total"]
            self.expect_mirrored(1)
            after = agent.status()["sessions"][0]["total"]
            return (after["staged"] > before["staged"]) == staged
        wait_until(takes_it, 10, f"copies {'through' if staged else 'past'} the stage")


class Metrics(HostCase):
    def scrape(self):
        with self.host.entered():
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            with opener.open(f"http://127.0.0.1:{METRICS_PORT}/metrics", timeout=10) as answer:
                self.assertRegex(answer.headers["Content-Type"], r"^text/plain; version=0\.0\.4")
                return answer.read().decode()

    def values(self, text):
        """(name, labels as a frozenset of pairs) -> value; every line must be well formed."""
        found, declared = {}, set()
        for line in text.splitlines():
            if line.startswith("#"):
                self.assertRegex(line, r"^# (HELP|TYPE) vtap_[a-z_]+ \S")
                declared.add(line.split()[2])
                continue
            match = re.fullmatch(r'(vtap_[a-z_]+)(?:\{([^}]*)\})? ([0-9.e+]+)', line)
            self.assertTrue(match, line)
            self.assertIn(match[1], declared)
            found[match[1], frozenset(re.findall(r'([a-z]+)="([^"]*)"', match[2] or ""))] = float(match[3])
        return found

    def test_metrics_equal_status(self):
        agent = self.agent(config(session(), session("dead", number=2, target="far"), targets=[
            {"name": "ids", "address": COLLECTOR}, {"name": "far", "address": "192.0.2.9"}], filters=[
                {"name": "udp", "rules": [accept(protocol="udp", destination_ports=2000)]},
                {"name": "else", "rules": [accept()]}]), options=["--metrics", f"127.0.0.1:{METRICS_PORT}"])
        self.expect_mirrored(6)
        values = self.values(self.scrape())
        status = agent.status()
        for entry in status["sessions"]:
            self.assertEqual(values["vtap_session_active", frozenset({("session", entry["name"])})],
                             float(entry["state"] == "active"))
            for direction, counters in entry["counters"].items():
                labels = {("session", entry["name"]), ("direction", direction)}
                for metric, name in (("vtap_matched_packets_total", "matched_packets"),
                                     ("vtap_matched_bytes_total", "matched_bytes"),
                                     ("vtap_mirrored_packets_total", "mirrored_packets"),
                                     ("vtap_mirrored_bytes_total", "mirrored_bytes"),
                                     ("vtap_cut_packets_total", "cut_to_fit")):
                    self.assertEqual(values[metric, frozenset(labels)], counters[name], (metric, labels))
                reasons = {name for name in counters if name.startswith("lost_")} | {"sampled_out"}
                for name in reasons:
                    self.assertEqual(values["vtap_lost_packets_total", frozenset(labels | {("reason", name)})], counters[name])
        self.assertEqual(values["vtap_mirrored_packets_total", frozenset({("session", "s"), ("direction", "out")})], 6)
        self.assertEqual(values["vtap_own_frames_total", frozenset({("device", "v1")})], 0)

    def test_address_in_use(self):
        self.agent(options=["--metrics", f"127.0.0.1:{METRICS_PORT}"])
        second = self.host.run([*self.second_argv(), "--metrics", f"127.0.0.1:{METRICS_PORT}"], check=False)
        self.assertEqual((second.returncode, second.stderr),
                         (1, f"vtap-agent: cannot listen on 127.0.0.1:{METRICS_PORT}: Address already in use\n"))
        self.expect_mirrored()

    def second_argv(self):
        path = self.lab.path("second.yaml")
        with open(path, "w") as out:
            out.write("sessions: []\n")
        return [PROGRAM, "--config", path, "--unpinned", "--state-dir", self.lab.path("second-state")]


main()
