# SPDX-License-Identifier: Apache-2.0
"""The agents' API: joining, credentials and their end, plans, waiting, reports as documents."""

import hashlib
import ssl
import subprocess
import time

from agents import AgentCase, FakeAgent
from base import Refused
from case import main
from controller import Client
from fake_agent import make_request


class JoinTest(AgentCase):
    def refused_join(self, token):
        return self.refused(401, "POST", "/agent/v1/join", {"token": token}, client=self.controller.anonymous())

    def test_a_token_serves_once(self):
        host = self.host()
        token = self.token(host)
        self.assertRegex(token, f"^vtapjoin-{host}-[A-Za-z0-9]{{40}}-0{{64}}$")
        agent = FakeAgent(self.controller).join(token)
        self.assertEqual(agent.host, host)
        self.assertEqual(agent.poll(), 200)
        self.assertEqual(self.refused_join(token)["type"], "vtap:join-refused")
        self.assertEqual(agent.poll(), 304)
        agent.close()

    def test_tokens_that_are_none(self):
        host = self.host()
        token = self.token(host)
        other = self.host()
        for wrong in ("", "x", "vtapjoin-", token[:-1], token + "0", token.replace(host, other), "vtapjoin-" + "a" * 300):
            self.refused_join(wrong)
        self.refused(400, "POST", "/agent/v1/join", {"token": 7}, field="token", client=self.controller.anonymous())
        self.refused(400, "POST", "/agent/v1/join", {}, field="token", client=self.controller.anonymous())
        FakeAgent(self.controller).join(token).close()

    def test_how_long_a_token_lasts(self):
        host = self.host()
        for ttl in ("1m", "7d", None):
            self.admin.post(f"/v1/hosts/{host}/token", {"ttl": ttl})
        for ttl in ("59s", "8d", "", 60, "soon"):
            self.refused(400, "POST", f"/v1/hosts/{host}/token", {"ttl": ttl}, field="ttl")
        self.refused(400, "POST", f"/v1/hosts/{host}/token", {"tll": "1h"}, field="tll")

    def test_only_some_tokens_wait_at_a_time(self):
        host = self.host()
        tokens = [self.token(host) for _ in range(9)]
        self.refused_join(tokens[0])
        FakeAgent(self.controller).join(tokens[1]).close()

    def test_who_may_make_tokens(self):
        host = self.host()
        user = self.make_user("admin")
        for path in ("token", "revoke", "resume"):
            self.refused(403, "POST", f"/v1/hosts/{host}/{path}", client=user["client"])
        self.refused(403, "GET", f"/v1/hosts/{host}/devices", client=user["client"])
        self.refused(404, "POST", "/v1/hosts/host-00000000000000000/token")

    def test_a_join_ends_what_was_before(self):
        host = self.host()
        first = self.agent(host)
        pending = self.token(host)
        second = self.agent(host)
        with self.assertRaises(Refused) as refused:
            first.poll()
        self.assertEqual((refused.exception.status, refused.exception.problem["type"]), (401, "vtap:revoked"))
        self.assertEqual(second.poll(), 200)
        self.refused_join(pending)

    def test_credentials_that_are_none(self):
        agent = self.agent()
        for token in ("x", "vtapagent-", agent.token + "x", agent.token[:-1], agent.token[:-1] + "-", None):
            client = FakeAgent(self.controller, token).client
            self.refused(401, "GET", "/agent/v1/plan", client=client)
            client.close()
        self.refused(401, "GET", "/agent/v1/plan", client=self.admin)
        self.refused(401, "GET", "/v1/hosts", client=agent.client)
        self.refused(404, "POST", "/agent/v1/renew", {"request": "x"}, client=agent.client)
        self.refused(404, "GET", "/agent/v1/authority", client=self.controller.anonymous())


