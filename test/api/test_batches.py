# SPDX-License-Identifier: Apache-2.0
"""Writes of one batch, in whatever order the server takes them in: what one has ended, no other has used or goes on to use."""

import json
import os
import pathlib
import signal

from agents import AgentCase
from base import Refused, unique
from case import main
from controller import Answer
from fake_agent import make_request


class BatchCase(AgentCase):
    def together(self, *calls):
        """The answers of calls (client, method, path, body) that the controller finds at once."""
        for client, *_ in calls:
            client.request("GET", "/healthz")  # the connection is there, TLS and all
        process = self.controller.process.pid
        os.kill(process, signal.SIGSTOP)
        try:
            os.waitid(os.P_PID, process, os.WSTOPPED | os.WNOWAIT)
            for client, method, path, *body in calls:
                text = self.encode(body[0]) if body else None
                headers = {**client.headers, **({"Content-Type": "application/json"} if body else {})}
                client.connection.request(method, path, text, headers)
        finally:
            os.kill(process, signal.SIGCONT)
        return [self.answer_of(client) for client, *_ in calls]

    @staticmethod
    def encode(body):
        return json.dumps(body).encode()

    @staticmethod
    def answer_of(client):
        response = client.connection.getresponse()
        return Answer(response.status, response.headers, response.read().decode())


class Revocation(BatchCase):
    options = ("--certificate", "auto")

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.admin.close()
        cls.context = cls.controller.authority()
        cls.admin = cls.controller.client(context=cls.context)
        cls.addClassCleanup(cls.admin.close)

    def client(self, credential=None, project=None):
        client = self.controller.client(credential, project=project or self.project, context=self.context)
        self.addCleanup(client.close)
        return client

    def accepted(self, agent, certificate):
        agent.use_certificate(certificate)
        return agent.client.request("GET", "/agent/v1/plan?wait=0", headers={
            "X-Vtap-Connection": f"{agent.instance}:1"}).status != 401

    def renewals(self, agent, count):
        """As many, and for each its key, so that its certificate can be used."""
        key, request = make_request(agent._folder.name)
        agent.key = key
        clients = [agent.connect() for _ in range(count)]
        for client in clients:
            self.addCleanup(client.close)
        return [(client, "POST", "/agent/v1/renew", {"request": request}) for client in clients]

    def test_very_many_renewals(self):
        """Only some of them are good; so is the one that is in use: an agent that cannot keep a new one goes on by that."""
        agent = self.agent()
        files = [pathlib.Path(path) for path in (agent.certificate, agent.key)]
        old = [path.read_bytes() for path in files]
        self.renew_later(agent)
        answers = self.together(*self.renewals(agent, 40))
        self.assertEqual({answer.status for answer in answers}, {200})
        self.assertEqual([self.polled(agent, answer.json["certificate"]) for answer in answers].count("good"), 7)
        self.assertEqual({self.polled(agent, answer.json["certificate"]) for answer in answers}, {"good", "about:blank"})
        new = files[1].read_bytes()
        files[1].write_bytes(old[1])
        self.assertEqual(self.polled(agent, old[0].decode()), "good")
        self.assertEqual(self.admin.request("POST", f"/v1/hosts/{agent.host}/revoke").status, 204)
        self.assertEqual(self.polled(agent, old[0].decode()), "vtap:revoked")
        files[1].write_bytes(new)
        self.none_is_left(agent, answers)

    @staticmethod
    def polled(agent, certificate):
        """Whether that is good, or the type of the refusal."""
        agent.use_certificate(certificate)
        try:
            agent.poll()
        except Refused as refused:
            return refused.problem["type"]
        return "good"

    def none_is_left(self, agent, answers):
        self.assertLessEqual({answer.status for answer in answers}, {200, 401})
        for answer in answers:
            if answer.status == 401:
                self.assertEqual(answer.json["type"], "vtap:revoked")
            else:
                self.assertFalse(self.accepted(agent, answer.json["certificate"]))

    def test_what_is_renewed_around_a_revocation(self):
        agent = self.agent()
        revoke = (self.admin, "POST", f"/v1/hosts/{agent.host}/revoke")
        renewals = self.renewals(agent, 12)
        answers = self.together(*renewals[:6], revoke, *renewals[6:])
        self.assertEqual(answers.pop(6).status, 204)
        self.none_is_left(agent, answers)

    def test_a_join_ends_what_is_renewed_with_it(self):
        agent = self.agent()
        token = self.token(agent.host)
        renewals = self.renewals(agent, 6)
        join = (self.client(), "POST", "/agent/v1/join", {"token": token, "request": renewals[0][3]["request"]})
        answers = self.together(*renewals[:3], join, *renewals[3:])
        joined = answers.pop(3)
        self.assertEqual(joined.status, 201)
        self.none_is_left(agent, answers)
        self.assertTrue(self.accepted(agent, joined.json["certificate"]))


