# SPDX-License-Identifier: Apache-2.0
"""Looking closer: traces of packets, probes along a session's way, live packets."""

import http.client
import json
import struct
import threading
import time

from agents import AgentCase
from base import unique
from case import main


class SharesTest(AgentCase):
    def test_streams_of_one_user(self):
        """One user takes no more than a share of the streams, and somebody without a role none."""
        viewer = self.make_user("viewer")
        streams = [self.controller.events(viewer["key"]) for _ in range(16)]
        for stream in streams:
            self.addCleanup(stream.close)
        self.refused(429, "GET", "/v1/events", text="16 times", client=viewer["client"])
        self.refused(403, "GET", "/v1/events", text="role", client=self.make_user()["client"])
        self.controller.events(self.make_user("viewer")["key"]).close()


class TraceTest(AgentCase):
    def trace(self, interface, direction="in", **query):
        path = f"/v1/trace?interface={interface}&direction={direction}"
        return self.api.get(path + "".join(f"&{name}={value}" for name, value in query.items()))

    def test_who_takes_it_and_why_not_the_others(self):
        agent = self.agent()
        interface = self.plugged(agent, "tap1", addresses=["10.0.0.5"])
        web = self.filter()
        rule = self.api.post(f"/v1/filters/{web}/rules", {"direction": "in", "number": 10, "protocol": "tcp",
                                                          "destination_ports": 443})["id"]
        first = self.session(number=1, sources=[interface], filter=web, name="https")["id"]
        second = self.session(number=2, sources=[interface])["id"]
        copy = self.session(number=0, mode="copy", sources=[interface], direction="out")["id"]
        answer = self.trace(interface, source="10.0.0.9", protocol="tcp", source_port=4000, destination_port=443)
        self.assertTrue(answer["taken"])
        self.assertEqual(answer["packet"]["destination"], "10.0.0.5")
        said = {s["session"]: s for s in answer["sessions"]}
        self.assertEqual([s["session"] for s in answer["sessions"]], [first, second, copy])
        self.assertEqual((said[first]["taken"], said[first]["rule"], said[first]["name"]), (True, rule, "https"))
        self.assertEqual(said[first]["reason"], "rule 10 accepts it")
        self.assertFalse(said[second]["taken"])
        self.assertIn(first, said[second]["reason"])
        self.assertIn("does not mirror", said[copy]["reason"])
        answer = self.trace(interface, source="10.0.0.9", protocol="udp", destination_port=443)
        self.assertEqual([s["taken"] for s in answer["sessions"]], [False, True, False])
        answer = self.trace(interface, "out", destination="10.0.0.9", protocol="icmp", icmp_type=8)
        self.assertEqual([s["taken"] for s in answer["sessions"]], [False, True, True])

    def test_what_was_not_given(self):
        interface, web = self.plugged(self.agent(), "tap1", addresses=["10.0.0.5"]), self.filter()
        self.api.post(f"/v1/filters/{web}/rules", {"direction": "in", "number": 10, "source": "10.0.0.0/8"})
        self.session(sources=[interface], filter=web)
        answer = self.trace(interface)
        self.assertEqual(answer["assumed"], ["source", "protocol", "source_port", "destination_port"])
        self.assertEqual((answer["packet"]["source"], answer["packet"]["destination"]), ("0.0.0.0", "10.0.0.5"))
        self.assertIn("rule 10 depends on source, which was not given", answer["sessions"][0]["reason"])
        answer = self.trace(interface, source="10.9.9.9", protocol="icmp")
        self.assertEqual((answer["taken"], answer["assumed"]), (True, ["icmp_type", "icmp_code"]))
        self.assertEqual(answer["sessions"][0]["reason"], "rule 10 accepts it")

    def test_a_device_that_is_not_there(self):
        agent = self.agent()
        wire = self.admin.post("/v1/wires", {"host": agent.host, "device": "br9"})["id"]
        session = self.session(sources=[wire])["id"]
        agent.follow()
        self.assertTrue(self.trace(wire)["taken"])
        self.assertTrue(self.api.get(f"/v1/sessions/{session}/preview")["items"][0]["mirrored"])
        missing = [{"interface": wire, "device": "br9", "state": "waiting", "reason": ""}]
        agent.report(sessions=agent.sessions("waiting", "waiting for br9", sources=missing))
        said = self.trace(wire)
        self.assertEqual((said["taken"], said["sessions"][0]["taken"]), (False, False))
        self.assertRegex(said["sessions"][0]["reason"], r"^it takes everything.*, but host .*, device br9: it does not exist yet$")
        item = self.api.get(f"/v1/sessions/{session}/preview")["items"][0]
        self.assertFalse(item["mirrored"])
        self.assertIn("device br9: it does not exist yet", item["reason"])
        agent.report(sessions=agent.sessions("no_route", "no route to 10.9.0.1"))
        self.assertIn("no route to 10.9.0.1", self.trace(wire)["sessions"][0]["reason"])

    def test_without_any_session(self):
        answer = self.trace(self.interface())
        self.assertEqual((answer["taken"], answer["sessions"]), (False, []))

    def test_questions_that_make_no_sense(self):
        interface = self.interface()
        good = f"/v1/trace?interface={interface}&direction=in"
        self.api.get(good)
        for more, field in (("&source=x", "source"), ("&source=10.0.0.1&destination=::1", "destination"),
                            ("&protocol=x", "protocol"), ("&protocol=256", "protocol"), ("&source_port=65536", "source_port"),
                            ("&protocol=icmp&source_port=1", "source_port"), ("&icmp_type=1", "icmp_type"),
                            ("&source=::1&protocol=icmp", "protocol"), ("&vlan=4095", "vlan"), ("&vlan=0", "vlan")):
            self.refused(400, "GET", good + more, field=field)
        for more in ("&protocol=255", "&source_port=65535", "&vlan=4094", "&source=::1&protocol=icmpv6&icmp_type=255"):
            self.api.get(good + more)
        self.refused(400, "GET", f"/v1/trace?interface={interface}&direction=up", field="direction")
        self.refused(400, "GET", "/v1/trace?direction=in", field="interface")
        self.refused(404, "GET", "/v1/trace?interface=eni-00000000000000000&direction=in", field="interface")
        stranger = self.make_user("viewer", self.admin.post("/v1/projects", {})["id"])
        self.refused(404, "GET", good, client=stranger["client"])


