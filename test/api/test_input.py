# SPDX-License-Identifier: Apache-2.0
"""What a request may carry: parameters and bodies that a route does not know are refused, and nothing is done."""

from base import ApiCase
from case import main


class Parameters(ApiCase):
    def test_unknown_ones_of_writes(self):
        target, host = self.target(name="oops"), self.admin.post("/v1/hosts", {})["id"]
        session = self.session(target=target)["id"]
        for method, path, body in (
                ("DELETE", "/v1/targets/oops", None), ("PATCH", "/v1/targets/oops", {"description": "x"}),
                ("POST", "/v1/targets", {"address": "10.9.0.1"}), ("POST", "/v1/targets/oops/disable", None),
                ("POST", f"/v1/hosts/{host}/revoke", None), ("POST", f"/v1/hosts/{host}/resume", None),
                ("POST", f"/v1/hosts/{host}/token", {}), ("POST", f"/v1/sessions/{session}/check", None),
                ("POST", "/v1/keys", {}), ("POST", "/v1/logout", None)):
            problem = self.refused(400, method, f"{path}?dryrun=true", body, "dryrun")
            self.assertIn("project", problem["detail"])
        self.refused(400, "POST", "/v1/login?a=b", {"user": "a", "password": "b"}, "a", "takes no parameters")
        self.assertEqual(self.api.get("/v1/targets")["total"], 1)
        self.assertEqual(self.api.get("/v1/targets/oops")["description"], "")

    def test_unknown_ones_of_reads(self):
        session, interface = self.session()["id"], self.interface()
        filter_id, host = self.filter(), self.admin.post("/v1/hosts", {})["id"]
        for path in ("trace", "events", "audit", "quotas", "whoami", "metrics", "healthz", "readyz", "sessions/{}/preview",
                     "sessions/{}/stats", "sessions/{}/stats/history", "sessions/{}/state", "sessions/{}/capture", "sessions/{}",
                     f"interfaces/{interface}", f"filters/{filter_id}/rules", f"hosts/{host}/state", f"hosts/{host}/devices"):
            path = path.format(session)
            path = f"/{path}" if path in ("metrics", "healthz", "readyz") else f"/v1/{path}"
            for name in ("bogus", "dry_run", "Project"):
                answer = self.api.request("GET", f"{path}?{name}=1")
                self.assertEqual((answer.status, answer.json["field"]), (400, name), f"{path} {name}")
        self.refused(400, "GET", "/v1/sessions?bogus=1", field="bogus", text="is no member of sessions")

    def test_what_is_known_is_named(self):
        self.refused(400, "GET", "/v1/quotas?x=1", field="x", text="which takes: project")
        self.refused(400, "GET", "/v1/audit?x=1", field="x", text="takes: project limit cursor since user resource")
        self.refused(400, "DELETE", "/v1/targets/x?x=1", field="x", text="takes: project dry_run")

    def test_twice(self):
        self.target(name="oops")
        for path in ("DELETE /v1/targets/oops?dry_run=true&dry_run=false", "GET /v1/targets?limit=1&limit=2",
                     f"GET /v1/targets?project={self.project}&project={self.project}", "GET /v1/audit?since=1h&since=2h"):
            self.refused(400, *path.split(" "), text="more than once")
        self.assertEqual(self.api.get("/v1/targets?name=oops&name=other")["total"], 1)

    def test_bodies_where_there_are_none(self):
        target, host = self.target(), self.admin.post("/v1/hosts", {})["id"]
        session, user = self.session(target=target)["id"], self.make_user()
        paths = [f"/v1/hosts/{host}/revoke", f"/v1/hosts/{host}/resume", f"/v1/sessions/{session}/check"]
        paths += [f"/v1/{kind}/{verb}" for kind in (f"sessions/{session}", f"targets/{target}", f"users/{user['id']}",
                                                    f"keys/{user['key'][0]}") for verb in ("disable", "enable")]
        for path in paths:
            self.refused(400, "POST", path, {"x": 1}, "x", "takes no body")
            self.refused(400, "POST", path, "[1]")
            self.refused(415, "POST", path, "x", headers={"Content-Type": "text/plain"})
            self.refused(413, "POST", path, " " * 4097, text="at most 4096 bytes")
        self.refused(400, "DELETE", f"/v1/sessions/{session}", {"dry_run": True}, "dry_run", "takes no body")
        self.refused(400, "GET", f"/v1/sessions/{session}", {"x": True}, "x", "takes no body")
        self.assertTrue(self.api.get(f"/v1/sessions/{session}")["enabled"])
        self.assertFalse(self.admin.get(f"/v1/users/{user['id']}")["disabled"])
        # Nothing in it is nothing.
        self.assertFalse(self.api.post(f"/v1/sessions/{session}/disable", {})["enabled"])


main()
