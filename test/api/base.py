# SPDX-License-Identifier: Apache-2.0
"""What the API's tests share: one vtapd for each class, one project for each test."""

import itertools
import os

from case import Case
from controller import Controller, Refused

STORE = os.environ.get("VTAP_TEST_STORE", "memory")
_numbers = itertools.count(1)


def unique(text):
    return f"{text}-{next(_numbers)}"


class ApiCase(Case):
    """self.admin: a system admin in no project's name; self.api: the same in a project that only this test uses."""

    options = ()

    @classmethod
    def setUpClass(cls):
        cls.controller = Controller(store=STORE, options=cls.options)
        cls.addClassCleanup(cls.controller.close)
        cls.admin = cls.controller.client()
        cls.addClassCleanup(cls.admin.close)

    def setUp(self):
        self.project = self.admin.post("/v1/projects", {"name": unique("project")})["id"]
        self.api = self.client()

    def client(self, credential=None, project=None):
        client = self.controller.client(credential, project=project or self.project)
        self.addCleanup(client.close)
        return client

    def refused(self, status, method, path, body=None, field=None, text=None, client=None, headers=None):
        """The call is refused with that status; returns the problem."""
        answer = (client or self.api).request(method, path, body, headers)
        self.assertEqual(answer.status, status, f"{method} {path} {body}: {answer.text}")
        self.assertEqual(answer.headers["Content-Type"], "application/problem+json")
        problem = answer.json
        self.assertEqual(problem["status"], status)
        self.assertTrue(problem["title"] and problem["detail"] and problem["type"])
        if field is not None:
            self.assertEqual(problem.get("field"), field, problem)
        if text is not None:
            self.assertIn(text, problem["detail"])
        return problem

    def make_user(self, role=None, project=None, **more):
        """A user with a role in a project (this test's) and a client with a key of its own."""
        roles = [{"project": project or self.project, "role": role}] if role else []
        user = self.admin.post("/v1/users", {"name": unique("user"), "roles": roles, **more})
        key = self.admin.post("/v1/keys", {"user": user["id"]})
        user["key"] = (key["id"], key["secret_access_key"])
        user["client"] = self.controller.client(user["key"])
        self.addCleanup(user["client"].close)
        return user

    def target(self, **more):
        return self.api.post("/v1/targets", {"address": "10.9.0.1", **more})["id"]

    def filter(self, **more):
        return self.api.post("/v1/filters", more)["id"]

    def interface(self, client=None, **more):
        return (client or self.api).post("/v1/interfaces", more)["id"]

    def session_body(self, **more):
        body = {"number": 1, **more}
        if "sources" not in body:
            body["sources"] = [self.interface()]
        if "target" not in body:
            body["target"] = self.target()
        return body

    def session(self, **more):
        return self.api.post("/v1/sessions", self.session_body(**more))


__all__ = ["ApiCase", "Refused", "STORE", "unique"]
