# SPDX-License-Identifier: Apache-2.0
"""The audit log and the events: what has happened, for those who look later and those who listen now."""

import concurrent.futures
import time

from base import STORE, ApiCase, unique
from case import main
from controller import Controller
from lab import wait_until


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

    def refused_entries(self, query=""):
        return [entry for entry in self.entries(query) if entry["outcome"] == "refused"]

    def test_refusals_of_what_changes_no_resource(self):
        """Captures, checks, readers of the log, passwords, bodies that are none."""
        viewer, session = self.make_user("viewer"), self.session()["id"]
        for method, path in (("GET", f"/v1/sessions/{session}/capture"), ("POST", f"/v1/sessions/{session}/check"),
                             ("GET", "/v1/audit")):
            self.refused(403, method, path, client=viewer["client"])
        self.refused(409, "POST", f"/v1/sessions/{session}/check")
        self.refused(409, "GET", f"/v1/sessions/{session}/capture")
        self.refused(400, "POST", "/v1/targets", "{")
        self.refused(415, "POST", "/v1/targets", "{}", headers={"Content-Type": "text/plain"})
        # The server's own refusal is written down when the request has ended, which may be after its answer is there.
        wait_until(lambda: self.refused_entries()[-1]["status"] == 415, 10, "the last refusal in the log")
        entries = self.refused_entries()
        self.assertEqual([(entry["status"], entry["method"], entry.get("resource")) for entry in entries],
                         [(403, "GET", session), (403, "POST", session), (403, "GET", None), (409, "POST", session),
                          (409, "GET", session), (400, "POST", None), (415, "POST", None)])
        self.assertEqual({entry["user"] for entry in entries[:3]}, {viewer["id"]})
        self.assertTrue(all(entry["reason"] for entry in entries))
        user = self.admin.post("/v1/users", {"name": unique("user"), "password": "a good password",
                                             "roles": [{"project": self.project, "role": "viewer"}]})["id"]
        self.refused(400, "PATCH", f"/v1/users/{user}", {"password": "short"}, client=self.admin)
        self.refused(403, "POST", f"/v1/users/{user}/password", {"password": "another password", "current": "wrong"}, "current",
                     client=self.login(user, "a good password"))
        self.assertEqual([entry["status"] for entry in self.admin.all(f"/v1/audit?resource={user}")
                          if entry["outcome"] == "refused"], [400, 403])

    def login(self, user, password):
        return self.client(self.controller.anonymous().post("/v1/login", {"user": user, "password": password})["token"])

    def test_refusals_of_the_server_itself(self):
        """What no route sees, by somebody who is known; and the field, where there is one."""
        operator = self.make_user("operator")
        self.refused(404, "POST", "/v1/nothing", {}, client=operator["client"])
        answer = operator["client"].request("DELETE", "/v1/targets")
        self.assertEqual(answer.status, 405)
        self.refused(413, "POST", "/v1/targets", b" " * 300000, client=operator["client"])
        self.refused(400, "POST", "/v1/targets?dry_run=maybe", {"address": "10.9.0.1"}, "dry_run", client=operator["client"])
        self.refused(400, "POST", "/v1/targets", {"address": "x"}, "address", client=operator["client"])
        self.refused(404, "GET", "/v1/nothing", client=operator["client"])
        self.refused(404, "POST", "/v1/nothing", {}, client=self.controller.anonymous())
        entries = [(entry["status"], entry["method"], entry["path"], entry.get("field")) for entry in self.refused_entries()]
        self.assertEqual(entries, [(404, "POST", "/v1/nothing", None), (405, "DELETE", "/v1/targets", None),
                                   (413, "POST", "/v1/targets", None), (400, "POST", "/v1/targets", "dry_run"),
                                   (400, "POST", "/v1/targets", "address")])
        self.assertEqual({entry["user"] for entry in self.refused_entries()}, {operator["id"]})

    def test_what_is_no_refusal(self):
        """Who reads and finds nothing, or asks for nonsense, is refused nothing that concerns others."""
        self.session()
        before = self.entries()
        self.refused(404, "GET", "/v1/targets/nothing")
        self.refused(400, "GET", "/v1/targets?limit=0")
        self.assertEqual(self.entries(), before)

    def test_the_project_is_that_of_the_object(self):
        """Whatever project the call was made in, and whether it was refused or not."""
        other = self.admin.post("/v1/projects", {"name": unique("other")})["id"]
        target, filter_id = self.target(), self.filter()
        before = len(self.entries())
        calls = [("PATCH", f"/v1/targets/{target}", {"ttl": 3}), ("POST", f"/v1/targets/{target}/disable", None),
                 ("POST", f"/v1/filters/{filter_id}/rules", {"direction": "in", "number": 1}),
                 ("PUT", f"/v1/filters/{filter_id}/rules", {"rules": []}), ("DELETE", f"/v1/targets/{target}", None),
                 ("PATCH", f"/v1/projects/{self.project}", {"description": "x"})]
        for number, (method, path, body) in enumerate(calls):
            self.admin.call(method, path, body, {"X-Vtap-Project": other} if number % 2 else None)
        user = self.make_user(roles=[{"project": self.project, "role": "viewer"}, {"project": other, "role": "admin"}])
        self.refused(403, "DELETE", f"/v1/filters/{filter_id}", client=user["client"], headers={"X-Vtap-Project": other})
        self.refused(403, "GET", f"/v1/sessions/{self.session()['id']}/capture", client=user["client"],
                     headers={"X-Vtap-Project": other})
        entries = self.entries()[before:]
        self.assertEqual([entry["method"] for entry in entries if entry["outcome"] == "done"][:6], [call[0] for call in calls])
        self.assertEqual([entry["method"] for entry in entries if entry["outcome"] == "refused"], ["DELETE", "GET"])
        made = self.admin.all(f"/v1/audit?project={other}")
        self.assertEqual([(entry["method"], entry["path"]) for entry in made], [("POST", "/v1/projects")])

    def test_what_belongs_to_no_project(self):
        host = self.api.post("/v1/hosts", {"name": unique("host")})["id"]
        self.api.post(f"/v1/hosts/{host}/token")
        self.refused(400, "POST", "/v1/hosts", {"name": 7})
        self.refused(403, "POST", f"/v1/hosts/{host}/token", client=self.make_user("admin")["client"])
        self.assertEqual([entry for entry in self.entries() if host in str(entry)], [])
        entries = self.admin.all(f"/v1/audit?resource={host}")
        self.assertEqual([(entry["path"], entry["outcome"], entry["project"]) for entry in entries],
                         [("/v1/hosts", "done", None), (f"/v1/hosts/{host}/token", "done", None),
                          (f"/v1/hosts/{host}/token", "refused", None)])

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
        deadline = time.monotonic() + 60
        while self.told() < 800:  # all of them, though nothing comes any more
            self.assertLess(time.monotonic(), deadline)
        self.assertEqual(self.told(), 800)

    def told(self):
        """How many refusals of nobody the log knows of."""
        entries = [entry for entry in self.admin.all("/v1/audit") if entry["outcome"] == "refused" and "user" not in entry]
        return sum(entry.get("left_out", 0) + ("action" not in entry) for entry in entries)


