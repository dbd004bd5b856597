# SPDX-License-Identifier: Apache-2.0
"""The audit log and the events: what has happened, for those who look later and those who listen now."""

import concurrent.futures

from base import ApiCase, unique
from case import main


class Audit(ApiCase):
    def entries(self, query=""):
        return self.admin.all(f"/v1/audit?project={self.project}{query}")

    def test_changes(self):
        made = self.api.post("/v1/targets", {"name": "ids", "address": "10.9.0.1"})
        patched = self.api.patch("/v1/targets/ids", {"ttl": 3})
        self.api.delete("/v1/targets/ids")
        entries = self.entries(f"&resource={made['id']}")
        self.assertEqual([(entry["changes"][0]["before"], entry["changes"][0]["after"]) for entry in entries],
                         [(None, made), (made, patched), (patched, None)])
        first = entries[0]
        self.assertEqual((first["method"], first["path"], first["project"], first["from"], first["user_name"], first["outcome"],
                          first["status"], first["key"]),
                         ("POST", "/v1/targets", self.project, "127.0.0.1", "admin", "done", 201, self.controller.key[0]))

    def test_refusals(self):
        viewer = self.make_user("viewer")
        self.refused(403, "POST", "/v1/targets", {"address": "10.9.0.1"}, client=viewer["client"])
        self.refused(400, "POST", "/v1/targets", {"address": "x"})
        self.refused(409, "DELETE", f"/v1/projects/{self.session()['project']}")
        entries = [entry for entry in self.entries() if entry["outcome"] == "refused"]
        self.assertEqual([(entry["status"], entry["user"]) for entry in entries[:2]],
                         [(403, viewer["id"]), (400, self.admin.get("/v1/whoami")["user"])])
        self.assertIn("address", entries[1]["reason"] + str(entries[1]))
        self.assertEqual(entries[2]["status"], 409)

    def test_failed_logins(self):
        name = unique("nobody")
        self.refused(401, "POST", "/v1/login", {"user": name, "password": "guess"})
        self.refused(401, "GET", "/v1/whoami", headers={"Authorization": "Bearer x"})
        entries = [entry for entry in self.admin.all("/v1/audit") if entry["outcome"] == "refused"]
        self.assertTrue([entry for entry in entries if entry.get("detail") == {"user": name} and entry["status"] == 401])
        self.assertTrue([entry for entry in entries if entry["path"] == "/v1/whoami" and entry["status"] == 401])

    def test_what_is_no_change(self):
        self.api.post("/v1/targets", {"name": "ids", "address": "10.9.0.1"})
        before = self.entries()
        self.api.patch("/v1/targets/ids", {"ttl": 64})
        self.api.patch("/v1/targets/ids?dry_run=true", {"ttl": 3})
        self.refused(400, "PATCH", "/v1/targets/ids?dry_run=true", {"ttl": 300})
        self.api.get("/v1/targets/ids")
        self.assertEqual(self.entries(), before)

    def test_rules(self):
        filter_id = self.filter()
        made = self.api.post(f"/v1/filters/{filter_id}/rules", {"direction": "in", "number": 1})
        last = self.entries(f"&resource={filter_id}")[-1]
        self.assertEqual(last["detail"], {"before": None, "after": made})
        self.assertNotIn("chunks", last["changes"][0]["after"])

    def test_pages_and_conditions(self):
        for i in range(5):
            self.api.post("/v1/filters", {"name": f"f{i}"})
        whole = self.entries()
        page = self.admin.get(f"/v1/audit?project={self.project}&limit=2")
        self.assertEqual(page["items"], whole[:2])
        rest = self.admin.get(f"/v1/audit?project={self.project}&cursor={page['next']}")
        self.assertEqual((rest["items"], rest["next"]), (whole[2:], None))
        self.assertEqual(self.entries("&since=2000-01-01T00:00:00Z"), whole)
        self.assertEqual(self.entries("&since=2999-01-01T00:00:00Z"), [])
        self.assertEqual(self.entries("&user=admin"), whole)
        self.assertEqual(self.entries("&user=nobody"), [])
        for query, field in (("since=yesterday", "since"), ("cursor=1", "cursor"), ("limit=1001", "limit")):
            self.refused(400, "GET", f"/v1/audit?{query}", field=field)

    def test_who_sees_it(self):
        admin = self.make_user("admin")["client"]
        self.api.post("/v1/filters", {})
        self.admin.post("/v1/hosts", {}, {"X-Vtap-Project": None})
        entries = admin.get("/v1/audit?limit=1000")["items"]
        self.assertTrue(entries)
        self.assertEqual({entry["project"] for entry in entries}, {self.project})
        self.refused(403, "GET", "/v1/audit", client=self.make_user("operator")["client"])
        self.assertTrue(len(self.admin.all("/v1/audit")) > len(entries))

    def test_large_resources_are_left_out(self):
        interfaces = [self.interface() for _ in range(256)]
        tags = {f"{i}" + "k" * 120: "é" * 256 for i in range(50)}
        made = self.session(sources=interfaces, tags=tags)
        tags = {**tags, "0" + "k" * 120: "x"}
        self.api.patch(f"/v1/sessions/{made['id']}", {"tags": tags})
        self.assertEqual(self.entries()[-1]["outcome"], "done")


