# SPDX-License-Identifier: Apache-2.0
"""Who may do what: keys, roles, projects, and what needs a system admin."""

import base64

from base import ApiCase, unique
from case import main


class Keys(ApiCase):
    def test_life(self):
        user = self.make_user("viewer")
        made = user["client"].post("/v1/keys", {"name": unique("mine")})
        self.assertEqual((made["user"], made["access_key_id"]), (user["id"], made["id"]))
        client = self.controller.client((made["id"], made["secret_access_key"]))
        self.assertEqual(client.get("/v1/whoami")["key"], made["id"])
        shown = user["client"].request("GET", f"/v1/keys/{made['id']}").text
        self.assertNotIn("secret", shown)
        self.assertNotIn(made["secret_access_key"], self.admin.request("GET", "/v1/audit?limit=1000").text)
        client.get("/v1/whoami")
        user["client"].post(f"/v1/keys/{made['id']}/disable")
        self.refused(401, "GET", "/v1/whoami", client=client)
        user["client"].post(f"/v1/keys/{made['id']}/enable")
        client.get("/v1/whoami")
        user["client"].delete(f"/v1/keys/{made['id']}")
        self.refused(401, "GET", "/v1/whoami", client=client)

    def test_of_others(self):
        one, two = self.make_user("admin"), self.make_user("admin")
        self.refused(404, "GET", f"/v1/keys/{two['key'][0]}", client=one["client"])
        self.refused(404, "DELETE", f"/v1/keys/{two['key'][0]}", client=one["client"])
        self.assertEqual([item["id"] for item in one["client"].get("/v1/keys")["items"]], [one["key"][0]])
        self.refused(403, "POST", "/v1/keys", {"user": two["id"]}, "user", client=one["client"])
        self.refused(400, "PATCH", f"/v1/keys/{one['key'][0]}", {"user": two["id"]}, client=self.admin)

    def test_a_hundred(self):
        user = self.make_user()
        for _ in range(99):
            user["client"].post("/v1/keys", {})
        self.refused(409, "POST", "/v1/keys", {}, "user", "100 keys", client=user["client"])

    def test_with_their_user(self):
        """They end with it, more of them too than one transaction holds."""
        user = self.admin.post("/v1/users", {"name": unique("user")})["id"]
        keys = [self.admin.post("/v1/keys", {"user": user})["id"] for _ in range(65)]
        self.admin.delete(f"/v1/users/{user}")
        for key in (keys[0], keys[-1]):
            self.refused(404, "GET", f"/v1/keys/{key}", client=self.admin)

    def test_wrong_credentials(self):
        key, secret = self.make_user("viewer")["key"]
        basic = base64.b64encode(f"{key}:{secret}".encode()).decode()
        for header in (None, "", "Basic", "Basic !", f"Basic {basic[:-8]}", "Basic " + base64.b64encode(b"nocolon").decode(),
                       "Basic " + base64.b64encode(f"{key}:wrong".encode()).decode(),
                       "Basic " + base64.b64encode(f"key-00000000000000000:{secret}".encode()).decode(),
                       "Basic " + "A" * 2000, "Bearer x", f"Digest {basic}", "Bearer vtapagent-x",
                       "Basic " + base64.b64encode(f"{key}:{secret}\0".encode()).decode()):
            answer = self.controller.anonymous().request("GET", "/v1/whoami", headers={"Authorization": header})
            self.assertEqual(answer.status, 401, header)
            self.assertIn("Basic", answer.headers["WWW-Authenticate"])
        answer = self.controller.anonymous().request("GET", "/v1/whoami", headers={"Authorization": f"basic {basic}"})
        self.assertEqual(answer.status, 200)


