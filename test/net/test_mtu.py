# SPDX-License-Identifier: Apache-2.0
"""Copies that do not fit the path, an uplink whose queue is full, and one that is down: each under its own counter."""

import json
import os

import packet
from case import main
from lab import wait_until
from scene import COLLECTOR, GUEST, GUEST6, PEER, PEER6, SceneCase, lost, session
from traffic import STAGED_TAGS, segments


def udp4(scene, frame_bytes, vlans=(), **keys):
    payload = os.urandom(frame_bytes - 42)
    return scene.out(packet.ipv4(packet.udp(payload, GUEST, PEER, 5, 6), GUEST, PEER, packet.UDP, **keys), vlans=vlans)


def udp6(scene, frame_bytes):
    payload = os.urandom(frame_bytes - 62)
    return scene.out(packet.ipv6(packet.udp(payload, GUEST6, PEER6, 5, 6), GUEST6, PEER6, packet.UDP))


class Mtu(SceneCase):
    """The largest inner frame is the path MTU less 36 bytes over IPv4, less 56 over IPv6."""

    def sizes(self, scene, room):
        lengths = (70, room - 1, room, room + 1, 1500, 1514)
        return [make(scene, length) for length in lengths for make in (udp4, udp6)] + [
            scene.out(os.urandom(length - 14), 0x88B5) for length in lengths]

    def check(self, scene, room, policy, **keys):
        scene.reload(session(mtu_policy=policy, **keys))
        frames = self.sizes(scene, room)
        over = [frame for frame in frames if len(frame) > room]
        mirrored = scene.mirror(lambda: scene.from_guest.send(*frames), len(frames))
        if policy == "fit":
            self.assertEqual(mirrored.inner(), [frame[:room] for frame in frames])
            self.assertEqual((mirrored.added["cut_to_fit"], mirrored.added["lost_too_big"]), (len(over), 0))
        else:
            self.assertEqual(mirrored.inner(), [frame for frame in frames if len(frame) <= room])
            self.assertEqual((mirrored.added["cut_to_fit"], mirrored.added["lost_too_big"]), (0, len(over)))
        finished = [frame for frame in frames if packet.parse(frame).version]
        unfinished = scene.mirror(lambda: [scene.from_guest.send_partial(frame) for frame in finished], len(finished))
        fits = [frame for frame in finished if len(frame) <= room or policy == "fit"]
        self.assertEqual(unfinished.inner(), [frame[:room] for frame in fits])
        self.assertEqual(unfinished.added["cut_to_fit" if policy == "fit" else "lost_too_big"],
                         sum(len(frame) > room for frame in finished))

    def test_device(self):
        scene = self.started(scene={"uplink_mtu": 1500})
        for policy in ("fit", "drop"):
            self.check(scene, 1500 - 36, policy)

    def test_device_and_ipv6(self):
        scene = self.started(scene={"uplink_mtu": 1500, "ipv6": True})
        for policy in ("fit", "drop"):
            self.check(scene, 1500 - 56, policy)

    def test_target(self):
        scene = self.started(targets=[{"name": "ids", "address": COLLECTOR, "mtu": 1400}])
        scene.config = lambda *sessions, config=scene.config: config(
            *sessions, targets=[{"name": "ids", "address": COLLECTOR, "mtu": 1400}])
        for policy in ("fit", "drop"):
            self.check(scene, 1400 - 36, policy)

    def test_route(self):
        scene = self.scene()
        scene.host.ip(f"route add {COLLECTOR}/32 dev uA mtu 1300")
        scene.start(options=["--hook", self.hook])
        self.check(scene, 1300 - 36, "fit")

    def test_packet_length_below_the_mtu(self):
        """What was to be cut anyway is not counted as cut to fit, nor dropped."""
        scene = self.started(scene={"uplink_mtu": 1500})
        for policy in ("fit", "drop"):
            scene.reload(session(packet_length=1000, mtu_policy=policy))
            frames = self.sizes(scene, 1464)
            mirrored = scene.mirror(lambda f=frames: scene.from_guest.send(*f), len(frames))
            self.assertEqual(mirrored.inner(), [frame[:1000] for frame in frames])
            self.assertEqual((mirrored.added["cut_to_fit"], mirrored.added["lost_too_big"]), (0, 0))

    def test_advice(self):
        scene = self.started(scene={"uplink_mtu": 1500})
        mtu = scene.agent.status()["sessions"][0]["mtu"]
        self.assertEqual((mtu["path"], mtu["needed"]), (1500, 1550))
        self.assertIn("1550", mtu["advice"])


