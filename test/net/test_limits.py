# SPDX-License-Identifier: Apache-2.0
"""Sampling by chance and by flow, and rate limits that all CPUs share."""

import math
import multiprocessing
import os
import time

import packet
from case import SMALL, main
from lab import wait_until
from scene import GUEST, GUEST6, PEER, PEER6, SceneCase, session
from traffic import RawSender

SIGMAS = 6


def between(test, value, count, probability, what):
    """Within 6 sigma of a binomial distribution: wrong by chance once in 500 million runs."""
    mean, sigma = count * probability, math.sqrt(count * probability * (1 - probability))
    test.assertTrue(abs(value - mean) <= SIGMAS * sigma, f"{what}: {value} of {count}, expected {mean} +- {SIGMAS} * {sigma:.1f}")


class Sampling(SceneCase):
    hook = "auto"

    def test_packets(self):
        scene = self.started()
        count = 2000 if SMALL else 20000
        frame = scene.out(packet.ipv4(packet.udp(b"x" * 60, GUEST, PEER, 1, 2), GUEST, PEER, packet.UDP))
        for one_in in (2, 10, 100):
            scene.reload(session(sample={"packets": one_in}))
            mirrored = scene.mirror(lambda: scene.from_guest.send(*[frame] * count), count, timeout_s=30)
            between(self, mirrored.added["mirrored_packets"], count, 1 / one_in, f"1 in {one_in}")
            self.assertEqual(mirrored.added["sampled_out"], count - mirrored.added["mirrored_packets"])

    def flows(self, scene, count):
        """(packets of one flow: sender and frame) of that many flows, both directions, both IP versions."""
        for number in range(count):
            layer3, one, other = ((packet.ipv4, GUEST, PEER), (packet.ipv6, GUEST6, PEER6))[number % 2]
            there = scene.out(layer3(packet.udp(b"there", one, other, 1024 + number, 53), one, other, packet.UDP))
            back = scene.into(layer3(packet.udp(b"back", other, one, 53, 1024 + number), other, one, packet.UDP))
            yield [(scene.from_guest, there), (scene.from_host, back)] * 2

    def test_flows(self):
        """All packets of a conversation or none, in both directions."""
        scene = self.started()
        count = 200 if SMALL else 2000
        flows = list(self.flows(scene, count))
        for one_in in (2, 10):
            scene.reload(session(sample={"flows": one_in}))
            mirrored = scene.mirror(lambda: [sender.send(frame) for flow in flows for sender, frame in flow], 4 * count,
                                    timeout_s=30)
            seen = {}
            for inner in mirrored.inner():
                parsed = packet.parse(inner)
                ports = (parsed.version, max(parsed.sport, parsed.dport))
                seen[ports] = seen.get(ports, 0) + 1
            self.assertEqual(set(seen.values()), {4})
            between(self, len(seen), count, 1 / one_in, f"1 in {one_in} flows")

    def test_super_packets_count_as_what_they_become(self):
        scene = self.started(session(sample={"packets": 2}))
        count = 200 if SMALL else 2000
        frame = scene.out(packet.ipv4(packet.tcp(os.urandom(4200), GUEST, PEER, 5, 6, "PA"), GUEST, PEER, packet.TCP))
        mirrored = scene.mirror(lambda: [scene.from_guest.send_super(frame, 1400) for _ in range(count)], 3 * count,
                                timeout_s=30)
        self.assertEqual(mirrored.added["mirrored_packets"] % 3, 0)
        between(self, mirrored.added["mirrored_packets"] // 3, count, 1 / 2, "super-packets")


def flood(namespace, device, cpu, frame, gso_size, ready):
    """Sends one frame as fast as it can on one CPU until it is killed."""
    os.sched_setaffinity(0, {cpu})
    with RawSender(namespace, device) as sender:
        ready.set()
        while True:
            if gso_size:
                sender.send_super(frame, gso_size)
            else:
                sender.send(frame)


class Limits(SceneCase):
    """What is mirrored is at most 2 % off the limit, with senders on two CPUs."""
    hook = "auto"
    SECONDS = 3

    def senders(self, scene, frame, gso_size=0):
        cpus = sorted(os.sched_getaffinity(0))
        for number in range(2):
            ready = multiprocessing.Event()
            process = multiprocessing.Process(target=flood, daemon=True,
                                              args=(scene.guest, "eth0", cpus[number % len(cpus)], frame, gso_size, ready))
            process.start()
            self.addCleanup(process.join)
            self.addCleanup(process.kill)
            self.assertTrue(ready.wait(10))

    def measure(self, scene):
        """What was added to the counters, per second of the time between."""
        def sample():
            before = time.monotonic()
            total = scene.agent.status()["sessions"][0]["total"]
            return (before + time.monotonic()) / 2, total
        wait_until(lambda: sample()[1]["lost_limited"] > 0, 10, "the limit to be reached")
        start_s, start = sample()
        wait_until(lambda: time.monotonic() > start_s + self.SECONDS, 2 * self.SECONDS, "the end of the measurement")
        end_s, end = sample()
        return {name: (end[name] - start[name]) / (end_s - start_s) for name in end}

    def run_with(self, limit, frame_of, counter, wanted, gso_size=0, grain=0, **keys):
        """grain: what one packet of the guest adds to the counter, where that is much."""
        scene = self.started(session(limit=limit, **keys))
        self.senders(scene, frame_of(scene), gso_size)
        rates = self.measure(scene)
        self.assertGreater(rates["matched_packets"], 1.5 * rates["mirrored_packets"], "offered well above the limit")
        self.assertLessEqual(abs(rates[counter] - wanted), 0.02 * wanted + grain / self.SECONDS, rates[counter])
        self.assertEqual(scene.agent.status()["sessions"][0]["total"]["lost_queue"], 0)

    def udp(self, size):
        return lambda scene: scene.out(packet.ipv4(packet.udp(os.urandom(size - 42), GUEST, PEER, 1, 2), GUEST, PEER, packet.UDP))

    def test_packets(self):
        rate = 200 if SMALL else 5000
        self.run_with({"packets_per_second": rate}, self.udp(100), "mirrored_packets", rate)

    def test_bits(self):
        """Bits of the copies: cut, and with their outer headers."""
        rate = 400_000 if SMALL else 8_000_000
        self.run_with({"bits_per_second": rate}, self.udp(1000), "mirrored_bytes", rate / 8, packet_length=200)

    def test_both(self):
        """The stricter one decides."""
        rate = 200 if SMALL else 3000
        self.run_with({"packets_per_second": rate, "bits_per_second": 10**9}, self.udp(100), "mirrored_packets", rate)

    def test_super_packets(self):
        """Each counts as the packets that it becomes; one larger than the burst passes, and those behind it wait."""
        rate = 100 if SMALL else 600

        def frame_of(scene):
            return scene.out(packet.ipv4(packet.tcp(os.urandom(60 * 1000), GUEST, PEER, 5, 6, "PA"), GUEST, PEER, packet.TCP))
        self.run_with({"packets_per_second": rate}, frame_of, "mirrored_packets", rate, 1000, 60)


main()