class Roles(ApiCase):
    def test_viewer_operator_admin(self):
        viewer, operator, admin = (self.make_user(role)["client"] for role in ("viewer", "operator", "admin"))
        self.admin.patch(f"/v1/projects/{self.project}", {"allowed_target_cidrs": ["10.9.0.0/24"]})
        target = operator.post("/v1/targets", {"name": "ids", "address": "10.9.0.1"})["id"]
        for client in (viewer, operator, admin):
            self.assertEqual(client.get(f"/v1/targets/{target}")["name"], "ids")
            self.assertEqual(client.get("/v1/targets")["total"], 1)
        for method, path, body in (("POST", "/v1/targets", {"address": "10.9.0.2"}), ("PATCH", f"/v1/targets/{target}", {"ttl": 2}),
                                   ("DELETE", f"/v1/targets/{target}", None), ("POST", f"/v1/targets/{target}/disable", None)):
            self.refused(403, method, path, body, client=viewer)
        operator.patch(f"/v1/targets/{target}", {"ttl": 2})
        self.refused(403, "GET", "/v1/audit", client=operator)
        self.assertTrue(admin.get("/v1/audit")["items"])
        self.refused(403, "PATCH", f"/v1/projects/{self.project}", {"description": "x"}, client=operator)
        admin.patch(f"/v1/projects/{self.project}", {"description": "x"})
        for field, value in (("quotas", {"sessions": 1}), ("profile", "aws"), ("allowed_target_cidrs", ["0.0.0.0/0"]),
                             ("account_id", "000000000001"), ("name", unique("mine"))):
            self.refused(403, "PATCH", f"/v1/projects/{self.project}", {field: value}, field, client=admin)

    def test_only_system_admins(self):
        admin = self.make_user("admin")["client"]
        host = self.admin.post("/v1/hosts", {})["id"]
        for method, path, body in (("POST", "/v1/projects", {"name": unique("p")}), ("POST", "/v1/users", {"name": unique("u")}),
                                   ("POST", "/v1/hosts", {}), ("PATCH", f"/v1/hosts/{host}", {"uplink": "eth0"}),
                                   ("POST", "/v1/wires", {"host": host, "device": "br0"}),
                                   ("DELETE", f"/v1/projects/{self.project}", None)):
            self.refused(403, method, path, body, client=admin)
        self.assertEqual(admin.get(f"/v1/hosts/{host}")["id"], host)

    def test_other_projects_are_not_there(self):
        outsider = self.make_user("admin", project=self.admin.post("/v1/projects", {"name": unique("other")})["id"])["client"]
        self.api.post("/v1/targets", {"name": "ids", "address": "10.9.0.1"})
        target = self.api.get("/v1/targets/ids")["id"]
        filter_id = self.filter()
        rule = self.api.post(f"/v1/filters/{filter_id}/rules", {"direction": "in", "number": 1})["id"]
        for method, path, body in (("GET", f"/v1/targets/{target}", None), ("PATCH", f"/v1/targets/{target}", {"ttl": 2}),
                                   ("DELETE", f"/v1/targets/{target}", None), ("GET", f"/v1/rules/{rule}", None),
                                   ("PATCH", f"/v1/rules/{rule}", {"number": 2}), ("GET", f"/v1/filters/{filter_id}/rules", None),
                                   ("PUT", f"/v1/filters/{filter_id}/rules", {"rules": []}), ("DELETE", f"/v1/rules/{rule}", None),
                                   ("GET", f"/v1/projects/{self.project}", None), ("GET", f"/v1/targets?project={self.project}", None),
                                   ("POST", f"/v1/targets?project={self.project}", {"address": "10.9.0.1"})):
            self.refused(404, method, path, body, client=outsider)
        self.assertEqual(outsider.get("/v1/targets")["total"], 0)
        self.assertNotIn(self.project, [item["id"] for item in outsider.get("/v1/projects")["items"]])
        self.assertEqual([item["id"] for item in outsider.get("/v1/users")["items"]], [outsider.get("/v1/whoami")["user"]])

    def test_roles_take_effect_at_once(self):
        user = self.make_user("viewer")
        user["client"].get("/v1/targets")
        self.admin.patch(f"/v1/users/{user['id']}", {"roles": []})
        self.refused(404, "GET", f"/v1/targets?project={self.project}", client=user["client"])
        self.admin.patch(f"/v1/users/{user['id']}", {"roles": [{"project": self.project, "role": "operator"}]})
        user["client"].post("/v1/filters", {})

    def test_which_project(self):
        other = self.admin.post("/v1/projects", {"name": unique("other")})
        user = self.make_user(roles=[{"project": self.project, "role": "operator"}, {"project": other["id"], "role": "viewer"}])
        client = user["client"]
        self.refused(400, "POST", "/v1/filters", {}, "project", client=client)
        made = client.post("/v1/filters", {"name": "f"}, {"X-Vtap-Project": self.project})
        self.assertEqual(made["project"], self.project)
        self.refused(403, "POST", f"/v1/filters?project={other['name']}", {}, client=client)
        self.assertEqual(client.get(f"/v1/filters?project={other['name']}")["total"], 0)
        self.assertEqual((client.get("/v1/filters")["total"], client.get("/v1/filters/f")["id"]), (1, made["id"]))

    def test_the_last_system_admin_stays(self):
        admin = self.admin.get("/v1/whoami")["user"]
        for method, path, body in (("DELETE", f"/v1/users/{admin}", None), ("POST", f"/v1/users/{admin}/disable", None),
                                   ("PATCH", f"/v1/users/{admin}", {"system_admin": False})):
            self.refused(409, method, path, body, client=self.admin)
        second = self.make_user(system_admin=True)
        second["client"].post(f"/v1/users/{admin}/disable")
        self.refused(401, "GET", "/v1/whoami", client=self.admin)
        second["client"].post(f"/v1/users/{admin}/enable")
        self.admin.delete(f"/v1/users/{second['id']}")