class Flood(ApiCase):
    def test_a_flood_of_refusals_is_counted_not_written(self):
        join = ("POST", "/agent/v1/join", {"token": "vtapjoin-host-0123456789abcdef0-" + "x" * 40 + "-" + "0" * 64, "request": None,
                                           "agent": {"version": "0", "layout": 1, "kernel": "6"}})
        for what in (("GET", "/v1/whoami"), join):
            def knock(_, what=what):
                client = self.controller.anonymous()
                return [client.request(*what).status for _ in range(50)]
            with self.subTest(what[1]):
                before = len(self.admin.all("/v1/audit"))
                with concurrent.futures.ThreadPoolExecutor(8) as pool:
                    self.assertEqual({status for statuses in pool.map(knock, range(8)) for status in statuses}, {401})
                self.assertLess(len(self.admin.all("/v1/audit")) - before, 200)


class Events(ApiCase):
    def listen(self, credential=None, path="/v1/events"):
        events = self.controller.events(credential, path)
        self.addCleanup(events.close)
        return events

    def test_created_updated_deleted(self):
        events = self.listen(path=f"/v1/events?project={self.project}")
        made = self.api.post("/v1/targets", {"name": "ids", "address": "10.9.0.1"})
        patched = self.api.patch("/v1/targets/ids", {"ttl": 3})
        self.api.delete("/v1/targets/ids")
        for name, version, resource in (("created", 1, made), ("updated", 2, patched), ("deleted", 2, None)):
            event, data = events.next()
            self.assertEqual((event, data["kind"], data["id"], data["version"], data.get("resource"), data["project"]),
                             (name, "target", made["id"], version, resource, self.project))

    def test_refused_and_tried_ones_are_none(self):
        events = self.listen(path=f"/v1/events?project={self.project}")
        self.refused(400, "POST", "/v1/targets", {"address": "x"})
        self.api.post("/v1/targets?dry_run=true", {"address": "10.9.0.1"})
        made = self.filter()
        self.assertEqual(events.next()[1]["id"], made)

    def test_only_what_one_may_see(self):
        viewer = self.make_user("viewer")
        events = self.listen(viewer["key"])
        other = self.client(project=self.admin.post("/v1/projects", {"name": unique("project")})["id"])
        other.post("/v1/filters", {})
        made = self.filter()
        self.assertEqual(events.next()[1]["id"], made)

    def test_the_end_of_a_credential_ends_the_stream(self):
        viewer = self.make_user("viewer")
        events = self.listen(viewer["key"])
        self.admin.post(f"/v1/users/{viewer['id']}/disable")
        with self.assertRaises(EOFError):
            while True:
                events.next()

    def test_many_listeners(self):
        listeners = [self.listen(path=f"/v1/events?project={self.project}") for _ in range(20)]
        made = self.filter()
        for events in listeners:
            self.assertEqual(events.next()[1]["id"], made)

    def test_as_many_as_allowed(self):
        listeners = []
        for _ in range(256):
            client = self.controller.client()
            client.connection.request("GET", "/v1/events", headers=client.headers)
            listeners.append((client, client.connection.getresponse()))
        self.assertEqual({response.status for _, response in listeners[:200]}, {200})
        self.refused(503, "GET", "/v1/events")
        for client, _ in listeners:
            client.close()


main()