class CheckTest(AgentCase):
    def setUp(self):
        super().setUp()
        self.agent_ = self.agent()
        self.interface_ = self.plugged(self.agent_, "tap1", addresses=["10.0.0.5"], mac="02:00:00:00:00:05")
        web = self.filter()
        self.api.post(f"/v1/filters/{web}/rules", {"direction": "in", "number": 10, "protocol": "tcp",
                                                   "destination_ports": 443})
        self.session_ = self.session(sources=[self.interface_], filter=web)["id"]
        self.agent_.follow()

    def check(self, answer):
        """Begins a check, lets the agent answer its probe with that, and returns what the check says and the probe."""
        result = {}
        client = self.client()

        def run():
            result["answer"] = client.request("POST", f"/v1/sessions/{self.session_}/check")
        thread = threading.Thread(target=run)
        poll = self.agent_.start_poll()
        thread.start()
        self.agent_.join_poll(poll)
        request = self.agent_.requests[-1]
        self.agent_.answer(request, answer)
        thread.join(30)
        return result["answer"].json, request

    def test_a_probe_that_arrives(self):
        hops = [{"hop": hop, "state": "ok", "detail": ""} for hop in ("source", "filter", "delivery")]
        hops.append({"hop": "path", "state": "unknown", "detail": "the target does not answer echoes"})
        said, request = self.check({"hops": hops})
        self.assertEqual((said["ok"], said["hop"], said["hops"]), (True, None, hops))
        self.assertEqual(said["probes"][0]["host"], self.agent_.host)
        self.assertEqual((request["type"], request["session"], request["interface"], request["device"]),
                         ("probe", self.session_, self.interface_, "tap1"))
        self.assertEqual((request["direction"], request["packet"]["destination"], request["packet"]["destination_port"],
                          request["packet"]["protocol"]), ("in", "10.0.0.5", 443, 6))
        self.assertEqual(request["packet"]["destination_mac"], "02:00:00:00:00:05")
        self.refused(404, "POST", f"/agent/v1/answer/{request['id']}", {}, client=self.agent_.client)

    def logged_checks(self):
        """What the log says of each: the outcome, whether it arrived, and who lost it."""
        entries = self.admin.all(f"/v1/audit?resource={self.session_}&project={self.project}")
        return [(entry["outcome"], entry["detail"]["ok"], entry["detail"].get("hop")) for entry in entries
                if entry["path"].endswith("/check")]

    def test_the_log_has_what_came_of_it(self):
        self.check({"hops": [{"hop": "source", "state": "failed", "detail": ""}]})
        self.check({"hops": [{"hop": hop, "state": "ok", "detail": ""} for hop in ("source", "filter", "delivery", "path")]})
        expected = [("done", False, "source"), ("done", True, None)]
        self.assertEqual(self.logged_checks(), expected)
        client, poll = self.client(), self.agent_.start_poll()
        client.connection.request("POST", f"/v1/sessions/{self.session_}/check", headers=client.headers)
        self.agent_.join_poll(poll)
        client.close()  # who asked is gone, and the probe was sent all the same
        deadline = time.monotonic() + 30
        while self.logged_checks() == expected:
            self.assertLess(time.monotonic(), deadline)
        self.assertEqual(self.logged_checks(), [*expected, ("done", None, None)])

    def test_a_probe_that_is_lost(self):
        hops = [{"hop": "source", "state": "ok", "detail": ""},
                {"hop": "filter", "state": "failed", "detail": "the program is not attached"}]
        said, _ = self.check({"hops": hops})
        self.assertEqual((said["ok"], said["hop"], said["hops"]), (False, "filter", hops))
        said, _ = self.check({"failed": "no such session"})
        self.assertEqual((said["ok"], said["hop"], said["hops"][0]["detail"]), (False, "source", "no such session"))
        said, _ = self.check({"hops": [{"hop": "x", "state": "ok"}, 7, {"hop": "source", "state": "maybe"}]})
        self.assertEqual((said["ok"], said["hops"]), (False, []))

    def test_requests_are_repeated_until_they_are_taken(self):
        client = self.client()
        thread = threading.Thread(target=client.request, args=("POST", f"/v1/sessions/{self.session_}/check"))
        poll = self.agent_.start_poll()
        thread.start()
        self.agent_.join_poll(poll)
        number = self.agent_.request_number
        self.agent_.request_number = 0  # as if the answer had been lost
        self.assertEqual(self.agent_.poll(wait=30), 200)
        self.assertEqual(self.agent_.request_number, number)
        self.assertEqual(self.agent_.poll(), 304)
        self.agent_.answer(self.agent_.requests[-1], {"failed": "enough"})
        thread.join(30)

    def test_what_cannot_be_checked(self):
        path = f"/v1/sessions/{self.session_}/check"
        viewer = self.make_user("viewer")
        self.refused(403, "POST", path, client=viewer["client"])
        operator = self.make_user("operator")
        self.admin.patch(f"/v1/projects/{self.project}", {"allowed_target_cidrs": ["192.0.2.0/24"]})
        self.refused(403, "POST", path, client=operator["client"], text="allowed_target_cidrs")
        self.api.post(f"/v1/sessions/{self.session_}/disable")
        self.refused(409, "POST", path, text="disabled")
        cold = self.session(sources=[self.interface()])["id"]
        self.refused(409, "POST", f"/v1/sessions/{cold}/check", text="none of its sources")

    def test_a_session_that_takes_nothing(self):
        nothing = self.session(number=5, sources=[self.interface_], filter=self.filter())["id"]
        said = self.api.post(f"/v1/sessions/{nothing}/check")
        self.assertEqual((said["ok"], said["hop"]), (False, "filter"))

    def test_a_host_that_was_never_heard(self):
        host = self.host()
        session = self.session(sources=[self.interface(host=host, device="tap1")])["id"]
        said = self.api.post(f"/v1/sessions/{session}/check")
        self.assertEqual((said["ok"], said["hop"], said["probes"][0]["host"]), (False, "source", host))

    def test_how_many_hosts_are_asked(self):
        for count in (16, 17):
            hosts = [self.host() for _ in range(count)]
            sources = [self.interface(host=host, device=device) for device in ("tap1", "tap2") for host in hosts]
            said = self.api.post(f"/v1/sessions/{self.session(sources=sources)['id']}/check")
            self.assertEqual((len(said["probes"]), said["hosts_left_out"]), (16, count - 16))