class Sight(ApiCase):
    """Who sees what of the machines that all projects share."""

    def setUp(self):
        super().setUp()
        self.host = self.admin.post("/v1/hosts", {"name": unique("host"), "underlay_address": "192.0.2.77", "uplink": "eth9"})
        self.wire = self.admin.post("/v1/wires", {"name": unique("wire"), "host": self.host["id"], "device": "br0"})["id"]

    def test_without_any_role(self):
        user = self.make_user()
        client, host = user["client"], self.host["id"]
        for path in (f"/v1/hosts/{host}", f"/v1/hosts/{self.host['name']}", f"/v1/wires/{self.wire}",
                     f"/v1/trace?interface={self.wire}&direction=in"):
            self.refused(404, "GET", path, client=client)
        for path in ("/metrics", f"/v1/hosts/{host}/state", f"/v1/hosts/{host}/devices"):
            self.refused(403, "GET", path, client=client)
        for plural in ("hosts", "wires", "projects", "sessions", "interfaces"):
            self.assertEqual(client.get(f"/v1/{plural}")["total"], 0, plural)
        self.assertEqual(client.get("/v1/whoami")["user"], user["id"])
        self.admin.patch(f"/v1/users/{user['id']}", {"roles": [{"project": self.project, "role": "viewer"}]})
        self.assertEqual(client.get(f"/v1/wires/{self.wire}")["device"], "br0")
        self.assertEqual(client.request("GET", "/metrics").status, 200)

    def test_addresses_of_hosts(self):
        viewer, path = self.make_user("viewer")["client"], f"/v1/hosts/{self.host['id']}"
        events, whole = self.controller.events(self.make_user("viewer")["key"]), self.controller.events()
        self.addCleanup(events.close)
        self.addCleanup(whole.close)
        self.assertEqual(self.admin.get(path)["underlay_address"], "192.0.2.77")
        listed = next(item for item in viewer.all("/v1/hosts") if item["id"] == self.host["id"])
        for seen in (viewer.get(path), listed):
            self.assertEqual((seen["name"], seen["state"]), (self.host["name"], "unknown"))
            self.assertFalse({"underlay_address", "uplink"} & set(seen), seen)
        for query, field in (("underlay_address=192.0.2.77", "underlay_address"), ("sort=uplink", "sort")):
            self.refused(403, "GET", f"/v1/hosts?{query}", field=field, text="system admins", client=viewer)
            self.admin.get(f"/v1/hosts?{query}")
        self.refused(403, "GET", f"{path}/state", client=viewer)
        self.admin.patch(path, {"underlay_address": "192.0.2.78"})

        def is_it(name, data):
            return name == "updated" and data["id"] == self.host["id"]
        self.assertNotIn("192.0.2.78", str(events.wait(is_it)))
        self.assertEqual(whole.wait(is_it)[1]["resource"]["underlay_address"], "192.0.2.78")

    def test_traces_of_what_several_projects_mirror(self):
        other = self.admin.post("/v1/projects", {"name": unique("other")})["id"]
        target = self.admin.post(f"/v1/targets?project={other}", {"address": "10.9.0.1"})["id"]
        web = self.admin.post(f"/v1/filters?project={other}", {})["id"]
        self.admin.post(f"/v1/filters/{web}/rules", {"direction": "in", "number": 5, "protocol": "udp"})
        foreign = self.admin.post(f"/v1/sessions?project={other}", {"name": "secret", "number": 1, "sources": [self.wire],
                                                                   "target": target, "filter": web})["id"]
        own = self.session(number=2, sources=[self.wire])["id"]
        viewer, question = self.make_user("viewer")["client"], f"/v1/trace?interface={self.wire}&direction=in&protocol="
        self.assertEqual([s["session"] for s in self.admin.get(question + "udp")["sessions"]], [foreign, own])
        answer = viewer.get(question + "udp")
        self.assertEqual([(s["session"], s["taken"]) for s in answer["sessions"]], [(own, False)])
        self.assertIn("but another project's session, which is tried before, has taken it", answer["sessions"][0]["reason"])
        self.assertFalse(answer["taken"])
        for hidden in (foreign, "secret", other):
            self.assertNotIn(hidden, str(answer))
        self.assertTrue(viewer.get(question + "tcp")["taken"])
        stranger = self.make_user("viewer", self.admin.post("/v1/projects", {})["id"])["client"].get(question + "udp")
        self.assertEqual((stranger["taken"], stranger["sessions"]), (False, []))


