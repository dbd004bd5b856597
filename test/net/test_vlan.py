# SPDX-License-Identifier: Apache-2.0
"""VLAN tags: none, one or two, in metadata or in the frame's bytes, come out inside of the copy and nowhere else.

A tagged frame that arrives has its outer tag in metadata, one that a raw socket sends has all its tags in its bytes.
"""

import os

import packet
from case import SMALL, main
from scene import GUEST, GUEST6, PEER, PEER6, SceneCase, session
from traffic import segments

GSO = 1400
TAGS = {
    "none": [],
    "one": [5],
    "one with priority and DEI": [0xF005],
    "priority tag": [0xE000],
    "802.1ad alone": [(packet.ETH_QINQ, 9)],
    "QinQ": [7, 5],
    "802.1Q twice": [(packet.ETH_VLAN, 7), (packet.ETH_VLAN, 0x6005)],
    "three": [(packet.ETH_QINQ, 7), (packet.ETH_VLAN, 5), (packet.ETH_VLAN, 6)],
}
LENGTHS = (0, 17, 128) if SMALL else (0, 13, 17, 20, 64, 128, 600)
SUPER_TAGS = ("one", "QinQ") if SMALL else ("none", "one", "one with priority and DEI", "802.1ad alone", "QinQ",
                                                "802.1Q twice")


def frames(build, tags):
    """Frames that are no super-packets, every checksum whole."""
    udp = packet.udp(os.urandom(700), GUEST, PEER, 5, 6)
    tcp6 = packet.tcp(os.urandom(900), GUEST6, PEER6, 5, 6)
    return [build(packet.ipv4(udp, GUEST, PEER, packet.UDP), vlans=tags),
            build(packet.ipv6(tcp6, GUEST6, PEER6, packet.TCP), vlans=tags),
            build(packet.arp("02:00:00:00:00:01", GUEST, PEER), packet.ETH_ARP, tags),
            build(os.urandom(300), 0x88B5, tags)]


class Vlan(SceneCase):
    def ways(self, scene):
        return (("metadata", scene.out, scene.from_guest), ("in band", scene.into, scene.from_host))

    def test_frames(self):
        scene = self.started()
        for checksum in ("complete", "as_is"):
            for length in LENGTHS:
                scene.reload(session(checksum=checksum, packet_length=length))
                for way, build, sender in self.ways(scene):
                    sent = {name: frames(build, tags) for name, tags in TAGS.items()}
                    flat = [frame for some in sent.values() for frame in some]
                    with self.subTest(way=way, checksum=checksum, packet_length=length):
                        mirrored = scene.mirror(lambda f=flat, s=sender: s.send(*f), len(flat))
                        self.assertEqual(mirrored.inner(), [frame[:length or None] for frame in flat])
                        self.assertAll(mirrored.copies, lambda copy: not copy.outer.vlans, "no tag outside")

    def test_unfinished_checksums(self):
        """Finished at the right place behind the tags; what has one in its bytes, in the stage."""
        scene = self.started()
        for length in (0, 128):
            scene.reload(session(packet_length=length))
            for way, build, sender in self.ways(scene):
                sent = [frame for name, tags in TAGS.items() if name != "three" for frame in frames(build, tags)[:2]]
                with self.subTest(way=way, packet_length=length):
                    mirrored = scene.mirror(lambda f=sent, s=sender: [s.send_partial(frame) for frame in f], len(sent))
                    self.assertEqual(mirrored.inner(), [frame[:length or None] for frame in sent])
                    tagged_in_bytes = [frame for frame in sent if len(packet.parse(frame).vlans) > (way == "metadata")]
                    self.assertEqual(mirrored.added["staged"], len(tagged_in_bytes))

    def test_super_packets(self):
        scene = self.started()
        for checksum in ("complete", "as_is"):
            for length in (0, 128):
                scene.reload(session(checksum=checksum, packet_length=length))
                for way, build, sender in self.ways(scene):
                    for name in SUPER_TAGS:
                        for frame in self.supers(build, TAGS[name]):
                            with self.subTest(way=way, checksum=checksum, packet_length=length, tags=name):
                                self.super_packet(scene, sender, frame, length)

    def supers(self, build, tags):
        tcp4 = packet.tcp(os.urandom(9000), GUEST, PEER, 5, 6, "PA")
        tcp6 = packet.tcp(os.urandom(9000), GUEST6, PEER6, 5, 6, "PA")
        return (build(packet.ipv4(tcp4, GUEST, PEER, packet.TCP), vlans=tags),
                build(packet.ipv6(tcp6, GUEST6, PEER6, packet.TCP), vlans=tags))

    def super_packet(self, scene, sender, frame, length):
        wire = segments(frame, GSO)
        mirrored = scene.mirror(lambda: sender.send_super(frame, GSO), len(wire))
        self.assertEqual(mirrored.inner(), [one[:length or None] for one in wire])
        self.assertEqual(mirrored.added["matched_bytes"], sum(map(len, wire)))

    def test_fit_counts_the_tags(self):
        """The tags that are rebuilt inside take their part of the path MTU."""
        scene = self.started(scene={"uplink_mtu": 1000})
        room = 1000 - 36
        for way, build, sender in self.ways(scene):
            for name, tags in TAGS.items():
                exact = build(packet.ipv4(packet.udp(bytes(room - 42 - 4 * len(tags)), GUEST, PEER, 5, 6), GUEST, PEER,
                                          packet.UDP), vlans=tags)
                longer = build(packet.ipv4(packet.udp(bytes(room - 41 - 4 * len(tags)), GUEST, PEER, 5, 6), GUEST, PEER,
                                           packet.UDP), vlans=tags)
                with self.subTest(way=way, tags=name):
                    mirrored = scene.mirror(lambda s=sender, f=(exact, longer): s.send(*f), 2)
                    self.assertEqual(mirrored.inner(), [exact, longer[:room]])
                    self.assertEqual(mirrored.added["cut_to_fit"], 1)


class VlanClsact(Vlan):
    hook = "clsact"


main()
