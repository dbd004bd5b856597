# SPDX-License-Identifier: Apache-2.0
"""What all kinds have in common: get, create, patch, delete, lists, versions, dry runs, repetitions, bad input."""

import json
import re
import time
import urllib.parse

from base import ApiCase, unique
from case import main

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


class Life(ApiCase):
    def test_every_kind(self):
        network = self.api.post("/v1/networks", {"cidrs": ["10.0.0.0/16"]})["id"]
        host = self.admin.post("/v1/hosts", {"name": unique("host")})["id"]
        bodies = {
            "projects": {"name": unique("p")},
            "users": {"name": unique("u")},
            "hosts": {"underlay_address": "192.0.2.1"},
            "wires": {"host": host, "device": "br0"},
            "guests": {"host": host},
            "networks": {"cidrs": ["10.0.0.0/16", "fd00::/48"]},
            "subnets": {"network": network, "cidr": "10.0.1.0/24"},
            "interfaces": {"mac": "02:00:00:00:00:01", "addresses": ["10.0.1.5"]},
            "gateways": {"network": network, "addresses": ["10.0.0.1"]},
            "targets": {"address": "10.9.0.1"},
            "filters": {},
            "sessions": self.session_body(),
        }
        for plural, body in bodies.items():
            with self.subTest(plural):
                answer = self.api.request("POST", f"/v1/{plural}", {"description": "made by a test", **body})
                self.assertEqual(answer.status, 201, answer.text)
                made = answer.json
                self.assertEqual(answer.headers["Location"], f"/v1/{plural}/{made['id']}")
                self.assertEqual((answer.etag, made["version"]), ('"1"', 1))
                self.assertRegex(made["id"], r"^[a-z]+-[0-9a-f]{17}$")
                self.assertRegex(made["created"], TIME)
                self.assertEqual(made["project"] is None, plural in ("projects", "users", "hosts", "wires"))
                got = self.api.get(f"/v1/{plural}/{made['id']}")
                self.assertEqual({**got, "state": 0, "reasons": 0}, {**made, "state": 0, "reasons": 0})
                self.assertIn(made["id"], [item["id"] for item in self.api.all(f"/v1/{plural}")])
                patched = self.api.patch(f"/v1/{plural}/{made['id']}", {"description": "changed", "tags": {"b": "2", "a": ""}})
                self.assertEqual((patched["version"], patched["description"], list(patched["tags"])), (2, "changed", ["a", "b"]))
                self.assertEqual(self.api.request("DELETE", f"/v1/{plural}/{made['id']}").status, 204)
                self.refused(404, "GET", f"/v1/{plural}/{made['id']}")
                self.refused(404, "DELETE", f"/v1/{plural}/{made['id']}")

    def test_names(self):
        first = self.api.post("/v1/targets", {"name": "ids", "address": "10.9.0.1"})
        self.assertEqual(self.api.get("/v1/targets/ids")["id"], first["id"])
        self.refused(409, "POST", "/v1/targets", {"name": "ids", "address": "10.9.0.2"}, "name", first["id"])
        other = self.api.post("/v1/targets", {"name": "other", "address": "10.9.0.2"})
        self.refused(409, "PATCH", "/v1/targets/other", {"name": "ids"}, "name", first["id"])
        self.api.patch("/v1/targets/ids", {"name": "first"})
        self.refused(404, "GET", "/v1/targets/ids")
        self.api.patch("/v1/targets/other", {"name": "ids"})
        self.assertEqual(self.api.get("/v1/targets/ids")["id"], other["id"])
        self.api.patch("/v1/targets/ids", {"name": None})
        self.api.post("/v1/targets", {"name": "ids", "address": "10.9.0.3"})
        self.assertEqual(self.api.post("/v1/filters", {"name": "ids"})["name"], "ids")

    def test_a_name_that_is_ambiguous(self):
        ids = [self.controller.client(project=project).post("/v1/targets", {"name": "same", "address": "10.9.0.1"})["id"]
               for project in (self.project, self.admin.post("/v1/projects", {"name": unique("project")})["id"])]
        problem = self.refused(409, "GET", "/v1/targets/same", client=self.admin)
        for one in ids:
            self.assertIn(one, problem["detail"])

    def test_references_by_name(self):
        self.api.post("/v1/targets", {"name": "ids", "address": "10.9.0.1"})
        self.api.post("/v1/interfaces", {"name": "web"})
        made = self.session(sources=["web", "tag:role=web"], target="ids")
        self.assertEqual(made["target"], self.api.get("/v1/targets/ids")["id"])
        self.assertEqual(made["sources"], [self.api.get("/v1/interfaces/web")["id"], "tag:role=web"])
        self.refused(400, "POST", "/v1/sessions", self.session_body(target="nobody"), "target", '"nobody"')
        self.refused(400, "POST", "/v1/sessions", self.session_body(sources=["nobody"]), "sources[0]")

    def test_patch(self):
        made = self.session(tags={"a": "1"}, packet_length=100)
        path = f"/v1/sessions/{made['id']}"
        self.assertEqual(self.api.patch(path, {"encapsulation": {"port": 4790}})["encapsulation"],
                         {**made["encapsulation"], "port": 4790})
        patched = self.api.patch(path, {"packet_length": None, "tags": {"b": "2"}})
        self.assertEqual((patched["packet_length"], patched["tags"]), (0, {"b": "2"}))
        same = self.api.patch(path, {"tags": {"b": "2"}})
        self.assertEqual((same["version"], same["updated"]), (patched["version"], patched["updated"]))
        self.refused(400, "PATCH", path, {"target": None}, "target")
        self.refused(400, "PATCH", path, {"id": "tms-00000000000000000"}, "id")
        self.refused(400, "PATCH", path, {"version": 1}, "version")
        self.assertEqual(self.api.patch(path, {"id": made["id"], "version": patched["version"]})["id"], made["id"])
        self.refused(400, "PATCH", path)

    def test_enable_disable(self):
        made = self.session()
        for verb, value in (("disable", False), ("disable", False), ("enable", True)):
            self.assertEqual(self.api.post(f"/v1/sessions/{made['id']}/{verb}")["enabled"], value)
        target = made["target"]
        self.assertEqual(self.api.post(f"/v1/targets/{target}/disable")["enabled"], False)
        user = self.make_user()
        self.assertEqual(self.admin.post(f"/v1/users/{user['id']}/disable")["disabled"], True)
        self.refused(401, "GET", "/v1/whoami", client=user["client"])
        self.admin.post(f"/v1/users/{user['id']}/enable")
        self.assertEqual(user["client"].get("/v1/whoami")["user"], user["id"])