class UserFlood(ApiCase):
    def setUp(self):
        self.controller = Controller(store=STORE)
        self.addCleanup(self.controller.close)
        self.admin = self.controller.client()
        self.addCleanup(self.admin.close)
        super().setUp()

    def test_a_flood_of_one_user_is_counted_and_told(self):
        """So many are written down, the others are counted; another one's are there all the same."""
        users = [self.make_user("viewer") for _ in range(2)]
        for _ in range(125):
            self.refused(403, "POST", "/v1/targets", {"address": "10.9.0.1"}, client=users[0]["client"])
            self.refused(403, "GET", "/v1/audit", client=users[0]["client"])
        self.refused(403, "GET", "/v1/audit", client=users[1]["client"])
        for user, count in ((users[0], 100), (users[1], 1)):
            entries = self.admin.all(f"/v1/audit?user={user['id']}")
            self.assertEqual(len(entries), count)
        if STORE == "memory":
            return
        self.controller.restart()
        entries = self.controller.client().all(f"/v1/audit?user={users[0]['id']}&project={self.project}")
        self.assertEqual(len(entries), 101)
        self.assertEqual((entries[-1]["action"], entries[-1]["left_out"], entries[-1]["outcome"], entries[-1]["project"],
                          entries[-1]["user_name"], entries[-1]["from"]),
                         ("refusals", 150, "refused", self.project, users[0]["name"], "127.0.0.1"))
        self.assertIn("150", entries[-1]["reason"])


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
        viewer = self.make_user("viewer")
        listeners = [self.listen(key, f"/v1/events?project={self.project}") for key in (None, viewer["key"]) for _ in range(10)]
        made = self.filter()
        for events in listeners:
            self.assertEqual(events.next()[1]["id"], made)

    def test_as_many_as_allowed(self):
        """In all; how many of them one user may have is tried in test_watching.py."""
        listeners = []
        for viewer in [self.make_user("viewer") for _ in range(16)]:
            for _ in range(16):
                client = self.client(viewer["key"])
                client.connection.request("GET", "/v1/events", headers=client.headers)
                listeners.append((client, client.connection.getresponse()))
        self.assertEqual({response.status for _, response in listeners[:200]}, {200})
        self.refused(503, "GET", "/v1/events")
        for client, _ in listeners:
            client.close()


main()
