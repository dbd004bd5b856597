# SPDX-License-Identifier: Apache-2.0
"""How sessions do: states with reasons, counters, history, what selectors cover, devices, interfaces that move."""

import os
import re
import time

from agents import AgentCase
from base import unique
from case import main


def device(name, mac=None, kind="tap", addresses=(), **more):
    behind = [{"mac": mac, "addresses": list(addresses)}] if mac else []
    return {"device": name, "kind": kind, "mac": "fe:00:00:00:00:01", "mtu": 1500, "up": True, "behind": behind, **more}


class StateTest(AgentCase):
    def test_from_pending_to_active(self):
        agent = self.agent()
        session = self.session(sources=[self.plugged(agent, "tap1")])
        self.assertEqual(self.api.get(f"/v1/sessions/{session['id']}")["state"], "pending")
        self.assertIn("has not been heard yet", self.state(session["id"])[1][0])
        agent.report(sessions=[])
        self.assertIn("has not applied it yet", self.state(session["id"])[1][0])
        agent.follow()
        self.assertEqual(self.state(session["id"]), ("active", []))
        self.assertEqual(self.api.get(f"/v1/sessions/{session['id']}")["state"], "active")
        self.assertEqual(self.api.get("/v1/sessions")["items"][0]["state"], "active")

    def test_a_change_of_one_leaves_the_others_active(self):
        agent = self.agent()
        first = self.session(sources=[self.plugged(agent, "tap1")])
        second = self.session(sources=[self.plugged(agent, "tap2")])
        agent.follow()
        self.api.patch(f"/v1/sessions/{second['id']}", {"packet_length": 100})
        self.assertEqual(self.state(first["id"])[0], "active")
        self.assertEqual(self.state(second["id"])[0], "pending")
        agent.follow()
        self.assertEqual(self.state(second["id"])[0], "active")

    def test_what_agents_say(self):
        agent = self.agent()
        interface = self.plugged(agent, "tap1", name="web")
        session = self.session(sources=[interface])["id"]
        agent.follow()
        agent.report(sessions=agent.sessions("no_route", "no route to 10.9.0.1"))
        self.assertEqual(self.state(session)[0], "error")
        self.assertIn("no route to 10.9.0.1", self.state(session)[1][0])
        agent.report(sessions=agent.sessions("waiting", "waiting for tap1"))
        self.assertEqual(self.state(session)[0], "waiting")
        flawed = [{"interface": interface, "device": "tap1", "state": "not_ethernet", "reason": ""}]
        agent.report(sessions=agent.sessions("active", sources=flawed))
        self.assertEqual(self.state(session)[0], "degraded")
        reasons = self.api.get(f"/v1/sessions/{session}/state")["reasons"]
        self.assertEqual((reasons[0]["source"], reasons[0]["host"]), (interface, agent.host))
        told = agent.sessions()
        told[0]["mtu"] = {"path": 1500, "needed": 1550, "advice": "raise the MTU"}
        agent.report(sessions=told)
        state, reasons = self.state(session)
        self.assertEqual(state, "active")
        self.assertIn("raise the MTU", reasons[0])
        agent.report(error="the plan is older than mine")
        self.assertEqual(self.state(session)[0], "error")

    def test_sources_that_are_not_mirrored(self):
        agent = self.agent()
        plugged, unplugged = self.plugged(agent, "tap1"), self.interface(name=unique("cold"))
        session = self.session(sources=[plugged, unplugged])["id"]
        agent.follow()
        state, reasons = self.state(session)
        self.assertEqual(state, "degraded")
        self.assertIn("is not plugged", reasons[0])
        waiting = self.session(number=2, sources=[unplugged])["id"]
        self.assertEqual(self.state(waiting)[0], "waiting")
        nothing = self.session(sources=["tag:no=such"])["id"]
        self.assertEqual(self.state(nothing), ("waiting", ["no interface fits its sources"]))
        disabled = self.session(number=3, sources=[plugged], enabled=False)["id"]
        self.assertEqual(self.state(disabled), ("disabled", []))

    def test_targets(self):
        agent = self.agent()
        target = self.target(name=unique("ids"))
        session = self.session(sources=[self.plugged(agent, "tap1")], target=target)["id"]
        agent.follow()
        self.api.post(f"/v1/targets/{target}/disable")
        self.assertEqual(self.state(session)[0], "disabled")
        agent.follow()
        self.assertEqual(agent.plan["sessions"], [])
        receiver = self.api.post("/v1/targets", {"interface": self.plugged(agent, "tap2")})["id"]
        self.api.patch(f"/v1/sessions/{session}", {"target": receiver})
        state, reasons = self.state(session)
        self.assertEqual(state, "error")
        self.assertIn("interface targets are not delivered", reasons[0])

    def test_a_tie_goes_to_the_older_session(self):
        agent = self.agent()
        self.plugged(agent, "tap1", tags={"role": "web"})
        older = self.session(number=7, sources=["tag:role=web"])["id"]
        younger = self.session(number=7, sources=["tag:role"])["id"]
        agent.follow()
        self.assertEqual([s["name"] for s in agent.plan["sessions"]], [older])
        state, reasons = self.state(younger)
        self.assertEqual(state, "error")
        self.assertIn(f"by the older session {older},", reasons[0])
        self.api.patch(f"/v1/sessions/{older}", {"name": "first"})
        self.assertIn("by the older session first,", self.state(younger)[1][0])
        self.api.delete(f"/v1/sessions/{older}")
        agent.follow()
        self.assertEqual(self.state(younger)[0], "active")

    def test_an_interface_that_joins_a_subnet(self):
        agent = self.agent()
        network = self.api.post("/v1/networks", {"cidrs": ["10.0.0.0/16"]})["id"]
        subnet = self.api.post("/v1/subnets", {"network": network, "cidr": "10.0.1.0/24"})["id"]
        session = self.session(sources=[subnet])["id"]
        whole = self.session(number=2, sources=[network])["id"]
        agent.poll()
        waiting = agent.start_poll()
        interface = self.plugged(agent, "tap1", subnet=subnet, addresses=["10.0.1.5"])
        agent.join_poll(waiting)
        agent.poll()
        self.assertEqual(sorted(s["name"] for s in agent.plan["sessions"]), sorted([session, whole]))
        self.api.patch(f"/v1/interfaces/{interface}", {"subnet": None, "addresses": [], "network": None})
        agent.poll()
        self.assertEqual(agent.plan["sessions"], [])

    def test_states_are_told(self):
        agent = self.agent()
        session = self.session(sources=[self.plugged(agent, "tap1")])["id"]
        events = self.controller.events(self.controller.key)
        self.addCleanup(events.close)
        agent.follow()
        told = self.wait_event(events, "state", lambda data: data["id"] == session and data["state"] == "active")
        self.assertEqual(told["kind"], "session")
        agent.report(sessions=agent.sessions("no_route", "no route"))
        told = self.wait_event(events, "state", lambda data: data["id"] == session)
        self.assertEqual((told["state"], told["reasons"][0]["host"]), ("error", agent.host))

    def test_preview(self):
        agent = self.agent()
        names = [unique("web") for _ in range(2)]
        plugged = self.plugged(agent, "tap1", name=names[0], tags={"role": "web"})
        unplugged = self.interface(name=names[1], tags={"role": "web"})
        session = self.session(sources=["tag:role=web"])["id"]
        preview = self.api.get(f"/v1/sessions/{session}/preview")
        self.assertEqual(preview["total"], 2)
        items = {item["source"]: item for item in preview["items"]}
        self.assertEqual(items[plugged], {"source": plugged, "name": names[0], "host": agent.host, "device": "tap1",
                                          "mirrored": True, "reason": None})
        self.assertFalse(items[unplugged]["mirrored"])
        self.assertIn("is not plugged", items[unplugged]["reason"])
        self.api.post(f"/v1/sessions/{session}/disable")
        items = {item["source"]: item for item in self.api.get(f"/v1/sessions/{session}/preview")["items"]}
        self.assertEqual(items[plugged]["reason"], "the session is disabled")


