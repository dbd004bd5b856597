# SPDX-License-Identifier: Apache-2.0
"""SIGHUP, and devices that come and go: what changes, changes at once, and what did not change loses nothing."""

import signal

from case import SMALL, main
from host import (COLLECTOR, VNI, HostCase, Stream, accept, config, number_of, numbers, pinned_links, session, total,
                  wait_for)
from lab import wait_until

PORT_A, PORT_B = 2000, 3000  # taken in turns
PORT_ALWAYS, PORT_NEVER = 4000, 5000
PORTS = (PORT_A, PORT_ALWAYS, PORT_B, PORT_NEVER)
RELOADS = 60 if SMALL else 1000
FLIPPED_VNI = 77


def flipping(port, **keys):
    """
    One session that never changes, and one whose filter accepts one of the two ports, and a third by a rule that stands now
    before, now behind it: a mixture of old and new rules would miss it, or take what neither takes.
    """
    places = (10, 20) if port == PORT_A else (20, 10)
    return config(session("unchanged", mode="copy", filter="udp"),
                  session("flipped", mode="copy", filter="flip", encapsulation={"type": "vxlan", "vni": FLIPPED_VNI}),
                  filters=[{"name": "udp", "rules": [accept(protocol="udp")]},
                           {"name": "flip", "rules": [accept(places[0], protocol="udp", destination_ports=port),
                                                      accept(places[1], protocol="udp", destination_ports=PORT_ALWAYS)]}],
                  **keys)