class Browsers(ApiCase):
    def test_pages_from_elsewhere(self):
        """A browser sends the credentials that it knows with whatever any page asks for."""
        host = self.controller.url.removeprefix("http://")
        target = self.target()
        for origin in ("http://evil.example", "null", f"http://{host}.evil.example", "file://"):
            self.refused(403, "POST", f"/v1/targets/{target}/disable", headers={"Origin": origin})
            for path in ("/v1/events", "/v1/sessions/any/capture"):
                self.refused(403, "GET", path, headers={"Origin": origin})
                self.refused(403, "GET", path, headers={"Sec-Fetch-Site": "cross-site"})
            self.refused(403, "DELETE", f"/v1/targets/{target}", headers={"Origin": origin})
        self.assertEqual(self.api.request("GET", f"/v1/targets/{target}", headers={"Origin": "http://evil.example"}).status, 200)
        self.assertEqual(self.api.request("POST", f"/v1/targets/{target}/disable", headers={"Origin": f"http://{host}"}).status, 200)
        for form in ("application/x-www-form-urlencoded", "text/plain", "multipart/form-data; boundary=x"):
            self.refused(415, "POST", "/v1/filters", "{}", headers={"Content-Type": form})


class Theft(ApiCase):
    """Mirroring is a way to steal traffic."""

    def test_targets_outside_the_allowed_ranges(self):
        operator = self.make_user("operator")["client"]
        self.refused(403, "POST", "/v1/targets", {"address": "10.9.0.1"}, "address", client=operator)
        self.admin.patch(f"/v1/projects/{self.project}", {"allowed_target_cidrs": ["10.9.0.0/24", "fd00::/8"]})
        target = operator.post("/v1/targets", {"address": "10.9.0.255"})["id"]
        operator.post("/v1/targets", {"address": "fd00::1"})
        for address in ("10.9.1.0", "10.8.255.255", "2001:db8::1"):
            self.refused(403, "POST", "/v1/targets", {"address": address}, "address", client=operator)
            self.refused(403, "PATCH", f"/v1/targets/{target}", {"address": address}, "address", client=operator)
        self.api.patch(f"/v1/targets/{target}", {"address": "192.0.2.1"})
        operator.patch(f"/v1/targets/{target}", {"ttl": 3})

    def test_wires(self):
        host = self.admin.post("/v1/hosts", {})["id"]
        wire = self.admin.post("/v1/wires", {"host": host, "device": "br0"})["id"]
        operator = self.make_user("operator")["client"]
        body = self.session_body(sources=[wire])
        self.refused(403, "POST", "/v1/sessions", body, "sources[0]", client=operator)
        made = self.api.post("/v1/sessions", body)
        self.refused(403, "PATCH", f"/v1/sessions/{self.session(number=5)['id']}", {"sources": [wire], "number": 6}, "sources[0]",
                     client=operator)
        self.only_harmless(operator, self.make_user("admin")["client"], made, wire)

    def only_harmless(self, operator, project_admin, session, source):
        """Of a session that a system admin was needed for, others change nothing of what was allowed."""
        path, target, filter_id = f"/v1/sessions/{session['id']}", f"/v1/targets/{session['target']}", self.filter()
        self.api.patch(path, {"filter": filter_id})
        rule = self.api.post(f"/v1/filters/{filter_id}/rules", {"number": 1, "direction": "in"})["id"]
        for change in ({"packet_length": 100}, {"target": self.target()}, {"filter": None}, {"direction": "out"},
                       {"sources": [source, self.interface()]}):
            self.refused(403, "PATCH", path, change, text=source, client=operator)
        self.refused(403, "PATCH", target, {"address": "10.9.0.2"}, text=session["id"], client=operator)
        self.refused(403, "POST", f"/v1/filters/{filter_id}/rules", {"number": 2, "direction": "in"}, client=operator)
        self.refused(403, "PUT", f"/v1/filters/{filter_id}/rules", {"rules": []}, client=operator)
        self.refused(403, "PATCH", f"/v1/rules/{rule}", {"number": 3}, client=operator)
        self.refused(403, "DELETE", f"/v1/rules/{rule}", client=operator)
        self.refused(403, "GET", f"{path}/capture", text=source, client=project_admin)
        for harmless in (path, target, f"/v1/filters/{filter_id}"):
            operator.patch(harmless, {"description": "seen", "tags": {"a": "b"}})
        operator.post(f"{path}/disable")
        self.refused(403, "POST", f"{path}/enable", client=operator)
        # Without what needs one it is a session like others.
        operator.patch(path, {"sources": [self.interface()], "enabled": True})
        operator.post(f"/v1/filters/{filter_id}/rules", {"number": 2, "direction": "in"})
        self.api.patch(path, {"sources": [source]})
        operator.delete(path)

    def test_own_devices_of_hosts(self):
        host = self.admin.post("/v1/hosts", {})["id"]
        operator, project_admin = self.make_user("operator")["client"], self.make_user("admin")["client"]
        uplink = self.interface(host=host, device="eth0", side="own", tags={"role": "web"})
        path = f"/v1/interfaces/{uplink}"
        body = self.session_body(sources=[uplink], number=7)
        self.refused(403, "POST", "/v1/sessions", body, "sources[0]", client=operator)
        for client in (operator, project_admin):
            self.refused(403, "PATCH", path, {"delegated": True}, "delegated", client=client)
        self.only_harmless(operator, project_admin, self.api.post("/v1/sessions", body), uplink)
        # Neither do tags, which operators set, nor ranges reach it.
        ranged = operator.post("/v1/sessions", {**body, "sources": ["tag:role=web"]})["id"]
        item = operator.get(f"/v1/sessions/{ranged}/preview")["items"][0]
        self.assertFalse(item["mirrored"])
        self.assertIn("host's own device", item["reason"])
        # Who has named it in a session before was not asked for it.
        later = self.interface(side="own")
        named = operator.post("/v1/sessions", {**body, "sources": [later]})["id"]
        self.refused(409, "PATCH", f"/v1/interfaces/{later}", {"host": host, "device": "eth1"}, "side", named)
        # What a system admin leaves to them is theirs.
        self.api.patch(path, {"delegated": True})
        made = operator.post("/v1/sessions", {**body, "number": 8})["id"]
        operator.patch(f"/v1/sessions/{made}", {"packet_length": 100})
        self.assertTrue(operator.get(f"/v1/sessions/{ranged}/preview")["items"][0]["mirrored"])
        self.refused(409, "PATCH", path, {"delegated": False}, "side", made)
        operator.delete(f"/v1/sessions/{made}")
        self.api.patch(path, {"delegated": False})
        self.refused(403, "POST", "/v1/sessions", body, "sources[0]", client=operator)

    def test_places_of_interfaces(self):
        host = self.admin.post("/v1/hosts", {})["id"]
        operator = self.make_user("operator")["client"]
        self.refused(403, "POST", "/v1/interfaces", {"host": host, "device": "eth0"}, "host", client=operator)
        interface = self.interface(host=host, device="tap0")
        operator.patch(f"/v1/interfaces/{interface}", {"name": "web"})
        for change, field in (({"device": "eth0"}, "device"), ({"side": "own"}, "side"), ({"mac": "02:00:00:00:00:99"}, "mac")):
            self.refused(403, "PATCH", f"/v1/interfaces/{interface}", change, field, client=operator)
        operator.patch(f"/v1/interfaces/{interface}", {"host": None})
        self.refused(403, "PATCH", f"/v1/interfaces/{interface}", {"host": host}, "host", client=operator)


main()