class CounterTest(AgentCase):
    def counted(self, agent, received, sent=0, lost=0):
        counters = {"in": {"matched_packets": received, "mirrored_packets": received - lost, "lost_queue": lost,
                           "mirrored_bytes": 100 * received},
                    "out": {"matched_packets": sent, "mirrored_packets": sent}}
        return agent.sessions(counters=counters)

    def test_counters_are_summed_over_hosts(self):
        one, other = self.agent(), self.agent()
        session = self.session(sources=[self.plugged(one, "tap1"), self.plugged(other, "tap1")])["id"]
        one.follow()
        other.follow()
        one.report(sessions=self.counted(one, 10, 5, lost=2))
        other.report(sessions=self.counted(other, 100))
        stats = self.api.get(f"/v1/sessions/{session}/stats")
        self.assertEqual(stats["counters"]["in"]["matched_packets"], 110)
        self.assertEqual(stats["counters"]["out"]["matched_packets"], 5)
        self.assertEqual((stats["total"]["matched_packets"], stats["lost"]), (115, 2))
        hosts = {host["host"]: host for host in stats["hosts"]}
        self.assertEqual(hosts[one.host]["counters"]["in"]["matched_packets"], 10)
        self.assertGreater(stats["rates"]["matched_packets_per_second"], 0)

    def test_counters_never_fall(self):
        agent = self.agent()
        session = self.session(sources=[self.plugged(agent, "tap1")])["id"]
        agent.follow()
        for reported, expected in ((10, 10), (15, 15), (3, 18), (4, 19)):
            agent.report(sessions=self.counted(agent, reported))
            stats = self.api.get(f"/v1/sessions/{session}/stats")
            self.assertEqual(stats["total"]["matched_packets"], expected)
        agent.report(sessions=[])
        stats = self.api.get(f"/v1/sessions/{session}/stats")
        self.assertEqual((stats["total"]["matched_packets"], stats["hosts"]), (19, []))

    def test_what_is_in_the_stage_falls(self):
        """A difference of two counters: its fall is no restart of counting."""
        agent = self.agent()
        session = self.session(sources=[self.plugged(agent, "tap1")])["id"]
        agent.follow()
        for matched, staged in ((10, 3), (12, 0), (13, 1), (14, 0)):
            said = self.counted(agent, matched)
            said[0]["counters"]["in"]["lost_stage"] = staged
            agent.report(sessions=said)
            stats = self.api.get(f"/v1/sessions/{session}/stats")
            self.assertEqual((stats["total"]["matched_packets"], stats["total"]["lost_stage"]), (matched, staged))
            self.assertGreaterEqual(stats["rates"]["lost_packets_per_second"], 0)

    def test_only_hosts_that_are_concerned_count(self):
        agent, stranger = self.agent(), self.agent()
        interface = self.plugged(agent, "tap1")
        session = self.session(sources=[interface])["id"]
        stranger.follow()
        agent.follow()
        said = self.counted(agent, 10)
        agent.report(sessions=said)
        end = int(time.time()) // 10 * 10
        stranger.report(sessions=said, history={"step": 10, "sessions": [
            {"id": session, "end": end, "matched_packets": [777], "mirrored_packets": [], "mirrored_bytes": [],
             "lost_packets": []}]})
        stats = self.api.get(f"/v1/sessions/{session}/stats")
        self.assertEqual((stats["total"]["matched_packets"], [host["host"] for host in stats["hosts"]]),
                         (10, [agent.host]))
        self.assertLess(sum(self.api.get(f"/v1/sessions/{session}/stats/history")["matched_packets"]), 777)
        # It leaves the host: what is said before the agent has the new plan counts, and nothing later.
        self.api.patch(f"/v1/interfaces/{interface}", {"host": stranger.host, "device": "tap9"})
        agent.report(sessions=self.counted(agent, 12))
        self.assertEqual(self.api.get(f"/v1/sessions/{session}/stats")["total"]["matched_packets"], 12)
        agent.poll()
        for count in (20, 30):
            agent.report(sessions=[{**said[0], "counters": {"in": {"matched_packets": count}}}])
            self.assertEqual(self.api.get(f"/v1/sessions/{session}/stats")["total"]["matched_packets"], 12)

    def test_names_of_counters(self):
        """Those of the agent count, and no others take their places."""
        with open(os.path.join(os.path.dirname(__file__), "../../src/agent/status.c")) as source:
            names = re.findall(r'\[VTAP_\w+\] = "(\w+)"', source.read().partition("};")[0]) + ["lost_stage"]
        self.assertEqual(len(names), 23)
        agent = self.agent()
        session = self.session(sources=[self.plugged(agent, "tap1")])["id"]
        agent.follow()
        agent.report(sessions=agent.sessions(counters={"in": {f"junk{number}": 1 for number in range(100)}}))
        agent.report(sessions=agent.sessions(counters={"in": {name: 7 for name in names}}))
        stats = self.api.get(f"/v1/sessions/{session}/stats")
        self.assertEqual(stats["counters"]["in"], {name: 7 for name in names})

    def test_without_any_report(self):
        session = self.session()["id"]
        stats = self.api.get(f"/v1/sessions/{session}/stats")
        self.assertEqual((stats["hosts"], stats["lost"]), ([], 0))
        history = self.api.get(f"/v1/sessions/{session}/stats/history")
        self.assertEqual((history["step"], history["matched_packets"]), (10, []))
        for path in ("stats", "stats/history", "state", "preview"):
            self.refused(404, "GET", f"/v1/sessions/tms-00000000000000000/{path}")
        for seconds in (9, 3601, "x"):
            self.refused(400, "GET", f"/v1/sessions/{session}/stats/history?seconds={seconds}", field="seconds")

    def test_history_that_an_agent_tells_again(self):
        agent = self.agent()
        session = self.session(sources=[self.plugged(agent, "tap1")])["id"]
        agent.poll()
        self.assertIn("history", agent.report())
        end = int(time.time()) // 10 * 10
        steps = {"id": session, "end": end, "matched_packets": [1, 2, 3], "mirrored_packets": [1, 2, 3],
                 "mirrored_bytes": [100, 200, 300], "lost_packets": [0, 0, 1]}
        for _ in range(2):  # the second time it is passed over
            agent.report(history={"step": 10, "sessions": [steps]})
        history = self.api.get(f"/v1/sessions/{session}/stats/history")
        self.assertEqual([n for n in history["matched_packets"] if n], [1, 2, 3])
        self.assertEqual(sum(history["lost_packets"]), 1)
        self.assertEqual(history["end"] % 10, 0)
        self.assertLessEqual(len(self.api.get(f"/v1/sessions/{session}/stats/history?seconds=20")["matched_packets"]), 2)


