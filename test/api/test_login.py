# SPDX-License-Identifier: Apache-2.0
"""Passwords and tokens, and how often one may guess."""

import concurrent.futures
import hashlib
import json
import pathlib

from base import ApiCase, unique
from case import main
from controller import Controller

PASSWORD = "correct horse battery"


class Login(ApiCase):
    def user(self, **more):
        return self.admin.post("/v1/users", {"name": unique("user"), "password": PASSWORD, **more})

    def login(self, name, password=PASSWORD, **more):
        return self.controller.anonymous().request("POST", "/v1/login", {"user": name, "password": password, **more})

    def test_the_first_password(self):
        answer = self.login("admin", self.controller.password)
        self.assertEqual(answer.status, 200, answer.text)
        who = self.controller.client(answer.json["token"]).get("/v1/whoami")
        self.assertEqual((who["name"], who["system_admin"], who["key"]), ("admin", True, None))

    def test_tokens(self):
        user = self.user(roles=[{"project": self.project, "role": "viewer"}])
        first, second = (self.login(user["name"]).json["token"] for _ in range(2))
        self.assertNotEqual(first, second)
        client = self.controller.client(first)
        self.assertEqual((client.get("/v1/whoami")["user"], client.get("/v1/targets")["total"]), (user["id"], 0))
        self.assertEqual(self.login(user["id"]).status, 200)
        self.assertEqual(client.request("POST", "/v1/logout").status, 204)
        self.refused(401, "GET", "/v1/whoami", client=client)
        self.controller.client(second).get("/v1/whoami")
        self.refused(400, "POST", "/v1/logout")

    def test_how_long_a_token_lives(self):
        user = self.user()
        for ttl in ("1m", "30d", "12h", None):
            self.assertEqual(self.login(user["name"], ttl=ttl).status, 200, ttl)
        for ttl in ("59s", "31d", 60, "soon"):
            answer = self.login(user["name"], ttl=ttl)
            self.assertEqual((answer.status, answer.json["field"]), (400, "ttl"), ttl)

    def test_answers_are_not_kept(self):
        self.refused(400, "POST", "/v1/login", {"user": "admin", "password": self.controller.password}, "Idempotency-Key",
                     headers={"Idempotency-Key": "k"})

    def test_wrong_ones_look_alike(self):
        user = self.user()
        without = self.admin.post("/v1/users", {"name": unique("user")})
        disabled = self.user(disabled=True)
        answers = [self.login(user["name"], "wrong password"), self.login("nobody"), self.login(without["name"]),
                   self.login(disabled["name"])]
        self.assertEqual({(answer.status, answer.text) for answer in answers}, {(401, answers[0].text)})
        self.assertIn("Basic", answers[0].headers["WWW-Authenticate"])

    def test_bad_bodies(self):
        for body, field in (({"user": "a"}, "password"), ({"password": "a"}, "user"), ({"user": 1, "password": "a"}, "user"),
                            ({"user": "a", "password": "b", "more": 1}, "more")):
            self.refused(400, "POST", "/v1/login", body, field)

    def test_a_changed_password_ends_other_tokens(self):
        user = self.user()
        mine, other = (self.controller.client(self.login(user["name"]).json["token"]) for _ in range(2))
        path = f"/v1/users/{user['id']}/password"
        self.refused(400, "POST", path, {"password": "another password"}, "current", client=mine)
        self.refused(403, "POST", path, {"password": "another password", "current": "wrong"}, "current", client=mine)
        self.assertEqual(mine.request("POST", path, {"password": "another password", "current": PASSWORD}).status, 204)
        mine.get("/v1/whoami")
        self.refused(401, "GET", "/v1/whoami", client=other)
        self.assertEqual(self.login(user["name"]).status, 401)
        self.assertEqual(self.login(user["name"], "another password").status, 200)
        self.assertEqual(self.admin.request("POST", path, {"password": PASSWORD}).status, 204)
        self.refused(401, "GET", "/v1/whoami", client=mine)
        self.refused(404, "POST", path, {"password": PASSWORD}, client=self.make_user("admin")["client"])
        self.admin.patch(f"/v1/users/{user['id']}", {"password": "a third password"})
        self.assertEqual(self.login(user["name"], "a third password").status, 200)

    def test_ones_own_password_needs_the_current_one(self):
        """A system admin's too, by whatever way."""
        user = self.make_user(system_admin=True, password=PASSWORD)
        path = f"/v1/users/{user['id']}"
        for named in (path, f"/v1/users/{user['name']}"):
            self.refused(403, "PATCH", named, {"password": "another password"}, "password", f"{path}/password", client=user["client"])
        self.assertEqual(self.login(user["name"]).status, 200)
        user["client"].patch(path, {"description": "me"})
        self.admin.patch(path, {"password": "another password"})
        self.assertEqual(self.login(user["name"], "another password").status, 200)

    def test_password_limits(self):
        for good in ("p" * 10, "p" * 64, "é" * 64):
            self.admin.post("/v1/users", {"name": unique("user"), "password": good})
        for bad in ("p" * 9, "p" * 65, "tab\tin a password", 1234567890):
            self.refused(400, "POST", "/v1/users", {"name": unique("user"), "password": bad}, "password")
            self.refused(400, "POST", f"/v1/users/{self.user()['id']}/password", {"password": bad}, "password")

    def test_passwords_are_never_shown(self):
        user = self.user()
        text = self.admin.request("GET", f"/v1/users/{user['id']}").text
        self.assertNotIn("password", text)
        self.assertNotIn("password", self.admin.request("GET", "/v1/users?name=" + user["name"]).text)
        self.assertNotIn(PASSWORD, self.admin.request("GET", "/v1/audit?limit=1000").text)

    def test_the_store_holds_no_fingerprint_of_a_password(self):
        body = json.dumps({"name": "u", "password": PASSWORD})
        with Controller(store="sqlite") as controller:
            client = controller.client()
            for _ in range(2):
                self.assertEqual(client.request("POST", "/v1/users", body, {"Idempotency-Key": "k"}).status, 201)
            client.close()
            stored = b"".join(path.read_bytes() for path in pathlib.Path(controller.state_dir).glob("vtap.db*"))
        self.assertIn(b"once/", stored)
        self.assertNotIn(hashlib.sha256(body.encode()).hexdigest().encode(), stored)