class Reload(HostCase):
    def test_filter_replaced_under_traffic(self):
        """
        Ports take turns, packet by packet. The unchanged session misses none of them; the flipped one has, for each
        number, exactly the packets of one port, or of both or none where the switch came between the two.
        """
        agent = self.agent(flipping(PORT_A))
        links = pinned_links(agent)
        with self.capture() as capture:
            stream = Stream(self.guest, ports=PORTS, packets_per_second=600 if SMALL else 4000)
            for turn in range(1, RELOADS + 1):
                said = agent.reload(flipping((PORT_A, PORT_B)[turn % 2]))
                self.assertIn("STATUS=2 sessions", said + agent.notifications)
            sent = stream.stop()
            wait_for(lambda: len(capture.frames) >= 6 * sent, 2)
        self.assertEqual(capture.lost, 0)
        copies = [(copy.vni, copy.packet.dport, number_of(copy.inner)) for copy in capture.copies()]
        everything = {(VNI, port, number) for port in PORTS for number in range(sent)}
        self.assertEqual(sorted(everything - set(copies)), [], "packets that the unchanged session missed")
        flipped = [(number, port) for vni, port, number in copies if vni == FLIPPED_VNI]
        self.assertEqual(len(set(copies)), len(copies), "no copy came twice")
        always = {number for number, port in flipped if port == PORT_ALWAYS}
        self.assertEqual(sorted(set(range(sent)) - always), [], "packets that old and new rules take")
        self.assertEqual([number for number, port in flipped if port == PORT_NEVER], [])
        self.expect_old_or_new(sent, flipped)
        status = agent.wait_status(lambda status: status["agent"]["generation"] == RELOADS + 1)
        unchanged, changed = (entry["total"] for entry in status["sessions"])
        self.assertEqual((unchanged["matched_packets"], unchanged["mirrored_packets"]), (4 * sent, 4 * sent))
        self.assertEqual((changed["matched_packets"], changed["mirrored_packets"]), (len(flipped), len(flipped)))
        self.assertEqual(pinned_links(agent), links)
        self.assertLess(status["agent"]["plans_used"], 4)
        print(f"# {RELOADS} replacements under {4 * sent} packets, {agent.memory_bytes() / 1e6:.1f} MB")

    def expect_old_or_new(self, sent, flipped):
        """The rules in force at each packet: wherever they do not change, one port is taken and the other is not."""
        taken = set(flipped)
        in_force = [next((port for port in (PORT_A, PORT_B) if {(number, other) for other in (PORT_A, PORT_B)} & taken ==
                          {(number, port)}), None) for number in range(sent)]
        self.assertIn(PORT_A, in_force)
        self.assertIn(PORT_B, in_force)
        changes = [number for number in range(1, sent) if in_force[number] != in_force[number - 1]]
        # A replacement between the two packets of one number shows as two changes, the others as one.
        self.assertLessEqual(len(changes), 2 * RELOADS)
        undecided = in_force.count(None)
        self.assertLessEqual(undecided, RELOADS)
        print(f"# {len(changes)} changes seen, {undecided} of them between the two packets of a number")

    def test_new_targets_and_sessions_at_once(self):
        agent = self.agent()
        self.expect_mirrored(4)
        second = session("t", number=2, mode="copy", encapsulation={"type": "vxlan", "vni": 9})
        said = agent.reload(config(session(), second))
        self.assertRegex(said[0] + said[1], "RELOADING=1MONOTONIC_USEC=[0-9]+")
        self.assertIn("configuration 2 is in force", agent.log())
        self.wait_state(agent, "active", position=1)
        with self.capture() as capture:
            self.send(3)
            capture.wait(6)
        self.assertEqual((numbers(capture, VNI), numbers(capture, 9)), ([0, 1, 2], [0, 1, 2]))
        self.assertEqual((total(agent)["matched_packets"], total(agent, 1)["matched_packets"]), (7, 3))
        agent.reload(config(second))
        with self.capture() as capture:
            self.send(3)
            capture.wait(3)
        self.assertEqual((numbers(capture, VNI), numbers(capture, 9)), ([], [0, 1, 2]))
        # A session of that name that comes back begins at nought, also when all the places of old are free again.
        agent.reload(config(session(), second))
        self.assertEqual((total(agent)["matched_packets"], total(agent, 1)["matched_packets"]), (0, 6))
        agent.reload({**config(), "sessions": []})
        wait_until(lambda: not any(programs or filters for filters, programs in self.attached().values()), 5,
                   "nothing attached")
        agent.reload(config(session(), second))
        self.assertEqual((total(agent)["matched_packets"], total(agent, 1)["matched_packets"]), (0, 0))

    def test_all_sessions_but_one_replaced(self):
        """As many as a host can have: new ones find their places only once the old ones are out, and the last loses nothing."""
        def full(name, vni):
            others = [session(f"{name}{number}", number=number % 64 + 1, filter=None, sources=[{"device": f"d{number // 64}"}])
                      for number in range(1022)]
            return config(session(), session(f"{name}-here", mode="copy", encapsulation={"type": "vxlan", "vni": vni}), *others)
        agent = self.agent(full("a", 1))
        with self.capture() as capture:
            stream = Stream(self.guest, packets_per_second=1000)
            capture.wait(20)
            for vni in (2, 3):
                agent.reload(full("ba"[vni % 2], vni))
                self.assertEqual(agent.log().count("cannot"), 0, agent.log())
                wait_until(lambda: capture.copies(vni), 10, "a copy of the new session")
            sent = stream.stop()
            wait_until(lambda: len(capture.copies(VNI)) >= sent, 10, "all copies of the unchanged session")
        self.assertEqual(numbers(capture, VNI), list(range(sent)))
        statuses = {each["name"]: each["total"] for each in agent.status()["sessions"]}
        self.assertEqual((statuses["s"]["matched_packets"], statuses["s"]["mirrored_packets"]), (sent, sent))
        self.assertEqual(len(capture.copies(3)), statuses["a-here"]["mirrored_packets"])
        self.assertEqual(statuses["a0"]["matched_packets"], 0)

    def test_disabled_session(self):
        agent = self.agent()
        self.expect_mirrored(3)
        agent.reload(config(session(enabled=False)))
        self.wait_state(agent, "disabled")
        before = total(agent)
        with self.capture() as capture:
            self.send(3)
            self.host.run(["ping", "-c1", "-W2", COLLECTOR])
        self.assertEqual((capture.frames, total(agent)), ([], before))
        wait_until(lambda: not any(programs or filters for filters, programs in self.attached().values()), 5,
                   "nothing attached")
        self.assertNotIn("vtap-near", self.host.ip("link show"))
        agent.reload(config())
        self.wait_state(agent, "active")
        self.expect_mirrored(3)
        self.assertEqual(total(agent)["matched_packets"], 6)

    def test_many_hangups_at_once(self):
        agent = self.agent()
        for _ in range(20):
            agent.process.send_signal(signal.SIGHUP)
        agent.reload(config(session(packet_length=100)))
        self.assertAll(self.expect_mirrored(), lambda copy: len(copy.inner) == 100, "cut")