class Allowed(BatchCase):
    def both_ways(self, prepare):
        """Two calls in both orders; the server takes them in as it likes, and differently."""
        for order in (1, -1):
            for _ in range(4):
                calls = prepare()
                yield self.together(*calls[::order])[::order]

    def test_a_project_that_is_deleted(self):
        def prepare():
            project = self.admin.post("/v1/projects", {"name": unique("gone")})["id"]
            return [(self.admin, "DELETE", f"/v1/projects/{project}"),
                    (self.client(project=project), "POST", "/v1/filters", {"name": "f"})]

        for deleted, made in self.both_ways(prepare):
            self.assertIn((deleted.status, made.status), [(204, 404), (409, 201)])
        projects = {project["id"] for project in self.admin.all("/v1/projects")}
        self.assertLessEqual({item["project"] for item in self.admin.all("/v1/filters")}, projects)

    def test_a_user_that_is_disabled(self):
        def prepare():
            user = self.make_user("operator")
            user["client"].headers["X-Vtap-Project"] = self.project
            return [(self.admin, "PATCH", f"/v1/users/{user['id']}", {"disabled": True}),
                    (user["client"], "POST", "/v1/filters", {})]

        outcomes = {(disabled.status, made.status) for disabled, made in self.both_ways(prepare)}
        self.assertLessEqual(outcomes, {(200, 401), (200, 201)})
        self.assertIn((200, 401), outcomes)

    def test_a_token_that_is_given_back(self):
        user = self.admin.post("/v1/users", {"name": unique("user"), "password": "a good password",
                                             "roles": [{"project": self.project, "role": "operator"}]})

        def prepare():
            token = self.controller.anonymous().post("/v1/login", {"user": user["id"], "password": "a good password"})["token"]
            return [(self.client(token), "POST", "/v1/logout"), (self.client(token), "POST", "/v1/filters", {})]

        outcomes = {(ended.status, made.status) for ended, made in self.both_ways(prepare)}
        self.assertLessEqual(outcomes, {(204, 401), (204, 201)})
        self.assertIn((204, 401), outcomes)

    def test_a_role_that_is_taken(self):
        def prepare():
            user = self.make_user("operator")
            return [(self.admin, "PATCH", f"/v1/users/{user['id']}", {"roles": []}),
                    (user["client"], "POST", "/v1/filters", {})]

        outcomes = {(taken.status, made.status) for taken, made in self.both_ways(prepare)}
        self.assertLessEqual(outcomes, {(200, 403), (200, 201)})
        self.assertIn((200, 403), outcomes)


class Passwords(BatchCase):
    def test_logins_under_way_do_not_survive_a_change(self):
        """Whichever come first: all of them were begun with the old password."""
        for _ in range(3):
            user = self.admin.post("/v1/users", {"name": unique("user"), "password": "the old password"})
            logins = [(self.client(), "POST", "/v1/login", {"user": user["id"], "password": "the old password"})
                      for _ in range(4)]
            change = (self.admin, "POST", f"/v1/users/{user['id']}/password", {"password": "the new password"})
            answers = self.together(*logins[:2], change, *logins[2:])
            self.assertEqual(answers.pop(2).status, 204)
            for answer in answers:
                self.assertIn(answer.status, (200, 401))
                if answer.status == 200:
                    self.refused(401, "GET", "/v1/whoami", client=self.client(answer.json["token"]))


main()