class WithTrailer(http.client.HTTPResponse):
    """Keeps what comes behind a body, which others pass over."""

    def _read_and_discard_trailer(self):
        self.trailer = http.client.parse_headers(self.fp)


class CaptureTest(AgentCase):
    def setUp(self):
        super().setUp()
        self.agent_ = self.agent()
        self.session_ = self.session(sources=[self.plugged(self.agent_, "tap1")])["id"]
        self.agent_.follow()
        self.path = f"/v1/sessions/{self.session_}/capture"

    def ask(self, query="", agents=None, credential=None):
        """A client that has asked, and whose agents know of it."""
        client, agents = self.client(credential), agents or [self.agent_]
        client.connection.response_class = WithTrailer
        polls = [agent.start_poll() for agent in agents]
        client.connection.request("GET", self.path + query, headers=client.headers)
        for agent, poll in zip(agents, polls):
            agent.join_poll(poll)
        return client

    def response(self, client):
        response = client.connection.getresponse()
        self.assertEqual((response.status, response.headers["Content-Type"]), (200, "application/vnd.tcpdump.pcap"))
        response.client = client
        return response

    def begin(self, query="", agents=None, credential=None):
        """The client's response, once the agents have said that they listen."""
        client = self.ask(query, agents, credential)
        for agent in agents or [self.agent_]:
            self.assertEqual(agent.upload(agent.requests[-1], []), 204)
        return self.response(client)

    def frames(self, data):
        """Those of a whole file."""
        self.assertEqual(data[:4], bytes.fromhex("4d3cb2a1"))
        found, at = [], 24
        while at < len(data):
            length = struct.unpack_from("<I", data, at + 8)[0]
            found.append(data[at + 16:at + 16 + length])
            at += 16 + length
        return found

    def test_packets_go_on_to_the_client(self):
        response = self.begin("?seconds=30&packets=1000")
        request = self.agent_.requests[-1]
        self.assertEqual((request["type"], request["session"], request["seconds"], request["packets"]),
                         ("capture", self.session_, 30, 1000))
        frames = [bytes([n]) * 60 for n in range(3)]
        self.assertEqual(self.agent_.upload(request, frames[:2]), 204)
        self.assertEqual(self.agent_.upload(request, frames[2:], end=True), 204)
        self.assertEqual(self.frames(response.read()), frames)
        self.assertEqual(self.agent_.upload(request, frames), 404)
        audit = self.admin.all(f"/v1/audit?resource={self.session_}")
        self.assertEqual([entry["detail"]["seconds"] for entry in audit if entry["path"] == self.path], [30])

    def test_as_many_packets_as_were_asked_for(self):
        response = self.begin("?packets=2")
        request = self.agent_.requests[-1]
        frames = [bytes([n]) * 60 for n in range(5)]
        self.assertEqual(self.agent_.upload(request, frames), 204)
        self.assertEqual(self.frames(response.read()), frames[:2])
        self.assertEqual(self.agent_.upload(request, frames), 404)

    def test_several_hosts(self):
        other = self.agent()
        self.api.patch(f"/v1/sessions/{self.session_}",
                       {"sources": [self.plugged(self.agent_, "tap2"), self.plugged(other, "tap1")]})
        agents = [self.agent_, other]
        for agent in agents:
            agent.follow()
        response = self.begin("", agents)
        for number, agent in enumerate(agents):
            self.assertEqual(agent.upload(agent.requests[-1], [bytes([number]) * 60], end=True), 204)
        self.assertEqual(self.frames(response.read()), [b"\0" * 60, b"\1" * 60])

    def test_an_agent_that_cannot(self):
        client = self.ask()
        self.agent_.answer(self.agent_.requests[-1], {"failed": "no such session"})
        response = client.connection.getresponse()
        host = self.api.get(f"/v1/hosts/{self.agent_.host}")["name"]
        self.assertEqual((response.status, json.loads(response.read())["detail"]), (409, f"host {host}: no such session"))
        self.assertEqual(self.agent_.upload(self.agent_.requests[-1], [b"x"]), 404)

    def test_one_agent_cannot(self):
        """What the others see is shown."""
        other = self.agent()
        self.api.patch(f"/v1/sessions/{self.session_}",
                       {"sources": [self.plugged(self.agent_, "tap2"), self.plugged(other, "tap1")]})
        for agent in (self.agent_, other):
            agent.follow()
        client = self.ask("", [self.agent_, other])
        self.agent_.answer(self.agent_.requests[-1], {"failed": "no such session"})
        self.assertEqual(other.upload(other.requests[-1], [b"x" * 60], end=True), 204)
        self.assertEqual(self.frames(self.response(client).read()), [b"x" * 60])

    def left_out(self, response):
        """What the end of the file says is not in it; None if nothing is missing."""
        response.read()
        return response.trailer["X-Vtap-Left-Out"]

    def spread(self, hosts):
        """The session mirrors something on each of these hosts, and their agents have said so."""
        self.api.patch(f"/v1/sessions/{self.session_}", {"sources": [self.interface(host=host, device=unique("tap")) for host in hosts]})

    def test_packets_that_are_left_out_are_counted(self):
        response = self.begin()
        self.assertEqual(response.headers["Trailer"], "X-Vtap-Left-Out")
        request = self.agent_.requests[-1]
        self.assertEqual(self.agent_.upload(request, [b"x" * 60], left_out=7), 204)
        self.assertEqual(self.agent_.upload(request, [b"x" * 60], left_out=5, end=True), 204)
        self.assertEqual(self.left_out(response), "12 packets")
        response = self.begin("?seconds=30")
        self.assertEqual(self.agent_.upload(self.agent_.requests[-1], [b"x" * 60], end=True), 204)
        self.assertIsNone(self.left_out(response))

    def test_what_a_slow_client_has_no_room_for_is_counted(self):
        response = self.begin()
        request = self.agent_.requests[-1]
        frames, uploads = [bytes(65535)] * 3, 100
        for number in range(uploads):
            self.assertEqual(self.agent_.upload(request, frames, end=number == uploads - 1), 204)
        got = len(self.frames(response.read()))
        self.assertLess(got, 3 * uploads)
        self.assertEqual(response.trailer["X-Vtap-Left-Out"], f"{3 * uploads - got} packets")

    def test_hosts_that_are_left_out_are_named(self):
        """One that cannot, one that was never heard, one that is suspended; and nobody at all."""
        cannot, silent, revoked = self.agent(), self.host(), self.agent()
        hosts = [self.agent_.host, cannot.host, silent, revoked.host]
        names = [self.admin.get(f"/v1/hosts/{host}")["name"] for host in hosts]
        self.spread(hosts)
        for agent in (self.agent_, cannot, revoked):
            agent.follow()
        self.admin.post(f"/v1/hosts/{revoked.host}/revoke")
        client = self.ask("", [self.agent_, cannot])
        cannot.answer(cannot.requests[-1], {"failed": "not\nnow"})
        self.assertEqual(self.agent_.upload(self.agent_.requests[-1], [b"x" * 60], end=True), 204)
        said = self.left_out(self.response(client))
        self.assertEqual(sorted(said.split("; ")), sorted([f"host {names[1]}: not now",
                                                           f"host {names[2]}: its agent has not been heard yet",
                                                           f"host {names[3]}: its credential was revoked"]))
        self.spread(hosts[2:])
        detail = self.refused(409, "GET", self.path)["detail"]
        for name in names[2:]:
            self.assertIn(f"host {name}: ", detail)

    def test_a_host_that_is_asked_too_much(self):
        """With 32 requests at a time it is given no more, which the file's end says; and who asks it alone hears of it."""
        name = self.admin.get(f"/v1/hosts/{self.agent_.host}")["name"]
        asking = [self.client() for _ in range(32)]
        for client in asking:
            client.connection.request("POST", f"/v1/sessions/{self.session_}/check", headers=client.headers)
        while len(self.agent_.requests) < len(asking):
            self.agent_.poll(wait=30)
        other = self.agent()
        alone = f"host {name}: its agent is asked too much already: try again later"
        self.assertIn(alone, self.refused(409, "GET", self.path)["detail"])
        self.api.patch(f"/v1/sessions/{self.session_}",
                       {"sources": [self.plugged(self.agent_, "tap2"), self.plugged(other, "tap1")]})
        for agent in (self.agent_, other):
            agent.follow()
        response = self.begin("", [other])
        self.assertEqual(other.upload(other.requests[-1], [b"x" * 60], end=True), 204)
        self.assertEqual(self.left_out(response), alone)
        for request in self.agent_.requests:
            self.agent_.answer(request, {"failed": "enough"})

    def test_how_many_hosts_are_asked(self):
        for count, expected in ((64, None), (65, "1 further host")):
            agents = [self.agent() for _ in range(count)]
            self.spread([agent.host for agent in agents])
            for agent in agents:
                agent.follow()
            client = self.client()
            client.connection.response_class = WithTrailer
            client.connection.request("GET", self.path + "?packets=1", headers=client.headers)
            asked = []
            while len(asked) < 64:
                asked = [agent for agent in agents if agent.poll() == 200 and agent.requests or agent.requests]
            self.assertEqual(len(asked), 64)
            self.assertEqual(asked[0].upload(asked[0].requests[-1], [b"x" * 60]), 204)
            self.assertEqual(self.left_out(self.response(client)), expected)

    def test_an_agent_that_says_nothing(self):
        """One that is a release older, and sees no packets yet: the file begins all the same."""
        response = self.response(self.ask())
        self.assertEqual(self.agent_.upload(self.agent_.requests[-1], [b"x" * 60], end=True), 204)
        self.assertEqual(self.frames(response.read()), [b"x" * 60])

    def test_a_client_that_leaves_before_the_file_begins(self):
        client = self.ask()
        request = self.agent_.requests[-1]
        client.connection.sock.close()
        client.close()
        while self.agent_.upload(request, []) == 204:
            pass
        self.agent_.poll()
        self.assertEqual((self.agent_.requests[-1]["type"], self.agent_.requests[-1]["request"]), ("cancel", request["id"]))

    def test_a_client_that_leaves(self):
        response = self.begin()
        request = self.agent_.requests[-1]
        response.client.connection.sock.close()
        response.close()
        while self.agent_.upload(request, [b"x" * 60]) == 204:
            pass
        self.agent_.poll()
        cancel = self.agent_.requests[-1]
        self.assertEqual((cancel["type"], cancel["request"]), ("cancel", request["id"]))

    def test_what_is_no_upload(self):
        response = self.begin()
        request = self.agent_.requests[-1]
        path = f"/agent/v1/capture/{request['id']}"
        headers = {"Content-Type": "application/octet-stream"}
        for body in (b"x", struct.pack("<IIII", 1, 1, 61, 61) + b"x" * 60, struct.pack("<IIII", 1, 10**9, 1, 1) + b"x",
                     struct.pack("<IIII", 1, 1, 65536, 65536) + b"x" * 65536):
            self.refused(400, "POST", path, body, client=self.agent_.client, headers=headers)
        most = struct.pack("<IIII", 1, 1, 65535, 65535) + b"x" * 65535
        answer = self.agent_.client.request("POST", path, most, headers)
        self.assertEqual(answer.status, 204)
        self.assertEqual(self.agent_.client.request("POST", path, b"x" * (256 * 1024 + 1), headers).status, 413)
        self.refused(404, "POST", "/agent/v1/capture/req-00000000000000000", b"", client=self.agent_.client, headers=headers)
        stranger = self.agent()
        self.refused(404, "POST", path, most, client=stranger.client, headers=headers)
        self.assertEqual(self.agent_.upload(request, [], end=True), 204)
        self.assertEqual(self.frames(response.read()), [b"x" * 65535])

    def test_more_than_may_pass(self):
        """4 MiB at once and in a second: the agent's packets beyond are left out, and counted by nobody."""
        response = self.begin()
        request = self.agent_.requests[-1]
        for _ in range(40):
            self.assertEqual(self.agent_.upload(request, [b"x" * 60000] * 4), 204)
        self.agent_.upload(request, [], end=True)
        received = len(response.read())
        self.assertLess(received, 40 * 4 * 60000)
        self.assertGreater(received, 60000)

    def test_only_some_at_a_time(self):
        users = [self.make_user("admin") for _ in range(5)]
        responses = []
        for user in users[:4]:
            responses += [self.begin(credential=user["key"]) for _ in range(2)]
            if len(responses) < 8:
                self.refused(429, "GET", self.path, text="2 captures of yours", client=user["client"])
        self.refused(429, "GET", self.path, text="there are 8 captures", client=users[4]["client"])
        self.agent_.upload(self.agent_.requests[-1], [], end=True)
        responses[-1].read()
        responses.append(self.begin(credential=users[4]["key"]))
        for request in self.agent_.requests:
            self.agent_.upload(request, [], end=True)
        for response in responses:
            response.read()

    def test_who_may_and_what_cannot(self):
        for role in ("viewer", "operator"):
            self.refused(403, "GET", self.path, client=self.make_user(role)["client"])
        for query, field in (("?seconds=0", "seconds"), ("?seconds=3601", "seconds"), ("?packets=0", "packets"),
                             ("?packets=1000000001", "packets")):
            self.refused(400, "GET", self.path + query, field=field)
        self.api.post(f"/v1/sessions/{self.session_}/disable")
        self.refused(409, "GET", self.path)


main()