class TlsTest(AgentCase):
    options = ("--certificate", "auto")

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.admin.close()
        context = cls.controller.authority()
        cls.admin = cls.controller.client(context=context)
        cls.addClassCleanup(cls.admin.close)
        cls.context = context

    def client(self, credential=None, project=None):
        client = self.controller.client(credential, project=project or self.project, context=self.context)
        self.addCleanup(client.close)
        return client

    def test_certificates(self):
        host = self.host()
        token = self.token(host)
        der = ssl.PEM_cert_to_DER_cert(self.admin.request("GET", "/agent/v1/authority").text)
        self.assertEqual(token.rsplit("-", 1)[1], hashlib.sha256(der).hexdigest())
        agent = FakeAgent(self.controller).join(token)
        self.addCleanup(agent.close)
        subject = subprocess.run(["openssl", "x509", "-in", agent.certificate, "-noout", "-subject", "-enddate"],
                                 check=True, capture_output=True, text=True).stdout
        self.assertIn(host, subject)
        self.assertNotIn("anybody", subject)
        self.assertEqual(agent.poll(), 200)
        agent.report()
        _, request = make_request(agent._folder.name)
        renewed = agent.client.post("/agent/v1/renew", {"request": request})["certificate"]
        agent.use_certificate(renewed)
        self.assertEqual(agent.poll(), 304)
        self.refused(400, "POST", "/agent/v1/renew", {"request": "x"}, field="request", client=agent.client)
        self.refused(400, "POST", "/agent/v1/renew", {}, field="request", client=agent.client)
        self.admin.post(f"/v1/hosts/{host}/revoke")
        with self.assertRaises(Refused) as refused:
            agent.poll()
        self.assertEqual(refused.exception.problem["type"], "vtap:revoked")

    def test_a_request_that_is_none(self):
        token = self.token(self.host())
        anonymous = Client(self.controller.url, context=self.context)
        for request in (None, "x", 7):
            self.refused(400, "POST", "/agent/v1/join", {"token": token, "request": request}, field="request",
                         client=anonymous)
        agent = FakeAgent(self.controller).join(token)  # what was refused has not used the token up
        agent.close()
        anonymous.close()

    def test_without_a_certificate(self):
        anonymous = Client(self.controller.url, context=self.context)
        self.refused(401, "GET", "/agent/v1/plan", client=anonymous)
        anonymous.close()