class Devices(HostCase):
    def guest_cable(self, device, address=None):
        """A second guest's cable into the host; the guest's end is named alike."""
        self.lab.veth(self.guest, "g" + device, self.host, device)
        return self.host.ifindex(device)

    def expect_from(self, device, count=5):
        with self.capture() as capture:
            stream = Stream(self.guest, device, packets_per_second=250)
            capture.wait(count)
            sent = stream.stop()
            capture.wait(sent)
        self.assertEqual(numbers(capture), list(range(sent)))

    def test_device_that_appears(self):
        agent = self.agent(config(session(sources=[{"device": "v2"}])), active=False)
        found = self.wait_state(agent, "waiting")
        self.assertEqual((found["reason"], found["sources"][0]["state"]), ("waiting for v2", "waiting"))
        self.assertIn("s: waiting (waiting for v2)", agent.status_text())
        self.guest_cable("v2")
        self.wait_state(agent, "active", 2 if not SMALL else 20)
        self.expect_from("gv2")
        self.assertEqual(agent.status()["warnings"], [])

    def test_one_of_two_devices_is_there(self):
        agent = self.agent(config(session(sources=[{"device": "v1"}, {"device": "v2"}])))
        self.assertEqual(agent.status()["sessions"][0]["reason"], "1 of 2 source devices do not exist yet")
        self.expect_mirrored()
        self.guest_cable("v2")
        agent.wait_status(lambda status: status["sessions"][0]["reason"] == "")
        self.expect_from("gv2")
        self.expect_mirrored()

    def test_device_made_anew(self):
        """Deleted, and there again: with the index that it had, and with another one."""
        index = self.guest_cable("v2")
        agent = self.agent(config(session(sources=[{"device": "v2"}])))
        self.expect_from("gv2")
        counted = total(agent)["matched_packets"]
        for new_index in (index, index + 100):
            self.host.ip("link del v2")
            self.wait_state(agent, "waiting")
            self.host.ip(f"link add v2 index {new_index} type veth peer name gv2 netns {self.guest.name}", "link set v2 up")
            self.guest.ip("link set gv2 up")
            self.assertEqual(self.host.ifindex("v2"), new_index)
            self.wait_state(agent, "active")
            self.expect_from("gv2")
            self.assertGreater(total(agent)["matched_packets"], counted)
            counted = total(agent)["matched_packets"]
        self.assertEqual(agent.status()["warnings"], [])

    def test_device_made_anew_at_once(self):
        """Between two looks of the agent, and with the index that it had: nothing but the hook tells."""
        index = self.guest_cable("v2")
        agent = self.agent(config(session(sources=[{"device": "v2"}])))
        self.host.ip("link del v2", f"link add v2 index {index} type veth peer name gv2 netns {self.guest.name}",
                     "link set v2 up")
        self.guest.ip("link set gv2 up")
        self.wait_state(agent, "active")
        self.expect_from("gv2")

    def test_device_made_anew_without_an_agent(self):
        index = self.guest_cable("v2")
        agent = self.agent(config(session(sources=[{"device": "v2"}])))
        agent.stop()
        self.host.ip("link del v2", f"link add v2 index {index} type veth peer name gv2 netns {self.guest.name}",
                     "link set v2 up")
        self.guest.ip("link set gv2 up")
        agent.start()
        self.wait_state(agent, "active")
        self.expect_from("gv2")

    def test_device_renamed(self):
        self.guest_cable("v2")
        agent = self.agent(config(session(sources=[{"device": "v3"}])), active=False)
        self.wait_state(agent, "waiting")
        self.host.ip("link set v2 down", "link set v2 name v3", "link set v3 up")
        self.wait_state(agent, "active")
        self.expect_from("gv2")

    def test_uplink_made_anew(self):
        agent = self.agent()
        self.expect_mirrored()
        self.host.ip("link del uA")
        self.wait_state(agent, "no_route")
        self.lab.veth(self.host, "uA", self.collector, "uC", mtu=1600)
        self.host.address("uA", "172.31.0.1/24")
        self.collector.address("uC", COLLECTOR + "/24")
        self.wait_state(agent, "active")
        self.expect_mirrored()

    def test_stage_device_deleted(self):
        agent = self.agent(config(session(checksum="complete")))
        self.host.ip("link del vtap-far")
        agent.wait_status(lambda status: "vtap-far" in {at["device"] for at in status["attachments"]})
        with self.capture() as capture:
            stream = Stream(self.guest, packets_per_second=250, partial=True, staged=True)
            capture.wait(20)
            sent = stream.stop()
            capture.wait(sent)
        self.assertEqual(numbers(capture), list(range(sent)))
        self.assertEqual(total(agent)["staged"], sent)

    def test_program_taken_away(self):
        """Somebody detaches ours: the agent puts it back, and nothing leaves without its headers meanwhile."""
        self.agent(options=["--hook", "clsact"])
        with self.capture() as capture:
            self.host.tc("filter del dev v1 ingress pref 1")
            stream = Stream(self.guest, packets_per_second=250)
            capture.wait(5)
            stream.stop()


class DevicesClsact(Devices):
    HOOK = "clsact"


main()
