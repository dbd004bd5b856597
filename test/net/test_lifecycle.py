# SPDX-License-Identifier: Apache-2.0
"""Start, stop, kill, restart, upgrade, detach: what goes on without an agent, and what is gone when it should be."""

import json
import os
import time

import agent as agent_module
import foreign
from agent import STAGE_DEVICES
from case import SMALL, main, skip
from host import HostCase, Stream, config, has_tcx, numbers, pinned_links, program_names, session, total, wait_for
from lab import CommandFailed, wait_until
from pinned import as_older_layout, globals_of

RATE, TAKE_OVERS = (300, 2) if SMALL else (2000, 4)
# What makes a take-over last, so that packets fall between its steps.
DEVICES, WAITING = (4, 50) if SMALL else (30, 400)


def is_confined():
    """Whether this is a chroot, as on the test machine; false where the first process lets nobody look."""
    try:
        return not os.path.samefile("/", "/proc/1/root")
    except PermissionError:
        return False


def stage_devices(host):
    return [link["ifname"] for link in host.ip_json("link show") if link["ifname"].startswith("vtap-")]


class Lifecycle:
    def expect_all_arrive(self, capture, stream):
        """Every datagram of the stream has one copy, whatever happened meanwhile."""
        sent = stream.stop()
        wait_for(lambda: len(capture.frames) >= sent, 5)
        capture.stop()
        self.assertEqual(capture.lost, 0)
        got = numbers(capture)
        missing = sorted(set(range(sent)) - set(got))
        self.assertEqual(missing, [], f"{len(missing)} of {sent} were not mirrored")
        self.assertEqual(len(got), sent)
        return sent

    def expect_sums(self, counters, sent):
        lost = {name: value for name, value in counters.items() if name.startswith("lost_") and value}
        self.assertEqual((counters["matched_packets"], counters["mirrored_packets"], lost), (sent, sent, {}))

    def settled(self, agent, sent):
        return agent.wait_status(lambda status: status["sessions"][0]["total"]["matched_packets"] >= sent,
                                 what="counters")["sessions"][0]["total"]

    def test_first_copy_soon_after_the_start(self):
        stream = Stream(self.guest, packets_per_second=1000)
        with self.capture() as capture:
            start = time.time_ns()
            agent = self.agent(active=False)
            ready_ms = (time.time_ns() - start) / 1e6
            first = capture.wait(1, 20, "copies")[0]
        stream.stop()
        print(f"# ready after {ready_ms:.0f} ms, first copy after {(first.time_ns - start) / 1e6:.0f} ms, "
              f"memory {agent.memory_bytes() / 1e6:.1f} MB")
        self.assertEqual(agent.notifications[0], "READY=1")
        self.assertEqual(agent.notifications[1], "STATUS=1 sessions")

    def test_sigterm_leaves_mirroring(self):
        agent = self.agent()
        with self.capture() as capture:
            stream = Stream(self.guest, packets_per_second=RATE)
            capture.wait(10)
            agent.stop()
            seen = len(capture.frames)
            capture.wait(seen + 50)
            sent = self.expect_all_arrive(capture, stream)
        self.assertIn("STOPPING=1", agent.notifications)
        status = agent.status()
        self.assertIsNone(status["agent"])
        self.assertEqual(status["sessions"][0]["state"], "active")
        self.expect_sums(status["sessions"][0]["total"], sent)
        self.assertIn("mirroring goes on without an agent", agent.status_text())

    def many_devices(self):
        """Names of devices that nothing passes through."""
        names = [f"x{number}" for number in range(DEVICES)]
        self.host.ip(*[f"link add {name} type veth peer name p{name}" for name in names])
        return names

    def kill_and_restart(self, staged):
        """Sessions' devices are switched one by one, between the uplink and the guest's cable, and no copy is missing."""
        devices = self.many_devices()
        agent = self.agent(config(session(direction="both"), session("idle", direction="both", sources=[
            {"device": device} for device in devices])))
        links, identifier = pinned_links(agent), agent.process.pid
        self.assertEqual(len(links), 4 + 2 * len(devices) if agent.status()["agent"]["hook"] == "tcx" else 0)
        last = 0
        with self.capture() as capture:
            stream = Stream(self.guest, packets_per_second=RATE, partial=True, staged=staged)
            for _ in range(TAKE_OVERS):
                capture.wait(len(capture.frames) + 50)
                agent.kill9()
                self.assertEqual(pinned_links(agent).keys(), links.keys())
                capture.wait(len(capture.frames) + 50)
                agent.start()
                self.wait_state(agent, "active")
                counted = total(agent)["matched_packets"]
                self.assertGreater(counted, last)
                last = counted
            sent = self.expect_all_arrive(capture, stream)
        self.assertNotEqual(agent.status()["agent"]["pid"], identifier)
        counters = self.settled(agent, sent)
        self.expect_sums(counters, sent)
        self.assertEqual(counters["staged"], sent if staged else 0)
        self.assertAll([copy.packet for copy in capture.copies()], lambda inner: inner.l4_checksum_ok is True, "a checksum")
        # The links are the ones from the beginning, the programs behind them those of the last agent.
        after = pinned_links(agent)
        self.assertEqual({name: link for name, (link, _) in after.items()}, {name: link for name, (link, _) in links.items()})
        self.assertAll(after.items(), lambda item: item[1][1] != links[item[0]][1], "a program of the last agent")
        self.assertEqual(agent.status()["warnings"], [])

    def test_kill_and_restart_under_traffic(self):
        self.kill_and_restart(staged=False)

    def test_kill_and_restart_under_traffic_through_the_stage(self):
        self.kill_and_restart(staged=True)

    def test_restart_gives_idle_counters_back(self):
        """Counters and names stay when nothing is sent meanwhile; a session that is new begins at nought."""
        agent = self.agent()
        self.expect_mirrored(7)
        before = agent.status()["sessions"][0]["counters"]
        agent.stop()
        agent.write(config(session("new", number=2, mode="copy"), session()))
        agent.start()
        self.wait_state(agent, "active", position=1)
        new, old = agent.status()["sessions"]
        self.assertEqual((old["name"], old["counters"]), ("s", before))
        self.assertEqual((new["name"], new["total"]["matched_packets"]), ("new", 0))

    def restart_of_another_layout(self, staged):
        """An agent of another layout migrates names and counters, and no copy is missing."""
        waiting = [session(f"w{number}", sources=[{"device": f"w{number}"}], packet_length=100 + number)
                   for number in range(WAITING)]
        agent = self.agent(config(*waiting, session()), active=False)
        self.wait_state(agent, "active", position=-1)
        ours = globals_of(agent)[0]
        with self.capture() as capture:
            stream = Stream(self.guest, packets_per_second=RATE, partial=True, staged=staged)
            for _ in range(TAKE_OVERS):
                capture.wait(len(capture.frames) + 50)
                agent.stop()
                as_older_layout(agent)
                counted = total(agent, -1)["matched_packets"]
                agent.start()
                self.wait_state(agent, "active", position=-1)
                self.assertGreaterEqual(total(agent, -1)["matched_packets"], counted)
                self.assertEqual(globals_of(agent)[0], ours)
            capture.wait(len(capture.frames) + 50)
            self.expect_all_arrive(capture, stream)

    def test_restart_of_another_layout(self):
        self.restart_of_another_layout(staged=False)

    def test_restart_of_another_layout_through_the_stage(self):
        self.restart_of_another_layout(staged=True)

    def test_shorter_counters_migrate(self):
        """The older layout had fewer counters: those are carried over by their number, the rest begins at nought."""
        agent = self.agent()
        self.expect_mirrored(9)
        before = total(agent)
        agent.stop()
        as_older_layout(agent, counters=5)
        agent.start()
        self.wait_state(agent, "active")
        after = total(agent)
        for name in ("matched_packets", "matched_bytes", "mirrored_packets", "mirrored_bytes", "cut_to_fit"):
            self.assertEqual(after[name], before[name], name)
        self.assertEqual({name for name, value in after.items() if value},
                         {"matched_packets", "matched_bytes", "mirrored_packets", "mirrored_bytes"})
        self.expect_mirrored(3)
        self.assertEqual(total(agent)["matched_packets"], 12)

    def others_attach(self):
        """Filters and programs of somebody else, on our devices and hooks."""
        for device in ("v1", "uA"):
            self.host.tc(f"qdisc add dev {device} clsact")
            for hook in ("ingress", "egress"):
                self.host.tc(f"filter add dev {device} {hook} pref 77 protocol all u32 match u32 0 0 flowid 1:1")
                if has_tcx():
                    foreign.Program(self.lab).attach_tcx(self.host, device, hook)

    def test_detach_removes_everything_of_ours_only(self):
        self.others_attach()
        before = self.attached()
        agent = self.agent()
        self.expect_mirrored()
        ours = self.ours(agent)
        self.assertEqual(len(ours & set(program_names())), 3)
        self.assertEqual(set(stage_devices(self.host)), STAGE_DEVICES)
        refused = agent.run("--detach", check=False)
        self.assertEqual((refused.returncode, refused.stdout), (1, ""))
        self.assertRegex(refused.stderr, r"^vtap-agent: an agent runs with the state directory \S+: stop it first\n$")
        self.expect_mirrored()
        agent.stop()
        agent.detach()
        self.assertEqual(stage_devices(self.host), [])
        self.assertEqual(self.attached(), before)
        left = [os.path.join(root, name) for root, _, files in os.walk(agent.pin_dir) for name in files]
        self.assertEqual(left, [])
        wait_until(lambda: not ours & set(program_names()), 5, "our programs to go")
        with self.capture() as capture:
            self.send(5)
            self.host.run(["ping", "-c1", "-W2", "172.31.0.2"])
        self.assertEqual(capture.frames, [])
        agent.detach()  # nothing is left: that is no error
        nothing = agent.run("--status", check=False)
        self.assertEqual(nothing.returncode, 1)
        self.assertRegex(nothing.stderr, r"^vtap-agent: no agent runs with .*, and nothing is pinned in \S+\n$")
        agent.start()
        self.wait_state(agent, "active")
        self.expect_mirrored()

    def ours(self, agent):
        return {at["program_id"] for at in agent.status()["attachments"]}

    def test_detach_after_the_layout_changed(self):
        agent = self.agent()
        agent.stop()
        as_older_layout(agent, counters=5)
        agent.detach()
        self.assertEqual(stage_devices(self.host), [])
        with self.capture() as capture:
            self.send(5)
            self.host.run(["ping", "-c1", "-W2", "172.31.0.2"])
        self.assertEqual(capture.frames, [])

    def test_second_agent_is_refused(self):
        agent = self.agent()
        second = self.host.run(agent.argv("--config", agent.config_path), check=False)
        self.assertEqual(second.returncode, 1)
        self.assertEqual(second.stderr, f"vtap-agent: another agent runs with the state directory {agent.state_dir}\n")
        self.expect_mirrored()
        self.assertEqual(agent.status()["agent"]["pid"], agent.process.pid)

    def test_unpinned_ends_with_the_agent(self):
        before = self.attached()
        agent = self.agent(options=["--unpinned"])
        self.expect_mirrored()
        self.assertFalse(agent.status()["agent"]["pinned"])
        self.assertEqual(os.listdir(agent.pin_dir), [])
        self.assertIn("unpinned", agent.status_text())
        ours = self.ours(agent)
        self.assertEqual(len(ours), 3)
        agent.stop()
        self.assertEqual(stage_devices(self.host), [])
        self.assertEqual(self.attached(), before)
        wait_until(lambda: not ours & set(program_names()), 5, "our programs to go")