class Versions(ApiCase):
    def test_if_match(self):
        path = f"/v1/targets/{self.target()}"
        self.assertEqual(self.api.request("GET", path).etag, '"1"')
        self.assertEqual(self.api.patch(path, {"ttl": 3}, {"If-Match": '"1"'})["version"], 2)
        for stale in ('"1"', '"22"', "2", 'W/"2"', '"1", "3"', ""):
            self.refused(412, "PATCH", path, {"ttl": 4}, headers={"If-Match": stale})
            self.refused(412, "DELETE", path, headers={"If-Match": stale})
        self.assertEqual(self.api.patch(path, {"ttl": 5}, {"If-Match": '"1", "2"'})["version"], 3)
        self.api.patch(path, {"ttl": 6}, {"If-Match": "*"})
        self.api.delete(path, {"If-Match": '"4"'})

    def test_dry_run(self):
        total = self.api.get("/v1/targets")["total"]
        answer = self.api.request("POST", "/v1/targets?dry_run=true", {"name": "ids", "address": "10.9.0.1"})
        self.assertEqual((answer.status, answer.headers["X-Vtap-Dry-Run"], answer.json["name"]), (201, "true", "ids"))
        self.refused(404, "GET", f"/v1/targets/{answer.json['id']}")
        self.refused(400, "POST", "/v1/targets?dry_run=true", {"address": "nowhere"}, "address")
        self.refused(400, "POST", "/v1/targets?dry_run=yes", {"address": "10.9.0.1"}, "dry_run")
        self.assertEqual(self.api.get("/v1/targets")["total"], total)
        target = self.target(name="ids")
        self.assertEqual(self.api.patch(f"/v1/targets/{target}?dry_run=true", {"ttl": 9})["ttl"], 9)
        self.assertEqual(self.api.get(f"/v1/targets/{target}")["version"], 1)
        self.assertEqual(self.api.request("DELETE", f"/v1/targets/{target}?dry_run=true").status, 204)
        self.assertEqual(self.api.get("/v1/targets/ids")["id"], target)
        self.api.post("/v1/targets?dry_run=false", {"name": "really", "address": "10.9.0.1"})
        self.api.get("/v1/targets/really")
        user = self.admin.post("/v1/users?dry_run=true", {"name": unique("dry"), "password": "0123456789"})
        self.refused(404, "GET", f"/v1/users/{user['id']}")

    def test_what_acts_cannot_be_tried(self):
        """A probe is sent, a certificate or a token handed out: there is no trying that."""
        for path in ("/agent/v1/join", "/agent/v1/renew", "/v1/login", "/v1/sessions/any/check"):
            answer = self.admin.request("POST", f"{path}?dry_run=true", {})
            self.assertIn(answer.status, (400, 401), path)
        for path in ("/agent/v1/join", "/v1/login", "/v1/sessions/any/check"):
            self.refused(400, "POST", f"{path}?dry_run=true", {}, "dry_run", client=self.admin)

    def test_idempotency_key(self):
        headers = {"Idempotency-Key": unique("once")}
        body = {"name": "ids", "address": "10.9.0.1"}
        first = self.api.request("POST", "/v1/targets", body, headers)
        again = self.api.request("POST", "/v1/targets", body, headers)
        self.assertEqual((first.status, first.json, first.etag), (again.status, again.json, again.etag))
        self.assertEqual(first.headers["Location"], again.headers["Location"])
        self.assertEqual((first.headers.get("X-Vtap-Repeated"), again.headers.get("X-Vtap-Repeated")), (None, "true"))
        self.assertEqual(self.api.get("/v1/targets")["total"], 1)
        self.refused(422, "POST", "/v1/targets", {**body, "name": "other"}, "Idempotency-Key", headers=headers)
        self.assertEqual(self.api.request("POST", "/v1/filters", {}, headers).status, 201)  # another path, another key
        refusal = {"Idempotency-Key": unique("once")}
        self.refused(409, "POST", "/v1/targets", body, headers=refusal)
        self.api.delete(f"/v1/targets/{first.json['id']}")
        self.assertEqual(self.api.request("POST", "/v1/targets", body, refusal).status, 201)

    def test_idempotency_key_limits(self):
        body = {"address": "10.9.0.1"}
        self.assertEqual(self.api.request("POST", "/v1/targets", body, {"Idempotency-Key": "k" * 128}).status, 201)
        for bad in ("k" * 129, "", "two words"):
            self.refused(400, "POST", "/v1/targets", body, "Idempotency-Key", headers={"Idempotency-Key": bad})
        self.refused(400, "POST", "/v1/keys", {}, "Idempotency-Key", headers={"Idempotency-Key": "secret"})
        path = f"/v1/filters/{self.filter()}"
        for method, more, body in (("PATCH", "", {"description": "d"}), ("PUT", "/rules", {"rules": []}), ("DELETE", "", None)):
            self.refused(400, method, path + more, body, "Idempotency-Key", "is for POST alone", headers={"Idempotency-Key": "k"})
        self.assertEqual(self.api.get(path)["version"], 1)


