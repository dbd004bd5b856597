# SPDX-License-Identifier: Apache-2.0
"""Interfaces of hosts that are gone: what such a host said last keeps nobody from being followed."""

from agents import AgentCase
from base import unique
from case import main
from controller import Controller, Refused

AWAY_S = 30  # without a word from its agent a host is away
_MACS = iter(range(1, 256))


def tap(device, mac):
    return {"device": device, "kind": "tap", "mac": "fe:00:00:00:00:01", "mtu": 1500, "up": True,
            "behind": [{"mac": mac, "addresses": []}]}


class AwayTest(AgentCase):
    @classmethod
    def setUpClass(cls):
        cls.controller = Controller(store="sqlite")
        cls.addClassCleanup(cls.controller.close)
        cls.admin = cls.controller.client()
        cls.addClassCleanup(cls.admin.close)

    def place(self, interface):
        found = self.api.get(f"/v1/interfaces/{interface}")
        return found["host"], found["device"]

    def guest(self, agent):
        """A MAC, its interface on the agent's tap1, and a session that mirrors it."""
        mac = f"02:00:00:00:03:{next(_MACS):02x}"
        interface = self.plugged(agent, "tap1", mac=mac)
        return mac, interface, self.session(sources=[interface])["id"]

    def events(self):
        events = self.controller.events()
        self.addCleanup(events.close)
        return events

    def wait_at(self, events, interface, agent):
        self.wait_event(events, "updated", lambda data: data["id"] == interface and
                        data["resource"]["host"] == agent.host)

    def moves_on(self, mac, interface, session, old, new):
        """It has gone from a dead host to `old`, and goes on to `new`."""
        events = self.events()
        self.assertNotIn("its MAC is seen", " ".join(self.state(session)[1]))
        old.report(devices=[])
        self.assertEqual(self.place(interface), (old.host, "tap1"), "not back to the dead one")
        new.report(devices=[tap("tap1", mac)])
        self.wait_at(events, interface, new)
        self.assertNotIn("its MAC is seen", " ".join(self.state(session)[1]))

    def test_revoked(self):
        group = unique("rack")
        dead, old, new = (self.agent(group=group) for _ in range(3))
        mac, interface, session = self.guest(dead)
        dead.report(devices=[tap("tap1", mac)])
        events = self.events()
        old.report(devices=[tap("tap1", mac)])
        self.assertIn("still on the host", " ".join(self.state(session)[1]))
        self.admin.post(f"/v1/hosts/{dead.host}/revoke")
        self.wait_at(events, interface, old)
        self.moves_on(mac, interface, session, old, new)

    def test_suspended(self):
        group = unique("rack")
        first, second, third = (self.agent(group=group) for _ in range(3))
        mac, interface, session = self.guest(first)
        first.report(devices=[tap("tap1", mac)])
        second.report(devices=[tap("tap1", mac)])
        other = second.clone()
        self.addCleanup(other.close)
        for agent in (second, other, second, other):
            agent.poll()
        self.assertRaises(Refused, second.poll)
        events = self.events()
        third.report(devices=[tap("tap1", mac)])
        first.report(devices=[])
        self.wait_at(events, interface, third)

    def test_silent(self):
        """
        One that said something and fell silent, and one that was not heard since the controller began. One that no agent has
        joined yet is not gone: what is planned there stays.
        """
        group = unique("rack")
        dead, old, new = (self.agent(group=group) for _ in range(3))
        unheard, other, third = (self.agent(group=group) for _ in range(3))
        first, second = self.guest(dead), self.guest(unheard)
        planned, mac = self.host(group=group), f"02:00:00:00:03:{next(_MACS):02x}"
        awaited = self.interface(host=planned, device="tap1", mac=mac)
        unheard.report(devices=[tap("tap1", second[0])])
        self.controller.restart()
        dead.report(devices=[tap("tap1", first[0])])
        for _ in range(2 * AWAY_S):
            old.report(devices=[tap("tap1", first[0])])
            other.report(devices=[tap("tap1", second[0]), tap("tap2", mac)])
            old.poll(wait=1)
            if (self.place(first[1])[0], self.place(second[1])[0]) == (old.host, other.host):
                break
        self.assertEqual(self.place(second[1]), (other.host, "tap1"))
        self.assertEqual(self.place(awaited), (planned, "tap1"))
        self.assertEqual(self.place(first[1]), (old.host, "tap1"))
        self.moves_on(*first, old, new)
        self.moves_on(*second, other, third)
        self.assertEqual(self.admin.get(f"/v1/hosts/{dead.host}/devices")["items"][0]["device"], "tap1", "what is known")


main()