class LifecycleTcx(Lifecycle, HostCase):
    HOOK = "tcx"


class LifecycleClsact(Lifecycle, HostCase):
    HOOK = "clsact"


class PinDirectory(HostCase):
    def in_ip_netns(self, *options):
        """As an administrator types it: `ip netns exec` gives the agent a mount namespace of its own."""
        state = self.lab.path("state-netns")
        path = self.lab.path("netns.yaml")
        with open(path, "w") as out:
            json.dump(config(), out)
        argv = ["ip", "netns", "exec", self.host.name, agent_module.PROGRAM, "--config", path, "--state-dir", state]
        return self.lab.spawn([*argv, *options], log="netns.log"), state

    def test_ip_netns_exec_with_the_default_directory_is_refused(self):
        process, _ = self.in_ip_netns()
        self.assertEqual(process.wait(20), 1)
        text = self.lab.log_of(process)
        self.assertEqual(text.count("\n"), 1)
        self.assertRegex(text, r"^vtap-agent: .*(private|alone).*--pin-dir on a bpffs that was mounted outside, or --unpinned\n$")
        self.assertEqual(stage_devices(self.host), [])

    def wait_mirrors(self, process, state):
        def mirrors():
            done = self.host.run([agent_module.PROGRAM, "--status", "--json", "--state-dir", state], check=False)
            return done.returncode == 0 and json.loads(done.stdout)["sessions"][0]["state"] == "active"
        wait_until(mirrors, 20, lambda: f"an active session: {self.lab.log_of(process)}")

    def test_ip_netns_exec_unpinned_runs(self):
        process, state = self.in_ip_netns("--unpinned")
        self.wait_mirrors(process, state)
        self.expect_mirrored()
        process.terminate()
        self.assertEqual(process.wait(10), 0)
        self.assertEqual(stage_devices(self.host), [])

    def test_ip_netns_exec_with_a_lasting_directory_runs(self):
        if is_confined():
            skip("the first process of this machine has another root, so nothing that is mounted here counts as lasting")
        directory = self.lab.bpffs("lasting") + "/vtap"
        process, state = self.in_ip_netns("--pin-dir", directory)
        self.wait_mirrors(process, state)
        self.assertTrue(os.path.exists(directory + "/maps/vtap_globals"))
        self.expect_mirrored()
        process.terminate()
        self.assertEqual(process.wait(10), 0)
        self.expect_mirrored()
        self.host.run([agent_module.PROGRAM, "--detach", "--pin-dir", directory, "--state-dir", state])

    def test_no_bpffs_is_refused(self):
        agent = self.agent(active=True)
        agent.stop()
        done = self.host.run([agent_module.PROGRAM, "--config", agent.config_path, "--state-dir", agent.state_dir,
                              "--pin-dir", self.lab.path("plain")], check=False)
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, r"^vtap-agent: \S+ is not on a bpffs: give --pin-dir .*, or --unpinned\n$")


main()
