# SPDX-License-Identifier: Apache-2.0
"""Live captures: the packets of one session, all of them and no other's, or a reason why not."""

import signal
import struct

import packet
from case import main
from feed_case import FeedCase
from host import COLLECTOR, HOST, NOBODY_MAC
from lab import wait_until
from played import session, session_id
from traffic import RawSender

SHARED = "another session of this host has the same target address, port and VNI: the copies of the two cannot be told apart"


class Captures(FeedCase):
    def captured(self, identifier):
        """The frames, and whether the agent has said that these are all."""
        frames, parts = [], self.controller.captured.get(identifier, [])
        for body, _ in parts:
            while body:
                _, _, size, wire = struct.unpack_from("<IIII", body)
                frames.append((body[16:16 + size], wire))
                body = body[16 + size:]
        return frames, bool(parts) and parts[-1][1]

    def begun(self, number, **keys):
        """A capture of that session, from the moment on at which the agent says that it listens."""
        identifier = self.controller.ask(**{"type": "capture", "session": session_id(number), "seconds": 20, "packets": 10 ** 6,
                                            "bytes_per_second": 10 ** 6, **keys})
        wait_until(lambda: identifier in self.controller.captured or identifier in self.controller.answers, 10, "its beginning")
        self.assertEqual(self.controller.captured.get(identifier), [(b"", False)], self.controller.answers)
        return identifier

    def test_capture(self):
        """What the collector gets, without outer headers; it ends by itself."""
        self.joined(session(1, packet_length=100), session(2, mode="copy", encapsulation={"vni": 67}))
        identifier = self.begun(1, packets=7)
        with self.capture() as capture:
            self.send(10)
            capture.wait(20)
        wait_until(lambda: self.captured(identifier)[1], 10, "the end")
        frames = self.captured(identifier)[0]
        self.assertEqual([frame for frame, _ in frames], [copy.inner for copy in capture.copies(66)][:7])
        self.assertEqual({wire for _, wire in frames}, {100})
        # Another one, that is ended from outside, after its first request.
        identifier = self.begun(2, bytes_per_second=300)
        self.send(10)
        wait_until(lambda: self.captured(identifier)[0], 10, "packets")
        self.assertLessEqual(len(self.captured(identifier)[0]), 2 * 2)  # 128 bytes each, 300 in a second
        self.controller.ask(type="cancel", request=identifier)
        asked = len(self.controller.connections)
        wait_until(lambda: len(self.controller.connections) > asked, 10, "the next question")
        count = len(self.controller.captured[identifier])
        with self.capture() as capture:
            self.send(10)
            capture.wait(20)
        self.assertEqual(len(self.controller.captured[identifier]), count)

    def test_what_has_no_room_is_counted(self):
        """Over the rate, and in the kernel: each packet is in the capture or among those left out."""
        agent = self.joined(session(1, packet_length=100))
        identifier = self.begun(1, seconds=3, bytes_per_second=300)
        self.send(10)
        wait_until(lambda: self.captured(identifier)[1], 10, "the end")
        frames = self.captured(identifier)[0]
        self.assertLess(len(frames), 10)
        self.assertEqual(len(frames) + self.controller.left_out[identifier], 10)
        # The agent does not read meanwhile, and the socket holds only some.
        identifier = self.begun(1, seconds=5, bytes_per_second=0)
        agent.process.send_signal(signal.SIGSTOP)
        self.send(30000)
        agent.process.send_signal(signal.SIGCONT)
        wait_until(lambda: self.captured(identifier)[1], 20, "the end")
        self.assertEqual(len(self.captured(identifier)[0]) + self.controller.left_out[identifier], 30000)
        self.assertGreater(self.controller.left_out[identifier], 0)

    def second_guest(self):
        """On v2, which is mirrored by session 2."""
        other = self.lab.namespace("g2")
        self.lab.veth(other, "eth0", self.host, "v2")
        return other

    def send_other(self, other, count=5):
        frame = packet.ethernet(packet.ipv4(packet.udp(b"another project's", "10.0.0.9", "10.0.0.2", 5, 6), "10.0.0.9", "10.0.0.2",
                                            packet.UDP), other.mac("eth0"), NOBODY_MAC)
        with RawSender(other, "eth0") as sender:
            sender.send(*[frame] * count)

    def test_sessions_that_share_a_tunnel(self):
        """Whose copies are whose cannot be seen on the wire: neither is captured, as the other may be another project's."""
        self.second_guest()
        self.joined(session(1), session(2, "v2"), session(3, "v2", encapsulation={"vni": 67}),
                    session(4, "v2", encapsulation={"port": 4790, "vni": 66}))
        for number in (1, 2):
            self.assertEqual(self.answer_to(type="capture", session=session_id(number), seconds=20)["failed"], SHARED)
        for number in (3, 4):
            self.begun(number)

    def test_one_that_comes_to_share_it_later(self):
        """The capture ends before anything of the other session could be in it."""
        other = self.second_guest()
        self.joined(session(1))
        identifier = self.begun(1)
        self.send(3)
        wait_until(lambda: len(self.captured(identifier)[0]) == 3, 10, "packets")
        self.controller.put(session(1), session(2, "v2"))
        with self.capture() as capture:
            self.controller.wait_applied()
            self.send_other(other)
            self.send(4)
            capture.wait(9)
        wait_until(lambda: self.captured(identifier)[1], 10, "the end")
        self.assertEqual(len(self.captured(identifier)[0]), 3)
        # And the other way: once it is alone again, it can be captured.
        self.controller.put(session(1))
        self.controller.wait_applied()
        identifier = self.begun(1)
        # A change that does not concern it lets it go on, one of its own tunnel ends it.
        self.controller.put(session(1, packet_length=100), session(3, "v2", encapsulation={"vni": 67}))
        self.controller.wait_applied()
        self.send_other(other)
        self.send(2)
        wait_until(lambda: len(self.captured(identifier)[0]) == 2, 10, "packets")
        self.assertFalse(self.captured(identifier)[1])
        self.controller.put(session(1, encapsulation={"vni": 68}), session(3, "v2", encapsulation={"vni": 66}))
        self.controller.wait_applied()
        self.send_other(other)
        wait_until(lambda: self.captured(identifier)[1], 10, "the end")
        self.assertEqual(len(self.captured(identifier)[0]), 2)

    def test_what_looks_like_a_copy(self):
        """Somebody else's tunnel of this host to the same place, with the same VNI: its packets are nobody's copies."""
        self.joined(session(1))
        identifier = self.begun(1, packets=3)
        vxlan = bytes([8, 0, 0, 0, 0, 0, 66, 0]) + packet.ethernet(b"x" * 50, NOBODY_MAC, NOBODY_MAC, 0x88B5)
        frame = packet.ethernet(packet.ipv4(packet.udp(vxlan, HOST, COLLECTOR, 50000, 4789), HOST, COLLECTOR, packet.UDP),
                                self.host.mac("uA"), self.collector.mac("uC"))
        with RawSender(self.host, "uA") as sender:
            sender.send(*[frame] * 5)
        self.send(3)
        wait_until(lambda: self.captured(identifier)[1], 10, "the end")
        self.assertAll([frame for frame, _ in self.captured(identifier)[0]],
                       lambda data: data[6:12].hex(":") == self.guest.mac("eth0"), "a packet of the guest's")

    def test_some_of_the_interfaces(self):
        self.second_guest()
        both = [{"device": device, "side": "host", "interface": f"eni-{number:017x}"} for number, device in enumerate(("v1", "v2"))]
        self.joined(session(1, sources=both))
        answer = self.answer_to(type="capture", session=session_id(1), seconds=20, interfaces=["eni-00000000000000000"])
        self.assertIn("copies do not tell which of the session's interfaces they are of", answer["failed"])
        self.begun(1, interfaces=[each["interface"] for each in both])


main()
