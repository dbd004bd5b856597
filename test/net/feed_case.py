# SPDX-License-Identifier: Apache-2.0
"""A host whose agent follows a controller that the test plays."""

import os

from agent import Agent
from host import COLLECTOR, HostCase
from lab import wait_until
from played import TOKEN, PlayedController, session_id


def state_of(report, number=1):
    return next((s["state"] for s in report["sessions"] if s["id"] == session_id(number)), None)


class FeedCase(HostCase):
    def setUp(self):
        super().setUp()
        self.controller = PlayedController(self.host, COLLECTOR).start()

    def joined(self, *sessions, active=True, name="agent", options=(), **plan):
        """An agent that has joined and applied this plan."""
        if sessions or plan:
            self.controller.put(*sessions, **plan)
        agent = Agent(self.host, None, name, ["--hook", self.HOOK, *options], self.controller.url)
        agent.start(join=TOKEN)
        if sessions and active:
            self.controller.wait_applied()
            self.wait_state(agent, "active")
        return agent

    def kept(self, agent, name):
        return os.path.join(agent.state_dir, name)

    def state(self, agent, state, position=0):
        return agent.wait_status(lambda status: status["sessions"][position]["state"] == state, 20, f"state {state}")

    def controller_state(self, agent, state, timeout_s=20):
        return agent.wait_status(lambda status: status["controller"]["state"] == state, timeout_s,
                                 f"controller {state}")["controller"]

    def answer_to(self, **request):
        """Asks the agent, and waits for its answer."""
        identifier = self.controller.ask(**request)
        wait_until(lambda: identifier in self.controller.answers, 10, "an answer")
        return self.controller.answers[identifier]
