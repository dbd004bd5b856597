# SPDX-License-Identifier: Apache-2.0
"""An uplink without checksum offload: the kernel completes what leaves by it, so no super-packet needs the stage for that."""

import packet
from capture import Capture
from case import main
from lab import wait_until
from scene import Scene, SceneCase, session
from traffic import segments

GSO = 1400
GUEST, PEER = "10.0.0.1", "10.0.0.2"


class Uplink(SceneCase):
    def frames_on_the_cable(self, scene, send, matched):
        """The copies as they leave the uplink, in front of everything that could still complete them."""
        before = scene.totals()
        with Capture(scene.medium, "uM", keep=scene._is_copy, direction="in") as capture:
            send()
            added, _ = scene.settled(before, matched, 10)
            capture.wait(matched)
        self.assertFalse(any(frame.partial for frame in capture.frames))
        return [copy.inner for copy in packet.copies(capture.frames)], added["s"]

    def staged(self, scene):
        """How many of one partial datagram and one super-packet go through the stage; every copy must be right."""
        plain = scene.out(packet.ipv4(packet.udp(b"x" * 99, GUEST, PEER, 5, 6), GUEST, PEER, packet.UDP))
        large = scene.out(packet.ipv4(packet.tcp(b"y" * 10 * GSO, GUEST, PEER, 5, 6, "PA"), GUEST, PEER, packet.TCP))

        def send():
            scene.from_guest.send_partial(plain)
            scene.from_guest.send_super(large, GSO)
        inner, added = self.frames_on_the_cable(scene, send, 11)
        self.assertEqual(inner, [plain, *segments(large, GSO)])
        return added["staged"]

    def test_checksums_are_left_to_it(self):
        scene = Scene(self.lab)
        scene.host.offload("uA", tx=False)
        scene.start(session(), options=["--hook", self.hook])
        self.assertEqual(self.staged(scene), 0)
        # The agent sees the change within a second, and from then on completes them itself.
        scene.host.offload("uA", tx=True)
        wait_until(lambda: self.staged_after_change(scene), 5, "copies through the stage")

    def test_a_cut_copy_carries_the_checksum_of_the_wire(self):
        scene = Scene(self.lab)
        scene.host.offload("uA", tx=False)
        scene.start(session(packet_length=200), options=["--hook", self.hook])
        frame = scene.out(packet.ipv4(packet.udp(bytes(range(250)) * 2, GUEST, PEER, 5, 6), GUEST, PEER, packet.UDP))
        inner, _ = self.frames_on_the_cable(scene, lambda: scene.from_guest.send_partial(frame), 1)
        self.assertEqual(inner, [frame[:200]])

    def staged_after_change(self, scene):
        before = scene.totals()
        large = scene.out(packet.ipv4(packet.tcp(b"y" * 2 * GSO, GUEST, PEER, 5, 6, "PA"), GUEST, PEER, packet.TCP))
        scene.from_guest.send_super(large, GSO)
        added, _ = scene.settled(before, 2, 10)
        return added["s"]["staged"]


class UplinkByClsact(Uplink):
    hook = "clsact"


main()