class RateLimit(ApiCase):
    """Each method has a controller of its own: failures count for the address, too."""

    def setUp(self):
        self.controller = Controller(store="memory")
        self.addCleanup(self.controller.close)

    def try_login(self, name, password="wrong password"):
        return self.controller.anonymous().request("POST", "/v1/login", {"user": name, "password": password})

    def test_of_a_user(self):
        self.assertEqual([self.try_login("admin").status for _ in range(5)], [401] * 5)
        answer = self.try_login("admin", self.controller.password)
        self.assertEqual(answer.status, 429)
        self.assertTrue(1 <= int(answer.headers["Retry-After"]) <= 13, answer.headers["Retry-After"])
        self.assertEqual(self.try_login("other").status, 401)

    def test_somebody_elsewhere(self):
        """Who fails as somebody else keeps her out where he is, and nowhere else; the id is no second way."""
        admin = self.controller.client().get("/v1/whoami")["user"]
        elsewhere = self.controller.anonymous()
        self.addCleanup(elsewhere.close)
        elsewhere.connection.source_address = ("127.0.0.2", 0)

        def fail(name):
            return elsewhere.request("POST", "/v1/login", {"user": name, "password": "wrong password"}).status
        self.assertEqual([fail("admin" if i % 2 else admin) for i in range(6)], [401] * 5 + [429])
        self.assertEqual(self.try_login("admin", self.controller.password).status, 200)

    def test_at_home_after_a_restart(self):
        """Who fails as somebody from everywhere keeps nobody out where she logged in before the controller was started anew."""
        controller = Controller(store="sqlite")
        self.addCleanup(controller.close)

        def log_in(source, password):
            client = controller.anonymous()
            client.connection.source_address = (source, 0)
            status = client.request("POST", "/v1/login", {"user": "admin", "password": password}).status
            client.close()
            return status
        self.assertEqual(log_in("127.0.0.1", controller.password), 200)
        controller.restart()
        self.assertEqual([log_in(f"127.0.1.{number}", "wrong password") for number in range(1, 51)], [401] * 50)
        while log_in("127.0.0.2", "wrong password") != 429:
            pass
        self.assertEqual(log_in("127.0.0.1", controller.password), 200)

    def test_success_forgives(self):
        for _ in range(3):
            self.assertEqual([self.try_login("admin").status for _ in range(4)], [401] * 4)
            self.assertEqual(self.try_login("admin", self.controller.password).status, 200)

    def test_of_an_address(self):
        statuses = [self.try_login(f"nobody{i}").status for i in range(30)]
        self.assertEqual(statuses[:20], [401] * 20)
        self.assertIn(429, statuses)

    def test_at_the_same_time(self):
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            statuses = list(pool.map(lambda _: self.try_login("admin").status, range(16)))
        self.assertLessEqual(statuses.count(401), 6)
        self.assertGreaterEqual(statuses.count(429), 10)


main()