class DeviceTest(AgentCase):
    def test_devices_are_shown_with_their_interfaces(self):
        agent = self.agent()
        interface = self.plugged(agent, "tap1")
        agent.report(devices=[device("tap1", "02:00:00:00:00:01"), device("eth0", kind="physical", addresses=[])])
        shown = {item["device"]: item for item in self.admin.get(f"/v1/hosts/{agent.host}/devices")["items"]}
        self.assertEqual(shown["tap1"]["interface"], interface)
        self.assertIsNone(shown["eth0"]["interface"])
        self.assertEqual(shown["tap1"]["behind"], [{"mac": "02:00:00:00:00:01", "addresses": []}])

    def test_adopt_tells_nothing_of_devices(self):
        """Who may not say where interfaces are does not learn which devices there are, either."""
        agent, operator = self.agent(), self.make_user("operator")["client"]
        agent.report(devices=[device("tap1", "02:00:00:00:01:01")])
        said = [self.refused(403, "POST", "/v1/interfaces/adopt", {"host": host, "device": name}, client=operator)["detail"]
                for host in (agent.host, "nowhere") for name in ("tap1", "tap9")]
        self.assertEqual(len(set(said)), 1)

    def test_adopt(self):
        agent = self.agent()
        agent.report(devices=[device("tap1", "02:00:00:00:01:01", addresses=["10.0.0.5"]),
                              device("tap2"), device("eth0", kind="physical", addresses=["192.0.2.7"]),
                              {**device("tap3", "02:00:00:00:01:03"),
                               "behind": [{"mac": "02:00:00:00:01:03"}, {"mac": "02:00:00:00:01:04"}]}])

        def adopt(which, **more):
            return self.api.post("/v1/interfaces/adopt", {"host": agent.host, "device": which, **more})
        made = adopt("tap1", name=unique("adopted"))
        self.assertEqual((made["mac"], made["side"], made["host"], made["device"]),
                         ("02:00:00:00:01:01", "host", agent.host, "tap1"))
        self.assertEqual(made["addresses"], ["10.0.0.5"])
        own = adopt("eth0")
        self.assertEqual((own["mac"], own["side"]), ("fe:00:00:00:00:01", "own"))
        path, body = "/v1/interfaces/adopt", {"host": agent.host}
        self.refused(400, "POST", path, {**body, "device": "tap2"}, field="mac")
        self.refused(409, "POST", path, {**body, "device": "tap3"}, field="mac")
        self.assertEqual(adopt("tap3", mac="02:00:00:00:01:03")["side"], "host")
        self.refused(409, "POST", path, {**body, "device": "tap1"}, field="device")
        self.refused(400, "POST", path, {**body, "device": "tap9"}, field="device")
        self.refused(400, "POST", path, body, field="device")
        self.refused(400, "POST", path, {"device": "tap1"}, field="host")
        self.refused(400, "POST", path, {"host": "nobody", "device": "tap1"}, field="host")
        self.refused(400, "POST", path, {**body, "device": "tap2", "mac": "x"}, field="mac")
        user = self.make_user("operator")
        self.refused(403, "POST", path, {**body, "device": "tap2", "mac": "02:00:00:00:01:02"}, client=user["client"])