class MtuClsact(Mtu):
    hook = "clsact"


class FullQueue(SceneCase):
    def wait_for_queue(self, scene, send_one, packets_each):
        """Copies from the stage ask the queue as soon as the agent has seen that there is one now."""
        def seen():
            added = scene.mirror(lambda: [send_one(scene) for _ in range(20)], 20 * packets_each, received=0).added
            return added["lost_queue"] > 0
        wait_until(seen, 5, "the agent to see the queue")
        wait_until(lambda: json.loads(scene.host.tc("-j -s qdisc show dev uA root"))[0]["qlen"] == 0, 10,
                   "the queue to be empty again")

    def run_with(self, send_one, packets_each, **keys):
        scene = self.started(session(**keys))
        scene.host.tc("qdisc add dev uA root tbf rate 800kbit burst 4000 limit 4000")
        self.wait_for_queue(scene, send_one, packets_each)

        def send():
            for _ in range(100):
                send_one(scene)
        # It takes the queue a while to let go of what it holds.
        mirrored = scene.mirror(send, 100 * packets_each, timeout_s=20)
        added = mirrored.added
        self.assertGreater(added["lost_queue"], 50)
        self.assertGreater(added["mirrored_packets"], 0)
        self.assertEqual(added["lost_queue"], lost(added))

    def test_fast(self):
        self.run_with(lambda scene: scene.from_guest.send(udp4(scene, 1000)), 1)

    def test_through_the_stage(self):
        self.run_with(lambda scene: scene.from_guest.send_partial(udp4(scene, 1000, STAGED_TAGS)), 1)

    def test_unfinished_checksums(self):
        self.run_with(lambda scene: scene.from_guest.send_partial(udp4(scene, 1000)), 1)

    def test_cut_segments(self):
        def send_one(scene):
            payload = os.urandom(4200)
            tcp = packet.tcp(payload, GUEST, PEER, 5, 6, "PA")
            scene.from_guest.send_super(scene.out(packet.ipv4(tcp, GUEST, PEER, packet.TCP)), 1400)
        self.run_with(send_one, 3, packet_length=1000)


class FullQueueClsact(FullQueue):
    hook = "clsact"


class Down(SceneCase):
    """The uplink goes down while nobody tells the data plane: no agent runs."""

    def run_with(self, send, count, **keys):
        scene = self.started(session(**keys))
        scene.agent.kill9()
        scene.host.ip("link set uA down")
        mirrored = scene.mirror(lambda: send(scene), count)
        self.assertEqual((mirrored.copies, mirrored.added["mirrored_packets"]), ([], 0))
        self.assertEqual(lost(mirrored.added), count)
        scene.host.ip("link set uA up")
        scene.host.neighbour(COLLECTOR, scene.collector.mac("uC"), "uA")
        again = scene.mirror(lambda: send(scene), count)
        self.assertEqual(again.added["mirrored_packets"], count)

    def test_fast(self):
        self.run_with(lambda scene: [scene.from_guest.send(udp4(scene, 500)) for _ in range(20)], 20)

    def test_through_the_stage(self):
        self.run_with(lambda scene: [scene.from_guest.send_partial(udp4(scene, 500, STAGED_TAGS)) for _ in range(20)], 20)

    def test_super_packets(self):
        def send(scene):
            tcp = packet.tcp(os.urandom(14000), GUEST, PEER, 5, 6, "PA")
            frame = scene.out(packet.ipv4(tcp, GUEST, PEER, packet.TCP))
            self.assertEqual(len(segments(frame, 1400)), 10)
            scene.from_guest.send_super(frame, 1400)
        for checksum in ("complete", "as_is"):
            with self.variant(checksum=checksum):
                self.run_with(send, 10, checksum=checksum)

    def test_the_agent_tells(self):
        scene = self.started()
        scene.medium.ip("link set uM down")
        scene.agent.wait_status(lambda status: status["sessions"][0]["state"] == "uplink_down")
        mirrored = scene.mirror(lambda: scene.from_guest.send(udp4(scene, 500)), 1)
        self.assertEqual(mirrored.added["lost_uplink_down"], 1)


class DownClsact(Down):
    hook = "clsact"


main()