class Lists(ApiCase):
    def make(self, count):
        for i in range(count):
            self.api.post("/v1/interfaces", {"name": f"e{i:03}", "mac": f"02:00:00:00:00:{i:02x}",
                                             "tags": {"role": "web" if i % 2 else "db", "rack": str(i % 3)}})

    def names(self, query):
        return [item["name"] for item in self.api.get(f"/v1/interfaces?{query}")["items"]]

    def test_pages(self):
        self.make(10)
        page = self.api.get("/v1/interfaces?limit=4")
        self.assertEqual(([item["name"] for item in page["items"]], page["total"]), (["e000", "e001", "e002", "e003"], 10))
        second = self.api.get(f"/v1/interfaces?limit=4&cursor={page['next']}")
        self.api.delete("/v1/interfaces/e003")
        self.api.delete("/v1/interfaces/e004")
        self.api.post("/v1/interfaces", {"name": "late"})
        third = self.api.get(f"/v1/interfaces?limit=4&cursor={second['next']}")
        self.assertEqual([item["name"] for item in second["items"] + third["items"]],
                         ["e004", "e005", "e006", "e007", "e008", "e009", "late"])
        self.assertIsNone(third["next"])
        self.refused(400, "GET", "/v1/interfaces?cursor=nonsense", field="cursor")
        self.refused(400, "GET", f"/v1/interfaces?sort=name&cursor={page['next']}", field="cursor")

    def test_sort(self):
        self.make(6)
        self.api.patch("/v1/interfaces/e000", {"name": "z"})
        self.api.patch("/v1/interfaces/e003", {"name": None})
        self.assertEqual(self.names("sort=name"), [None, "e001", "e002", "e004", "e005", "z"])
        self.assertEqual(self.names("sort=-name"), ["z", "e005", "e004", "e002", "e001", None])
        self.assertEqual(self.names("sort=-created"), ["e005", "e004", None, "e002", "e001", "z"])
        self.assertEqual(self.names("sort=-version&limit=2"), [None, "z"])
        for order in ("name", "-name", "mac", "-created", "version"):
            gathered, cursor = [], None
            while True:
                page = self.api.get(f"/v1/interfaces?limit=2&sort={order}" + (f"&cursor={cursor}" if cursor else ""))
                gathered += [item["id"] for item in page["items"]]
                cursor = page["next"]
                if not cursor:
                    break
            self.assertEqual(gathered, [item["id"] for item in self.api.all(f"/v1/interfaces?sort={order}")], order)
        self.refused(400, "GET", "/v1/interfaces?sort=nothing", field="sort")
        self.refused(400, "GET", "/v1/interfaces?sort=tags", field="sort")

    def test_conditions(self):
        self.make(6)
        self.assertEqual(self.names("name=e002"), ["e002"])
        self.assertEqual(self.names("name=e002&name=e004"), ["e002", "e004"])
        self.assertEqual(self.names("mac=02:00:00:00:00:03"), ["e003"])
        self.assertEqual(self.names("tag:role=web"), ["e001", "e003", "e005"])
        self.assertEqual(self.names("tag:role=web&tag:rack=0"), ["e003"])
        self.assertEqual(self.names("tag:role=web&name=e002"), [])
        self.assertEqual(len(self.names("device=")), 6)
        target = self.target(name="ids")
        made = self.session(name="s", sources=["e001", "e002"], target="ids", encapsulation={"vni": 7})
        for query in ("target=ids", f"target={target}", "encapsulation.vni=7", "enabled=true", "sources=e002", "number=1"):
            self.assertEqual([item["id"] for item in self.api.get(f"/v1/sessions?{query}")["items"]], [made["id"]], query)
        for query in ("target=nobody", "encapsulation.vni=8", "enabled=false", "sources=e003"):
            self.assertEqual(self.api.get(f"/v1/sessions?{query}")["total"], 0, query)
        self.api.post(f"/v1/sessions/{made['id']}/disable")
        self.session(name="other")
        self.assertEqual([item["name"] for item in self.api.get("/v1/sessions?state=disabled")["items"]], ["s"])
        self.assertEqual(self.api.get("/v1/sessions?state=disabled&name=other")["total"], 0)
        self.assertEqual(self.api.get("/v1/sessions?state=disabled&state=pending&state=waiting&state=error")["total"], 2)
        self.refused(400, "GET", "/v1/interfaces?colour=red", field="colour", text="no member of interfaces")

    def test_numbers_that_are_not_whole(self):
        self.refused(400, "POST", "/v1/targets", {"address": "10.9.0.1", "ttl": 1e1}, "ttl", "must be a whole number 1..255")
        self.refused(400, "POST", "/v1/targets", {"address": "10.9.0.1", "ttl": "1"}, "ttl", "must be a number 1..255")

    def test_limits(self):
        self.make(2)
        self.assertEqual(len(self.api.get("/v1/interfaces?limit=1000")["items"]), 2)
        for bad in ("0", "1001", "-1", "x", ""):
            self.refused(400, "GET", f"/v1/interfaces?limit={bad}", field="limit")
        conditions = "&".join(f"name=e{i:03}" for i in range(16))
        self.assertEqual(len(self.names(conditions)), 2)
        self.refused(400, "GET", f"/v1/interfaces?{conditions}&name=x", field="query")

    def test_only_the_projects_own(self):
        self.make(2)
        other = self.admin.post("/v1/projects", {"name": unique("project")})["id"]
        self.assertEqual(self.client(project=other).get("/v1/interfaces")["total"], 0)
        self.assertEqual(self.admin.get(f"/v1/interfaces?project={self.project}")["total"], 2)
        self.assertGreaterEqual(self.admin.get("/v1/interfaces")["total"], 2)

    def test_a_list_of_a_thousand_is_quick(self):
        self.make(0)
        for i in range(1000):
            self.api.post("/v1/filters", {"name": f"f{i}"})
        began = time.monotonic()
        self.assertEqual(len(self.api.get("/v1/filters?limit=100&sort=-name")["items"]), 100)
        self.assertLess(time.monotonic() - began, 1)