class FollowTest(AgentCase):
    mac_number = 0

    def mac(self):
        FollowTest.mac_number += 1
        return f"02:00:00:00:02:{FollowTest.mac_number:02x}"

    def place(self, interface):
        found = self.api.get(f"/v1/interfaces/{interface}")
        return found["host"], found["device"]

    def wait_place(self, events, interface):
        return self.wait_event(events, "updated", lambda data: data["id"] == interface)["resource"]

    def test_inside_the_group(self):
        events = self.controller.events()
        self.addCleanup(events.close)
        group = unique("rack")
        one, other = self.agent(group=group), self.agent(group=group)
        mac = self.mac()
        interface = self.plugged(one, "tap1", mac=mac)
        self.session(sources=[interface])
        one.report(devices=[device("tap1", mac)])
        for agent in (one, other):
            agent.poll()
        other.report(devices=[device("tap7", mac)])
        self.assertEqual(self.place(interface), (one.host, "tap1"))
        woken = other.start_poll()
        one.report(devices=[])
        moved = self.wait_place(events, interface)
        self.assertEqual((moved["host"], moved["device"]), (other.host, "tap7"))
        self.assertEqual(other.join_poll(woken), 200)
        self.assertEqual(other.plan["sessions"][0]["sources"][0]["device"], "tap7")
        one.poll()
        self.assertEqual(one.plan["sessions"], [])
        entries = self.admin.all(f"/v1/audit?resource={interface}&project={self.project}")
        self.assertEqual([entry["detail"]["to_device"] for entry in entries if entry.get("action") == "follow"], ["tap7"])

    def test_another_device_of_the_same_host(self):
        events = self.controller.events()
        self.addCleanup(events.close)
        agent = self.agent()
        mac = self.mac()
        interface = self.plugged(agent, "tap1", mac=mac)
        agent.report(devices=[device("tap1", mac)])
        agent.report(devices=[device("tap5", mac)])
        self.assertEqual(self.wait_place(events, interface)["device"], "tap5")

    def test_conflicts(self):
        one, stranger, other = self.agent(group=unique("rack")), self.agent(group=unique("rack")), self.agent()
        mac = self.mac()
        interface = self.plugged(one, "tap1", mac=mac)
        session = self.session(sources=[interface])["id"]
        one.report(devices=[device("tap1", mac)])
        stranger.report(devices=[device("tap7", mac)])
        self.assertIn("still on the host", " ".join(self.state(session)[1]))
        one.report(devices=[])
        self.assertIn("another group", " ".join(self.state(session)[1]))
        other.report(devices=[device("tap7", mac, kind="bridge")])  # behind a bridge may be anybody
        stranger.report(devices=[])
        self.assertNotIn("group", " ".join(self.state(session)[1]))
        self.assertEqual(self.place(interface), (one.host, "tap1"))

    def test_who_has_the_same_mac(self):
        """Another one that is plugged ends the following, one that is not plugged does not."""
        events = self.controller.events()
        self.addCleanup(events.close)
        agent, other = self.agent(), self.agent()
        mac = self.mac()
        interface = self.plugged(agent, "tap1", mac=mac)
        double = self.interface(mac=mac, host=None, device=None)
        agent.report(devices=[device("tap1", mac)])
        agent.report(devices=[device("tap5", mac)])
        self.assertEqual(self.wait_place(events, interface)["device"], "tap5")
        self.api.patch(f"/v1/interfaces/{double}", {"host": other.host, "device": "tap1"})
        agent.report(devices=[device("tap6", mac)])
        self.assertEqual(self.place(interface), (agent.host, "tap5"))

    def test_one_mac_everywhere(self):
        """It costs little, and what is left when it is gone is followed."""
        events = self.controller.events()
        self.addCleanup(events.close)
        agent = self.agent()
        mac = self.mac()
        interface = self.plugged(agent, "tap1", mac=mac)
        session = self.session(sources=[interface])["id"]
        everywhere = [{**device(f"port{number}"), "behind": [{"mac": mac}] * 64} for number in range(256)]
        before = self.controller.cpu_s()
        for _ in range(3):
            agent.report(devices=everywhere)
        self.assertLess(self.controller.cpu_s() - before, 1.5)
        self.assertIn("another place", " ".join(self.state(session)[1]))
        agent.report(devices=everywhere[-1:])
        self.assertEqual(self.wait_place(events, interface)["device"], "port255")

    def test_a_device_that_another_has(self):
        agent = self.agent()
        mac = self.mac()
        interface, holder = self.plugged(agent, "tap1", mac=mac), self.plugged(agent, "tap5")
        session = self.session(sources=[interface])["id"]
        agent.report(devices=[device("tap5", mac)])
        self.assertIn("another interface is plugged", " ".join(self.state(session)[1]))
        self.assertEqual(self.place(interface), (agent.host, "tap1"))
        self.assertEqual(self.place(holder), (agent.host, "tap5"))
        self.api.patch(f"/v1/interfaces/{interface}", {"device": "tap9"})
        self.assertNotIn("another interface is plugged", " ".join(self.state(session)[1]))


main()