class TrustTest(AgentCase):
    def test_revoked(self):
        agent = self.agent()
        agent.poll()
        waiting = agent.start_poll()
        self.wait_waiting(agent)
        self.admin.post(f"/v1/hosts/{agent.host}/revoke")
        with self.assertRaises(Refused) as refused:
            agent.join_poll(waiting)
        self.assertEqual((refused.exception.status, refused.exception.problem["type"]), (401, "vtap:revoked"))
        with self.assertRaises(Refused) as refused:
            agent.report()
        self.assertEqual(refused.exception.problem["type"], "vtap:revoked")
        again = self.agent(agent.host)
        self.assertEqual(again.poll(), 200)

    def test_what_is_said_of_a_revoked_host(self):
        agent = self.agent()
        session = self.session(sources=[self.plugged(agent, "tap1")])["id"]
        name = self.admin.get(f"/v1/hosts/{agent.host}")["name"]
        agent.follow()
        self.assertEqual(self.state(session), ("active", []))
        self.assertEqual(self.admin.get(f"/v1/hosts/{agent.host}")["state"], "connected")
        events = self.controller.events(self.controller.key)
        self.addCleanup(events.close)
        self.admin.post(f"/v1/hosts/{agent.host}/revoke")
        self.wait_event(events, "state", lambda data: data["id"] == session and data["state"] == "error")
        said = ("error", [f"host {name}'s credential was revoked: let it join again"])
        self.assertEqual(self.state(session), said)
        self.assertEqual(self.admin.get(f"/v1/hosts/{agent.host}")["state"], "revoked")
        self.assertEqual(self.admin.get(f"/v1/hosts/{agent.host}/state")["state"], "revoked")
        if self.controller.store != "memory":
            self.controller.restart()
            self.assertEqual(self.state(session), said)
        with self.assertRaises(Refused):
            agent.report()
        self.assertEqual(self.state(session), said)
        again = self.agent(agent.host)
        again.poll()
        self.assertEqual(self.state(session)[0], "pending")
        self.assertEqual(self.admin.get(f"/v1/hosts/{agent.host}")["state"], "connected")
        again.follow()
        self.assertEqual(self.state(session), ("active", []))
        if self.controller.store != "memory":
            self.controller.restart()
            self.assertEqual(self.admin.get(f"/v1/hosts/{agent.host}")["state"], "unknown")

    def wait_waiting(self, agent):
        """A poll is under way: the controller has seen the host's counter."""
        deadline = time.monotonic() + 30
        while self.admin.get(f"/v1/hosts/{agent.host}/state")["waiting"] is not True:
            self.assertLess(time.monotonic(), deadline)

    def test_deleted(self):
        agent = self.agent()
        agent.poll()
        waiting = agent.start_poll()
        self.wait_waiting(agent)
        self.admin.delete(f"/v1/hosts/{agent.host}")
        with self.assertRaises(Refused) as refused:
            agent.join_poll(waiting)
        self.assertEqual((refused.exception.status, refused.exception.problem["type"]), (401, "vtap:revoked"))
        with self.assertRaises(Refused) as refused:
            agent.poll()
        self.assertEqual(refused.exception.problem["type"], "vtap:revoked")

    def test_two_users_of_one_credential(self):
        events = self.controller.events()
        self.addCleanup(events.close)
        one = self.agent()
        other = one.clone()
        self.addCleanup(other.close)
        for agent in (one, other, one, other):  # the two that come back are forgiven
            agent.poll()
        with self.assertRaises(Refused) as refused:
            one.poll()
        self.assertEqual((refused.exception.status, refused.exception.problem["type"]), (403, "vtap:suspended"))
        alarm = self.wait_event(events, "alarm", lambda data: data["id"] == one.host)
        self.assertIn("credential", alarm["reason"])
        for agent in (one, other):
            with self.assertRaises(Refused) as refused:
                agent.report()
            self.assertEqual(refused.exception.problem["type"], "vtap:suspended")
        self.assertEqual(self.admin.get(f"/v1/hosts/{one.host}/state")["state"], "suspended")
        entries = self.admin.all(f"/v1/audit?resource={one.host}")
        self.assertIn(("suspend", None), [(entry.get("action"), entry["project"]) for entry in entries])
        self.admin.post(f"/v1/hosts/{one.host}/resume")
        one.restart()
        self.assertEqual(one.poll(), 200)
        one.report()

    def test_a_second_one_that_only_reports(self):
        """It need not ask for the plan to be found out."""
        one = self.agent()
        other = one.clone()
        self.addCleanup(other.close)
        one.poll()
        other.report()
        one.report()
        other.report()
        with self.assertRaises(Refused) as refused:
            one.report()
        self.assertEqual((refused.exception.status, refused.exception.problem["type"]), (403, "vtap:suspended"))
        self.assertEqual(self.admin.get(f"/v1/hosts/{one.host}/state")["state"], "suspended")

    def test_reports_of_one_agent(self):
        agent = self.agent()
        for _ in range(5):
            agent.restart()
            agent.report()  # before its first request of the plan
            agent.poll()
            for _ in range(5):
                agent.report()

    def test_what_one_agent_may_do(self):
        agent = self.agent()
        for _ in range(5):  # restarts
            agent.restart()
            agent.poll()
        agent.poll()
        agent.counter -= 1  # two requests that are tried again, and were heard the first time
        agent.poll()
        agent.counter -= 1
        agent.poll()
        for _ in range(8):
            agent.poll()
        agent.counter -= 2
        agent.poll()
        agent.poll()
        with self.assertRaises(Refused):
            agent.counter -= 3
            agent.poll()

    def test_the_connection_header(self):
        agent = self.agent()
        for value in (None, "", "x:1", "0123456789abcde:1", "0123456789abcdef", "0123456789abcdef:", "0123456789ABCDEF:1",
                      "0123456789abcdef:-1", "0" * 33 + ":1"):
            self.refused(400, "GET", "/agent/v1/plan", field="X-Vtap-Connection", client=agent.client,
                         headers={"X-Vtap-Connection": value})