class BadInput(ApiCase):
    def test_bodies(self):
        for body, text in (('{"name":', "no JSON"), ("[]", "object"), ('"x"', "object"), ('{"name":"a","name":"b"}', "no JSON"),
                           ('{"name":"\\u0000"}', "column 16 of the body: no text may hold"),
                           (b'{"name":"\xff"}', "no JSON"), ("{} x", "no JSON")):
            self.refused(400, "POST", "/v1/filters", body, text=text)
        self.refused(415, "POST", "/v1/filters", "name=a", headers={"Content-Type": "application/x-www-form-urlencoded"})
        self.assertEqual(self.api.get("/v1/filters")["total"], 0)
        self.assertEqual(self.api.request("POST", "/v1/filters", {}, {"Content-Type": "application/json; charset=utf-8"}).status,
                         201)

    def test_fields(self):
        for body, field in (({"colour": "red"}, "colour"), ({"name": "a b"}, "name"), ({"name": 7}, "name"),
                            ({"name": "x" * 64}, "name"), ({"description": "x" * 256}, "description"),
                            ({"tags": {str(i): "" for i in range(51)}}, "tags"), ({"tags": []}, "tags"),
                            ({"project": "proj-00000000000000000"}, "project"), ({"rule_count": 1}, "rule_count")):
            self.refused(400, "POST", "/v1/filters", body, field)
        for body in ({"name": "x" * 63}, {"description": "x" * 255}, {"tags": {str(i): "" for i in range(50)}},
                     {"tags": {"k" * 128: "v" * 256}}):
            self.api.post("/v1/filters", body)
        self.assertEqual(self.api.get("/v1/filters")["total"], 4)

    def test_targets(self):
        for body, field in (({}, "address"), ({"address": "10.0.0.300"}, "address"), ({"address": "10.0.0.1", "ttl": 0}, "ttl"),
                            ({"address": "10.0.0.1", "ttl": 256}, "ttl"), ({"address": "10.0.0.1", "dscp": 64}, "dscp"),
                            ({"address": "10.0.0.1", "mtu": 575}, "mtu"), ({"address": "10.0.0.1", "df": "yes"}, "df")):
            self.refused(400, "POST", "/v1/targets", body, field)

    def test_a_body_at_its_limit(self):
        def body(size):
            text = json.dumps({"tags": {"k" * 100: "v"}})
            return text[:-1] + " " * (size - len(text)) + "}"
        limit = 256 << 10
        self.assertEqual(self.api.request("POST", "/v1/filters", body(limit)).status, 201)
        answer = self.client().request("POST", "/v1/filters", body(limit + 1))
        self.assertEqual((answer.status, answer.json["status"]), (413, 413))

    def test_paths(self):
        for path in ("/v1/nothing", "/v1/filters/../users", "/v2/filters", "/", "/v1"):
            self.assertIn(self.api.request("GET", path).status, (400, 404), path)
        answer = self.api.request("PUT", "/v1/filters", {})
        self.assertEqual((answer.status, sorted(answer.headers["Allow"].replace(" ", "").split(","))),
                         (405, ["GET", "HEAD", "POST"] if "HEAD" in answer.headers["Allow"] else ["GET", "POST"]))
        quoted = urllib.parse.quote('a"b\n', safe="")
        self.assertIn(self.api.request("GET", f"/v1/filters/{quoted}").status, (400, 404))

    def test_nothing_of_what_was_refused_remains(self):
        before = self.api.all("/v1/sessions"), self.api.all("/v1/targets")
        body = self.session_body()
        before = self.api.all("/v1/sessions"), self.api.all("/v1/targets")
        for change in ({"number": 40000}, {"mode": "loud"}, {"sources": []}, {"sources": ["eni-00000000000000000"]},
                       {"encapsulation": {"vni": 1 << 24}}, {"sample": {"packets": 2, "flows": 2}}, {"number": 0}):
            self.refused(400, "POST", "/v1/sessions", {**body, "name": "x", **change})
        self.assertEqual((self.api.all("/v1/sessions"), self.api.all("/v1/targets")), before)
        self.api.post("/v1/sessions", {**body, "name": "x"})


main()
