# SPDX-License-Identifier: Apache-2.0
"""What the tests with agents share."""

import pathlib
import subprocess

from base import ApiCase, unique
from fake_agent import FakeAgent


class AgentCase(ApiCase):
    """Hosts with agents that follow what the controller wants."""

    def host(self, **more):
        return self.admin.post("/v1/hosts", {"name": unique("host"), **more})["id"]

    def token(self, host, **body):
        return self.admin.post(f"/v1/hosts/{host}/token", body)["token"]

    def agent(self, host=None, **more):
        """A joined one, of a new host unless it is given."""
        agent = FakeAgent(self.controller).join(self.token(host or self.host(**more)))
        self.addCleanup(agent.close)
        return agent

    def plugged(self, agent, device, **more):
        """An interface on the agent's host."""
        return self.interface(host=agent.host, device=device, **more)

    def renew_later(self, agent):
        """
        A certificate for the agent's key that is younger than its own: they know whole seconds. So is what is made after it.
        """
        request = subprocess.run(["openssl", "req", "-new", "-key", agent.key, "-subj", "/CN=anybody"], check=True,
                                 capture_output=True, text=True).stdout
        began = self.begins(pathlib.Path(agent.certificate).read_text())
        while True:
            renewed = agent.client.post("/agent/v1/renew", {"request": request})["certificate"]
            if self.begins(renewed) != began:
                return renewed

    @staticmethod
    def begins(certificate):
        return subprocess.run(["openssl", "x509", "-noout", "-startdate"], input=certificate, check=True,
                              capture_output=True, text=True).stdout

    def state(self, session):
        """Its state, and the sentences of its reasons."""
        answer = self.api.get(f"/v1/sessions/{session}/state")
        return answer["state"], [reason["reason"] for reason in answer["reasons"]]

    def wait_event(self, events, name, predicate):
        return events.wait(lambda event, data: event == name and predicate(data))[1]


__all__ = ["AgentCase", "FakeAgent"]