class PlanTest(AgentCase):
    def test_a_plan_and_its_hash(self):
        agent = self.agent(uplink="eth9")
        self.assertEqual(agent.poll(), 200)
        self.assertEqual(agent.plan["sessions"], [])
        self.assertEqual(agent.plan["uplink"], "eth9")
        interface = self.plugged(agent, "tap1")
        session = self.session(name="web", sources=[interface], target=self.target(address="10.9.0.7"))
        self.assertEqual(agent.poll(), 200)
        self.assertEqual([s["name"] for s in agent.plan["sessions"]], [session["id"]])
        self.assertEqual(agent.plan["sessions"][0]["label"], "web")
        self.assertEqual(agent.plan["sessions"][0]["sources"],
                         [{"device": "tap1", "side": "host", "interface": interface}])
        self.assertEqual(agent.plan["targets"][0]["address"], "10.9.0.7")
        self.assertEqual(agent.plan["host"], agent.host)
        self.assertEqual(hashlib.sha256(agent.content_of(agent.plan)).hexdigest(), agent.hash)
        self.assertEqual(agent.poll(), 304)

    def test_nothing_new_within_the_time(self):
        agent = self.agent()
        agent.poll()
        before = time.monotonic()
        self.assertEqual(agent.poll(wait=1), 304)
        self.assertGreater(time.monotonic() - before, 0.9)

    def test_only_who_is_concerned_is_woken(self):
        one, other = self.agent(), self.agent()
        interfaces = [self.plugged(one, "tap1"), self.plugged(other, "tap1")]
        for agent in (one, other):
            agent.poll()
        quiet, woken = other.start_poll(wait=1), one.start_poll()
        self.session(sources=[interfaces[0]])
        self.assertEqual(one.join_poll(woken), 200)
        self.assertEqual(len(one.plan["sessions"]), 1)
        self.assertEqual(other.join_poll(quiet), 304)

    def test_what_changes_nothing_for_the_host(self):
        agent = self.agent()
        interface = self.plugged(agent, "tap1")
        session = self.session(sources=[interface])
        agent.poll()
        revision = agent.revision
        self.api.patch(f"/v1/interfaces/{interface}", {"description": "more"})
        self.api.patch(f"/v1/sessions/{session['id']}", {"description": "more"})
        self.assertEqual(agent.poll(), 304)
        self.assertEqual(agent.poll(revision=revision, hash="0" * 64), 200)
        self.assertEqual(agent.revision, revision)

    def test_never_back(self):
        agent = self.agent()
        agent.poll()
        ahead = agent.revision + 1000
        self.assertEqual(agent.poll(revision=ahead, hash="0" * 64), 304)
        self.assertEqual(agent.poll(revision=ahead, hash=None), 304)
        self.assertEqual(agent.poll(revision=ahead, epoch="0" * 32), 200)

    def test_a_later_poll_takes_the_place(self):
        agent = self.agent()
        agent.poll()
        first = agent.start_poll()
        deadline = time.monotonic() + 30
        while not self.admin.get(f"/v1/hosts/{agent.host}/state")["waiting"]:
            self.assertLess(time.monotonic(), deadline)
        self.assertEqual(agent.poll(), 304)
        self.assertEqual(agent.join_poll(first), 304)

    def test_disabled_sessions_and_those_of_others_are_not_there(self):
        agent = self.agent()
        session = self.session(sources=[self.plugged(agent, "tap1")])
        self.session(sources=[self.interface()])
        agent.poll()
        self.assertEqual(len(agent.plan["sessions"]), 1)
        self.api.post(f"/v1/sessions/{session['id']}/disable")
        agent.poll()
        self.assertEqual(agent.plan["sessions"], [])
        self.assertEqual(agent.plan["targets"], [])

    def test_rules_come_in_chunks(self):
        agent = self.agent()
        filter_id = self.filter()
        rules = [{"direction": "in", "number": n, "protocol": "tcp", "destination_ports": n} for n in range(1, 301)]
        self.api.put(f"/v1/filters/{filter_id}/rules", {"rules": rules})
        self.session(sources=[self.plugged(agent, "tap1")], filter=filter_id)
        agent.poll()
        hashes = agent.plan["filters"][0]["chunks"]
        found = [rule for chunk in hashes for rule in agent.chunk(chunk)]
        self.assertEqual([rule["number"] for rule in found], list(range(1, 301)))
        self.assertLessEqual(max(len(agent.chunk(chunk)) for chunk in hashes), 128)
        answer = agent.client.request("GET", f"/agent/v1/chunks/{hashes[0]}")
        self.assertEqual(hashlib.sha256(answer.text.encode()).hexdigest(), hashes[0])
        self.assertEqual(answer.etag, f'"{hashes[0]}"')
        self.api.post(f"/v1/filters/{filter_id}/rules", {"direction": "in", "number": 301})
        agent.poll()
        self.assertEqual(len(set(agent.plan["filters"][0]["chunks"]) & set(hashes)), len(hashes) - 1)
        self.refused(404, "GET", f"/agent/v1/chunks/{'0' * 64}", client=agent.client)

    def test_bad_queries(self):
        agent = self.agent()
        for name, value in (("wait", 61), ("wait", "x"), ("revision", -1), ("request", "x")):
            with self.assertRaises(Refused) as refused:
                agent.poll(**{name: value})
            self.assertEqual((refused.exception.status, refused.exception.problem["field"]), (400, name))
        agent.poll(wait=0)

    def test_wires_and_endpoints(self):
        agent = self.agent()
        wire = self.admin.post("/v1/wires", {"host": agent.host, "device": "br0"})["id"]
        self.session(sources=[wire], target=self.target(address="10.9.0.8"))
        self.session(sources=[self.interface()], target=self.target(address="10.9.0.9"))
        agent.poll()
        self.assertEqual(agent.plan["sessions"][0]["sources"], [{"device": "br0", "side": "own", "interface": wire}])
        self.assertIn({"address": "10.9.0.9", "port": 4789}, agent.plan["never_mirror"])


class ReportTest(AgentCase):
    def test_what_a_report_may_not_be(self):
        agent = self.agent()
        wrong = [
            ({"revision": "x"}, "revision"),
            ({"agent": []}, "agent"),
            ({"agent": {"version": 7}}, "agent.version"),
            ({"agent": {"layout": []}}, "agent.layout"),
            ({"agent": {"instance": 7}}, "agent.instance"),
            ({"agent": {"instance": "0123456789abcde"}}, "agent.instance"),
            ({"agent": {"instance": "0123456789abcdef" * 2 + "0"}}, "agent.instance"),
            ({"agent": {"instance": "0123456789ABCDEF"}}, "agent.instance"),
            ({"uplink": {"mtu": "1500"}}, "uplink.mtu"),
            ({"uplink": {"device": "x" * 256}}, "uplink.device"),
            ({"devices": [{"device": "tap1", "up": []}]}, "devices[0].up"),
            ({"devices": [{"device": "tap1", "guest": []}]}, "devices[0].guest"),
            ({"devices": [{"device": "tap1", "guest": {"name": "x" * 256}}]}, "devices[0].guest.name"),
            ({"sessions": {}}, "sessions"),
            ({"sessions": [{}]}, "sessions[0]"),
            ({"sessions": [{"id": "tms-1", "state": "x" * 24}]}, "sessions[0].state"),
            ({"sessions": [{"id": "tms-1", "state": "active", "counters": {"in": {"n": -1}}}]},
             "sessions[0].counters.in.n"),
            ({"devices": [{}]}, "devices[0].device"),
            ({"devices": [{"device": "x" * 16}]}, "devices[0].device"),
            ({"devices": [{"device": "tap1", "mac": "x"}]}, "devices[0].mac"),
            ({"devices": [{"device": "tap1", "addresses": ["x"]}]}, "devices[0].addresses[0]"),
            ({"devices": [{"device": "tap1", "behind": [{}]}]}, "devices[0].behind[0].mac"),
            ({"history": {"step": 5}}, "history.step"),
            ({"history": {"step": 10, "sessions": [{"id": "x"}]}}, "history.sessions[0]"),
            ({"error": 7}, "error"),
        ]
        for body, field in wrong:
            self.refused(400, "POST", "/agent/v1/report", body, field=field, client=agent.client)
        self.refused(400, "POST", "/agent/v1/report", client=agent.client)
        self.assertEqual(self.admin.get(f"/v1/hosts/{agent.host}/state")["agent"], None)

    def test_limits(self):
        agent = self.agent()
        device = {"device": "tap1", "kind": "tap"}
        address = "10.0.0.1"
        limits = [
            ("devices", 4096, lambda n: {"devices": [device] * n}),
            ("sessions", 1024, lambda n: {"sessions": [{"id": "tms-1", "state": "active"}] * n}),
            ("devices[0].behind", 64, lambda n: {"devices": [{**device, "behind": [{"mac": "02:00:00:00:00:01"}] * n}]}),
            ("devices", 16384, lambda n: {"devices": [
                {"device": f"tap{first}", "kind": "tap", "behind": [{"mac": "02:00:00:00:00:01"}] * min(64, n - first)}
                for first in range(0, n, 64)]}),
            ("devices[0].addresses", 64, lambda n: {"devices": [{**device, "addresses": [address] * n}]}),
            ("history.sessions", 64, lambda n: {"history": {"step": 10, "sessions": [{"id": "tms-1", "end": 10}] * n}}),
            ("history.sessions[0].matched_packets", 360,
             lambda n: {"history": {"step": 10, "sessions": [{"id": "x", "end": 10, "matched_packets": [0] * n}]}}),
        ]
        for field, most, body in limits:
            agent.client.post("/agent/v1/report", body(most))
            self.refused(400, "POST", "/agent/v1/report", body(most + 1), field=field, client=agent.client)

    def test_unknown_members_are_not_kept(self):
        agent = self.agent()
        session = self.session(sources=[self.plugged(agent, "tap1")])["id"]
        agent.follow()
        junk = {"junk": "JUNK" * 1000}
        device = {"device": "tap1", "kind": "tap", "mac": "fe:00:00:00:00:01", "mtu": 1500, "up": True,
                  "master": None, "addresses": []}
        behind, guest = {"mac": "02:00:00:00:00:01", "addresses": ["10.0.0.5"]}, {"kind": "libvirt", "name": "web"}
        who, uplink = {"version": "0.1.0", "layout": 1}, {"device": "eth0", "address": "172.31.0.1", "mtu": 1500}
        source = {"interface": "eni-1", "device": "tap1", "state": "waiting", "reason": "no such device"}
        agent.report(sessions=agent.sessions(sources=[{**source, **junk}]), agent={**who, **junk},
                     uplink={**uplink, **junk}, devices=[{**device, "behind": [{**behind, **junk}],
                                                          "guest": {**guest, **junk}, **junk}])
        state = self.admin.get(f"/v1/hosts/{agent.host}/state")
        self.assertEqual((state["agent"], state["uplink"]), (who, uplink))
        shown = self.admin.get(f"/v1/hosts/{agent.host}/devices")["items"][0]
        self.assertEqual((shown["behind"], shown["guest"]), ([behind], guest))
        self.assertNotIn("JUNK", str(shown) + str(self.api.get(f"/v1/sessions/{session}/state")))

    def test_what_the_controller_wants(self):
        agent = self.agent()
        agent.poll()
        self.assertEqual(agent.report(), ["devices", "history"])
        self.assertEqual(agent.report(devices=[], history={"step": 10, "sessions": []}), [])
        self.assertEqual(agent.report(), [])

    def test_hosts_say_whether_their_agents_are_there(self):
        silent, agent = self.host(tags={"test": self.project}), self.agent(tags={"test": self.project})
        self.assertNotIn("seen", self.admin.get(f"/v1/hosts/{silent}"))
        agent.report()
        listed = {item["id"]: item for item in self.admin.get(f"/v1/hosts?tag:test={self.project}")["items"]}
        self.assertEqual(listed[silent]["state"], "unknown")
        self.assertEqual(listed[agent.host]["state"], "connected")
        self.assertRegex(listed[agent.host]["seen"], r"^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
        for state, host in (("connected", agent.host), ("unknown", silent)):
            found = self.admin.get(f"/v1/hosts?tag:test={self.project}&state={state}")["items"]
            self.assertEqual([item["id"] for item in found], [host])
        self.assertEqual(self.admin.get(f"/v1/hosts?tag:test={self.project}&state=away&state=unknown")["total"], 1)
        self.refused(400, "GET", "/v1/hosts?sort=state", field="sort")
        self.refused(400, "PATCH", f"/v1/hosts/{silent}", {"state": "connected"}, "state", "set by the server")

    def test_a_restarted_controller(self):
        agent = self.agent()
        if self.controller.store == "memory":
            return
        session = self.session(sources=[self.plugged(agent, "tap1")])
        agent.follow()
        self.controller.restart()
        agent.client.close()
        self.assertEqual(agent.poll(), 304)
        self.assertEqual(self.state(session["id"])[0], "pending")
        self.assertEqual(agent.report(), ["devices", "history"])
        self.assertEqual(self.state(session["id"])[0], "active")


main()
